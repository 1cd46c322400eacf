//! Peers that are instances of EC2 with a tag.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use roxmltree::{Document, Node};
use skep::Runtime;
use skep::discovery::{Announced, Discovery, ObservationSink};
use skep_core::event::SourceFailure;
use skep_core::id::{Address, Source};

use super::{Account, MAX_PAGES};
use crate::address::at;
use crate::failure::transient;
use crate::helper::{in_thread, look_every};
use crate::http::{Answer, escaped, excerpt};

/// The source: the private addresses of the running instances that have a tag, asked for every ten seconds. Announces
/// nothing: an instance is known by its tag.
///
/// The role of the machine needs `ec2:DescribeInstances`. Keys come from `AWS_ACCESS_KEY_ID` and its companions, else
/// from the container, else from the machine (IMDSv2); the region from `AWS_REGION`, else from the machine. Who the
/// server is is checked against the authorities of this system.
#[derive(Clone)]
pub struct Ec2 {
    account: Account,
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
            account: Account::of("ec2"),
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

    /// Another region than that of this machine.
    #[must_use]
    pub fn region(mut self, name: impl Into<String>) -> Self {
        self.account.region = Some(name.into());
        self
    }

    /// The API at this URL, as that of a VPC's endpoint, rather than that of the region.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.account.at(url.into());
        self
    }

    /// Who signed the certificate of the API, as PEM, rather than an authority of this system.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.account.ca = Some(path.into());
        self
    }

    /// These keys, rather than those of whoever this program runs as.
    #[must_use]
    pub fn keys(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.account.with_keys(id.into(), secret.into());
        self
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
            let bytes = self.account.ask(&form, &body, code)?;
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
