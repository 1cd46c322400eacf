//! A node to try skep with: options, a prompt, answers for people and for scripts, and workers worth reading.

pub mod answers;
pub mod bench;
pub mod commands;
pub mod demo;
pub mod events;
pub mod floor;
pub mod kinds;
pub mod logging;
pub mod node;
pub mod options;
pub mod page;
pub mod process;
pub mod prompt;
pub mod runtime;
