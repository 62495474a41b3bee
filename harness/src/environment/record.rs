//! The record itself: `environment.json`.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use rdkafka::util::get_rdkafka_version;
use serde::Serialize;

use super::{Commit, Machine};
use crate::run::{Identity, Settings, Variant};
use crate::stack::{Description, Stack};

/// What `environment.json` says of one run. It holds no secret.
#[derive(Debug, Clone, Serialize)]
pub struct Environment {
    /// When the run started, UTC.
    pub date: String,
    /// Where it ran.
    pub machine: Machine,
    /// The sources, where known.
    pub commit: Option<Commit>,
    /// The compiler that built the harness, and with it the workspace.
    pub rustc: &'static str,
    /// Whether that build was optimised.
    pub optimised: bool,
    /// The Kafka client library of all programs.
    pub librdkafka: String,
    /// Broker and store.
    #[serde(flatten)]
    pub stack: Description,
    /// What was measured.
    pub variant: Variant,
    /// The service's `--dispatch`.
    pub dispatch: &'static str,
    /// The load.
    #[serde(flatten)]
    pub settings: Settings,
    /// Requests go here.
    pub topic: String,
    /// Replies come back here.
    pub reply_topic: String,
    /// The service's consumer group.
    pub group_id: String,
    /// librdkafka properties given to both clients (`-X`).
    pub client_properties: Vec<String>,
    /// The service's command line.
    pub service_command: Vec<String>,
    /// The load client's command line.
    pub load_command: Vec<String>,
}

impl Environment {
    pub(crate) fn of_run(
        stack: &Stack,
        settings: &Settings,
        variant: Variant,
        identity: &Identity,
        service_command: &[String],
        load_command: &[String],
    ) -> Self {
        Self {
            date: now(),
            machine: Machine::this(),
            commit: Commit::current(),
            rustc: env!("HARNESS_RUSTC_VERSION"),
            optimised: OPTIMISED,
            librdkafka: get_rdkafka_version().1,
            stack: stack.description(),
            variant,
            dispatch: variant.dispatch(),
            settings: settings.clone(),
            topic: identity.topic(),
            reply_topic: identity.reply_topic(),
            group_id: identity.group_id.clone(),
            client_properties: stack.shown_properties(),
            service_command: service_command.to_vec(),
            load_command: load_command.to_vec(),
        }
    }

    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("cannot write JSON")?;
        fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))
    }
}

/// Whether this build is optimised: of a build without --release, no figure should be quoted.
pub(crate) const OPTIMISED: bool = !cfg!(debug_assertions);

/// Now, to the second, as `2026-01-31T12:00:00Z`.
pub(crate) fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}
