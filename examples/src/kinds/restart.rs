//! A worker that starts afresh when it is moved: it hands nothing over.

use skep::{Context, Failure, Handle, Handoff, Worker};

use super::{Text, Who};

/// Says who it is, and echoes. Has no state worth carrying: a move is a stop here and a start there.
#[derive(Debug)]
pub struct Restart(Who);

impl Worker for Restart {
    const KIND: &'static str = "restart";
    type Args = String;
    type Messages = (Text,);

    async fn start(_: String, context: &mut Context<Self>) -> Result<Self, Failure> {
        Ok(Self(Who::started(context)))
    }

    async fn begin_handoff(&mut self, _: &mut Context<Self>) -> Handoff {
        Handoff::Restart // which is the default, said for those who read this
    }
}

impl Handle<Text> for Restart {
    async fn handle(&mut self, Text(text): Text, context: &mut Context<Self>) -> String {
        self.0.answer(&text, context.epoch())
    }
}
