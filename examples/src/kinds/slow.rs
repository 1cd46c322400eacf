//! A worker whose start takes a while.

use std::time::Duration;

use skep::{Context, Failure, Handle, Worker};

use super::{Text, Who};

/// Its argument is how many milliseconds its start takes; none is none.
#[derive(Debug)]
pub struct Slow(Who);

impl Worker for Slow {
    const KIND: &'static str = "slow";
    type Args = String;
    type Messages = (Text,);

    async fn start(milliseconds: String, context: &mut Context<Self>) -> Result<Self, Failure> {
        if !milliseconds.is_empty() {
            context.sleep(Duration::from_millis(milliseconds.parse()?)).await;
        }
        Ok(Self(Who::started(context)))
    }
}

impl Handle<Text> for Slow {
    async fn handle(&mut self, Text(text): Text, context: &mut Context<Self>) -> String {
        self.0.answer(&text, context.epoch())
    }
}
