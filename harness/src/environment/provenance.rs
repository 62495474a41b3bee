//! Where, when and with which sources a figure was measured.

use std::time::SystemTime;

use rdkafka::util::get_rdkafka_version;
use serde::Serialize;

use super::{Commit, Machine};

/// The origin of a report's figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Provenance {
    /// When the work began, UTC.
    pub date: String,
    /// Where it ran.
    pub machine: Machine,
    /// The sources, where known.
    pub commit: Option<Commit>,
    /// The compiler that built the harness, and with it the workspace.
    pub rustc: &'static str,
    /// Whether that build was optimised. Do not quote figures of a build without `--release`.
    pub optimised: bool,
    /// The Kafka client library of all programs.
    pub librdkafka: String,
}

impl Provenance {
    /// That of this program on this machine now.
    #[must_use]
    pub fn now() -> Self {
        Self {
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            machine: Machine::this(),
            commit: Commit::current(),
            rustc: env!("HARNESS_RUSTC_VERSION"),
            optimised: !cfg!(debug_assertions),
            librdkafka: get_rdkafka_version().1,
        }
    }

    /// The date without the time of day.
    pub(crate) fn day(&self) -> &str {
        self.date.split('T').next().unwrap_or_default()
    }

    /// The commit's short hash, and whether the sources differ from it.
    pub(crate) fn short_commit(&self) -> String {
        let Some(commit) = &self.commit else {
            return "no commit".to_owned();
        };
        let changed = if commit.dirty { ", with changes" } else { "" };
        let short = commit.id.get(..7).unwrap_or(&commit.id);
        format!("commit {short}{changed}")
    }

    /// One line for people, beside figures.
    pub(crate) fn line(&self) -> String {
        let Machine { cpu, cores, os, .. } = &self.machine;
        let debug = if self.optimised {
            ""
        } else {
            "; built without --release: do not quote its figures"
        };
        let (date, commit) = (&self.date, self.short_commit());
        format!("{date}, {cores} cores of {cpu}, {os}; {commit}{debug}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_date_machine_and_commit_and_warns_of_a_debug_build() {
        let mut own = Provenance::now();
        own.date = "2026-01-31T12:00:00Z".to_owned();
        own.machine.cpu = "A CPU".to_owned();
        own.machine.cores = 2;
        own.machine.os = "Debian".to_owned();
        own.optimised = true;
        own.commit = None;
        assert_eq!(own.day(), "2026-01-31");
        let place = "2026-01-31T12:00:00Z, 2 cores of A CPU, Debian";
        assert_eq!(own.line(), format!("{place}; no commit"));
        own.commit = Some(Commit {
            id: "0123456789abcdef".to_owned(),
            dirty: true,
        });
        own.optimised = false;
        let line = own.line();
        assert!(
            line.starts_with(&format!("{place}; commit 0123456, with changes; built")),
            "{line}"
        );
    }
}
