//! From options to a running node, and from there to its session.

use std::fmt;

use futures::{FutureExt, select_biased};
use skep::{Ending, NodeBuilder, StartError};
use skep_discovery::{Lan, RunDirectory, UdpSockets};
use skep_tcp::{Tcp, TcpConfig, TcpSockets};

use super::session::Session;
use crate::events::News;
use crate::kinds::{Counter, Flaky, Restart, Singleton, Slow, Stay, Stubborn};
use crate::options::{Options, Strategy};
use crate::page::Page;
use crate::prompt::Prompt;
use crate::runtime::OnRuntime;

/// The life of a node, from its start to its end.
pub(super) struct Life {
    pub(super) options: Options,
    pub(super) transport: TcpConfig,
    pub(super) beacons: Option<Lan>,
    pub(super) prompt: Prompt,
    pub(super) page: Page,
}

/// Why it ended although nobody told it to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    Start(StartError),
    Ended(Ending),
}

impl OnRuntime for Life {
    type Output = Result<(), Fault>;

    async fn run<R: TcpSockets + UdpSockets>(self, runtime: R) -> Self::Output {
        let Self { options, transport, beacons, mut prompt, mut page } = self;
        let mut builder = builder(&options, transport, runtime.clone());
        if let Some(beacons) = beacons {
            builder = builder.discover(beacons);
        }
        let starting = builder.start();
        let node = select_biased! {
            _ = &mut prompt.told_to_end => return Ok(()), // it has nothing to hand over yet
            started = Box::pin(starting).fuse() => started.map_err(Fault::Start)?,
        };
        let events = node.events_from_start();
        let ready = News::Ready {
            name: node.name().to_string(),
            incarnation: node.life().0,
            listen: node.address().to_string(),
        };
        if page.news(&ready).is_err() {
            return Ok(()); // nobody reads: there is nobody to serve
        }
        Session::new(runtime, node, page).run(events, prompt).await.map_err(Fault::Ended)
    }
}

fn builder<R: TcpSockets>(options: &Options, transport: TcpConfig, runtime: R) -> NodeBuilder<R, Tcp> {
    let mut builder = NodeBuilder::new(options.name.as_str(), runtime, Tcp::new(transport))
        .cluster(options.cluster.as_str())
        .weight(options.weight)
        .wire_version(options.wire)
        .detect(options.detect)
        .worker::<Singleton>()
        .worker::<Counter>()
        .worker::<Restart>()
        .worker::<Stay>()
        .worker::<Slow>()
        .worker::<Flaky>()
        .worker::<Stubborn>()
        .discover(RunDirectory::of_this_host());
    builder = match options.strategy {
        Strategy::Ring => builder,
        Strategy::Quorum(members) => builder.quorum(members.get()),
    };
    for role in &options.roles {
        builder = builder.role(role.as_str());
    }
    builder = options.allow.iter().fold(builder, |builder, nodes| builder.allow(nodes));
    builder = options.deny.iter().fold(builder, |builder, nodes| builder.deny(nodes));
    for peer in &options.join {
        builder = builder.join(peer.as_str());
    }
    for authority in &options.authorities {
        builder = builder.authority(&authority.topology, authority.silent_for);
    }
    options.topologies.discover(builder)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => error.fmt(f),
            Self::Ended(ending) => ending.fmt(f),
        }
    }
}
