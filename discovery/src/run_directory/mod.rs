//! Nodes of one user on one host find each other through a directory: each leaves a card and reads the others'.
//!
//! A node writes its card before it looks, so of two that start together at least one sees the other at once;
//! looking again is for what is lost on the way. A card is a hint: a stale or forged one costs a dial.
//!
//! The files are read and written with `std::fs` on the executor: a handful of small ones, on a file system in
//! memory as a rule, at most [`MAX_FILES`] a look. That is microseconds a file; a host with hundreds of nodes of
//! one cluster wants another source.

mod card;
mod files;

use std::path::{Path, PathBuf};
use std::time::Duration;

use skep::Runtime;
use skep::discovery::{Announced, Discovery, ObservationSink};
use skep::run_directory as place;
use skep_core::event::{Observation, SourceFault};
use skep_core::id::{Address, Source};
use tracing::{debug, warn};

pub use skep::run_directory::RunDirectoryError;

use crate::pause::jittered;
use card::Card;
use files::{Look, Posted};

/// At most this many files are read in one look; others are not seen.
pub const MAX_FILES: usize = 1024;

const QUICK: Duration = Duration::from_millis(100);
const QUICK_LOOKS: u32 = 20;
const SLOW: Duration = Duration::from_secs(1);

/// The source: `$XDG_RUNTIME_DIR/skep/CLUSTER`, or `/tmp/skep-UID/CLUSTER`, 0700, with a file of mode 0600 for
/// each living node.
///
/// It is read at once, every 100 ms for two seconds, then about every second. A directory that is not ours
/// alone, or cannot be read, is an `Observation::Failed` (once, until it changes), never an empty set, and is
/// looked at again: it may be mended while we run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RunDirectory {
    directory: Option<PathBuf>,
}

impl RunDirectory {
    /// The directory that all nodes of this user on this host share.
    pub fn of_this_host() -> Self {
        Self::default()
    }

    /// This very directory instead, made where its parent exists. It must be ours alone.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: Some(directory.into()) }
    }
}

impl<R: Runtime> Discovery<R> for RunDirectory {
    fn source(&self) -> Source {
        Source::new("run-directory").expect("a good name")
    }

    async fn run(&mut self, runtime: R, me: Announced, mut sink: ObservationSink) {
        let directories = match &self.directory {
            Some(directory) => vec![directory.clone()],
            None => place::of_cluster(&me.cluster).to_vec(),
        };
        let mut watch = Watch::new(directories, Card { life: me.life, address: me.address });
        for looks in 0.. {
            for observation in watch.look() {
                sink.observe(observation).await;
            }
            let pause = if looks < QUICK_LOOKS { QUICK } else { jittered(SLOW, &runtime) };
            runtime.sleep_until(runtime.now() + pause).await;
        }
    }
}

/// Our card and what was last said. Dropping it takes the card away.
struct Watch {
    directories: Vec<PathBuf>, // the last has the cards, those before are on the way to it
    card: Card,
    posted: Option<Posted>,
    said: Option<Result<Vec<Address>, RunDirectoryError>>,
    warned: Option<String>,
}

impl Watch {
    fn new(directories: Vec<PathBuf>, card: Card) -> Self {
        Self { directories, card, posted: None, said: None, warned: None }
    }

    /// Posts our card if it is not there, reads the others', and says what is new.
    fn look(&mut self) -> Vec<Observation> {
        let peers = self.post().and_then(|()| files::look(self.directory())).map(|look| self.peers(look));
        if self.said.as_ref() == Some(&peers) {
            return Vec::new();
        }
        let before = self.said.replace(peers.clone());
        match (before, peers) {
            // Nobody is there any more, for sure: their locks are free. An empty answer would be doubted.
            (Some(Ok(before)), Ok(peers)) if peers.is_empty() => {
                before.into_iter().map(Observation::Gone).collect()
            }
            (_, Ok(peers)) => vec![Observation::all(peers)],
            (_, Err(error)) => vec![Observation::failed(SourceFault::Config, error.to_string())],
        }
    }

    fn directory(&self) -> &Path {
        self.directories.last().expect("there is one directory at least")
    }

    fn post(&mut self) -> Result<(), RunDirectoryError> {
        if self.posted.as_ref().is_some_and(|posted| !posted.is_gone()) {
            return Ok(());
        }
        self.posted = None; // dropped before the next is there: both have the same path
        place::prepare(&self.directories)?;
        self.posted = Some(Posted::post(self.directory(), &self.card)?);
        debug!(directory = %self.directory().display(), "announced in the run directory");
        Ok(())
    }

    fn peers(&mut self, look: Look) -> Vec<Address> {
        if look.removed > 0 {
            debug!(files = look.removed, "removed the cards of processes that are gone");
        }
        if look.bad.is_some() && look.bad != self.warned {
            warn!(file = look.bad.as_deref(), "a file in the run directory is no card");
        }
        self.warned = look.bad;
        look.cards.into_iter().filter(|card| *card != self.card).map(|card| card.address).collect()
    }
}

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing {
    use super::card::Card;

    pub(crate) fn card(bytes: &[u8]) {
        if let Ok(card) = Card::parse(bytes) {
            let again = Card::parse(card.format().as_bytes());
            assert_eq!(again.as_ref().map(Card::format), Ok(card.format()), "what is written is read back");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use skep_core::id::Life;

    use super::*;
    use crate::scratch::Scratch;

    fn address(port: u64) -> Address {
        Address::new(format!("127.0.0.1:{port}")).expect("a good address")
    }

    fn watch(directory: &Path, life: u64) -> Watch {
        Watch::new(vec![directory.into()], Card { life: Life(life), address: address(life) })
    }

    #[test]
    fn of_two_that_start_together_the_later_writer_sees_the_other_at_once() {
        let place = Scratch::new();
        let (mut one, mut two) = (watch(place.path(), 1), watch(place.path(), 2));
        assert_eq!(one.look(), [Observation::all([])]);
        assert_eq!(two.look(), [Observation::all([address(1)])]);
        assert_eq!(one.look(), [Observation::all([address(2)])]);
        assert_eq!((one.look(), two.look()), (vec![], vec![]), "what was said is not said again");
        drop(two);
        assert_eq!(one.look(), [Observation::Gone(address(2))]);
    }

    #[test]
    fn of_two_that_drew_one_life_in_one_moment_each_sees_the_other() {
        let place = Scratch::new();
        let mut one = watch(place.path(), 1);
        assert_eq!(one.look(), [Observation::all([])]);
        let twin = Card { life: Life(1), address: address(2) };
        let file = place.path().join("1-of-another-process.node");
        let locked = fs::File::create(&file).expect("writable");
        locked.lock().expect("lockable");
        fs::write(&file, twin.format()).expect("writable");
        assert_eq!(one.look(), [Observation::all([address(2)])]);
    }

    #[test]
    fn a_failure_is_told_once_never_as_an_empty_set_and_heals() {
        let place = Scratch::new();
        let (mut one, _two) = (watch(place.path(), 1), watch(place.path(), 2));
        assert!(!one.look().is_empty());
        fs::set_permissions(place.path(), Permissions::from_mode(0o777)).expect("ours");
        let [Observation::Failed(failure)] = &one.look()[..] else {
            panic!("a directory open to others is told")
        };
        assert!(failure.reason.as_str().contains("open to others"), "{failure}");
        assert_eq!(one.look(), []);
        fs::set_permissions(place.path(), Permissions::from_mode(0o700)).expect("ours");
        assert_eq!(one.look(), [Observation::all([])]);
    }

    #[test]
    fn a_link_in_place_of_the_directory_is_refused() {
        let place = Scratch::new();
        let real = place.path().join("real");
        fs::create_dir(&real).expect("writable");
        let link = place.path().join("link");
        std::os::unix::fs::symlink(&real, &link).expect("writable");
        let [Observation::Failed(failure)] = &watch(&link, 1).look()[..] else { panic!("a link is refused") };
        assert!(failure.reason.as_str().contains("is not a directory"), "{failure}");
    }

    #[test]
    fn the_directory_is_made_for_us_alone_and_made_again() {
        let place = Scratch::new();
        let directory = place.path().join("orders");
        let mut one = watch(&directory, 1);
        assert_eq!(one.look(), [Observation::all([])]);
        assert_eq!(fs::metadata(&directory).expect("made").permissions().mode() & 0o777, 0o700);
        fs::remove_dir_all(&directory).expect("ours");
        assert_eq!(one.look(), []);
        assert_eq!(fs::read_dir(&directory).expect("made again").count(), 1);
    }
}
