//! Postgres against Postgres: nodes meet in a table, hear of each other at once, and outlive the server.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use skep_core::event::{Observation, SourceFault};
use skep_discovery::Postgres;

use super::looking::Looking;
use super::restarts::{Place, outlive};
use super::scratch::Scratch;
use super::servant::{Servant, free_port};

const PASSWORD: &str = "a good password";
const CERTIFICATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/certificates");

/// A server with a directory and a port of its own, run by a user who may, which root may not.
struct Server {
    programs: PathBuf,
    place: Scratch,
    user: Option<(u32, u32)>,
    port: u16,
}

impl Server {
    /// `None`, after a line that says why, where it is not installed.
    fn make() -> Option<Self> {
        let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let programs =
            installed.map(|version| version.path().join("bin")).find(|it| it.join("initdb").exists());
        let Some(programs) = programs else {
            // Not by a macro that tests capture: ci.sh shows it.
            let _ = writeln!(io::stderr(), "skipped: postgresql is not installed");
            return None;
        };
        let user = (number("-u", None) == Some(0)).then(|| {
            let of = |what| number(what, Some("postgres")).expect("the package makes the user");
            (of("-u"), of("-g"))
        });
        let server = Self { programs, place: Scratch::new("postgres"), user, port: free_port() };
        server.file("password", PASSWORD.as_bytes());
        for name in ["server.pem", "server.key"] {
            server
                .file(name, &fs::read(Path::new(CERTIFICATES).join(name)).expect("it is in the repository"));
        }
        if let Some((user, group)) = server.user {
            chown(server.place.path(), Some(user), Some(group)).expect("root may");
        }
        let mut initdb = server.command("initdb");
        initdb.arg("--pgdata").arg(server.place.path().join("data"));
        initdb.arg("--pwfile").arg(server.place.path().join("password"));
        initdb.args([
            "--username=orders",
            "--auth=scram-sha-256",
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C",
        ]);
        let made = initdb.output().expect("it is there");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Some(server)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(self.place.path());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    fn file(&self, name: &str, bytes: &[u8]) {
        let path = self.place.path().join(name);
        fs::write(&path, bytes).expect("writable");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("ours");
        if let Some((user, group)) = self.user {
            chown(path, Some(user), Some(group)).expect("root may");
        }
    }

    fn run(&self) -> Servant {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.place.path().join("data")).args(["-p", &self.port.to_string(), "-k", ""]);
        for setting in ["listen_addresses=127.0.0.1", "fsync=off", "ssl=on"] {
            command.args(["-c", setting]);
        }
        for (setting, name) in [("ssl_cert_file", "server.pem"), ("ssl_key_file", "server.key")] {
            command.arg("-c").arg(format!("{setting}={}", self.place.path().join(name).display()));
        }
        Servant::start(&mut command).expect("it is installed")
    }

    /// Says this in SQL.
    fn say(&self, sql: &str) {
        let mut psql = self.command("psql");
        psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--command", sql, &self.url()]);
        let said = psql.env("PGPASSWORD", PASSWORD).output().expect("it is there");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    }

    fn url(&self) -> String {
        format!("postgres://orders@localhost:{}/postgres", self.port)
    }

    fn source(&self, url: &str) -> Postgres {
        Postgres::at(url).password_file(self.place.path().join("password"))
    }

    fn quick(&self) -> Postgres {
        self.source(&self.url()).every(Duration::from_millis(200)).lease(Duration::from_secs(3))
    }
}

fn number(what: &str, user: Option<&str>) -> Option<u32> {
    let told = Command::new("id").arg(what).args(user).output().ok()?;
    String::from_utf8(told.stdout).ok()?.trim().parse().ok()
}

#[test]
fn nodes_meet_in_a_table_again_after_the_server_was_killed_and_a_row_ends_with_its_lease() {
    let Some(server) = Server::make() else { return };
    let first = server.run();
    let (one, two) = (Looking::of(server.quick(), 1), Looking::of(server.quick(), 2));
    one.until_peers(&["10.9.0.2:7000"]);
    two.until_peers(&["10.9.0.1:7000"]);
    first.end("QUIT"); // at once: its own processes end with it, or it could not start again
    one.until_failed(SourceFault::Transient, "Postgres");
    let _second = server.run();
    one.until_peers(&["10.9.0.2:7000"]);
    drop(two);
    one.until_peers(&[]);
    server.say(
        "insert into skep_peers (cluster, life, node, address, expires) values
            ('orders', '9', 'dead', '10.9.0.9:7000', now() + interval '2 seconds'),
            ('others', '8', 'other', '10.9.0.8:7000', now() + interval '1 hour')",
    );
    one.until_peers(&["10.9.0.9:7000"]);
    one.until_peers(&[]);
    server.say("insert into skep_peers values ('orders', '7', 'bad', 'nowhere', now() + interval '1 hour')");
    one.until_failed(SourceFault::Transient, "'nowhere' is no address");
}

#[test]
fn nodes_stay_members_while_postgres_is_away_and_find_who_starts_when_it_is_back() {
    let Some(server) = Server::make() else { return };
    let end = |running: Servant| running.end("QUIT");
    outlive(["a", "b", "c"].map(Place::anywhere), || server.quick(), server.run(), end, || server.run());
}

#[test]
fn who_comes_or_goes_is_notified_to_those_who_would_not_look_for_long() {
    let Some(server) = Server::make() else { return };
    let _running = server.run();
    let slow = || {
        let encrypted = server.source(&server.url()).ca_file(format!("{CERTIFICATES}/authority.pem"));
        encrypted.every(Duration::from_secs(600)).lease(Duration::from_secs(3600)).table("a \"table\"")
    };
    let one = Looking::of(slow(), 1);
    one.until_peers(&[]);
    let two = Looking::of(slow(), 2);
    two.until_peers(&["10.9.0.1:7000"]);
    one.until_peers(&["10.9.0.2:7000"]);
    drop(two);
    one.until_peers(&[]);
}

#[test]
fn each_failure_is_told_by_whose_fault_it_is() {
    let Some(server) = Server::make() else { return };
    let _running = server.run();
    let there = Looking::of(server.quick(), 1); // and so the server is there
    there.until("it is there", |said| *said == Observation::all([]));
    server.file("wrong", b"a bad password");
    let url = server.url();
    let wrong = Postgres::at(&url).password_file(server.place.path().join("wrong"));
    Looking::of(wrong, 2).until_failed(SourceFault::Auth, "password authentication failed");
    Looking::of(Postgres::at(&url), 2).until_failed(SourceFault::Config, "password missing");
    let elsewhere = server.source(&url.replace("/postgres", "/nowhere"));
    Looking::of(elsewhere, 2).until_failed(SourceFault::Config, "\"nowhere\" does not exist");
    Looking::of(server.source("postgres://x:y:z"), 2)
        .until_failed(SourceFault::Config, "the URL of Postgres");
    let unchecked = server.source(&format!("{url}?sslmode=require"));
    Looking::of(unchecked, 2).until_failed(SourceFault::Config, "needs a CA file");
    let stranger = server.source(&url).ca_file(format!("{CERTIFICATES}/stranger.pem"));
    Looking::of(stranger, 2).until_failed(SourceFault::Transient, "certificate");
    server.say("create role guest login password 'a good password'");
    let guest = server.source(&url.replace("orders@", "guest@"));
    Looking::of(guest, 2).until_failed(SourceFault::Auth, "permission denied");
}
