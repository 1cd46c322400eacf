//! Who is in the cluster: records and how they merge, links, joining, suspicion, death and its proof.

mod change;
mod conduct;
mod departed;
mod detector;
mod estranged;
mod evidence;
mod greeting;
mod linking;
mod links;
mod peers;
mod probing;
mod record;
mod side;
mod table;

pub(crate) use conduct::Conduct;
pub(crate) use departed::{Departed, Ended};
pub(crate) use detector::{Caution, Detector, WARY_PATIENCE};
pub(crate) use links::{Link, Links};
pub use peers::Peers;
pub(crate) use record::{Announced, Health, Record};
pub(crate) use side::Side;
pub(crate) use table::{Merged, Table};
