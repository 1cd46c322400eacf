//! The registry and all that keeps it true: logs, claims, starts, takeovers, the barrier before new slots.

mod barrier;
mod callers;
mod claims;
mod conflict;
mod departure;
mod desk;
mod ending;
mod enrolment;
mod entry;
mod grants;
mod groups;
mod handoff;
mod host;
mod hosting;
mod inheritance;
mod item;
mod log;
mod quorum;
mod reconcile;
mod registry;
mod replication;
mod roster;
mod stability;
mod stops;
mod sync;
mod takeover;
mod unheard;

pub(crate) use barrier::Gates;
pub(crate) use callers::Callers;
pub(crate) use conflict::Surrenders;
pub(crate) use departure::Departure;
pub(crate) use desk::Desk;
#[cfg(test)]
pub(crate) use enrolment::Enrolment;
pub(crate) use enrolment::Presence;
pub(crate) use entry::{Entry, State};
pub(crate) use groups::{GroupWish, Groups};
pub(crate) use handoff::Moves;
pub(crate) use host::{Host, Hosted, Phase, Then};
pub(crate) use item::Item;
pub(crate) use quorum::Standing;
pub(crate) use reconcile::Told;
pub(crate) use registry::Registry;
pub(crate) use replication::Replication;
pub(crate) use stability::Stability;
