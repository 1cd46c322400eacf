//! Each body over its corpus: what once broke it, and what leads deep into it.

#![expect(clippy::print_stdout, reason = "a failed test prints its bytes")]

use std::env;
use std::fs;
use std::path::Path;

use skep_fuzz::BODIES;

/// How many variations of its corpus each body gets; `SKEP_FUZZ_ROUNDS` says otherwise, and `SKEP_FUZZ_FROM` with which
/// they begin. Without a look at what they reach they find less than a fuzzer, and need no compiler of their own.
const ROUNDS: u64 = 300;

/// The next number of a row that begins anywhere (xorshift64*, Vigna 2016).
fn next(state: &mut u64) -> usize {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize
}

/// One of them with some bytes changed, added, removed or repeated.
fn varied(corpus: &[Vec<u8>], random: &mut u64) -> Vec<u8> {
    let mut bytes = corpus[next(random) % corpus.len()].clone();
    for _ in 0..1 + next(random) % 8 {
        let place = next(random) % (bytes.len() + 1);
        let byte = next(random) as u8;
        match next(random) % 6 {
            0 if place < bytes.len() => bytes[place] ^= 1 << (byte % 8),
            1 if place < bytes.len() => bytes[place] = byte,
            2 => bytes.insert(place, byte),
            3 => bytes.truncate(place),
            4 => bytes.extend_from_within(place..),
            _ => bytes.extend((0..byte % 64).map(|_| next(random) as u8)),
        }
        bytes.truncate(4096);
    }
    bytes
}

#[test]
fn variations_of_the_corpus_break_nothing() {
    let number = |name| env::var(name).ok().and_then(|text| text.parse().ok());
    let rounds: u64 = number("SKEP_FUZZ_ROUNDS").unwrap_or(ROUNDS);
    let from: u64 = number("SKEP_FUZZ_FROM").unwrap_or(0);
    let only = env::var("SKEP_FUZZ_TARGET").ok();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, body) in BODIES.iter().filter(|(name, _)| only.as_ref().is_none_or(|only| only == name)) {
        let files = fs::read_dir(corpus.join(name)).expect("it is in the repository");
        let mut paths: Vec<_> = files.map(|file| file.expect("a directory can be read").path()).collect();
        paths.sort();
        let read = |path: &std::path::PathBuf| fs::read(path).expect("a file can be read");
        let files: Vec<Vec<u8>> = paths.iter().map(read).collect();
        for round in from..from + rounds {
            let mut random = (round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let bytes = varied(&files, &mut random);
            if let Err(why) = std::panic::catch_unwind(|| body(&bytes)) {
                println!("{name}, round {round}, breaks by {bytes:?}");
                std::panic::resume_unwind(why);
            }
        }
        println!("{name}: {rounds} from {from}");
    }
}

#[test]
fn the_corpus_breaks_nothing() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, body) in BODIES {
        let files = fs::read_dir(corpus.join(name)).unwrap_or_else(|error| panic!("corpus/{name}: {error}"));
        let mut count = 0;
        for file in files {
            let path = file.expect("a directory can be read").path();
            println!("{}", path.display()); // the last one of a test that fails
            body(&fs::read(&path).expect("a file can be read"));
            count += 1;
        }
        assert!(count > 0, "corpus/{name} is empty");
    }
}

#[test]
fn each_body_has_a_target() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets/fuzz_targets");
    let mut found: Vec<String> = fs::read_dir(targets)
        .expect("it is in the repository")
        .map(|file| {
            file.expect("a directory can be read").path().file_stem().expect("a name").display().to_string()
        })
        .filter(|name| cfg!(feature = "servers") || BODIES.iter().any(|(body, _)| body == name))
        .collect();
    found.sort();
    let mut expected: Vec<&str> = BODIES.iter().map(|&(name, _)| name).collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
}
