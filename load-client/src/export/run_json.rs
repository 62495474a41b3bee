//! The JSON summary of a run: what was asked for, what was in effect, what was measured.

use serde::Serialize;

use crate::plan::Plan;
use crate::summary::Summary;
use crate::transport::kafka::{ClientSettings, KafkaSettings, librdkafka_version};

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// Its time was over.
    RunTime,
    /// It was told to stop.
    Signal,
    /// Replies could not be received, or the requests could not be recorded, any more.
    Failure,
}

/// All that `--json` writes.
#[derive(Debug, Serialize)]
pub struct RunReport {
    run_id: String,
    /// When the run started, RFC 3339.
    started: String,
    /// From the start until the last request ended, in seconds.
    duration_seconds: f64,
    ended_by: EndedBy,
    load_client_version: &'static str,
    librdkafka_version: String,
    /// How the load was made, which decides what its latencies mean.
    load_model: String,
    target: Target,
    plan: PlanReport,
    client_settings: ClientSettings,
    /// Replies that nobody waited for: late, or of somebody else.
    unmatched_replies: u64,
    summary: Summary,
}

#[derive(Debug, Serialize)]
struct Target {
    brokers: String,
    topic: String,
    reply_topic: Option<String>,
    body_bytes: usize,
}

#[derive(Debug, Serialize)]
struct PlanReport {
    users: u32,
    spawn_rate: f64,
    run_time_seconds: Option<f64>,
    warm_up_seconds: f64,
    timeout_seconds: f64,
}

/// What only the run itself knows.
pub struct RunFacts {
    /// When it started.
    pub started: std::time::SystemTime,
    /// How long it took.
    pub duration: std::time::Duration,
    /// Why it ended.
    pub ended_by: EndedBy,
    /// Replies that nobody waited for.
    pub unmatched_replies: u64,
    /// Client settings in effect.
    pub client_settings: ClientSettings,
}

impl RunReport {
    /// Puts the report together.
    #[must_use]
    pub fn new(plan: &Plan, kafka: &KafkaSettings, facts: RunFacts, summary: Summary) -> Self {
        Self {
            run_id: kafka.run_id.clone(),
            started: humantime::format_rfc3339_millis(facts.started).to_string(),
            duration_seconds: facts.duration.as_secs_f64(),
            ended_by: facts.ended_by,
            load_client_version: env!("CARGO_PKG_VERSION"),
            librdkafka_version: librdkafka_version(),
            load_model: plan.load_model(),
            target: Target {
                brokers: kafka.brokers.clone(),
                topic: kafka.topic.clone(),
                reply_topic: (!kafka.publish_only).then(|| kafka.reply_topic.clone()),
                body_bytes: kafka.body.len(),
            },
            plan: PlanReport {
                users: plan.users,
                spawn_rate: plan.spawn_rate,
                run_time_seconds: plan.run_time.map(|time| time.as_secs_f64()),
                warm_up_seconds: plan.warm_up.as_secs_f64(),
                timeout_seconds: plan.timeout.as_secs_f64(),
            },
            client_settings: facts.client_settings,
            unmatched_replies: facts.unmatched_replies,
            summary,
        }
    }
}
