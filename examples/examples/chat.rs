//! A chat room: what is typed in one terminal is printed in all. Each node attaches a plain task under a name of its
//! own, which joins the room.
//!
//!     cargo run --example chat
#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::time::Duration;

use serde::{Deserialize, Serialize};
use skep_tokio::{Failure, Message, OneOf1};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

const TIMEOUT: Duration = Duration::from_secs(5);
const ROOM: &str = "room";

#[derive(Serialize, Deserialize, Clone)]
struct Said {
    who: String,
    text: String,
}

impl Message for Said {
    const NAME: &'static str = "example.chat.said";
    type Reply = ();
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let who = format!("guest-{}", std::process::id());
    let node = skep_tokio::node(&who).cluster("chat-example").start().await?;
    let mut ears = node.attach::<(Said,)>(&who, TIMEOUT).await?;
    node.join_group(ROOM, &who, TIMEOUT).await?;
    println!("you are {who}; {} are in the room", node.members_of(ROOM).len());
    let mut lines = BufReader::new(stdin()).lines();
    loop {
        tokio::select! {
            line = lines.next_line() => match line? {
                Some(text) => drop(node.publish(ROOM, Said { who: who.clone(), text })?),
                None => break,
            },
            heard = ears.next() => match heard {
                Some(OneOf1::First(call)) => call.answer(|Said { who, text }| println!("{who}: {text}")),
                None => break,
            },
        }
    }
    drop(ears);
    node.leave(TIMEOUT).await;
    Ok(())
}
