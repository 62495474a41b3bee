//! One run of the load client: its flags, and its figures.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use humantime::format_duration;
use serde_json::Value;

use super::load::{Load, Pressure};
use super::place::Place;
use crate::hand_over;
use crate::process::Child;
use crate::stack::Stack;

/// Shorter than the article's, so that an overloaded subject does not delay the others for long.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The keys of the target for `keyed`.
const KEY: &str = "key-{random:1:1000}";

/// One run of the load client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Course {
    pub(super) load: Load,
    /// Requests per second of an open loop.
    pub(super) rate: Option<u32>,
    pub(super) run_time: Duration,
    pub(super) warm_up: Duration,
}

impl Course {
    /// Starts the load client. It writes its summary to `file`.
    pub(super) fn spawn(
        &self,
        program: &Path,
        stack: &Stack,
        place: &Place,
        file: &Path,
    ) -> Result<Child> {
        let flags = self.flags(stack, place, file);
        let (properties, variables) =
            hand_over::properties(&stack.client_properties(), "LOAD_CLIENT_X");
        let mut line = vec![
            "run".to_owned(),
            "--headless".to_owned(),
            "--only-summary".to_owned(),
        ];
        let flags = flags.into_iter();
        line.extend(flags.flat_map(|(flag, value)| [flag.to_owned(), value]));
        line.extend(properties);
        let log = place.log("load-client");
        Child::spawn_with("load-client", program, &line, (&*variables).into(), &log)
    }

    fn flags(&self, stack: &Stack, place: &Place, file: &Path) -> Vec<(&'static str, String)> {
        let mut flags = vec![
            ("--host", stack.kafka_url().to_owned()),
            ("--topic", place.topic()),
            ("--name", "createOrder".to_owned()),
            ("--reply-topic", place.reply_topic()),
            ("--key", KEY.to_owned()),
            ("--run-time", format_duration(self.run_time).to_string()),
            ("--warm-up", format_duration(self.warm_up).to_string()),
            ("--timeout", format_duration(TIMEOUT).to_string()),
            ("--json", file.display().to_string()),
        ];
        match (self.load.pressure, self.rate) {
            (Pressure::Users(users), _) => {
                flags.push(("--users", users.to_string()));
                // All users start within a part of the warm-up.
                flags.push(("--spawn-rate", (users * 10).to_string()));
            }
            (Pressure::HalfOfSlowest, rate) => {
                flags.push(("--rate", format!("{}/s", rate.unwrap_or(1))));
            }
        }
        flags
    }
}

/// How long a load client may take beyond its run time.
pub(super) const SLACK: Duration = Duration::from_secs(30);

/// The figures of the load client.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    pub(super) throughput: f64,
    /// `None` for too few replies, like the other percentiles.
    pub(super) p50_ms: Option<f64>,
    pub(super) p95_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
    /// All requests, with those of the warm-up.
    pub(super) requests: u64,
    pub(super) failures: u64,
    /// Whether the load client was not the bottleneck.
    pub(super) valid: bool,
}

impl Measured {
    /// Reads the summary of `--json`.
    pub(super) fn read(text: &str) -> Result<Self> {
        let report: Value = serde_json::from_str(text).context("the summary is not JSON")?;
        let summary = &report["summary"];
        let total = &summary["total"];
        let number = |value: &Value, what: &str| {
            value
                .as_f64()
                .with_context(|| format!("the summary has no {what}"))
        };
        let quantile = |wanted: f64| {
            let points = total["response"]["percentiles"].as_array();
            let mut points = points.into_iter().flatten();
            let point = points.find(|point| point["quantile"].as_f64() == Some(wanted))?;
            point["ms"].as_f64()
        };
        let count = |value: &Value, what: &str| number(value, what).map(|count| count as u64);
        let warm_up = &summary["warm_up"];
        Ok(Self {
            throughput: number(&summary["throughput"], "throughput")?,
            p50_ms: quantile(0.5),
            p95_ms: quantile(0.95),
            p99_ms: quantile(0.99),
            requests: count(&total["requests"], "requests")?
                + count(&warm_up["requests"], "warm-up")?,
            failures: count(&total["failures"], "failures")?
                + count(&warm_up["failures"], "warm-up")?,
            valid: report["validity"]["verdict"] != "invalid",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_read_and_a_lacking_figure_is_named() {
        let text = r#"{"summary": {"throughput": 10.5, "warm_up": {"requests": 2, "failures": 0},
            "total": {"requests": 100, "failures": 1, "response": {"percentiles": [
                {"quantile": 0.5, "ms": 1.0}, {"quantile": 0.95, "ms": 2.0}, {"quantile": 0.99, "ms": 3.0}]}}},
            "validity": {"verdict": "invalid"}}"#;
        let measured = Measured::read(text).unwrap();
        assert_eq!((measured.requests, measured.failures), (102, 1));
        assert_eq!((measured.p50_ms, measured.p99_ms), (Some(1.0), Some(3.0)));
        assert!(!measured.valid);
        let error = Measured::read(&text.replace("throughput", "x")).unwrap_err();
        assert!(error.to_string().contains("throughput"), "{error}");
        let few = Measured::read(&text.replace("0.99,", "0.98,")).unwrap();
        assert_eq!((few.p95_ms, few.p99_ms), (Some(2.0), None));
    }
}
