//! A worker that asks to stay where it is when the ring would rather have it elsewhere.

use skep::{Context, Failure, Handle, Worker};

use super::{Text, Who};

/// Says who it is, and echoes. Moves only when its node drains or dies; no other move exists yet to refuse.
#[derive(Debug)]
pub struct Stay(Who);

impl Worker for Stay {
    const KIND: &'static str = "stay";
    type Args = String;
    type Messages = (Text,);

    async fn start(_: String, context: &mut Context<Self>) -> Result<Self, Failure> {
        Ok(Self(Who::started(context)))
    }
}

impl Handle<Text> for Stay {
    async fn handle(&mut self, Text(text): Text, _: &mut Context<Self>) -> String {
        self.0.answer(&text)
    }
}
