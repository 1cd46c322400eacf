//! Claiming many names with one call.

use std::collections::VecDeque;
use std::time::Duration;

use futures::channel::oneshot;
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

impl Node {
    /// Registers many workers of one kind, each as [`Node::register`] does, and tells of each what became of it, in
    /// the order given. They travel and are written down together, which makes it many times faster than one after
    /// the other. Those that are not begun by the deadline are not begun at all.
    pub async fn register_many<W: Worker>(
        &self,
        workers: impl IntoIterator<Item = (impl AsRef<str>, W::Args)>,
        timeout: Duration,
    ) -> Vec<Result<Registration, RegisterError>> {
        let workers = workers.into_iter().map(|(name, args)| (name, encode::<W>(&args)));
        self.claim_many(workers, W::KIND, timeout).await
    }

    /// As [`Node::register_many`], for a kind that is known by its name only, with encoded arguments.
    pub async fn register_many_raw(
        &self,
        workers: impl IntoIterator<Item = (impl AsRef<str>, Payload)>,
        kind: &str,
        timeout: Duration,
    ) -> Vec<Result<Registration, RegisterError>> {
        let workers = workers.into_iter().map(|(name, args)| (name, Ok(args)));
        self.claim_many(workers, kind, timeout).await
    }

    async fn claim_many(
        &self,
        workers: impl Iterator<Item = (impl AsRef<str>, Result<Payload, RegisterError>)>,
        kind: &str,
        timeout: Duration,
    ) -> Vec<Result<Registration, RegisterError>> {
        let deadline = self.shared.platform.now() + timeout;
        let kind = Kind::new(kind);
        let mut answers = Vec::new();
        let mut under_way = VecDeque::new();
        for (name, args) in workers {
            if under_way.len() == AT_ONCE {
                answers.extend(next_answer(&mut under_way).await);
            }
            let claim = args.and_then(|args| {
                let name = Name::new(name).map_err(RegisterError::BadName)?;
                let kind = kind.clone().map_err(|_| RegisterError::UnknownKind)?;
                let worker = WorkerSpec::Managed { kind, args, place: Place::anywhere() };
                self.post_claim(Request::Register { name, worker }, deadline)
            });
            under_way.push_back(claim);
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
