//! What is where, and why: from this node's own knowledge, or from who decides.

use std::time::Duration;

use futures::channel::oneshot;
use skep_core::error::{LookupError, OwnerError};
use skep_core::event::{MemberView, Ownership, Registration, Reply, Request};
use skep_core::id::{Epoch, Kind, Name, NodeName};

use super::{LOCAL, Node, NodeEnded};
use crate::lookup::{Known, Located};
use crate::mail::{Mail, Running};

/// One line of [`Node::registered`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registered {
    /// The name.
    pub name: Name,
    /// The node that runs it; `None` between two holders.
    pub node: Option<NodeName>,
    /// The start that runs, or that ran last.
    pub epoch: Epoch,
    /// What code.
    pub kind: Kind,
    /// Whether it was attached, and so does not move.
    pub attached: bool,
}

impl Node {
    /// Where a name runs, as far as this node knows. Asks nobody, waits for nothing. `None` if it is free, or
    /// between two holders.
    pub fn whereis(&self, name: impl AsRef<str>) -> Option<Located> {
        match self.shared.router.lookup.get(name.as_ref()) {
            Known::Free | Known::Between => None,
            Known::At(located) => Some(located),
        }
    }

    /// As [`Node::whereis`], with the node's name and the kind, as [`Node::whereis_consistent`] has them.
    pub fn registration(&self, name: impl AsRef<str>) -> Option<Registration> {
        let located = self.whereis(name.as_ref())?;
        Some(Registration {
            node: self.shared.name_of(located.life)?,
            life: located.life,
            epoch: located.epoch,
            kind: self.shared.router.lookup.kind(name.as_ref())?,
            attached: located.attached,
        })
    }

    /// Where a name runs, as its arbiter says.
    ///
    /// # Errors
    /// [`LookupError::NotFound`] if the arbiter knows of nobody who has it.
    pub async fn whereis_consistent(
        &self,
        name: impl AsRef<str>,
        timeout: Duration,
    ) -> Result<Registration, LookupError> {
        let Ok(name) = Name::new(name) else { return Err(LookupError::NotFound) };
        match self.ask(Request::Locate { name }, timeout).await {
            Some(Reply::Located(result)) => result,
            Some(_) | None => Err(LookupError::Leaving),
        }
    }

    /// All names that this node knows, sorted.
    ///
    /// # Errors
    /// [`NodeEnded`].
    pub async fn registered(&self) -> Result<Vec<Registered>, NodeEnded> {
        self.members().await?; // learns the names of holders that this node has no link with
        let all = self.shared.router.lookup.all();
        let registered = all.into_iter().map(|(name, place)| Registered {
            name,
            node: place.holder.and_then(|life| self.shared.name_of(life)),
            epoch: place.epoch,
            kind: place.kind,
            attached: place.attached,
        });
        Ok(registered.collect())
    }

    /// What really runs in this process, as its host says, not the registry; sorted by name.
    ///
    /// # Errors
    /// [`NodeEnded`].
    pub async fn workers(&self) -> Result<Vec<Running>, NodeEnded> {
        let (reply, answer) = oneshot::channel();
        self.shared.inbox.post(Mail::Workers { reply });
        answer.await.map_err(|_| NodeEnded)
    }

    /// All members that this node knows, down ones included, sorted by name, then life.
    ///
    /// # Errors
    /// [`NodeEnded`].
    pub async fn members(&self) -> Result<Vec<MemberView>, NodeEnded> {
        match self.ask(Request::Members, LOCAL).await {
            Some(Reply::Members(members)) => {
                members.iter().for_each(|member| self.shared.know(member.life, &member.node));
                Ok(members)
            }
            Some(_) | None => Err(NodeEnded),
        }
    }

    /// Which node should run a name, and why that one.
    ///
    /// # Errors
    /// [`OwnerError::NoNodeAvailable`] if none can.
    pub async fn owner(&self, name: Name) -> Result<Ownership, OwnerError> {
        match self.ask(Request::Owner { name }, LOCAL).await {
            Some(Reply::Owner(result)) => result,
            Some(_) | None => Err(OwnerError::Leaving),
        }
    }
}
