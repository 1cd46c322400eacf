//! Sources that ask a server, against the real server or one that speaks as it does; it dies, returns, and says
//! nonsense. Each test skips itself, with the reason, where its server is not installed.

#[cfg(feature = "dns")]
mod dns;
#[cfg(feature = "dns")]
mod looking;
#[cfg(feature = "dns")]
mod servant;
