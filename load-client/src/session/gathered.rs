//! The result of a run that workers have sent.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::distributed::{Coordinator, Lost, lost};
use crate::load::plan::Plan;
use crate::measure::selfcheck::Validity;
use crate::report::html::Section;
use crate::report::run_file::{RunPart, section, started_ms};
use crate::session::lead::FLUSH;
use crate::session::terminal::say;
use crate::transport::kafka::KafkaLog;

/// The result of a run of workers.
pub(crate) struct Gathered {
    pub(crate) parts: Vec<RunPart>,
    pub(crate) validity: Validity,
    pub(super) log: Arc<KafkaLog>,
    pub(super) coordinator: Coordinator,
    pub(super) skew_ms: Option<u64>,
    /// Whether the log accepted the last records.
    pub(super) is_reached: bool,
}

impl Gathered {
    /// Returns when the workers began, and how long the longest of them sent and waited.
    pub(super) fn ran(&self) -> Option<(SystemTime, Duration)> {
        let ends = self.parts.iter().filter_map(|part| part.read.end.as_ref());
        let longest = ends.map(|end| end.duration_ms).max()?;
        let began = SystemTime::UNIX_EPOCH + Duration::from_millis(started_ms(&self.parts));
        Some((began, Duration::from_millis(longest)))
    }

    /// Writes the end of the run to the log, for all who follow the run.
    pub(super) fn close(self, exit_code: u8) {
        if !self.is_reached {
            return;
        }
        let note = self.coordinator.verdict(exit_code);
        let json = serde_json::to_vec(&note).unwrap_or_default();
        let written = self.log.control(&note.run, &json);
        let flushed = written.and_then(|()| tokio::task::block_in_place(|| self.log.flush(FLUSH)));
        if let Err(reason) = flushed {
            say(&format!("error: {reason}"));
        }
    }

    pub(super) fn text(&self) -> String {
        let parts = self.parts.iter();
        let lines =
            parts.map(|part| format!("  {}  {}\n", part.title, part.told(started_ms(&self.parts))));
        let skew = self
            .skew_ms
            .map(|skew| format!("  they began within {skew} ms\n"));
        format!(
            "\nWorkers\n{}{}",
            lines.collect::<String>(),
            skew.unwrap_or_default()
        )
    }

    pub(super) fn section(&self) -> Section {
        section("Workers", &self.parts, started_ms(&self.parts))
    }

    /// Returns the report of each worker, for the JSON report.
    pub(super) fn reports(&self, plan: &Plan) -> Vec<Value> {
        let lost = lost(self.coordinator.course(), plan);
        let report = |part: &RunPart| {
            let mut report = part.report();
            let own = lost
                .iter()
                .find(|own| own.segment == part.read.header.segment);
            report["lost"] = own.map_or(Value::Null, |own| json!(own));
            report
        };
        self.parts.iter().map(report).collect()
    }

    /// Returns, in words, the requests that lost workers never sent.
    pub(super) fn told_of_lost(&self, plan: &Plan) -> Vec<String> {
        let lost = lost(self.coordinator.course(), plan);
        lost.iter().map(Lost::line).collect()
    }
}
