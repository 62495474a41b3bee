//! One part of a run, and how it is shown.

use serde_json::{Value, json};

use super::RunRead;
use crate::measure::selfcheck::Validity;
use crate::measure::summary::Ended;
use crate::report::EndedBy;
use crate::report::html::Section;

/// The measurements of one client.
#[derive(Debug)]
pub(crate) struct RunPart {
    /// The name of the file, or of the worker that sent the part.
    pub(crate) name: String,
    /// The title, such as `part 1/3`.
    pub(crate) title: String,
    pub(crate) read: RunRead,
    /// Present if a worker sent the part.
    pub(crate) of_worker: Option<OfWorker>,
}

/// Further facts about a worker's part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OfWorker {
    /// Whether all its measurements have arrived.
    pub(crate) is_whole: bool,
    /// Whether the coordinator ended the part.
    pub(crate) obeyed: bool,
}

impl RunPart {
    /// Creates the part that a file contains.
    pub(crate) fn of_file(name: String, read: RunRead) -> Self {
        let title = format!("part {}", read.header.segment);
        Self {
            name,
            title,
            read,
            of_worker: None,
        }
    }

    /// Returns the requests of the measured window that ended.
    pub(crate) fn ended(&self) -> Ended {
        let mut ended = Ended::default();
        let records = self.read.intervals.iter();
        records.for_each(|record| ended.add(record.measured()));
        ended
    }

    /// Returns whether the part ended because nothing was left to send.
    pub(crate) fn is_exhausted(&self) -> bool {
        let end = self.read.end.as_ref();
        end.is_some_and(|end| end.ended_by == EndedBy::Exhausted)
    }

    /// Returns why the part is not complete, or `None` if it is.
    pub(super) fn cut_short(&self) -> Option<String> {
        let Some(end) = &self.read.end else {
            return Some(format!("{} has no end, its client was killed", self.name));
        };
        if self.of_worker.is_some_and(|own| !own.is_whole) {
            return Some("some of its measurements are missing in the log".to_owned());
        }
        let is_whole = match (end.ended_by, self.of_worker) {
            (EndedBy::RunTime | EndedBy::Exhausted, _) => true,
            (EndedBy::Failure, _) => false,
            (_, Some(own)) => own.obeyed,
            // Without a run time, a user ends all parts.
            (_, None) => self.read.header.run.run_time_ns.is_none(),
        };
        (!is_whole).then(|| format!("it was ended by {}", end.ended_by.in_words()))
    }

    /// Returns when sending ended, in nanoseconds from the start. If the client was killed, this is the end of its last
    /// interval.
    pub(crate) fn sent_until_ns(&self) -> Option<u64> {
        match &self.read.end {
            Some(end) => end.sent_until_ns,
            None => {
                let last = self.read.intervals.last()?;
                Some(last.second.saturating_add(1).saturating_mul(1_000_000_000))
            }
        }
    }

    /// Returns the part for the JSON report.
    pub(crate) fn report(&self) -> Value {
        let end = self.read.end.as_ref();
        let ended = self.ended();
        json!({
            "segment": self.read.header.segment,
            "name": self.name,
            "run_id": end.and_then(|end| end.report.get("run_id")),
            "requests": ended.requests,
            "failures": ended.failures,
            "cores": end.and_then(|end| end.cores),
            "schedule_lag": end.and_then(|end| end.lag.lag().ok().flatten()),
            "ended_by": end.map(|end| end.ended_by),
            "validity": end.map(|end| json!(end.validity)),
        })
    }

    /// Returns one line: when the part began, what it sent, its self-check. The first part began at `first_ms`.
    pub(crate) fn told(&self, first_ms: u64) -> String {
        let ended = self.ended();
        let late = self.read.header.started_ms.saturating_sub(first_ms) as f64 / 1000.0;
        let mut text = format!(
            "began after {late:.1} s, {} requests, {} failed",
            ended.requests, ended.failures
        );
        let Some(end) = &self.read.end else {
            return text + "; no end: its client was killed";
        };
        if let Some(cores) = end.cores {
            text += &format!(", {cores:.2} cores");
        }
        if let Ok(Some(lag)) = end.lag.lag() {
            text += &format!(", schedule lag p99 {:.3} ms", lag.p99_ms);
        }
        let verdict = match &end.validity {
            Validity::Valid => "valid",
            Validity::NotJudged { .. } => "not judged",
            Validity::Partial { .. } => "partial",
            Validity::Invalid { .. } => "INVALID",
        };
        format!("{text}, ended by {}; {verdict}", end.ended_by.in_words())
    }
}

/// Returns the number of replies without a waiting request, over all parts.
pub(crate) fn unmatched_replies(parts: &[RunPart]) -> u64 {
    let ends = parts.iter().filter_map(|part| part.read.end.as_ref());
    let own = ends.filter_map(|end| end.report.get("unmatched_replies"));
    own.filter_map(Value::as_u64).fold(0, u64::saturating_add)
}

/// Returns the parts for a page. The first part began at `first_ms`.
pub(crate) fn section(title: &str, parts: &[RunPart], first_ms: u64) -> Section {
    let rows = parts.iter().map(|part| {
        let name = match part.title.contains(&part.name) {
            true => part.title.clone(),
            false => format!("{}, {}", part.title, part.name),
        };
        (name, part.told(first_ms))
    });
    Section::new(title, rows)
}
