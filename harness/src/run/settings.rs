//! The settings of a run: the load, and names that no other run has.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use uuid::Uuid;

use crate::programs;
use crate::stack::Stack;

/// The settings that all runs of one command share.
#[derive(Debug, Clone, Serialize)]
pub struct Settings {
    /// Simulated users.
    pub users: u32,
    /// Users started each second.
    pub spawn_rate: f64,
    /// Length of one run, warm-up included.
    #[serde(serialize_with = "as_text")]
    pub run_time: Duration,
    /// First part of a run, which is not measured.
    #[serde(serialize_with = "as_text")]
    pub warm_up: Duration,
    /// Length of the first run of each variant, which is thrown away. Zero means no such run.
    #[serde(serialize_with = "as_text")]
    pub rehearsal: Duration,
    /// Partitions of each topic.
    pub partitions: i32,
    /// Name of the request topic without its prefix, and of the requests in reports.
    pub topic: String,
    /// Further flags of the load client.
    pub load_flags: Vec<String>,
    /// How long a service may take to get ready.
    #[serde(serialize_with = "as_text")]
    pub ready_timeout: Duration,
    /// The load client's executable; the one in the folder of the harness if `None`.
    #[serde(skip)]
    pub load_client: Option<PathBuf>,
}

impl Settings {
    /// Looks for the load client, so that a missing one is an error before anything starts.
    ///
    /// # Errors
    ///
    /// Fails if it is missing. The message says how to build or name it.
    pub fn require_load_client(&self) -> Result<()> {
        programs::own("load-client", "--load-client", self.load_client.as_deref()).map(drop)
    }
}

fn as_text<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(*time))
}

/// Names that make a run independent of all others on the same broker.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Prefix of the topic's name.
    pub topic_prefix: String,
    /// The topic's name without the prefix.
    pub topic_name: String,
    /// The service's consumer group.
    pub group_id: String,
}

impl Identity {
    /// The topic's plain name if the broker serves only one run, otherwise new names.
    #[must_use]
    pub fn alone_on(stack: &Stack, topic_name: &str) -> Self {
        let fresh = Self::fresh(topic_name);
        match stack.is_shared() {
            true => fresh,
            false => Self {
                topic_prefix: String::new(),
                ..fresh
            },
        }
    }

    /// New names, with a prefix such as `run-1f0c2a9b3d4e.`.
    #[must_use]
    pub fn fresh(topic_name: &str) -> Self {
        let id = Uuid::new_v4().simple().to_string();
        let id = &id[..12];
        Self {
            topic_prefix: format!("run-{id}."),
            topic_name: topic_name.to_owned(),
            group_id: format!("run-{id}"),
        }
    }

    /// The request topic.
    #[must_use]
    pub fn topic(&self) -> String {
        format!("{}{}", self.topic_prefix, self.topic_name)
    }

    /// The reply topic.
    #[must_use]
    pub fn reply_topic(&self) -> String {
        format!("{}.reply", self.topic())
    }
}
