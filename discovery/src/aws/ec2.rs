//! Peers that are instances of EC2 with a tag.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use roxmltree::{Document, Node};
use skep::Runtime;
use skep::discovery::{Announced, Discovery, ObservationSink};
use skep_core::event::SourceFailure;
use skep_core::id::{Address, Source};

use super::{AwsAccount, MAX_PAGES};
use crate::address::at;
use crate::failure::transient;
use crate::helper::{in_thread, look_every};
use crate::http::{Answer, escaped, excerpt};

/// The source: the private addresses of the running instances that have a tag, asked for every ten seconds. Announces
/// nothing: an instance is known by its tag.
///
/// The role of the machine needs `ec2:DescribeInstances`. In whose name it asks: [`AwsAccount`].
#[derive(Clone)]
pub struct Ec2 {
    account: AwsAccount,
    tag: (String, String),
    port: u16,
    family: Family,
    every: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Family {
    V4,
    V6,
}

impl Ec2 {
    /// The instances with this tag, each with this port.
    pub fn tagged(name: impl Into<String>, value: impl Into<String>, port: u16) -> Self {
        Self {
            account: AwsAccount::of_process(),
            tag: (name.into(), value.into()),
            port,
            family: Family::V4,
            every: Duration::from_secs(10),
        }
    }

    /// Their IPv6 addresses, rather than their private IPv4 ones.
    #[must_use]
    pub fn ipv6(self) -> Self {
        Self { family: Family::V6, ..self }
    }

    /// In another name, or elsewhere, than this program by itself.
    #[must_use]
    pub fn account(self, account: AwsAccount) -> Self {
        Self { account, ..self }
    }

    /// How often it is asked. All of an account's requests are counted together against a limit.
    #[must_use]
    pub fn every(self, every: Duration) -> Self {
        Self { every, ..self }
    }

    fn look(&mut self) -> Result<Vec<Address>, SourceFailure> {
        let (mut peers, mut page) = (Vec::new(), String::new());
        for _ in 0..MAX_PAGES {
            let (name, value) = (escaped(&format!("tag:{}", self.tag.0)), escaped(&self.tag.1));
            let body = format!(
                "Action=DescribeInstances&Version=2016-11-15&Filter.1.Name={name}&Filter.1.Value.1={value}\
                 &Filter.2.Name=instance-state-name&Filter.2.Value.1=running{page}"
            );
            let form = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
            let bytes = self.account.ask("ec2", &form, &body, code)?;
            let bad = |what: &dyn fmt::Display| transient(format!("ec2: {what}, in '{}'", excerpt(&bytes)));
            let text = std::str::from_utf8(&bytes).map_err(|error| bad(&error))?;
            let document = Document::parse(text).map_err(|error| bad(&error))?;
            if !document.root_element().has_tag_name("DescribeInstancesResponse") {
                return Err(bad(&"no answer to what was asked"));
            }
            peers.extend(self.instances(&document));
            match child(document.root_element(), "nextToken") {
                Some(token) => page = format!("&NextToken={}", escaped(token)),
                None => return Ok(peers),
            }
        }
        Err(transient(format!("ec2: more than {MAX_PAGES} pages")))
    }

    fn instances(&self, document: &Document<'_>) -> Vec<Address> {
        let tag = match self.family {
            Family::V4 => "privateIpAddress",
            Family::V6 => "ipv6Address",
        };
        let sets = document.descendants().filter(|node| node.has_tag_name("instancesSet"));
        let instances = sets.flat_map(|set| set.children().filter(|node| node.has_tag_name("item")));
        let ips = instances.filter_map(|instance| child(instance, tag)?.parse::<IpAddr>().ok());
        ips.map(|ip| at(ip, self.port)).collect()
    }
}

fn child<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let found = node.children().find(|child| child.has_tag_name(name))?;
    found.text().map(str::trim).filter(|text| !text.is_empty())
}

/// What an error is called.
fn code(answer: &Answer) -> Option<String> {
    let text = std::str::from_utf8(&answer.body).ok()?;
    let document = Document::parse(text).ok()?;
    let found = document.descendants().find(|node| node.has_tag_name("Code"))?;
    found.text().map(str::to_owned)
}

impl fmt::Debug for Ec2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ec2").field("tag", &self.tag).field("port", &self.port).finish_non_exhaustive()
    }
}

impl<R: Runtime> Discovery<R> for Ec2 {
    fn source(&self) -> Source {
        Source::new("ec2").expect("a good name")
    }

    async fn run(&mut self, _runtime: R, _me: Announced, sink: ObservationSink) {
        let (mut source, every) = (self.clone(), self.every);
        in_thread("ec2", sink, move |desk| look_every(desk, every, || source.look())).await;
    }
}
