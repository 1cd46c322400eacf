//! Where the worker of a name runs: who may run it, and what a strategy decides.

mod by_ring;
mod candidates;
mod ownership;
mod place;
mod quorum;
mod strategy;
mod together;

pub use by_ring::ByRing;
pub use candidates::Exclusion;
pub use place::Place;
pub use quorum::Quorum;
pub use strategy::{Strategy, StrategyId};
pub use together::{Bond, Together};
