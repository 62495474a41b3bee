//! What the transport needs to know of the service beyond its two topics.

use std::collections::HashSet;
use std::iter::{once, repeat};

use super::KafkaSettings;
use crate::transport::wire::Wire;

/// What the names of reply topics that runs create for themselves have between the request topic's and the
/// run's id. Services that answer to `<topic>.reply.*` take them, and one that is left behind by a killed run
/// can be told by it.
pub(crate) const OWN_REPLY_TOPIC_INFIX: &str = ".reply.load-client-";

/// How the service is talked to. The default is a service of the reference, on shared topics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceSettings {
    /// How requests and replies find each other.
    pub(crate) wire: Wire,
    /// Topics that single requests go to, beside the run's.
    pub(crate) more_topics: Vec<String>,
    /// Reply topics of single requests, beside the run's.
    pub(crate) more_reply_topics: Vec<String>,
    /// With a number of partitions, the run's reply topic is created before the run and deleted
    /// after it.
    pub(crate) own_reply_topic: Option<i32>,
}

impl KafkaSettings {
    /// Every topic that requests go to, with what names it.
    pub(super) fn topics(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let all = distinct(&self.topic, &self.service.more_topics);
        all.zip(once("--topic").chain(repeat("the scenario's topic")))
    }

    /// Every topic that replies come from, with what names it.
    pub(super) fn reply_topics(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let all = distinct(&self.reply_topic, &self.service.more_reply_topics);
        all.zip(once("--reply-topic").chain(repeat("the scenario's reply_topic")))
    }
}

/// Without repetition, so that no topic is read twice.
fn distinct<'a>(first: &'a str, more: &'a [String]) -> impl Iterator<Item = &'a str> {
    let mut seen = HashSet::new();
    let all = once(first).chain(more.iter().map(|topic| &**topic));
    all.filter(move |topic| seen.insert(*topic))
}
