//! The messages of a worker as one type: a tuple of them becomes an enum, without a box for each message.

use std::any::Any;
use std::future::Future;

use super::context::Context;
use super::message::{Call, Message, MessageId};
use super::{Handle, Worker};
use crate::calls::{ReplyPath, Undelivered, Waiting};

/// A tuple of up to twelve message types.
///
/// Its methods are for skep's own use.
pub trait MessageSet: Send + 'static {
    /// One call of any of them.
    type Received: Send + 'static;

    /// The identity and name of each.
    #[doc(hidden)]
    fn list() -> Vec<(MessageId, &'static str)>;

    /// Takes the call out of `call`, which is an `Option<Call<M>>`, if `M` is in the tuple.
    #[doc(hidden)]
    fn adopt(call: &mut dyn Any) -> Option<Self::Received>;

    /// Gives a call that nobody took back to its caller.
    #[doc(hidden)]
    fn give_back(received: Self::Received);

    /// Encodes one that goes on to another node; the way for its answer alone where that cannot be done.
    #[doc(hidden)]
    fn encode(received: Self::Received) -> Result<(MessageId, Vec<u8>, ReplyPath), ReplyPath>;

    /// Decodes one that came from another node.
    #[doc(hidden)]
    fn decode(
        id: MessageId,
        bytes: &[u8],
        reply: ReplyPath,
    ) -> Result<Self::Received, (Undelivered, ReplyPath)>;
}

/// The messages that `W` lists; implemented for tuples of messages that `W` can [`Handle`].
///
/// Its method is for skep's own use.
pub trait Messages<W: Worker>: MessageSet {
    #[doc(hidden)]
    fn handle(
        worker: &mut W,
        received: Self::Received,
        context: &mut Context<W>,
    ) -> impl Future<Output = ()> + Send;
}

/// No call can be of no message.
#[derive(Debug)]
pub enum OneOf0 {}

impl MessageSet for () {
    type Received = OneOf0;

    fn list() -> Vec<(MessageId, &'static str)> {
        Vec::new()
    }

    fn adopt(_call: &mut dyn Any) -> Option<OneOf0> {
        None
    }

    fn give_back(received: OneOf0) {
        match received {}
    }

    fn encode(received: OneOf0) -> Result<(MessageId, Vec<u8>, ReplyPath), ReplyPath> {
        match received {}
    }

    fn decode(_id: MessageId, _bytes: &[u8], reply: ReplyPath) -> Result<OneOf0, (Undelivered, ReplyPath)> {
        Err((Undelivered::UnknownMessage, reply))
    }
}

impl<W: Worker> Messages<W> for () {
    async fn handle(_worker: &mut W, received: OneOf0, _context: &mut Context<W>) {
        match received {}
    }
}

macro_rules! tuple {
    ($one_of:ident: $($variant:ident $message:ident),+) => {
        /// A call of one message of a tuple, by its place there.
        #[derive(Debug)]
        #[expect(missing_docs, reason = "each is the message of that place")]
        pub enum $one_of<$($message: Message),+> {
            $($variant(Call<$message>)),+
        }

        impl<$($message: Message),+> MessageSet for ($($message,)+) {
            type Received = $one_of<$($message),+>;

            fn list() -> Vec<(MessageId, &'static str)> {
                vec![$((MessageId::of::<$message>(), $message::NAME)),+]
            }

            fn adopt(call: &mut dyn Any) -> Option<Self::Received> {
                $(if let Some(call) = call.downcast_mut::<Option<Call<$message>>>() {
                    return call.take().map($one_of::$variant);
                })+
                None
            }

            fn give_back(received: Self::Received) {
                match received {
                    $($one_of::$variant(call) => call.reply.path.give_back(call.message),)+
                }
            }

            fn encode(received: Self::Received) -> Result<(MessageId, Vec<u8>, ReplyPath), ReplyPath> {
                match received {
                    $($one_of::$variant(call) => call.encode(),)+
                }
            }

            fn decode(
                id: MessageId,
                bytes: &[u8],
                reply: ReplyPath,
            ) -> Result<Self::Received, (Undelivered, ReplyPath)> {
                $(if id == const { MessageId::of::<$message>() } {
                    return reply.decode::<$message>(bytes).map($one_of::$variant);
                })+
                Err((Undelivered::UnknownMessage, reply))
            }
        }

        impl<W, $($message: Message),+> Messages<W> for ($($message,)+)
        where
            W: Worker $(+ Handle<$message>)+,
        {
            async fn handle(worker: &mut W, received: Self::Received, context: &mut Context<W>) {
                match received {
                    $($one_of::$variant(call) => {
                        if call.reply.path.is_late(context.now()) {
                            return; // its caller has stopped waiting: the drop says that it was not handled
                        }
                        context.act_for(call.reply.path.waiting().clone());
                        let (message, reply) = call.split();
                        reply.send(Handle::<$message>::handle(worker, message, context).await);
                        context.act_for(Waiting::nobody());
                    })+
                }
            }
        }
    };
}

tuple!(OneOf1: First A);
tuple!(OneOf2: First A, Second B);
tuple!(OneOf3: First A, Second B, Third C);
tuple!(OneOf4: First A, Second B, Third C, Fourth D);
tuple!(OneOf5: First A, Second B, Third C, Fourth D, Fifth E);
tuple!(OneOf6: First A, Second B, Third C, Fourth D, Fifth E, Sixth F);
tuple!(OneOf7: First A, Second B, Third C, Fourth D, Fifth E, Sixth F, Seventh G);
tuple!(OneOf8: First A, Second B, Third C, Fourth D, Fifth E, Sixth F, Seventh G, Eighth H);
tuple!(OneOf9: First A, Second B, Third C, Fourth D, Fifth E, Sixth F, Seventh G, Eighth H, Ninth I);
tuple!(OneOf10: First A, Second B, Third C, Fourth D, Fifth E, Sixth F, Seventh G, Eighth H, Ninth I, Tenth J);
tuple!(OneOf11: First A, Second B, Third C, Fourth D, Fifth E, Sixth F, Seventh G, Eighth H, Ninth I, Tenth J,
    Eleventh K);
tuple!(OneOf12: First A, Second B, Third C, Fourth D, Fifth E, Sixth F, Seventh G, Eighth H, Ninth I, Tenth J,
    Eleventh K, Twelfth L);
