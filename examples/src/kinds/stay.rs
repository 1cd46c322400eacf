//! A worker that asks to stay where it is when the ring would rather have it elsewhere.

use skep::{Context, Failure, Handle, Handoff, Worker};

use super::{Text, Who};

/// Says who it is, and echoes. It goes elsewhere only when its node drains or dies, and then starts afresh.
#[derive(Debug)]
pub struct Stay(Who);

impl Worker for Stay {
    const KIND: &'static str = "stay";
    type Args = String;
    type Messages = (Text,);

    async fn start(_: String, context: &mut Context<Self>) -> Result<Self, Failure> {
        Ok(Self(Who::started(context)))
    }

    async fn begin_handoff(&mut self, _: &mut Context<Self>) -> Handoff {
        Handoff::Stay
    }
}

impl Handle<Text> for Stay {
    async fn handle(&mut self, Text(text): Text, context: &mut Context<Self>) -> String {
        self.0.answer(&text, context.epoch())
    }
}
