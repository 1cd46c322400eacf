//! Members that keep to the protocol and use their peers up: they are slowed, dropped, kept away, and cost the others no
//! call; and honest ones that have much to say at once are not taken for such.
#![cfg(feature = "sim")]

mod bulk;
mod bursts;
mod calls;
mod control;
mod laborious;
mod meddling;
#[path = "../support/mod.rs"]
mod support;
mod three;
