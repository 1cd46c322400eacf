//! The one message that all kinds handle: some text, answered with some text.

use serde::{Deserialize, Serialize};
use skep::Message;

/// What `call NAME TEXT` and `send NAME TEXT` say to a worker.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Text(pub String);

impl Message for Text {
    const NAME: &'static str = "skep-examples.text";
    type Reply = String;
}
