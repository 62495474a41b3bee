//! What the JSON summary of a run, `X.json` beside `X.csv`, says that its CSV does not: when the run
//! started, and whether its load client was the bottleneck.
//!
//! The shape is read leniently, because the file may be of an older or newer version, or nothing of ours at
//! all; only what says plainly "invalid" counts against the run.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;

use crate::compare::run::Run;

/// Larger files are no summary of a run.
const LARGEST_BYTES: u64 = 16 << 20;
/// What is said of a run that is invalid without a reason.
const NO_REASON: &str = "its summary gives no reason";

#[derive(Debug, Deserialize)]
struct Summary {
    /// What tells a summary of a run from any other JSON.
    run_id: Option<String>,
    started: Option<String>,
    validity: Option<Validity>,
}

#[derive(Debug, Deserialize)]
struct Validity {
    verdict: String,
    #[serde(default)]
    findings: Vec<Finding>,
}

#[derive(Debug, Deserialize)]
struct Finding {
    reason: String,
}

/// Adds what the summary beside `csv` knows, if there is one.
pub(super) fn add(csv: &Path, run: &mut Run) {
    let path = csv.with_extension("json");
    if path == csv || fs::metadata(&path).is_ok_and(|facts| facts.len() > LARGEST_BYTES) {
        return;
    }
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return,
        Err(error) => {
            run.warnings.push(unreadable(&path, &error));
            return;
        }
    };
    match serde_json::from_slice::<Summary>(&text) {
        Ok(summary) => take(summary, run),
        // An array, or a summary whose fields have other types: not ours.
        Err(error) if error.is_data() => {}
        Err(error) => run.warnings.push(unreadable(&path, &error)),
    }
}

fn take(summary: Summary, run: &mut Run) {
    if summary.run_id.is_none() {
        return;
    }
    let started = summary.started.as_deref();
    let started = started.and_then(|started| humantime::parse_rfc3339(started).ok());
    run.started = started.or(run.started);
    run.run_id = summary.run_id;
    let Some(validity) = summary.validity.filter(|own| own.verdict == "invalid") else {
        return;
    };
    let reasons = validity.findings.into_iter().map(|finding| finding.reason);
    run.invalid.extend(reasons);
    if run.invalid.is_empty() {
        run.invalid.push(NO_REASON.to_owned());
    }
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!(
        "cannot read {}: {error}; whether its run was valid is not known",
        path.display()
    )
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

    fn unread(run: &Run) -> Option<&String> {
        let mut warnings = run.warnings.iter();
        warnings.find(|warning| warning.contains("whether its run was valid"))
    }

    #[test]
    fn an_invalid_run_brings_its_reasons() {
        let run = read_with(Some(
            r#"{"run_id": "1", "started": "2023-11-14T22:13:20.250Z", "validity": {"verdict": "invalid",
                "findings": [{"reason": "used 1.9 cores", "advice": "lower --users"}, {"reason": "late"}]}}"#,
        ));
        assert_eq!(run.invalid, ["used 1.9 cores", "late"]);
        assert_eq!(run.run_id.as_deref(), Some("1"));
        let since = run.started.unwrap().duration_since(SystemTime::UNIX_EPOCH);
        assert_eq!(since.unwrap(), Duration::from_millis(1_700_000_000_250));
        let run = read_with(Some(
            r#"{"run_id": "1", "validity": {"verdict": "invalid"}}"#,
        ));
        assert_eq!(run.invalid, [NO_REASON]);
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
    fn a_summary_cut_off_is_told() {
        let run = read_with(Some(r#"{"run_id": "1", "validity": {"#));
        assert!(run.invalid.is_empty());
        assert!(unread(&run).unwrap().contains("run.v1.json"));
    }
}
