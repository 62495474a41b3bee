//! The names of a cell. No other cell has them.

use std::path::{Path, PathBuf};

use crate::run::Identity;

/// Topics, group and logs of one cell.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) prefix: String,
    pub(super) group: String,
    logs: PathBuf,
    /// The names of the topics.
    identity: Identity,
}

impl Place {
    /// New names. The logs replace those of an earlier cell in that folder.
    pub(super) fn fresh(logs: &Path) -> Self {
        let identity = Identity::fresh("createOrder");
        Self {
            prefix: identity.topic_prefix.clone(),
            group: identity.group_id.clone(),
            logs: logs.to_owned(),
            identity,
        }
    }

    pub(super) fn topic(&self) -> String {
        self.identity.topic()
    }

    pub(super) fn reply_topic(&self) -> String {
        self.identity.reply_topic()
    }

    pub(super) fn log(&self, program: &str) -> PathBuf {
        self.logs.join(format!("{program}.log"))
    }
}
