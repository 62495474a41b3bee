//! Reads from the JSON summary of a run, `X.json` beside `X.csv`, what the CSV lacks: when the run started, what was
//! measured, and whether the load client was the bottleneck.
//!
//! The file may be from an older or newer version, or may not be ours at all. The reader is therefore lenient: only a
//! clear "invalid" counts against the run.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::compare::Warning;
use crate::compare::read::unpacked_name;
use crate::compare::run::Run;
use crate::measure::window::ThroughputWindow;

/// Larger files are not summaries of a run.
const LARGEST_BYTES: u64 = 16 << 20;
/// The reason for a run that is invalid without a stated reason.
const NO_REASON: &str = "its summary gives no reason";

/// Returns the path of the summary of a run: `X.json` for `X.csv` and `X.csv.gz`.
pub(crate) fn summary_beside(csv: &Path) -> PathBuf {
    unpacked_name(csv).with_extension("json")
}

/// The file beside the CSV of a run.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// A JSON object with a `run_id`, which marks it as the summary of a run.
    summary: Option<Value>,
    warning: Option<Warning>,
}

impl Beside {
    /// Makes a value with this warning only.
    fn warning(kind: &str, text: String) -> Self {
        Self {
            summary: None,
            warning: Some(Warning::new(kind, text)),
        }
    }

    /// Reads the summary beside `csv`, if there is one.
    pub(super) fn of(csv: &Path) -> Self {
        let path = summary_beside(csv);
        let is_none = |facts: fs::Metadata| !facts.is_file() || facts.len() > LARGEST_BYTES;
        let is_absent = |error: std::io::Error| error.kind() == ErrorKind::NotFound;
        if path == csv || fs::metadata(&path).map_or_else(is_absent, is_none) {
            return Self::default();
        }
        let text = fs::read(&path).map_err(anyhow::Error::from);
        match text.and_then(|text| Ok(serde_json::from_slice::<Value>(&text)?)) {
            Ok(summary) => Self {
                summary: Some(summary).filter(|own| own["run_id"].is_string()),
                warning: None,
            },
            Err(error) => {
                let path = path.display();
                let text = format!(
                    "cannot read {path}: {error}; it is not known whether its run was valid"
                );
                Self::warning("unread summary", text)
            }
        }
    }

    /// Returns the summary's value at this JSON pointer, if there is one.
    fn at(&self, pointer: &str) -> Option<&Value> {
        self.summary.as_ref()?.pointer(pointer)
    }

    /// Keeps the summary if it belongs to this run, and returns whether it does. An earlier run of the same name may
    /// have left a summary that counts other requests than the CSV. Only a warning remains of it.
    pub(super) fn keep_if_of(&mut self, csv: &Path, run: &Run) -> bool {
        let told = self.at("/summary/total/requests").and_then(Value::as_u64);
        let found = run.latencies_ms.len() as u64 + run.failures;
        let Some(told) = told.filter(|told| *told != found) else {
            return true;
        };
        let (summary, csv) = (summary_beside(csv), csv.display());
        let text = format!(
            "{} counts {told} measured request(s) and {csv} has {found}: it is of another run and was left \
             out; it is not known whether the run was valid",
            summary.display()
        );
        *self = Self::warning("summary of another run", text);
        false
    }

    /// Returns the measured window, if the summary has it.
    pub(super) fn window(&self) -> Option<ThroughputWindow> {
        let (start, end) = self.window_ns()?;
        Some(ThroughputWindow::over(start, end))
    }

    fn window_ns(&self) -> Option<(u64, u64)> {
        let number = |pointer| self.at(pointer)?.as_f64();
        let start = number("/plan/warm_up_seconds")?;
        let by_time = self.at("/ended_by").is_some_and(|by| by == "run_time");
        let run_time = number("/plan/run_time_seconds").filter(|_| by_time);
        // In older summaries the length of the window ends at the last request.
        let end = run_time.or_else(|| Some(start + number("/summary/window_seconds")?))?;
        let nanoseconds = |seconds: f64| (seconds * 1e9).round() as u64;
        Some((nanoseconds(start), nanoseconds(end)))
    }

    /// Adds the summary's data to the run.
    pub(super) fn add_to(self, run: &mut Run) {
        let text = |pointer| self.at(pointer)?.as_str();
        let started = text("/started").and_then(|started| humantime::parse_rfc3339(started).ok());
        run.started = started.or(run.started);
        run.run_id = text("/run_id").map(shown);
        if text("/validity/verdict") == Some("invalid") {
            let findings = self.at("/validity/findings").and_then(Value::as_array);
            let reasons = findings.into_iter().flatten();
            let reasons = reasons.filter_map(|finding| finding["reason"].as_str());
            run.invalid.extend(reasons.map(shown));
            if run.invalid.is_empty() {
                run.invalid.push(NO_REASON.to_owned());
            }
        }
        run.warnings.extend(self.warning);
    }
}

/// Replaces control characters, so that a terminal can show a text of the file.
fn shown(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::compare::read_run;

    fn read_with(summary: Option<&str>) -> Run {
        let folder = tempfile::tempdir().unwrap();
        let csv = folder.path().join("run.v1.csv");
        fs::write(&csv, "request_type,name,response_time\nK,c,4\n").unwrap();
        if let Some(summary) = summary {
            fs::write(folder.path().join("run.v1.json"), summary).unwrap();
        }
        read_run(&csv).unwrap()
    }

    fn unread(run: &Run) -> Option<&str> {
        let mut warnings = run.warnings.iter().map(|warning| warning.text.as_str());
        warnings.find(|text| text.contains("whether its run was valid"))
    }

    #[test]
    fn an_invalid_run_brings_its_reasons() {
        let run = read_with(Some(
            r#"{"run_id": "1", "started": "2023-11-14T22:13:20.250Z", "validity": {"verdict": "invalid",
                "findings": [{"reason": "used 1.9 cores", "advice": "lower --users"}, {"reason": "la\u001bte"}]}}"#,
        ));
        // Control characters are replaced.
        assert_eq!(run.invalid, ["used 1.9 cores", "la te"]);
        assert_eq!(run.run_id.as_deref(), Some("1"));
        let since = run.started.unwrap().duration_since(SystemTime::UNIX_EPOCH);
        assert_eq!(since.unwrap(), Duration::from_millis(1_700_000_000_250));
        let run = read_with(Some(
            r#"{"run_id": "1", "validity": {"verdict": "invalid"}}"#,
        ));
        assert_eq!(run.invalid, [NO_REASON]);
    }

    #[test]
    fn a_figure_is_read_to_its_last_bit() {
        let mean = 3.509_692_623_773_173_4_f64;
        let read: f64 = serde_json::from_str(&mean.to_string()).unwrap();
        assert_eq!(read.to_bits(), mean.to_bits());
    }

    #[test]
    fn the_window_is_the_run_time_or_what_was_measured_of_it() {
        let window = |plan: &str, rest: &str| {
            let summary = format!(r#"{{"run_id": "1", "plan": {{{plan}}}, {rest}}}"#);
            let summary = serde_json::from_str(&summary).unwrap();
            let beside = Beside {
                summary: Some(summary),
                warning: None,
            };
            beside.window_ns()
        };
        let plan = r#""warm_up_seconds": 2, "run_time_seconds": 10"#;
        let measured = r#""summary": {"window_seconds": 1.5}"#;
        let over = |end: f64| Some((2_000_000_000, (end * 1e9) as u64));
        for (ended_by, expected) in [("run_time", over(10.0)), ("signal", over(3.5))] {
            let rest = format!(r#""ended_by": "{ended_by}", {measured}"#);
            assert_eq!(window(plan, &rest), expected, "{ended_by}");
        }
        let endless = r#""warm_up_seconds": 2, "run_time_seconds": null"#;
        assert_eq!(window(endless, measured), over(3.5));
        assert_eq!(window(plan, r#""summary": {}"#), None);
        assert_eq!(Beside::default().window(), None);
    }

    #[test]
    fn others_say_nothing_against_the_run() {
        for summary in [
            None,
            Some("[1, 2]"),
            Some(r#"{"validity": {"verdict": "invalid"}}"#),
            Some(r#"{"run_id": 7, "validity": "invalid"}"#),
            Some(r#"{"run_id": "1", "started": "soon"}"#),
            Some(r#"{"run_id": "1", "validity": {"verdict": "valid"}}"#),
            Some(r#"{"run_id": "1", "validity": {"verdict": "not_judged", "reason": "short"}}"#),
        ] {
            let run = read_with(summary);
            assert!(run.invalid.is_empty(), "{summary:?}");
            assert_eq!(unread(&run), None, "{summary:?}");
            assert!(run.written.is_some() && run.started.is_none());
        }
    }

    #[test]
    fn a_summary_of_another_run_is_left_out_and_told() {
        let summary = |requests: u64| {
            format!(
                r#"{{"run_id": "1", "started": "2023-11-14T22:13:20Z", "validity": {{"verdict": "invalid"}},
                    "summary": {{"total": {{"requests": {requests}}}}}}}"#
            )
        };
        let own = read_with(Some(&summary(1)));
        assert!(own.run_id.is_some() && !own.invalid.is_empty());
        assert!(
            own.warnings
                .iter()
                .all(|told| !told.text.contains("another run"))
        );
        let stale = read_with(Some(&summary(2)));
        assert_eq!((stale.run_id, stale.started), (None, None));
        assert!(stale.invalid.is_empty());
        let told = |own: &Warning| {
            own.text
                .contains("run.v1.json counts 2 measured request(s)")
                && own.text.contains("run.v1.csv has 1: it is of another run")
        };
        assert!(stale.warnings.iter().any(told), "{:?}", stale.warnings);
    }

    #[test]
    fn a_summary_cut_off_is_told() {
        let run = read_with(Some(r#"{"run_id": "1", "validity": {"#));
        assert!(run.invalid.is_empty());
        assert!(unread(&run).unwrap().contains("run.v1.json"));
    }
}
