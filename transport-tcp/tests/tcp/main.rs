//! The transport on real sockets, on every runtime. One binary, so that it is linked once.

#[macro_use]
mod common;

mod cluster;
mod dials;
mod faults;
mod links;
mod seam;
#[cfg(unix)]
mod signals;
mod strangers;
