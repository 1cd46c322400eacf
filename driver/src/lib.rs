//! The async engine of skep, the same on every runtime.
//!
//! A program depends on one adapter (`skep-tokio`, `skep-smol`), which re-exports all of this; a library of workers
//! depends on this crate alone. The [`manual`] says how it is used, what it promises, and how to run it.

mod builder;
mod calls;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod discovery;
mod engine;
mod events;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod host;
mod limits;
pub mod link;
mod logging;
mod lookup;
mod mail;
pub mod manual;
mod memory;
mod node;
#[cfg(unix)]
pub mod run_directory;
mod runtime;
pub mod secret;
pub mod signals;
#[cfg(feature = "sim")]
mod sim;
mod sources;
mod start_error;
mod states;
mod status;
pub mod std_clock;
#[cfg(feature = "sim")]
pub mod testing;
pub mod transport;
mod worker;

pub use builder::NodeBuilder;
pub use calls::{CallBounds, CallError, Handled, SendError};
#[doc(hidden)]
pub use calls::{ReplyPath, Undelivered};
pub use events::{Events, News};
pub use limits::Limit;
pub use lookup::Located;
pub use mail::Running;
pub use memory::{MemoryDialer, MemoryListener, MemoryNetwork, MemoryTransport};
pub use node::{CallOrStartError, Found, Member, Node, NodeEnded, Registered, Registering};
pub use runtime::Runtime;
#[cfg(feature = "sim")]
pub use sim::SimRuntime;
pub use skep_core as core;
pub use skep_core::error::{
    DrainError, GroupError, LookupError, NoQuorum, OwnerError, ReadyError, RegisterError, UnregisterError,
};
pub use skep_core::event::Event;
pub use skep_core::supervisor::{PastIntensity, Restart, RestartPolicy};
pub use start_error::StartError;
pub use status::Ending;
pub use worker::{
    ArgsError, Attached, Call, Context, Failure, Handle, Handoff, Message, MessageId, MessageSet, Messages,
    Moving, OldArgs, OneOf0, OneOf1, OneOf2, OneOf3, OneOf4, OneOf5, OneOf6, OneOf7, OneOf8, OneOf9, OneOf10,
    OneOf11, OneOf12, Ref, ReplyTo, Singleton, State, StateError, Stopping, Timer, Worker, encode_args,
};
