//! What workers are told and what they answer: typed here, a number and bytes on the wire.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use skep_core::wire::MAX_FRAME;
use xxhash_rust::const_xxh3::xxh3_64;

use crate::calls::ReplyPath;

/// A message, and the type of its answer. It belongs to no kind: several may handle it.
///
/// ```
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Add(u64);
///
/// impl skep::Message for Add {
///     const NAME: &'static str = "counter.add";
///     type Reply = u64;
/// }
/// ```
pub trait Message: Serialize + DeserializeOwned + Send + 'static {
    /// Its identity on the wire, for ever: a changed message is a new name, handled beside the old one for a
    /// release.
    const NAME: &'static str;

    /// What a handler answers.
    type Reply: Serialize + DeserializeOwned + Send + 'static;
}

/// A message's identity on the wire: xxh3_64 of its name. A clash of two names is an error at start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MessageId(pub u64);

impl MessageId {
    /// That of `M`.
    pub const fn of<M: Message>() -> Self {
        Self(xxh3_64(M::NAME.as_bytes()))
    }
}

/// The longest message or answer, encoded: a frame without the longest header, so that what was sent can be
/// forwarded.
pub(crate) const LONGEST: usize = MAX_FRAME as usize - 1024;

/// A message that arrived, and the way for its answer. Dropping it tells the caller that the worker failed.
pub struct Call<M: Message> {
    pub(crate) message: M,
    pub(crate) reply: ReplyTo<M>,
}

impl<M: Message> Call<M> {
    /// What was said.
    pub fn message(&self) -> &M {
        &self.message
    }

    /// The message and the way for its answer, apart: to answer later, or from elsewhere.
    pub fn split(mut self) -> (M, ReplyTo<M>) {
        self.reply.path.mark_handled();
        (self.message, self.reply)
    }

    /// It goes on to another node, with the way for its answer.
    pub(crate) fn encode(self) -> Result<(MessageId, Vec<u8>, ReplyPath), ReplyPath> {
        match postcard::to_allocvec(&self.message) {
            Ok(bytes) if bytes.len() <= LONGEST => Ok((MessageId::of::<M>(), bytes, self.reply.path)),
            Ok(_) | Err(_) => Err(self.reply.path),
        }
    }

    /// Answers with what `handle` makes of the message.
    pub fn answer(self, handle: impl FnOnce(M) -> M::Reply) {
        let (message, reply) = self.split();
        reply.send(handle(message));
    }
}

impl<M: Message> fmt::Debug for Call<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("message", &M::NAME).finish_non_exhaustive()
    }
}

/// The way for one answer. Dropping it unused tells the caller that the worker failed.
pub struct ReplyTo<M: Message> {
    pub(crate) path: ReplyPath,
    pub(crate) of: PhantomData<fn(M)>,
}

impl<M: Message> ReplyTo<M> {
    pub(crate) fn new(path: ReplyPath) -> Self {
        Self { path, of: PhantomData }
    }

    /// Sends the answer. Nothing happens if the caller waits no more, or never did.
    pub fn send(self, reply: M::Reply) {
        self.path.answer(reply);
    }
}

impl<M: Message> fmt::Debug for ReplyTo<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyTo").field("message", &M::NAME).finish_non_exhaustive()
    }
}
