//! The JSON summary of a run: what was asked for, the effective settings, the measurements.
//!
//! The format is stable: fields may be added, but a field is never renamed, removed or given another unit without a new
//! `format`. Names that end in `_ms` are milliseconds, names that end in `_seconds` are seconds. Shares and quantiles
//! are 0 to 1. An undefined value is `null`, never 0.
//!
//! | field | content |
//! |---|---|
//! | `format` | the version of this format |
//! | `run_id`, `started`, `duration_seconds`, `ended_by` | the run, when it started (RFC 3339), how long it took, why it ended: `run_time`, `signal`, `threshold`, `limit`, `search`, `exhausted`, `failure` |
//! | `load_model`, `target`, `plan`, `client_settings`, `command` | the load that was asked for, and the effective settings; `plan.loads[]` are several loads at once, `plan.segment` is the part of a load that several clients send |
//! | `summary.total`, `summary.kinds[]` | requests, failures, rates, `response` and `service` times of all kinds, of each |
//! | `summary.outcomes`, `summary.errors[]` | requests by outcome; failures by kind and text, with `first_body`: how the first refused reply began, or `null` |
//! | `summary.throughput`, `summary.window_seconds` | good replies per second of the measured window, and its length: from the end of the warm-up to the end of the run time, or to the moment in which the run was stopped |
//! | `summary.stages[]`, `summary.findings` | figures of each stage of a run that has stages; drift, breaking point, capacity, recovery |
//! | `thresholds[]` | `threshold`, `verdict` (`holds`, `broken`, `undecided`), `measured`, `reason` |
//! | `validity` | `verdict` (`valid`, `not_judged`, `partial`, `invalid`) with `reason` or `findings[]` |
//! | `summary.schedule_lag` | how late an open loop sent its requests |
//! | `exit_code` | the exit code of the program |
//! | `parts[]` | of a merged run, and of one that workers have sent: `segment`, `name`, `run_id`, `requests`, `failures`, `cores`, `schedule_lag`, `ended_by`, `validity` of each part; of a worker also `lost`: `null`, or how many requests it had `sent` at its last beat, and the requests that it has `never_sent`: `count`, `first`, `last`, and up to a million `numbers` in the schedule of all; `run_id` and settings of a merged run are those of the first |

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::load::plan::{Load, Plan, Span};
use crate::measure::selfcheck::Validity;
use crate::measure::summary::Summary;
use crate::measure::threshold::Judgements;
use crate::transport::kafka::{ClientSettings, KafkaSettings, librdkafka_version};
use crate::transport::wire::Wire;

/// The version of the report's format.
pub(crate) const RUN_FORMAT: u32 = 1;

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EndedBy {
    RunTime,
    Signal,
    /// A threshold was broken, with `--abort-on-fail`.
    Threshold,
    /// A stage broke a limit of `--until`.
    Limit,
    /// The highest rate that holds was found.
    Search,
    /// Nothing was left to send: a feeder that gives each row once had no more rows.
    Exhausted,
    /// Replies could no longer be received, or requests could no longer be recorded.
    Failure,
}

impl EndedBy {
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::RunTime => "the run time",
            Self::Signal => "a signal",
            Self::Threshold => "a broken threshold",
            Self::Limit => "a stage that broke a limit",
            Self::Search => "the end of the search",
            Self::Exhausted => "the last row of a feeder",
            Self::Failure => "a failure",
        }
    }
}

/// The data of a run for its reports.
#[derive(Clone, Copy)]
pub(crate) struct RunData<'a> {
    pub plan: &'a Plan,
    pub kafka: &'a KafkaSettings,
    pub facts: &'a RunFacts,
    pub summary: &'a Summary,
}

/// Facts that only the run itself knows.
#[derive(Debug, Serialize)]
pub(crate) struct RunFacts {
    #[serde(serialize_with = "rfc3339")]
    pub started: SystemTime,
    /// From the start until the last request ended.
    #[serde(rename = "duration_seconds", serialize_with = "seconds")]
    pub duration: Duration,
    pub ended_by: EndedBy,
    /// Replies without a waiting request: they are late, or answer another client.
    pub unmatched_replies: u64,
    /// The effective settings.
    pub client_settings: ClientSettings,
    pub thresholds: Judgements,
    pub validity: Validity,
    /// The command that repeats the run, secrets masked.
    pub command: String,
    /// The exit code of the program.
    pub exit_code: u8,
    /// The report of each worker, if workers sent the load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<Vec<Value>>,
}

/// The content of the file of `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct RunReport<'a> {
    format: u32,
    run_id: &'a str,
    #[serde(flatten)]
    facts: &'a RunFacts,
    load_client_version: &'static str,
    librdkafka_version: String,
    /// How the load was made. It decides the meaning of the latencies.
    load_model: String,
    target: Target<'a>,
    plan: PlanReport<'a>,
    summary: &'a Summary,
}

#[derive(Debug, Serialize)]
struct Target<'a> {
    brokers: &'a str,
    topic: &'a str,
    reply_topic: Option<&'a str>,
    /// `None` when bodies differ from request to request.
    body_bytes: Option<usize>,
    /// How requests and replies find each other. Runs that differ in it are not comparable.
    wire: &'a Wire,
}

#[derive(Debug, Serialize)]
struct PlanReport<'a> {
    users: u32,
    spawn_rate: f64,
    run_time_seconds: Option<f64>,
    warm_up_seconds: f64,
    timeout_seconds: f64,
    /// The part of the load that was sent, such as `1/3`; `None` for the whole load.
    segment: Option<String>,
    /// Several loads at once, each with its own settings. The users and the spawn rate above then apply to none of
    /// them.
    loads: Vec<LoadReport<'a>>,
}

#[derive(Debug, Serialize)]
struct LoadReport<'a> {
    name: &'a str,
    /// Names of the kinds of request that it sends.
    kinds: Vec<&'a str>,
    load_model: String,
    /// The target of its beginning, in words.
    target: String,
    stages: Vec<Span>,
    run_time_seconds: Option<f64>,
}

impl<'a> RunReport<'a> {
    /// Creates the report of a run.
    pub(crate) fn new(run: RunData<'a>) -> Self {
        let (plan, kafka) = (run.plan, run.kafka);
        Self {
            format: RUN_FORMAT,
            run_id: &kafka.run_id,
            facts: run.facts,
            load_client_version: env!("CARGO_PKG_VERSION"),
            librdkafka_version: librdkafka_version(),
            load_model: plan.load_model(),
            target: Target {
                brokers: &kafka.brokers,
                topic: &kafka.topic,
                reply_topic: (!kafka.publish_only).then_some(&kafka.reply_topic),
                body_bytes: (!kafka.body.is_empty()).then_some(kafka.body.len()),
                wire: &kafka.service.wire,
            },
            plan: PlanReport {
                users: plan.users,
                spawn_rate: plan.spawn_rate,
                run_time_seconds: plan.run_time.map(|time| time.as_secs_f64()),
                warm_up_seconds: plan.warm_up.as_secs_f64(),
                timeout_seconds: plan.timeout.as_secs_f64(),
                segment: (!plan.share.is_whole()).then(|| plan.share.to_string()),
                loads: plan
                    .loads
                    .iter()
                    .map(|load| LoadReport::new(load, run.summary))
                    .collect(),
            },
            summary: run.summary,
        }
    }
}

impl<'a> LoadReport<'a> {
    fn new(load: &'a Load, summary: &'a Summary) -> Self {
        let kinds = load
            .kinds
            .iter()
            .filter_map(|kind| summary.kinds.get(usize::from(*kind)));
        Self {
            name: &load.name,
            kinds: kinds.map(|row| row.name.as_str()).collect(),
            load_model: load.plan.load_model(),
            target: load.plan.first_target().to_string(),
            stages: load.plan.spans(),
            run_time_seconds: load.plan.run_time.map(|time| time.as_secs_f64()),
        }
    }
}

fn rfc3339<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_millis(*time))
}

fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::Value;

    use super::*;
    use crate::load::Share;
    use crate::measure::summary::{Sample, Status};
    use crate::measure::tally::Tally;
    use crate::measure::threshold::{Threshold, evaluate};

    fn report() -> Value {
        let mut tally = Tally::new(&["createOrder".to_owned()]);
        for index in 0..250_u64 {
            let outcome = if index == 9 {
                Status::Timeout
            } else {
                Status::Ok
            };
            let sample = Sample::test(index * 10_000_000, 4_000_000, outcome);
            tally.record(&sample, Duration::from_millis(index * 10));
        }
        let plan = Plan {
            users: 2,
            spawn_rate: 1.0,
            run_time: None,
            warm_up: Duration::ZERO,
            timeout: Duration::from_secs(30),
            model: crate::load::plan::Model::Closed(crate::load::plan::Pause::None),
            stages: Vec::new(),
            search: None,
            loads: Vec::new(),
            share: Share::WHOLE,
        };
        let kafka = KafkaSettings {
            brokers: "localhost:9092".to_owned(),
            topic: "createOrder".to_owned(),
            reply_topic: "createOrder.reply".to_owned(),
            body: bytes::Bytes::from_static(b"{}"),
            headers: Vec::new(),
            timeout: Duration::from_secs(30),
            publish_only: false,
            properties: Vec::new(),
            service: crate::transport::kafka::ServiceSettings::default(),
            run_id: "id".to_owned(),
        };
        let threshold: Threshold = "p95<20ms".parse().unwrap();
        let summary = tally.summary();
        let facts = RunFacts {
            started: UNIX_EPOCH,
            duration: Duration::from_secs(3),
            ended_by: EndedBy::Threshold,
            unmatched_replies: 0,
            client_settings: kafka.effective().unwrap(),
            thresholds: evaluate(&[threshold], &summary),
            validity: Validity::NotJudged {
                reason: "short".to_owned(),
            },
            command: "load-client run".to_owned(),
            exit_code: 4,
            parts: None,
        };
        let run = RunData {
            plan: &plan,
            kafka: &kafka,
            facts: &facts,
            summary: &summary,
        };
        serde_json::to_value(RunReport::new(run)).unwrap()
    }

    fn keys(value: &Value) -> Vec<&str> {
        value
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect()
    }

    #[test]
    fn the_shape_is_what_the_documentation_says() {
        let report = report();
        assert_eq!(
            keys(&report),
            [
                "client_settings",
                "command",
                "duration_seconds",
                "ended_by",
                "exit_code",
                "format",
                "librdkafka_version",
                "load_client_version",
                "load_model",
                "plan",
                "run_id",
                "started",
                "summary",
                "target",
                "thresholds",
                "unmatched_replies",
                "validity"
            ]
        );
        let summary = &report["summary"];
        for key in [
            "kinds",
            "total",
            "outcomes",
            "warm_up",
            "throughput",
            "window_seconds",
            "errors",
        ] {
            assert!(summary.get(key).is_some(), "{key}");
        }
        let row = [
            "censored",
            "failures",
            "mean_bytes",
            "name",
            "rates",
            "requests",
            "response",
            "service",
        ];
        assert_eq!(keys(&summary["total"]), row);
        assert_eq!(keys(&summary["kinds"][0]), row);
        let latency = [
            "count",
            "max_ms",
            "mean_ms",
            "median_ms",
            "min_ms",
            "percentiles",
        ];
        assert_eq!(keys(&summary["total"]["response"]), latency);
        assert!(summary["schedule_lag"].is_null(), "a closed loop has none");
    }

    #[test]
    fn verdicts_are_words_and_what_is_undefined_is_null() {
        let report = report();
        assert_eq!(
            (&report["format"], &report["exit_code"]),
            (&1.into(), &4.into())
        );
        assert_eq!(report["ended_by"], "threshold");
        assert_eq!(report["thresholds"][0]["verdict"], "holds");
        assert_eq!(report["thresholds"][0]["threshold"], "p95<20ms");
        assert!(report["thresholds"][0]["reason"].is_null());
        assert_eq!(report["validity"]["verdict"], "not_judged");
        assert!(report["plan"]["run_time_seconds"].is_null());
        assert_eq!(report["summary"]["outcomes"]["timeout"], 1);
    }
}
