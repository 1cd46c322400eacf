//! What all parts of one node share, and what keeps it alive.

use std::sync::Arc;

use skep_core::id::{Address, ClusterName, Life, NodeName};

use super::Node;
use super::names::Names;
use crate::calls::{CallBounds, Router};
use crate::events::Board;
use crate::limits::Reached;
use crate::mail::{Inbox, Mail};
use crate::runtime::Platform;
use crate::status::{Ending, Status};

/// What all parts of one node share.
pub(crate) struct Shared {
    pub(crate) name: NodeName,
    pub(crate) cluster: ClusterName,
    pub(crate) address: Address,
    pub(crate) platform: Platform,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) router: Arc<Router>,
    pub(crate) board: Arc<Board>,
    pub(crate) status: Status,
    pub(crate) reached: Arc<Reached>,
    names: Names,
}

/// Dropped with the last node that counts.
pub(super) struct Hold {
    inbox: Arc<Inbox>,
}

impl Shared {
    pub(crate) fn new(
        name: NodeName,
        cluster: ClusterName,
        address: Address,
        platform: Platform,
        life: Life,
        max_state: usize,
        bounds: CallBounds,
    ) -> Self {
        let inbox = Arc::new(Inbox::new());
        let reached = Arc::<Reached>::default();
        let router = Router::new(platform.clone(), life, max_state, bounds, inbox.clone(), reached.clone());
        let router = Arc::new(router);
        let names = Names::new(life, name.clone(), reached.clone());
        Self {
            name,
            cluster,
            address,
            platform,
            inbox,
            router,
            board: Arc::new(Board::new(reached.clone())),
            status: Status::new(life),
            reached,
            names,
        }
    }

    /// A node that does not keep itself alive: for workers.
    pub(crate) fn node(self: &Arc<Self>) -> Node {
        Node::new(self.clone(), None)
    }

    /// A node that leaves when it and all its clones are dropped: for users.
    pub(crate) fn held_node(self: &Arc<Self>) -> Node {
        let hold = Arc::new(Hold { inbox: self.inbox.clone() });
        Node::new(self.clone(), Some(hold))
    }

    pub(crate) fn learn(&self, life: Life, node: &NodeName) {
        self.names.learn(life, node);
    }

    pub(crate) fn know(&self, life: Life, node: &NodeName) {
        self.names.know(life, node);
    }

    pub(super) fn name_of(&self, life: Life) -> Option<NodeName> {
        self.names.get(life)
    }

    pub(crate) fn end(&self, ending: Ending) {
        self.router.end();
        self.inbox.close();
        self.board.close();
        self.status.change(|state| state.ended = Some(ending));
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.inbox.post(Mail::Abandon);
    }
}
