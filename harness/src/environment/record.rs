//! The record itself: `environment.json`.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::Provenance;
use crate::files;
use crate::run::{Identity, Settings, Variant};
use crate::stack::{Description, Stack};
use crate::usage::Usage;

/// What `environment.json` says of one run. It holds no secret.
#[derive(Debug, Clone, Serialize)]
pub struct Environment {
    /// Where, when and of what.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// Broker and store.
    #[serde(flatten)]
    pub stack: Description,
    /// What was measured, as it was given.
    pub variant: String,
    /// What it is, in a few words.
    pub about: String,
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
    /// What all processes of the service took while the load client ran; `null` until it has, and where the machine does
    /// not tell.
    pub usage: Option<Usage>,
}

impl Environment {
    pub(crate) fn of_run(
        stack: &Stack,
        settings: &Settings,
        variant: &Variant,
        identity: &Identity,
        service_command: &[String],
        load_command: &[String],
    ) -> Self {
        Self {
            provenance: Provenance::now(),
            stack: stack.description(),
            variant: variant.name.clone(),
            about: variant.about.clone(),
            settings: settings.clone(),
            topic: identity.topic(),
            reply_topic: identity.reply_topic(),
            group_id: identity.group_id.clone(),
            client_properties: stack.shown_properties(),
            service_command: service_command.to_vec(),
            load_command: load_command.to_vec(),
            usage: None,
        }
    }

    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        files::write_json(file, self)
    }
}
