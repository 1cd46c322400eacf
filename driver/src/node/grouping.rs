//! Names in groups: who joins, who leaves, who is there, and messages to all of them.

use std::time::Duration;

use futures::future::join_all;
use skep_core::error::{GroupError, LookupError};
use skep_core::event::{Reply, Request};
use skep_core::id::{Group, Name, NodeName};

use super::Node;
use crate::calls::{CallError, SendError};
use crate::lookup::Known;
use crate::mail::Mail;
use crate::worker::Message;

/// How long a worker that asked for a group may take to start and to be registered.
const WISH: Duration = Duration::from_secs(120);

/// One name in a group, as a node knows it without asking.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Member {
    /// The name.
    pub name: Name,
    /// The node that runs it; `None` between two holders.
    pub node: Option<NodeName>,
}

impl Node {
    /// Puts a registered name into a group, from any node. It stays there wherever it runs, until it leaves or its
    /// registration ends; a name that is registered again begins without groups. Returns when another node that is
    /// up knows of it too, where there is one. A group exists while a name is in it; joining costs the same in a
    /// group of any size. A name that is there already stays there.
    ///
    /// # Errors
    /// [`GroupError::NotFound`] if nobody has the name, [`GroupError::TooMany`] if it is in as many groups as one
    /// name may be in.
    pub async fn join_group(
        &self,
        group: impl AsRef<str>,
        name: impl AsRef<str>,
        timeout: Duration,
    ) -> Result<(), GroupError> {
        let (group, name) = named(group, name)?;
        self.change_group(Request::JoinGroup { group, name: name.clone() }, &name, timeout).await
    }

    /// Takes a registered name out of a group, from any node. Of a join and a leave at the same moment on two nodes
    /// one counts, the same on all.
    ///
    /// # Errors
    /// [`GroupError::NotFound`] if nobody has the name. That it is not in the group is no error.
    pub async fn leave_group(
        &self,
        group: impl AsRef<str>,
        name: impl AsRef<str>,
        timeout: Duration,
    ) -> Result<(), GroupError> {
        let (group, name) = named(group, name)?;
        self.change_group(Request::LeaveGroup { group, name: name.clone() }, &name, timeout).await
    }

    /// The names in a group, as far as this node knows, sorted. Asks nobody, waits for nothing.
    pub fn members_of(&self, group: impl AsRef<str>) -> Vec<Member> {
        let lookup = &self.shared.router.lookup;
        let mut members: Vec<Member> = (lookup.names_in(group.as_ref()).into_iter())
            .map(|name| {
                let life = lookup.get(name.as_str()).life();
                Member { name, node: life.and_then(|life| self.shared.name_of(life)) }
            })
            .collect();
        members.sort_unstable_by(|one, other| one.name.as_str().cmp(other.name.as_str()));
        members
    }

    /// Those of [`Node::members_of`] that run on this node.
    pub fn local_members_of(&self, group: impl AsRef<str>) -> Vec<Name> {
        let (lookup, here) = (&self.shared.router.lookup, self.life());
        let mut names = lookup.names_in(group.as_ref());
        names.retain(|name| lookup.get(name.as_str()).life() == Some(here));
        names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        names
    }

    /// Sends a message that wants no answer to all in a group. Waits for nothing. Returns to how many it was sent:
    /// not to those between two holders, nor where a mailbox or a link is full. That it was sent does not say that
    /// it arrives, nor that the worker knows the message.
    ///
    /// # Errors
    /// [`SendError::BadMessage`] and [`SendError::MessageTooLarge`]: then it was sent to nobody.
    pub fn publish<M: Message>(&self, group: impl AsRef<str>, message: M) -> Result<usize, SendError> {
        let router = &self.shared.router;
        router.publish(&router.lookup.names_in(group.as_ref()), &message)
    }

    /// As [`Node::publish`], to those that run on this node.
    ///
    /// # Errors
    /// As [`Node::publish`].
    pub fn publish_local<M: Message>(&self, group: impl AsRef<str>, message: M) -> Result<usize, SendError> {
        self.shared.router.publish(&self.local_members_of(group), &message)
    }

    /// Sends a message to all in a group and waits for their answers. Each member is called for itself, all at once:
    /// a slow or a dead one has its own error, by the deadline, and costs the others nothing. Sorted by name.
    pub async fn multi_call<M: Message + Clone>(
        &self,
        group: impl AsRef<str>,
        message: M,
        timeout: Duration,
    ) -> Vec<(Member, Result<M::Reply, CallError>)> {
        self.call_each(self.members_of(group), message, timeout).await
    }

    /// As [`Node::multi_call`], to those that run on this node.
    pub async fn multi_call_local<M: Message + Clone>(
        &self,
        group: impl AsRef<str>,
        message: M,
        timeout: Duration,
    ) -> Vec<(Member, Result<M::Reply, CallError>)> {
        let here = Some(self.name().clone());
        let names = self.local_members_of(group).into_iter();
        let members = names.map(|name| Member { name, node: here.clone() }).collect();
        self.call_each(members, message, timeout).await
    }

    async fn call_each<M: Message + Clone>(
        &self,
        members: Vec<Member>,
        message: M,
        timeout: Duration,
    ) -> Vec<(Member, Result<M::Reply, CallError>)> {
        let waiting = &self.waiting_for(timeout);
        let calls = members.into_iter().map(|member| {
            let message = message.clone();
            async move {
                let (router, name) = (&self.shared.router, member.name.as_str());
                let reply = match router.check_chain(name, waiting) {
                    Ok(()) => router.call(name, message, waiting).await,
                    Err(error) => Err(error),
                };
                (member, reply)
            }
        });
        join_all(calls).await
    }

    /// Asks for something on behalf of a worker that does not wait for the answer.
    pub(crate) fn wish(&self, request: Request) {
        let deadline = self.shared.platform.now() + WISH;
        self.shared.inbox.post(Mail::Wish { request, deadline });
    }

    /// A name that this node does not know is asked for at its arbiter first: it may have been registered just now.
    async fn change_group(&self, request: Request, name: &Name, timeout: Duration) -> Result<(), GroupError> {
        let platform = &self.shared.platform;
        let deadline = platform.now() + timeout;
        if self.shared.router.lookup.get(name.as_str()) == Known::Free {
            self.find(name.as_str(), deadline).await.map_err(not_found)?;
        }
        match self.ask(request, deadline.since(platform.now())).await {
            Some(Reply::Grouped(result)) => result,
            Some(_) | None => Err(GroupError::Leaving),
        }
    }
}

fn not_found(error: LookupError) -> GroupError {
    match error {
        LookupError::Busy => GroupError::Busy,
        LookupError::Timeout => GroupError::Timeout,
        LookupError::Leaving => GroupError::Leaving,
        _ => GroupError::NotFound,
    }
}

fn named(group: impl AsRef<str>, name: impl AsRef<str>) -> Result<(Group, Name), GroupError> {
    let group = Group::new(group).map_err(GroupError::BadGroup)?;
    let Ok(name) = Name::new(name) else { return Err(GroupError::NotFound) };
    Ok((group, name))
}
