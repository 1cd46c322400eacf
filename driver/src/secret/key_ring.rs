//! The secrets in use: where they come from, and their change while the node runs.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{info, warn};
use zeroize::Zeroizing;

use super::read::{self, Stamp};
use super::{Key, Secret, SecretError};
#[cfg(unix)]
use crate::run_directory;

/// The most secrets in a ring. Each costs a handshake that no secret fits a few microseconds.
pub const MAX_SECRETS: usize = 4;

/// The secrets that a node uses: it speaks with the first and understands each. Never empty. A clone is the same
/// ring. `Debug` shows where they come from, and no secret.
#[derive(Clone)]
pub struct KeyRing {
    path: Option<Arc<Path>>,
    state: Arc<Mutex<State>>,
}

struct State {
    secrets: Arc<[Secret]>,
    /// The state of the file that was looked at last, be it good or not.
    seen: Option<Stamp>,
}

impl KeyRing {
    /// These secrets, for as long as the node runs.
    ///
    /// # Errors
    /// There is none, or there are more than [`MAX_SECRETS`].
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Result<Self, SecretError> {
        let secrets: Vec<_> = secrets.into_iter().take(MAX_SECRETS + 1).collect();
        match secrets.len() {
            0 => Err(SecretError::None),
            1..=MAX_SECRETS => Ok(Self::holding(secrets, None)),
            _ => Err(SecretError::TooMany),
        }
    }

    /// The secrets in a file, one on each line; empty lines, and those that begin with `#`, are skipped. Only its
    /// owner may be able to read it (0600). It is read again when it has changed; a change that cannot be used is
    /// told in the log and changes nothing.
    ///
    /// # Errors
    /// [`SecretError`] says what is wrong with the file or with what is in it.
    pub fn file(path: impl Into<PathBuf>) -> Result<Self, SecretError> {
        let path = path.into();
        let (secrets, stamp) = read::read(&path)?;
        Ok(Self::holding(secrets, Some((path, stamp))))
    }

    /// What the environment says: the file that `SKEP_SECRET_FILE` names, else the secrets in `SKEP_SECRET`, else
    /// [`KeyRing::of_this_host`].
    ///
    /// # Errors
    /// [`SecretError`], also for a variable that is set and of no use: the next source is not tried then.
    pub fn from_environment() -> Result<Self, SecretError> {
        if let Some(path) = env::var_os("SKEP_SECRET_FILE") {
            return Self::file(path);
        }
        match env::var_os("SKEP_SECRET") {
            Some(text) => {
                let text = Zeroizing::new(text.into_string().unwrap_or_default()); // then it is no secret either
                Ok(Self::holding(read::parse(&text)?, None))
            }
            None => Self::of_this_host(),
        }
    }

    /// The secret that all nodes of this user on this host share: 256 random bits in a file of mode 0600, made by
    /// whichever node needs it first, in the directory that only this user can enter.
    ///
    /// # Errors
    /// [`SecretError`], where that directory or that file cannot be trusted or made.
    #[cfg(unix)]
    pub fn of_this_host() -> Result<Self, SecretError> {
        Self::of_directory(&run_directory::base())
    }

    /// There is no run directory on this system.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(unix))]
    pub fn of_this_host() -> Result<Self, SecretError> {
        Err(SecretError::NoRunDirectory)
    }

    #[cfg(unix)]
    fn of_directory(directory: &Path) -> Result<Self, SecretError> {
        run_directory::prepare(&[directory.into()]).map_err(SecretError::RunDirectory)?;
        let path = directory.join(".secret"); // no cluster's directory begins with a dot
        if Stamp::at(&path).is_none() {
            read::make(&path)?;
        }
        Self::file(path)
    }

    fn holding(secrets: Vec<Secret>, file: Option<(PathBuf, Stamp)>) -> Self {
        let (path, seen) = file.unzip();
        let state = State { secrets: secrets.into(), seen };
        Self { path: path.map(Into::into), state: Arc::new(Mutex::new(state)) }
    }

    /// The secrets, the one to speak with first. Looks whether their file has changed: one call to the system for
    /// each handshake.
    pub fn secrets(&self) -> Arc<[Secret]> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner); // each step is whole
        if let Some(path) = &self.path {
            state.look(path);
        }
        state.secrets.clone()
    }

    /// The keys for one purpose, the one to speak with first.
    pub fn keys(&self, purpose: &str) -> Vec<Key> {
        self.secrets().iter().map(|secret| secret.key(purpose)).collect()
    }
}

impl State {
    /// A file that is gone changes nothing: tidiers of `/tmp` take files away, and files are replaced in two steps.
    fn look(&mut self, path: &Path) {
        let Some(now) = Stamp::at(path) else { return };
        if self.seen.as_ref() == Some(&now) {
            return;
        }
        match read::read(path) {
            Ok((secrets, stamp)) => {
                info!(target: "skep", file = %path.display(), secrets = secrets.len(), "read changed secrets");
                (self.secrets, self.seen) = (secrets.into(), Some(stamp));
            }
            Err(error) => {
                warn!(target: "skep", %error, "the changed secrets are of no use, the former ones stay");
                self.seen = Some(now);
            }
        }
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::super::WeakSecret;
    use super::*;

    /// A directory of its own for each test, 0700, removed with it.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = env::temp_dir().join(format!("skep-secret-{}-{number}", std::process::id()));
            run_directory::prepare(std::slice::from_ref(&path)).expect("a fresh directory");
            Self(path)
        }

        fn write(&self, text: &str, mode: u32) -> PathBuf {
            let (path, aside) = (self.0.join("secrets"), self.0.join("aside"));
            fs::write(&aside, text).expect("writable");
            fs::set_permissions(&aside, Permissions::from_mode(mode)).expect("ours");
            fs::rename(&aside, &path).expect("writable");
            path
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            // A leftover in the directory for temporary files harms nobody.
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn text(number: usize) -> String {
        format!("{number:02}-0123456789abcdef0123456789abcdef")
    }

    fn keys(ring: &KeyRing) -> Vec<[u8; 32]> {
        ring.keys("test").iter().map(|key| *key.as_bytes()).collect()
    }

    fn expected(numbers: &[usize]) -> Vec<[u8; 32]> {
        let secret = |number| Secret::new(text(number)).expect("good");
        numbers.iter().map(|&number| *secret(number).key("test").as_bytes()).collect()
    }

    #[test]
    fn a_file_has_a_secret_on_each_line() {
        let place = Scratch::new();
        let path = place.write(&format!("# since May\n{}\n\n  {}\r\n", text(1), text(2)), 0o600);
        assert_eq!(keys(&KeyRing::file(path).expect("good")), expected(&[1, 2]));
    }

    #[test]
    fn each_bad_file_is_refused_by_its_fault() {
        let place = Scratch::new();
        let path = place.0.join("secrets");
        let in_file = |fault| SecretError::InFile { path: path.clone(), fault: Box::new(fault) };
        for (content, mode, fault) in [
            (text(1), 0o640, SecretError::OpenToOthers { path: path.clone(), mode: 0o640 }),
            (text(1), 0o604, SecretError::OpenToOthers { path: path.clone(), mode: 0o604 }),
            (String::new(), 0o600, in_file(SecretError::None)),
            ("# nothing\n".into(), 0o600, in_file(SecretError::None)),
            ((1..=5).map(|n| text(n) + "\n").collect(), 0o600, in_file(SecretError::TooMany)),
            (
                text(1) + "\nshort\n",
                0o600,
                in_file(SecretError::Weak { nth: 2, fault: WeakSecret::TooShort { length: 5 } }),
            ),
            ("x".repeat(5000), 0o600, SecretError::NoFileOfSecrets { path: path.clone() }),
        ] {
            place.write(&content, mode);
            assert_eq!(KeyRing::file(&path).expect_err("bad"), fault, "mode {mode:o}, {content:.20}");
        }
        assert_eq!(
            KeyRing::file(&place.0).expect_err("a directory"),
            SecretError::NoFileOfSecrets { path: place.0.clone() }
        );
        let nowhere = place.0.join("nowhere");
        let kind = std::io::ErrorKind::NotFound;
        assert_eq!(
            KeyRing::file(&nowhere).expect_err("missing"),
            SecretError::NotRead { path: nowhere.clone(), kind }
        );
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_bad_change_changes_nothing() {
        let place = Scratch::new();
        let path = place.write(&text(1), 0o600);
        let ring = KeyRing::file(&path).expect("good");
        place.write(&format!("{}\n{}", text(2), text(1)), 0o600);
        assert_eq!(keys(&ring), expected(&[2, 1]));
        place.write("weak", 0o600);
        assert_eq!(keys(&ring), expected(&[2, 1]));
        place.write(&text(3), 0o644);
        assert_eq!(keys(&ring), expected(&[2, 1]));
        fs::remove_file(&path).expect("ours");
        assert_eq!(keys(&ring), expected(&[2, 1]));
        place.write(&text(3), 0o600);
        assert_eq!(keys(&ring), expected(&[3]));
    }

    #[test]
    fn all_processes_of_a_host_get_the_same_secret_whoever_makes_it() {
        let place = Scratch::new();
        let rings: Vec<_> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8).map(|_| scope.spawn(|| KeyRing::of_directory(&place.0))).collect();
            makers.into_iter().map(|maker| maker.join().expect("no panic").expect("made")).collect()
        });
        assert!(rings.iter().all(|ring| keys(ring) == keys(&rings[0])));
        let left: Vec<_> =
            fs::read_dir(&place.0).expect("ours").map(|file| file.expect("ours").path()).collect();
        assert_eq!(left, [place.0.join(".secret")]);
        let mode = fs::metadata(&left[0]).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_secret_in_a_directory_open_to_others_is_not_used() {
        let place = Scratch::new();
        fs::set_permissions(&place.0, Permissions::from_mode(0o755)).expect("ours");
        let refused = KeyRing::of_directory(&place.0).expect_err("open");
        assert!(matches!(refused, SecretError::RunDirectory(_)), "{refused}");
    }

    #[test]
    fn nothing_shows_a_ring() {
        let ring = KeyRing::new([Secret::new(text(1)).expect("good")]).expect("one");
        assert_eq!(format!("{ring:?}"), "KeyRing { path: None, .. }");
    }
}
