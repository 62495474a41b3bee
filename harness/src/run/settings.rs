//! What a run is made of: the variant, the load, and names that no other run has.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;
use uuid::Uuid;

use crate::programs;
use crate::stack::Stack;

/// The two ways to handle records that the experiment compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// one record after the other
    Baseline,
    /// one task for each record
    Tasks,
}

impl Variant {
    /// Both, the one to compare with first.
    pub const BOTH: [Self; 2] = [Self::Baseline, Self::Tasks];

    /// The name as on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Tasks => "tasks",
        }
    }

    /// The service's `--dispatch` for it.
    #[must_use]
    pub const fn dispatch(self) -> &'static str {
        match self {
            Self::Baseline => "serial",
            Self::Tasks => "tasks",
        }
    }
}

/// What one run measures: a program that takes the service's flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceCommand {
    /// What it is called in `environment.json` and in the log.
    pub name: String,
    /// The executable; that of the [`Settings`] if `None`.
    pub program: Option<PathBuf>,
    /// Flags beside those that every run's service gets.
    pub arguments: Vec<String>,
}

impl From<Variant> for ServiceCommand {
    fn from(variant: Variant) -> Self {
        Self {
            name: variant.name().to_owned(),
            program: None,
            arguments: ["--dispatch", variant.dispatch()]
                .map(str::to_owned)
                .to_vec(),
        }
    }
}

/// What all runs of one command share.
#[derive(Debug, Clone, Serialize)]
pub struct Settings {
    /// Simulated users.
    pub users: u32,
    /// Users started each second.
    pub spawn_rate: f64,
    /// Length of one run, warm-up included.
    #[serde(serialize_with = "as_text")]
    pub run_time: Duration,
    /// First part of a run that is not measured.
    #[serde(serialize_with = "as_text")]
    pub warm_up: Duration,
    /// Length of the first run of either variant, which is thrown away; none if zero.
    #[serde(serialize_with = "as_text")]
    pub rehearsal: Duration,
    /// Records that the service handles at once, at most.
    pub max_in_flight: u32,
    /// Partitions of each topic.
    pub partitions: i32,
    /// The service's executable, if not the one beside the harness.
    #[serde(skip)]
    pub order_service: Option<PathBuf>,
    /// The load client's executable, if not the one beside the harness.
    #[serde(skip)]
    pub load_client: Option<PathBuf>,
}

impl Settings {
    /// Looks for both programs, so that a missing one is reported before anything is started.
    ///
    /// # Errors
    ///
    /// When one is missing; the message says how to build or name it.
    pub fn require_programs(&self) -> Result<()> {
        programs::own(
            "order-service",
            "--order-service",
            self.order_service.as_deref(),
        )?;
        programs::own("load-client", "--load-client", self.load_client.as_deref())?;
        Ok(())
    }
}

fn as_text<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(*time))
}

/// Names that make a run independent of every other one on the same broker.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Put before the topic's name `createOrder`.
    pub topic_prefix: String,
    /// The service's consumer group.
    pub group_id: String,
}

impl Identity {
    /// The article's topic names where a broker is there for one run only, fresh names elsewhere.
    #[must_use]
    pub fn alone_on(stack: &Stack) -> Self {
        if stack.is_shared() {
            return Self::fresh();
        }
        Self {
            topic_prefix: String::new(),
            ..Self::fresh()
        }
    }

    /// Fresh names: the prefix is such as `run-1f0c2a9b3d4e.`.
    #[must_use]
    pub fn fresh() -> Self {
        let id = Uuid::new_v4().simple().to_string();
        let id = &id[..12];
        Self {
            topic_prefix: format!("run-{id}."),
            group_id: format!("order-service-{id}"),
        }
    }

    /// The request topic.
    #[must_use]
    pub fn topic(&self) -> String {
        format!("{}createOrder", self.topic_prefix)
    }

    /// The reply topic.
    #[must_use]
    pub fn reply_topic(&self) -> String {
        format!("{}.reply", self.topic())
    }
}
