//! The workers that a node of the examples has code for, each a few lines.

mod counter;
mod flaky;
mod restart;
mod singleton;
mod slow;
mod stay;
mod stubborn;
mod text;
mod who;

pub use counter::Counter;
pub use flaky::Flaky;
pub use restart::Restart;
pub use singleton::Singleton;
pub use slow::Slow;
pub use stay::Stay;
pub use stubborn::Stubborn;
pub use text::Text;
pub use who::Who;
