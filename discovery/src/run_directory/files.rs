//! The files of a run directory: put there in one step, locked by whoever lives, removed once nobody does.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::card::{Card, MAX_CARD};
use super::{MAX_FILES, RunDirectoryError, place};

/// Our own card, in the directory until this is dropped.
///
/// Its file is locked (`flock`) from before it can be seen until the process ends, however it ends: the kernel
/// gives the lock back, so whoever can take it knows that nobody lives behind that card. A stopped process
/// keeps its lock.
pub(super) struct Posted {
    path: PathBuf,
    _locked: File,
}

impl Posted {
    /// Writes the card aside, locks it, and moves it into place.
    pub(super) fn post(directory: &Path, card: &Card) -> Result<Self, RunDirectoryError> {
        let path = directory.join(file_name(card));
        let aside = path.with_extension(ASIDE);
        let not_written =
            |error: io::Error| RunDirectoryError::NotWritten { path: path.clone(), kind: error.kind() };
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside).map_err(not_written)?;
        let moved = file
            .lock()
            .and_then(|()| file.write_all(card.format().as_bytes()))
            .and_then(|()| fs::rename(&aside, &path));
        if let Err(error) = moved {
            remove(&aside);
            return Err(not_written(error));
        }
        Ok(Self { path, _locked: file })
    }

    /// Whether something took it away: tidiers of `/tmp` do.
    pub(super) fn is_gone(&self) -> bool {
        !self.path.exists()
    }
}

impl Drop for Posted {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// What one look found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Look {
    /// The cards of living processes, ours among them, in the order of their lives.
    pub(super) cards: Vec<Card>,
    /// Files that were no cards, and why: at most one is told.
    pub(super) bad: Option<String>,
    /// Files of dead processes that were removed.
    pub(super) removed: usize,
}

/// Reads the cards of all living processes, at most [`MAX_FILES`], and removes those of dead ones.
///
/// # Errors
/// If the directory itself cannot be trusted or read. A bad file only costs itself.
pub(super) fn look(directory: &Path) -> Result<Look, RunDirectoryError> {
    place::check(directory)?;
    let not_read =
        |error: io::Error| RunDirectoryError::NotRead { path: directory.into(), kind: error.kind() };
    let mut look = Look::default();
    for entry in fs::read_dir(directory).map_err(not_read)?.take(MAX_FILES) {
        let path = entry.map_err(not_read)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension {
            Some(NODE) => match read(&path) {
                Found::Alive(card) => look.cards.push(card),
                Found::Dead => {
                    remove(&path); // nobody can write this path again: it carries the life of the dead
                    look.removed += 1;
                }
                Found::Nothing => {}
                Found::Bad(why) => look.bad = Some(format!("{}: {why}", path.display())),
            },
            Some(ASIDE) if is_forgotten(&path) => {
                remove(&path);
                look.removed += 1;
            }
            _ => {}
        }
    }
    look.cards.sort_by_key(|card| card.life);
    Ok(look)
}

enum Found {
    Alive(Card),
    Dead,
    Nothing,
    Bad(String),
}

fn read(path: &Path) -> Found {
    // A pipe or a device of that name would block whoever opens it.
    if !fs::symlink_metadata(path).is_ok_and(|found| found.is_file()) {
        return Found::Nothing;
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Nothing,
        Err(error) => return Found::Bad(error.to_string()),
    };
    match file.try_lock_shared() {
        Ok(()) => return Found::Dead,
        // A file system without locks cannot say: the address will.
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
    }
    let mut bytes = Vec::new();
    if let Err(error) = file.take(MAX_CARD as u64 + 1).read_to_end(&mut bytes) {
        return Found::Bad(error.to_string());
    }
    match Card::parse(&bytes) {
        Ok(card) => Found::Alive(card),
        Err(bad) => Found::Bad(bad.to_string()),
    }
}

const NODE: &str = "node";
const ASIDE: &str = "aside";

/// A life and a process make a path that no later process can come to write.
fn file_name(card: &Card) -> String {
    format!("{}-{}.{NODE}", card.life, std::process::id())
}

/// A file that was being written when its process died: locked by nobody, and old, because between its making
/// and its locking it is unlocked too.
fn is_forgotten(path: &Path) -> bool {
    let old = fs::symlink_metadata(path)
        .and_then(|found| found.modified())
        .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > Duration::from_secs(60)));
    old && File::open(path).is_ok_and(|file| file.try_lock_shared().is_ok())
}

fn remove(path: &Path) {
    // Another process may have been faster, and what stays is looked at again.
    let _ = fs::remove_file(path);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use skep_core::id::{Address, Life};

    use super::*;
    use crate::scratch::Scratch;

    fn card(life: u64) -> Card {
        Card { life: Life(life), address: Address::new(format!("127.0.0.1:{life}")).expect("a good address") }
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("readable");
        entries.map(|entry| entry.expect("readable").file_name().into_string().expect("text")).collect()
    }

    #[test]
    fn posted_cards_are_seen_until_they_are_dropped() {
        let place = Scratch::new();
        let (one, two) = (Posted::post(place.path(), &card(1)), Posted::post(place.path(), &card(2)));
        let (one, two) = (one.expect("posted"), two.expect("posted"));
        assert_eq!(look(place.path()).expect("readable").cards, [card(1), card(2)]);
        let mode = fs::metadata(&one.path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(one);
        assert_eq!(look(place.path()).expect("readable").cards, [card(2)]);
        drop(two);
        assert_eq!(names(place.path()), Vec::<String>::new());
    }

    #[test]
    fn the_card_of_a_dead_process_is_removed_and_not_told() {
        let place = Scratch::new();
        let living = Posted::post(place.path(), &card(1)).expect("posted");
        let dead = place.path().join("7-999.node");
        fs::write(&dead, card(7).format()).expect("writable"); // locked by nobody, as after SIGKILL
        let found = look(place.path()).expect("readable");
        assert_eq!(found, Look { cards: vec![card(1)], bad: None, removed: 1 });
        assert!(!dead.exists());
        assert!(!living.is_gone());
    }

    #[test]
    fn a_bad_file_costs_only_itself() {
        let place = Scratch::new();
        let _living = Posted::post(place.path(), &card(1)).expect("posted");
        let bad = place.path().join("8-999.node");
        let locked = File::create(&bad).expect("writable");
        locked.lock().expect("lockable");
        fs::write(&bad, [b'x'; MAX_CARD * 10]).expect("writable");
        fs::create_dir(place.path().join("9-9.node")).expect("writable");
        fs::write(place.path().join("notes.txt"), "not ours").expect("writable");
        let found = look(place.path()).expect("readable");
        assert_eq!(found.cards, [card(1)]);
        assert!(found.bad.is_some_and(|why| why.contains("8-999.node")), "the bad file is named");
        assert!(bad.exists(), "what a living process wrote is left alone");
    }

    #[test]
    fn a_fresh_unfinished_file_is_left_alone() {
        let place = Scratch::new();
        fs::write(place.path().join("1-1.aside"), "").expect("writable");
        assert_eq!(look(place.path()).expect("readable"), Look::default());
        assert_eq!(names(place.path()), ["1-1.aside"]);
    }

    #[test]
    fn a_card_that_was_tidied_away_is_noticed() {
        let place = Scratch::new();
        let posted = Posted::post(place.path(), &card(1)).expect("posted");
        fs::remove_file(&posted.path).expect("removable");
        assert!(posted.is_gone());
    }

    #[test]
    fn a_directory_open_to_others_is_refused() {
        let place = Scratch::new();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).expect("ours");
        let refused = look(place.path()).expect_err("open to others");
        assert_eq!(refused, RunDirectoryError::OpenToOthers { path: place.path().into(), mode: 0o755 });
    }
}
