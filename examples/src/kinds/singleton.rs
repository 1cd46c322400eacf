//! The plainest worker: it runs, and says who it is.

use skep::{Context, Failure, Handle, Worker};

use super::{Text, Who};

/// Says who it is, and echoes. Starts afresh wherever its name goes.
#[derive(Debug)]
pub struct Singleton(Who);

impl Worker for Singleton {
    const KIND: &'static str = "singleton";
    type Args = String;
    type Messages = (Text,);

    async fn start(_: String, context: &mut Context<Self>) -> Result<Self, Failure> {
        Ok(Self(Who::started(context)))
    }
}

impl Handle<Text> for Singleton {
    async fn handle(&mut self, Text(text): Text, context: &mut Context<Self>) -> String {
        self.0.answer(&text, context.epoch())
    }
}
