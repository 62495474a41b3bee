//! Short runs of the built program against a responder, and their files.

use std::path::PathBuf;
use std::process::Output;

use tempfile::TempDir;

use crate::responder::{Received, Reply, Responder};
use crate::support::rows;

pub(crate) const NAME: usize = 1;
pub(crate) const STATUS: usize = 3;
pub(crate) const ERROR: usize = 9;
/// Long enough for a reply on a busy machine, and much longer than a test takes.
const PATIENCE: [&str; 2] = ["--timeout", "20s"];

pub(crate) struct Run {
    pub(crate) output: Output,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) json: serde_json::Value,
}

/// Runs for one second.
pub(crate) fn run(service: &Responder, arguments: &[&str]) -> Run {
    run_for("1s", service, arguments)
}

pub(crate) fn run_for(time: &str, service: &Responder, arguments: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let (csv, json) = (
        folder.path().join("run.csv"),
        folder.path().join("run.json"),
    );
    let mut command = service.client();
    command.args(["-t", time]).args(PATIENCE).args(arguments);
    command.arg("--requests-record-file").arg(&csv);
    let output = command.arg("--json").arg(&json).output().unwrap();
    let text = std::fs::read(&json);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let text = text.unwrap_or_else(|_| panic!("no report: {stderr}"));
    Run {
        rows: rows(&csv),
        json: serde_json::from_slice(&text).unwrap(),
        output,
    }
}

#[track_caller]
pub(crate) fn assert_all_ok(run: &Run) {
    assert_eq!(run.output.status.code(), Some(0), "{:?}", run.output);
    assert!(!run.rows.is_empty());
    assert!(
        run.rows.iter().all(|row| row[STATUS] == "ok"),
        "{:?}",
        run.rows
    );
}

#[track_caller]
pub(crate) fn assert_error(output: &Output, code: i32, parts: &[&str]) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{told}");
    for part in parts {
        assert!(told.contains(part), "{part} is not in: {told}");
    }
}

/// Answers like the order service: 201 for an order, 404 for a search.
pub(crate) fn orders(request: &Received) -> Vec<Reply> {
    let echo = request.text("x-reply-set-header");
    let (_, id) = echo.split_once(':').unwrap();
    let status = if request.topic == "createOrder" {
        "201"
    } else {
        "404"
    };
    vec![Reply {
        topic: request.text("reply-to"),
        headers: vec![("status-code", status.into()), ("x-request-id", id.into())],
        ..Reply::default()
    }]
}

pub(crate) fn write(folder: &TempDir, name: &str, content: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}
