//! A node to try skep with: options, a prompt, answers for people and for scripts, and workers worth reading.

pub mod answers;
pub mod commands;
pub mod events;
pub mod floor;
pub mod logging;
pub mod options;
pub mod page;
pub mod process;
pub mod prompt;
