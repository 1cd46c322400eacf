//! The play: period after period, faults while clients ask, then all is undone and looked at.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use super::super::cluster::NodeProcess;
use super::client::Client;
use super::model::Model;
use super::plague::{Plague, trouble};
use super::plan::{Period, Sort};
use super::random::Random;
use super::stage::{NAMES, Stage};
use super::transcript::Transcript;
use super::{Violation, check};

pub(super) struct Play {
    seed: u64,
    stage: Stage,
    model: Mutex<Model>,
    transcript: Transcript,
    period: u64,
    plan: Vec<String>,
    /// The lives that ended, as they were told to.
    ended: BTreeSet<u64>,
}

impl Play {
    pub(super) fn new(seed: u64, stage: Stage) -> Self {
        let (model, transcript) = (Mutex::default(), Transcript::new());
        Self { seed, stage, model, transcript, period: 0, plan: Vec::new(), ended: BTreeSet::new() }
    }

    pub(super) fn stage(&self) -> &Stage {
        &self.stage
    }

    pub(super) fn periods(&self) -> u64 {
        self.period
    }

    pub(super) fn commands(&self) -> u64 {
        self.transcript.asked()
    }

    /// Periods of faults until the time is over, each played to its end.
    pub(super) fn perform(&mut self, time: Duration) -> Result<(), Violation> {
        let until = Instant::now() + time;
        let mut nodes = Vec::new();
        for host in 0..self.stage.hosts() {
            nodes.push(self.stage.start(host).map_err(trouble)?);
        }
        for node in &mut nodes {
            node.ready().map_err(trouble)?;
        }
        check::rest(&mut nodes, &self.transcript)?;
        while Instant::now() < until {
            let period = Period::draw(self.seed, self.period, self.stage.hosts());
            self.period += 1;
            self.plan.push(format!(
                "period {}, {:?}, at {:.3} s",
                self.period,
                period.sort,
                self.transcript.seconds()
            ));
            self.plan.extend(period.steps.iter().map(ToString::to_string));
            nodes = self.play(&period, nodes)?;
            let healed = Instant::now();
            let there = check::rest(&mut nodes, &self.transcript)?;
            self.plan.push(format!(
                "quiet {:.3} s after it, {} names",
                healed.elapsed().as_secs_f64(),
                there.len()
            ));
            let undisturbed = self.was_undisturbed(&period, &mut nodes);
            self.model.lock().expect("no client panics with it").at_rest(&there, &period, undisturbed)?;
        }
        Ok(())
    }

    /// Plays the faults while clients ask, then undoes what is left of them. The nodes then.
    fn play(&mut self, period: &Period, nodes: Vec<NodeProcess>) -> Result<Vec<NodeProcess>, Violation> {
        let hosts = nodes.len();
        let (model, transcript) = (&self.model, &self.transcript);
        thread::scope(|scope| {
            let (tell, ended) = channel();
            let mut words = Vec::new();
            let mut clients = Vec::new();
            for (host, node) in nodes.into_iter().enumerate() {
                let (sender, receiver) = channel();
                words.push(sender);
                let client = Client {
                    host,
                    hosts,
                    random: Random::new(self.seed, (self.period << 8) + 1 + host as u64),
                    model,
                    transcript,
                    stood: self.stage.stood(host),
                    words: receiver,
                    ended: tell.clone(),
                };
                clients.push(scope.spawn(move || client.run(node)));
            }
            let mut plague =
                Plague { stage: &mut self.stage, transcript, past: &mut self.ended, words, ended };
            let played = plague.befall(&period.steps).and_then(|()| plague.undo());
            drop(plague); // which tells the clients that it is over
            let nodes = clients.into_iter().map(|client| client.join().expect("clients do not panic"));
            let nodes = nodes.collect::<Result<Vec<_>, _>>();
            played?;
            nodes
        })
    }

    /// Whether in this period all who lived heard each other, in their own opinion too.
    fn was_undisturbed(&self, period: &Period, nodes: &mut [NodeProcess]) -> bool {
        let mut events = nodes.iter_mut().flat_map(NodeProcess::take_events);
        let mistaken = events.any(|event| {
            event["event"] == "member_down"
                && event["incarnation"].as_u64().is_some_and(|life| !self.ended.contains(&life))
        });
        matches!(period.sort, Sort::Crash | Sort::Rolling) && !mistaken
    }

    /// What was done to the hosts; and what was said last, and about the names in `words`.
    pub(super) fn story(&self, words: &str, lines: usize) -> String {
        let mut story = self.plan.join("\n");
        for name in self.model.lock().expect("no client panics with it").named_in(words) {
            story +=
                &format!("\n--- what was last said about {name}\n{}", self.transcript.last(lines, &name));
        }
        for name in NAMES.iter().take(self.stage.hosts()) {
            let said = self.transcript.last(lines, &format!(" s  {name}  "));
            story += &format!("\n--- what was last said to {name} and by it\n{said}");
        }
        story
    }
}
