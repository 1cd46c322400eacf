//! A man in the middle: carries the bytes of a link, keeps them, and changes one if he is told to.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use skep_examples::process::PATIENCE;

/// Stands before one node. Ends with the test's process.
pub(crate) struct Middle {
    /// Where he listens.
    pub(crate) address: String,
    recordings: Receiver<Vec<u8>>,
}

impl Middle {
    /// Before the node at `address`. Of each connection he flips the lowest bit of what the dialler says at this
    /// place, if he is told one.
    pub(crate) fn before(address: &str, flips: Option<usize>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let ours = listener.local_addr().expect("bound").to_string();
        let (sender, recordings) = channel();
        let behind = address.to_owned();
        thread::spawn(move || {
            for dialler in listener.incoming().map_while(Result::ok) {
                let Ok(node) = TcpStream::connect(&behind) else { return };
                carry(dialler, node, flips, sender.clone());
            }
        });
        Self { address: ours, recordings }
    }

    /// What the dialler of the next connection that has ended had said.
    pub(crate) fn recording(&self) -> Vec<u8> {
        self.recordings.recv_timeout(PATIENCE).expect("a connection comes and ends")
    }
}

fn carry(dialler: TcpStream, node: TcpStream, flips: Option<usize>, recordings: Sender<Vec<u8>>) {
    let back = (node.try_clone().expect("a file is left"), dialler.try_clone().expect("a file is left"));
    thread::spawn(move || pass(back.0, back.1, None));
    thread::spawn(move || {
        let said = pass(dialler, node, flips);
        let _ = recordings.send(said); // the test may be over
    });
}

/// All that was read, until either side has had enough. Both hear of it.
fn pass(mut from: TcpStream, mut to: TcpStream, flips: Option<usize>) -> Vec<u8> {
    let (mut buffer, mut all) = (vec![0; 65_536], Vec::new());
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let start = all.len();
        all.extend_from_slice(&buffer[..length]);
        if let Some(at) = flips.filter(|at| (start..all.len()).contains(at)) {
            buffer[at - start] ^= 1;
        }
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    // A side that is gone already needs no telling.
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
    all
}
