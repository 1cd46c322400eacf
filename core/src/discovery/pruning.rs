//! Letting go of addresses: members that are down, and of whom those who must know say no more, are not dialled again.
//!
//! A source may be declared an authority. Even so its word closes no link and ends no member: a process that lives and
//! is cut off by its peers would count itself the rest of the cluster and run all names, and each node has its own view
//! of the sources, at its own time. Who is a member is for the members to find out. What an authority can spare them is
//! to dial the address of one that they count down, for the hour until it is forgotten: nobody is there, or by now
//! somebody else. If it was right, nothing is lost; if it was wrong, an address that it names again is dialled again,
//! and one that dials us is as welcome as ever, so that neither side of a cut that has healed can keep the other out.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use super::sources::Sources;
use super::target::Target;
use crate::event::Event;
use crate::id::{Address, Life, Source};
use crate::mutant::Mutant;
use crate::time::Instant;

/// One in so many members may be let go at once: more look like a mistake of the authority.
const ONE_IN: usize = 3;

/// What is let go of, and what was.
#[derive(Debug)]
pub(super) struct Pruning {
    /// For how long each authority must not have named an address.
    authorities: BTreeMap<Source, Duration>,
    /// Since when nothing is wrong with any source.
    sure_since: Instant,
    /// When addresses were let go of, as long as that is "at once".
    recent: VecDeque<Instant>,
    /// There were too many, and that was told.
    is_held: bool,
    mutant: Option<Mutant>,
}

impl Pruning {
    pub(super) fn new(authorities: BTreeMap<Source, Duration>, mutant: Option<Mutant>) -> Self {
        let (recent, sure_since) = (VecDeque::new(), Instant::ZERO);
        Self { authorities, sure_since, recent, is_held: false, mutant }
    }

    /// How long this source must not have named what it once named; `None`: it is no authority.
    pub(super) fn grace(&self, source: &Source) -> Option<Duration> {
        self.authorities.get(source).copied()
    }

    /// What is not named does not count now: a source is degraded, or was until now, or an authority looks mistaken.
    pub(super) fn doubt(&mut self, now: Instant) {
        self.sure_since = now;
    }

    /// Lets go of members' addresses; what is to be told of it. `is_down` knows who is down.
    pub(super) fn prune(
        &mut self,
        targets: &mut BTreeMap<Address, Target>,
        sources: &Sources,
        now: Instant,
        is_down: impl Fn(Life) -> bool,
    ) -> Vec<Event> {
        if self.authorities.is_empty() {
            return Vec::new();
        }
        let window = self.authorities.values().max().copied().unwrap_or_default();
        while self.recent.front().is_some_and(|&then| then + window <= now) {
            self.recent.pop_front();
        }
        let mut due = Vec::new();
        let mut soon = 0_usize;
        for (address, target) in targets.iter() {
            match self.due(target, sources, &is_down) {
                Some((life, at)) if at <= now => due.push((address.clone(), life)),
                Some(_) => soon += 1,
                None => {}
            }
        }
        let members = targets.values().filter(|it| it.member.is_some()).count() + self.recent.len() + 1;
        let wanted = due.len() + self.recent.len();
        if !due.is_empty() && wanted > (members / ONE_IN).max(1) && self.mutant != Some(Mutant::ManyLetGo) {
            self.doubt(now); // if some of them come back, the others have time to
            let is_told = core::mem::replace(&mut self.is_held, true);
            return if is_told { Vec::new() } else { [Event::LettingGoHeld { wanted, members }].into() };
        }
        if due.is_empty() && soon > 0 {
            return Vec::new();
        }
        self.is_held = false;
        let mut news = Vec::new();
        for (address, life) in due {
            targets.get_mut(&address).expect("it was just found there").member = None;
            self.recent.push_back(now);
            news.push(Event::LetGo { address, life });
        }
        news
    }

    /// When there may be something to let go of, once [`Pruning::prune`] has done what can be done now.
    pub(super) fn next(
        &self,
        targets: &BTreeMap<Address, Target>,
        sources: &Sources,
        is_down: impl Fn(Life) -> bool,
    ) -> Option<Instant> {
        if self.authorities.is_empty() {
            return None;
        }
        let due = targets.values().filter_map(|target| self.due(target, sources, &is_down));
        due.map(|(_, at)| at).min()
    }

    /// Who is to be let go of there, and when.
    fn due(
        &self,
        target: &Target,
        sources: &Sources,
        is_down: impl Fn(Life) -> bool,
    ) -> Option<(Life, Instant)> {
        let life = target.member.filter(|&life| is_down(life) || self.mutant == Some(Mutant::LiveLetGo))?;
        let (since, vouched) = (target.unnamed_since?, target.vouched.as_ref()?);
        if sources.degraded() > 0 && self.mutant != Some(Mutant::LetGoInDoubt) {
            return None;
        }
        // What ended by silence is gone only once its source has spoken since.
        sources.answered(&vouched.source).filter(|&answered| answered >= since)?;
        let sure = if self.mutant == Some(Mutant::LetGoInDoubt) { since } else { self.sure_since };
        Some((life, since.max(sure) + vouched.grace))
    }
}
