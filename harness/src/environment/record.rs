//! The file `environment.json`.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::Provenance;
use crate::files;
use crate::run::{Identity, Settings, Variant};
use crate::stack::{Description, Stack};
use crate::usage::Usage;

/// The content of `environment.json` for one run. It has no secret.
#[derive(Debug, Clone, Serialize)]
pub struct Environment {
    /// Where, when and with which sources.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// Broker and store.
    #[serde(flatten)]
    pub stack: Description,
    /// The variant's name.
    pub variant: String,
    /// The variant in a few words.
    pub about: String,
    /// The load.
    #[serde(flatten)]
    pub settings: Settings,
    /// The request topic.
    pub topic: String,
    /// The reply topic.
    pub reply_topic: String,
    /// The service's consumer group.
    pub group_id: String,
    /// librdkafka properties given to both clients (`-X`).
    pub client_properties: Vec<String>,
    /// The service's command line.
    pub service_command: Vec<String>,
    /// The load client's command line.
    pub load_command: Vec<String>,
    /// What all processes of the service used while the load client ran; `null` before its end, or if the machine does
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
