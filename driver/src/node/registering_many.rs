//! Claiming many names with one call.

use std::collections::VecDeque;
use std::time::Duration;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::BoxFuture;
use skep_core::Instant;
use skep_core::error::RegisterError;
use skep_core::event::{Registration, Reply, Request, WorkerSpec};
use skep_core::id::{Kind, Name, Payload};
use skep_core::placement::Place;

use super::Node;
use super::registering::encode;
use crate::mail::Mail;
use crate::worker::Worker;

/// So many claims of one call are under way at most: far below the claims that an arbiter holds.
const AT_ONCE: usize = 4096;

/// What became of each.
type Answers = Vec<Result<Registration, RegisterError>>;

impl Node {
    /// Registers many workers of one kind, each as [`Node::register`] does, and tells of each what became of it, in
    /// the order given. They travel and are written down together, which makes it many times faster than one after
    /// the other. Those that are not begun by the deadline are not begun at all.
    pub fn register_many<W: Worker>(
        &self,
        workers: impl IntoIterator<Item = (impl AsRef<str>, W::Args)>,
        timeout: Duration,
    ) -> BoxFuture<'static, Answers> {
        let wanted = workers.into_iter().map(|(name, args)| wanted(name, W::KIND, encode::<W>(&args)));
        self.clone().claim_many(wanted.collect(), timeout).boxed()
    }

    /// As [`Node::register_many`], for a kind that is known by its name only, with arguments as
    /// [`encode_args`](crate::encode_args) makes them.
    pub fn register_many_raw(
        &self,
        workers: impl IntoIterator<Item = (impl AsRef<str>, Payload)>,
        kind: &str,
        timeout: Duration,
    ) -> BoxFuture<'static, Answers> {
        let wanted = workers.into_iter().map(|(name, args)| wanted(name, kind, Ok(args)));
        self.clone().claim_many(wanted.collect(), timeout).boxed()
    }

    async fn claim_many(self, wanted: Vec<Result<Request, RegisterError>>, timeout: Duration) -> Answers {
        let deadline = self.shared.platform.now() + timeout;
        let mut answers = Vec::with_capacity(wanted.len());
        let mut under_way = VecDeque::new();
        for request in wanted {
            if under_way.len() == AT_ONCE {
                answers.extend(next_answer(&mut under_way).await);
            }
            under_way.push_back(request.and_then(|request| self.post_claim(request, deadline)));
        }
        while let Some(answer) = next_answer(&mut under_way).await {
            answers.push(answer);
        }
        answers
    }

    fn post_claim(
        &self,
        request: Request,
        deadline: Instant,
    ) -> Result<oneshot::Receiver<Reply>, RegisterError> {
        if self.shared.platform.now() >= deadline {
            return Err(RegisterError::Timeout);
        }
        let (reply, answer) = oneshot::channel();
        self.shared.inbox.post(Mail::Ask { request, deadline, reply });
        Ok(answer)
    }
}

fn wanted(
    name: impl AsRef<str>,
    kind: &str,
    args: Result<Payload, RegisterError>,
) -> Result<Request, RegisterError> {
    let name = Name::new(name).map_err(RegisterError::BadName)?;
    let kind = Kind::new(kind).map_err(|_| RegisterError::UnknownKind)?;
    let worker = WorkerSpec::Managed { kind, args: args?, place: Place::anywhere() };
    Ok(Request::Register { name, worker })
}

/// Waits for the oldest. `None` if none is left.
async fn next_answer(
    under_way: &mut VecDeque<Result<oneshot::Receiver<Reply>, RegisterError>>,
) -> Option<Result<Registration, RegisterError>> {
    Some(match under_way.pop_front()? {
        Ok(claim) => match claim.await {
            Ok(Reply::Registered(result)) => result,
            Ok(_) | Err(oneshot::Canceled) => Err(RegisterError::Leaving),
        },
        Err(error) => Err(error),
    })
}
