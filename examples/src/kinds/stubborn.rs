//! A worker that does not stop when it is told to.

use std::future::pending;

use skep::{Context, Failure, Handle, Stopping, Worker};

use super::{Text, Who};

/// Has to be stopped by force: it waits for ever at an await point, where that is possible.
#[derive(Debug)]
pub struct Stubborn(Who);

impl Worker for Stubborn {
    const KIND: &'static str = "stubborn";
    type Args = String;
    type Messages = (Text,);

    async fn start(_: String, context: &mut Context<Self>) -> Result<Self, Failure> {
        Ok(Self(Who::started(context)))
    }

    async fn stopping(&mut self, _: Stopping, _: &mut Context<Self>) {
        pending().await
    }
}

impl Handle<Text> for Stubborn {
    async fn handle(&mut self, Text(text): Text, context: &mut Context<Self>) -> String {
        self.0.answer(&text, context.epoch())
    }
}
