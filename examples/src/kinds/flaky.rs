//! A worker that ends when it is told to, one way or the other.

use skep::{Context, Failure, Handle, Worker};

use super::{Text, Who};

/// `crash` makes it panic, `exit` makes it return; it is started again either way.
#[derive(Debug)]
pub struct Flaky(Who);

impl Worker for Flaky {
    const KIND: &'static str = "flaky";
    type Args = String;
    type Messages = (Text,);

    async fn start(_: String, context: &mut Context<Self>) -> Result<Self, Failure> {
        Ok(Self(Who::started(context)))
    }
}

impl Handle<Text> for Flaky {
    async fn handle(&mut self, Text(text): Text, context: &mut Context<Self>) -> String {
        match text.as_str() {
            "crash" => panic!("told to crash"),
            "exit" => {
                context.exit();
                "exiting".into()
            }
            text => self.0.answer(text, context.epoch()),
        }
    }
}
