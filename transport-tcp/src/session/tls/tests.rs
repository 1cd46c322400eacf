//! TLS on a desk: whose certificate is good for whom, and files that are of no use.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use skep::core::error::Refusal;
use skep::core::wire::Hello;
use skep::secret::SecretError;
use skep::transport::CertificateError;

use super::{PREAMBLE, Tls, TlsFiles};
use crate::session::party::{self, Outcome, Party, hello};
use crate::session::{SessionError, Side};

const FOUND: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/certificates");

/// A node's three files, in a directory that is removed with them.
struct Place(PathBuf);

impl Place {
    /// With the certificate in `node`, trusting `authority`.
    fn new(node: &str, authority: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let place = Self(std::env::temp_dir().join(format!("skep-tls-{}-{number}", std::process::id())));
        fs::create_dir(&place.0).expect("a fresh directory");
        place.put(node, authority);
        place
    }

    /// Each in one step, as whoever rotates them should.
    fn put(&self, node: &str, authority: &str) {
        let files = self.files();
        for (from, to) in [
            (format!("{node}.pem"), files.certificate),
            (format!("{node}.key"), files.key),
            (format!("{authority}.pem"), files.authorities),
        ] {
            write(&to, &fs::read(Path::new(FOUND).join(from)).expect("checked in"));
        }
    }

    fn files(&self) -> TlsFiles {
        let file = |name| self.0.join(name);
        TlsFiles { certificate: file("cert.pem"), key: file("key.pem"), authorities: file("ca.pem") }
    }

    fn sessions(&self) -> Tls {
        Tls::new(self.files()).expect("good files")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A leftover in the directory for temporary files harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn write(path: &Path, bytes: &[u8]) {
    let aside = path.with_extension("aside");
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside).expect("writable");
    file.write_all(bytes).expect("writable");
    fs::rename(&aside, path).expect("writable");
}

fn meet(dialler: (&Tls, &Hello), acceptor: (&Tls, &Hello), piece: usize) -> [Outcome; 2] {
    let mut parties =
        [Party::new(dialler.0, Side::Dialler, dialler.1), Party::new(acceptor.0, Side::Acceptor, acceptor.1)];
    party::converse(&mut parties, piece);
    parties.map(|party| party.outcome)
}

const ADMITTED: fn() -> [Outcome; 2] = || [Some(Ok(hello("b", 18))), Some(Ok(hello("a", 17)))];

#[test]
fn nodes_with_their_own_certificates_admit_each_other_however_the_bytes_are_cut() {
    let (a, b) = (Place::new("a", "ours"), Place::new("b", "ours"));
    let (a, b) = (a.sessions(), b.sessions());
    for piece in [1, 100, usize::MAX] {
        assert_eq!(
            meet((&a, &hello("a", 17)), (&b, &hello("b", 18)), piece),
            ADMITTED(),
            "pieces of {piece}"
        );
    }
}

#[test]
fn a_certificate_of_another_authority_is_refused_by_either_side() {
    let (a, b) = (Place::new("a", "ours"), Place::new("b-theirs", "ours"));
    let (a, b) = (a.sessions(), b.sessions());
    let [dialler, acceptor] = meet((&a, &hello("a", 17)), (&b, &hello("b", 18)), usize::MAX);
    assert_eq!(dialler, Some(Err(SessionError::NotTrusted)));
    assert_eq!(acceptor, Some(Err(SessionError::NotTrustedByPeer)));
    let [dialler, acceptor] = meet((&b, &hello("b", 18)), (&a, &hello("a", 17)), usize::MAX);
    assert_eq!(dialler, Some(Err(SessionError::NotTrustedByPeer)));
    assert_eq!(acceptor, Some(Err(SessionError::NotTrusted)));
}

#[test]
fn a_good_certificate_is_good_for_its_own_name_only() {
    let (a, b) = (Place::new("a", "ours"), Place::new("b", "ours"));
    let (a, b) = (a.sessions(), b.sessions());
    let refused = [
        Some(Err(SessionError::RefusedByPeer(Refusal::NotTrusted))),
        Some(Err(SessionError::Refused(Refusal::NotTrusted))),
    ];
    assert_eq!(meet((&a, &hello("c", 17)), (&b, &hello("b", 18)), usize::MAX), refused);
    let [dialler, acceptor] = meet((&a, &hello("a", 17)), (&b, &hello("c", 18)), usize::MAX);
    assert_eq!([acceptor, dialler], refused);
    // A name that no certificate can carry.
    assert_eq!(meet((&a, &hello("a b", 17)), (&b, &hello("b", 18)), usize::MAX), refused);
}

#[test]
fn a_flipped_bit_is_refused_or_makes_no_difference() {
    let (a, b) = (Place::new("a", "ours"), Place::new("b", "ours"));
    let (a, b) = (a.sessions(), b.sessions());
    let begin =
        || [Party::new(&a, Side::Dialler, &hello("a", 17)), Party::new(&b, Side::Acceptor, &hello("b", 18))];
    let lengths = party::converse(&mut begin(), usize::MAX).map(|said| said.len());
    let mut harmless = 0;
    for (listener, honest) in [(0, hello("b", 18)), (1, hello("a", 17))] {
        for at in (0..lengths[1 - listener]).step_by(3) {
            let mut parties = begin();
            let mut heard = 0;
            while parties.iter().any(|party| !party.said.is_empty()) {
                for from in [0, 1] {
                    let mut said = std::mem::take(&mut parties[from].said);
                    if 1 - from == listener {
                        if let Some(byte) = at.checked_sub(heard).and_then(|at| said.get_mut(at)) {
                            *byte ^= 1 << (at % 8);
                        }
                        heard += said.len();
                    }
                    if parties[1 - from].outcome.is_none() {
                        parties[1 - from].hear(&said);
                    }
                }
            }
            if let Some(Ok(peer)) = &parties[listener].outcome {
                assert_eq!(*peer, honest, "bit {} of byte {at} to {listener}", at % 8);
                harmless += 1;
            }
        }
    }
    // TLS 1.3 ignores the version in the header of a plain record, and a message that older middleboxes expect.
    assert!(harmless < 10, "{harmless} flipped bits went unnoticed");
}

#[test]
fn random_bytes_behind_a_good_preamble_are_never_admitted() {
    let place = Place::new("a", "ours");
    let sessions = place.sessions();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64; // xorshift64: Marsaglia, 2003
    for round in 0..500 {
        let mut stream = PREAMBLE.to_vec();
        let length = round % 200;
        stream.extend((length as u16).to_le_bytes());
        for _ in 0..length {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            stream.push(state as u8);
        }
        for side in [Side::Dialler, Side::Acceptor] {
            let mut party = Party::new(&sessions, side, &hello("a", 17));
            party.hear(&stream);
            assert!(!matches!(party.outcome, Some(Ok(_))), "{side:?} {stream:?}");
        }
    }
}

#[test]
fn what_was_recorded_leads_nowhere_when_it_is_played_again() {
    let (a, b) = (Place::new("a", "ours"), Place::new("b", "ours"));
    let (a, b) = (a.sessions(), b.sessions());
    let mut parties =
        [Party::new(&a, Side::Dialler, &hello("a", 17)), Party::new(&b, Side::Acceptor, &hello("b", 18))];
    let [recorded, _] = party::converse(&mut parties, usize::MAX);
    let mut later = Party::new(&b, Side::Acceptor, &hello("b", 18));
    later.hear(&recorded);
    assert!(matches!(later.outcome, Some(Err(_))), "{:?}", later.outcome);
}

#[test]
fn frames_pass_both_ways() {
    let (a, b) = (Place::new("a", "ours"), Place::new("b", "ours"));
    let mut parties = [
        Party::new(&a.sessions(), Side::Dialler, &hello("a", 17)),
        Party::new(&b.sessions(), Side::Acceptor, &hello("b", 18)),
    ];
    party::converse(&mut parties, usize::MAX);
    let [(mut from_a, mut at_a), (mut from_b, mut at_b)] =
        parties.map(|party| party.halves.expect("through"));
    for frames in [&b"frames"[..], &[7; 200_000]] {
        for (sealer, opener) in [(&mut from_a, &mut at_b), (&mut from_b, &mut at_a)] {
            let sealed = sealer.seal(frames).expect("sealed");
            assert!(opener.open(sealed) == Ok(frames));
        }
    }
}

#[test]
fn changed_files_are_read_again_and_a_bad_change_changes_nothing() {
    let (a, b) = (Place::new("a", "ours"), Place::new("b", "ours"));
    let (dialler, acceptor) = (a.sessions(), b.sessions());
    let meet = || meet((&dialler, &hello("a", 17)), (&acceptor, &hello("b", 18)), usize::MAX);
    assert_eq!(meet(), ADMITTED());
    a.put("a-theirs", "theirs");
    assert_ne!(meet(), ADMITTED(), "one side has moved on");
    b.put("b-theirs", "theirs");
    assert_eq!(meet(), ADMITTED(), "both have");
    write(&a.files().key, b"no key");
    assert_eq!(meet(), ADMITTED(), "the former ones stay");
    fs::remove_file(a.files().certificate).expect("there");
    assert_eq!(meet(), ADMITTED(), "the former ones stay");
}

#[test]
fn each_file_that_is_of_no_use_is_named_and_there_is_no_transport() {
    let place = Place::new("a", "ours");
    let files = place.files();
    let TlsFiles { certificate, key, authorities } = files.clone();
    let missing = |path: &PathBuf| {
        CertificateError::File(SecretError::NotRead { path: path.clone(), kind: ErrorKind::NotFound })
    };
    for (path, none) in [
        (&certificate, CertificateError::NoCertificate { path: certificate.clone() }),
        (&key, CertificateError::NoKey { path: key.clone() }),
        (&authorities, CertificateError::NoCertificate { path: authorities.clone() }),
    ] {
        fs::remove_file(path).expect("there");
        assert_eq!(Tls::new(files.clone()).expect_err("missing"), missing(path));
        write(path, b"no PEM");
        assert_eq!(Tls::new(files.clone()).expect_err("empty"), none);
        place.put("a", "ours");
    }
    write(&key, &fs::read(Path::new(FOUND).join("b.key")).expect("checked in"));
    assert_eq!(
        Tls::new(files.clone()).expect_err("another's key"),
        CertificateError::OtherKey { path: key.clone() }
    );
    place.put("a", "ours");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).expect("ours");
    assert_eq!(
        Tls::new(files).expect_err("open to others"),
        CertificateError::File(SecretError::OpenToOthers { path: key, mode: 0o644 })
    );
}
