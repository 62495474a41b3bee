//! The words of a run's report: target, load, settings, environment, command.

use std::time::Duration;

use crate::load::plan::Plan;
use crate::measure::moment::{Bin, Moment};
use crate::measure::summary::Summary;
use crate::report::html::{RunPage, Section};
use crate::report::text::repeat_command;
use crate::report::{EndedBy, RunFacts};
use crate::transport::kafka::{KafkaSettings, librdkafka_version};
use humantime::{format_duration, format_rfc3339_seconds};

use super::cpu;

/// The texts that the page refers to.
pub(crate) struct Words {
    title: String,
    during: String,
    warm_up_seconds: f64,
    header: Vec<Section>,
    circumstances: Vec<Section>,
}

impl Words {
    pub(crate) fn new(plan: &Plan, kafka: &KafkaSettings, facts: &RunFacts) -> Self {
        let ended = facts.started + facts.duration;
        let took = format_duration(Duration::from_millis(millis(facts.duration)));
        Self {
            title: format!("Load on {}", kafka.topic),
            during: format!(
                "{} to {} ({took}), run {}",
                format_rfc3339_seconds(facts.started),
                format_rfc3339_seconds(ended),
                kafka.run_id
            ),
            warm_up_seconds: plan.warm_up.as_secs_f64(),
            header: vec![target(kafka), load(plan, facts.ended_by)],
            circumstances: circumstances(facts),
        }
    }

    pub(crate) fn page<'a>(
        &'a self,
        facts: &'a RunFacts,
        summary: &'a Summary,
        moments: &'a [Moment],
        bins: &'a [Bin],
    ) -> RunPage<'a> {
        RunPage {
            title: &self.title,
            during: &self.during,
            summary,
            moments,
            warm_up_seconds: self.warm_up_seconds,
            bins,
            validity: &facts.validity,
            thresholds: &facts.thresholds,
            header: &self.header,
            circumstances: &self.circumstances,
            command: &facts.command,
        }
    }
}

/// The command of this process, secrets masked.
pub(crate) fn command() -> String {
    let arguments: Vec<String> = std::env::args_os()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
    let variables: Vec<_> = std::env::vars_os()
        .map(|(name, value)| (text(name), text(value)))
        .collect();
    repeat_command(&arguments, &variables)
}

fn section(heading: &str, rows: Vec<(&str, String)>) -> Section {
    let owned = |(name, value): (&str, String)| (name.to_owned(), value);
    Section {
        heading: heading.to_owned(),
        rows: rows.into_iter().map(owned).collect(),
    }
}

fn target(kafka: &KafkaSettings) -> Section {
    let replies = if kafka.publish_only {
        "none: publishing only, to the broker's acknowledgement".to_owned()
    } else {
        kafka.reply_topic.clone()
    };
    section(
        "Target",
        vec![
            ("brokers", kafka.brokers.clone()),
            ("topic", kafka.topic.clone()),
            ("replies", replies),
            ("body", format!("{} bytes", kafka.body.len())),
        ],
    )
}

fn load(plan: &Plan, ended_by: EndedBy) -> Section {
    let run_time = plan.run_time.map_or_else(
        || "until it is stopped".to_owned(),
        |time| format_duration(time).to_string(),
    );
    let ended_by = match ended_by {
        EndedBy::RunTime => "the run time",
        EndedBy::Signal => "a signal",
        EndedBy::Threshold => "a threshold that was broken",
        EndedBy::Limit => "a stage that broke a limit",
        EndedBy::Failure => "a failure",
    };
    section(
        "Load",
        vec![
            ("model", plan.load_model()),
            ("target", plan.first_target().to_string()),
            ("stages", plan.stages.len().to_string()),
            ("run time", run_time),
            ("warm-up", format_duration(plan.warm_up).to_string()),
            ("time-out", format_duration(plan.timeout).to_string()),
            ("ended by", ended_by.to_owned()),
        ],
    )
}

fn circumstances(facts: &RunFacts) -> Vec<Section> {
    let settings = |heading: &str, of: &std::collections::BTreeMap<String, String>| Section {
        heading: heading.to_owned(),
        rows: of.clone().into_iter().collect(),
    };
    let mut sections = vec![settings(
        "Producer's settings in effect",
        &facts.client_settings.producer,
    )];
    if !facts.client_settings.consumer.is_empty() {
        let consumer = &facts.client_settings.consumer;
        sections.push(settings("Reply consumer's settings in effect", consumer));
    }
    let system = format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH);
    sections.push(section(
        "Environment",
        vec![
            ("load-client", env!("CARGO_PKG_VERSION").to_owned()),
            ("librdkafka", librdkafka_version()),
            ("system", system),
            ("cores for the load client", cpu::cores().to_string()),
            (
                "replies that nobody waited for",
                facts.unmatched_replies.to_string(),
            ),
        ],
    ));
    sections
}

/// Whole milliseconds: nanoseconds of a run's length tell nothing.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
