//! The demo plays its scene and exits 0.

use std::process::Command;

#[test]
fn the_scene_is_played_and_told() {
    let played = Command::new(env!("CARGO_BIN_EXE_demo"))
        .env_remove("RUST_LOG")
        .output()
        .expect("the program is there");
    let told = String::from_utf8_lossy(&played.stdout);
    assert!(played.status.success(), "{told}{}", String::from_utf8_lossy(&played.stderr));
    for words in [
        "they found each other",
        "registered SingletonName on a",
        "registering it again on a: already registered on a",
        "registering it again on b: already registered on a",
        "starting SingletonName on a",
        "started SingletonName on a",
        "nodedown a",
        "topology change (nodedown for a)",
        "restarting SingletonName on b",
        "topology change complete",
        "kill to running again",
    ] {
        assert!(told.contains(words), "'{words}' was not told:\n{told}");
    }
}
