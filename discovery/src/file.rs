//! A file of addresses, read again when it changes.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use skep::Runtime;
use skep::discovery::{Announced, Discovery, ObservationSink};
use skep_core::event::{Observation, SourceFault};
use skep_core::id::{Address, Source};

use crate::list::{self, MAX_LIST};
use crate::pause::jittered;

/// The addresses in a file, between commas, spaces or line ends, with `#` before comments. It is read every second,
/// and told when it says something new. Announces nothing.
///
/// A file that is missing, too long or has a mistake in it is a failure: what it said before stands, and it is read
/// on. Replace it in one step (write aside, rename): half a file is a file, too.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerFile {
    path: PathBuf,
    every: Duration,
}

impl PeerFile {
    /// This file.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), every: Duration::from_secs(1) }
    }

    /// How often it is read, a quarter more or less.
    #[must_use]
    pub fn every(self, every: Duration) -> Self {
        Self { every, ..self }
    }

    fn read(&self) -> Result<Vec<Address>, String> {
        let path = self.path.display();
        let mut text = String::new();
        File::open(&self.path)
            .and_then(|file| file.take(MAX_LIST as u64 + 1).read_to_string(&mut text))
            .map_err(|error| format!("{path}: {error}"))?;
        list::parse(&text).map_err(|(line, mistake)| format!("{path}:{line}: {mistake}"))
    }
}

impl<R: Runtime> Discovery<R> for PeerFile {
    fn source(&self) -> Source {
        Source::new("file").expect("a good name")
    }

    async fn run(&mut self, runtime: R, _me: Announced, mut sink: ObservationSink) {
        let mut said = None;
        loop {
            let read = self.read();
            if said.as_ref() != Some(&read) {
                said = Some(read.clone());
                sink.observe(match read {
                    Ok(peers) => Observation::all(peers),
                    Err(mistake) => Observation::failed(SourceFault::Config, mistake),
                })
                .await;
            }
            runtime.sleep_until(runtime.now() + jittered(self.every, &runtime)).await;
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;

    use futures::StreamExt;
    use skep::SimRuntime;
    use skep::discovery::observations;

    use super::*;
    use crate::scratch::Scratch;
    use crate::testing::me;

    #[test]
    fn what_changes_in_it_is_told_and_a_mistake_in_it_is_a_failure() {
        let place = Scratch::new();
        let path = place.path().join("peers");
        let write = |text: &str| {
            fs::write(place.path().join("aside"), text).expect("writable");
            fs::rename(place.path().join("aside"), &path).expect("writable");
        };
        let runtime = SimRuntime::new(1);
        let (sink, mut observed) = observations();
        let mut file = PeerFile::at(&path);
        runtime.spawn({
            let runtime = runtime.clone();
            async move { file.run(runtime, me(), sink).await }
        });
        runtime.run(async {
            let peers = |texts: &[&str]| {
                Observation::all(texts.iter().map(|text| Address::new(text).expect("a good address")))
            };
            let failed = |words: String| Observation::failed(SourceFault::Config, words);
            let path = path.display();
            let missing = format!("{path}: No such file or directory (os error 2)");
            assert_eq!(observed.next().await, Some(failed(missing)));
            write("a:1\nb:2\n");
            assert_eq!(observed.next().await, Some(peers(&["a:1", "b:2"])));
            write("a:1\nb:2 # the same again\n");
            runtime.sleep_until(runtime.now() + Duration::from_secs(10)).await;
            assert!(observed.try_recv().is_err(), "nothing is new in it");
            write("a:1\n\nnowhere");
            let mistake = format!("{path}:3: 'nowhere' is no address of a peer: HOST:PORT");
            assert_eq!(observed.next().await, Some(failed(mistake)));
            write("c:3");
            assert_eq!(observed.next().await, Some(peers(&["c:3"])));
        });
    }
}
