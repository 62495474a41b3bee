//! One run of several clients, which Kafka's log holds together. Coordinator and workers are state machines: records and
//! ticks in, records out. What reads and writes the log is elsewhere.
//!
//! The topic *control* has one partition, so its offsets are one order that all agree on. Whoever wrote the last claim of a
//! run is its coordinator; what another one writes after it has no effect. The first plan of a run counts, and the first
//! start. Measurements go to *results*, keyed by worker.

mod act;
mod coordinator;
mod course;
mod outcome;
mod run_log;
mod seating;
mod seats;
#[cfg(test)]
mod tests;
mod worker;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::measure::interval::{Interval, IntervalRecord};
use crate::measure::summary::Ended;
use crate::report::run_file::{RunEnd, RunHeader};

pub(crate) use act::{Act, Ending, Terms};
pub(crate) use coordinator::Coordinator;
pub(crate) use course::Course;
pub(crate) use outcome::{Lost, lost, parts, validity};
pub(crate) use run_log::RunLog;
pub(crate) use seats::WorkerView;
pub(crate) use worker::{Do, Worker, WorkerEnd};

/// Counts the forms of the records.
pub(crate) const PROTOCOL: u32 = 1;

/// A record of the topic control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) version: u32,
    pub(crate) run: String,
    /// The coordinator or worker that wrote it.
    pub(crate) from: String,
    pub(crate) says: Says,
}

/// What a record of the topic control says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Says {
    /// A coordinator takes the run, which begins with the first claim: so many workers are wanted.
    Claim {
        workers: u32,
    },
    /// A worker is free for the run.
    Hello {
        name: String,
        cores: usize,
        /// The part that it wants to send, counted from 0.
        index: Option<u32>,
    },
    Plan(Box<PlanNote>),
    /// A worker is connected; this is what it is about to send.
    Ready(Box<Ready>),
    /// A worker cannot take part.
    Refused {
        reason: String,
    },
    /// The load begins that long after a worker reads this.
    Start {
        delay_ms: u64,
    },
    /// A worker has read the start.
    Started,
    /// Nothing more is sent; replies are waited for.
    Stop {
        reason: String,
    },
    /// Nothing more is sent, and nothing waited for.
    Abort {
        reason: String,
    },
    /// All that was measured is there.
    Finished,
    /// What its coordinator ends with.
    Verdict {
        exit_code: u8,
    },
}

/// A worker is ready.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// Of the load as the worker has it.
    pub(crate) digest: String,
    /// What its file would begin with.
    pub(crate) header: RunHeader,
}

/// What each worker is to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PlanNote {
    /// The workers; the place of each is the part of the load that it sends.
    pub(crate) order: Vec<String>,
    pub(crate) load: LoadNote,
}

/// The whole load, as it was typed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LoadNote {
    /// Brokers of the service.
    pub(crate) brokers: String,
    pub(crate) flags: Vec<PlanFlag>,
    /// The files that these flags name, in base64, by their paths.
    pub(crate) files: BTreeMap<String, String>,
    /// Seconds that one interval of a worker has.
    pub(crate) interval_seconds: u64,
}

/// A flag of `run`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PlanFlag {
    /// Its long name, such as `rate`; or `X`.
    pub(crate) name: String,
    pub(crate) value: Option<String>,
    /// The value is a path among the plan's files.
    #[serde(default)]
    pub(crate) is_file: bool,
}

impl LoadNote {
    /// Tells two loads apart.
    pub(crate) fn digest(&self) -> String {
        // It has no map whose keys are no texts.
        let json = serde_json::to_vec(self).unwrap_or_default();
        Uuid::new_v5(&Uuid::NAMESPACE_OID, &json).to_string()
    }
}

/// A record of the topic control, as the log has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) offset: i64,
    /// When the log took it, by its leader's clock, in milliseconds since 1970.
    pub(crate) appended_ms: i64,
    pub(crate) note: Note,
}

/// A record of the topic results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measurement {
    pub(crate) version: u32,
    pub(crate) run: String,
    pub(crate) from: String,
    pub(crate) says: Measured,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Measured {
    /// Each second.
    Beat(Beat),
    /// Each of a second, one or several.
    Intervals(Vec<IntervalRecord>),
    Done(Box<Done>),
}

/// How a worker is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Beat {
    /// Users that are active, or requests in flight of an open loop.
    pub(crate) active: u32,
    /// Cores that the worker used since its start.
    pub(crate) cores: Option<f64>,
    /// 99th percentile of how late its requests were sent.
    pub(crate) lag_p99_ms: Option<f64>,
    /// Requests that it has sent.
    pub(crate) sent: u64,
}

/// A worker has sent its part. What it has measured in all must be the sum of its intervals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) end: RunEnd,
    pub(crate) intervals: u64,
    pub(crate) ended: Ended,
    /// It was ended by an order of the coordinator.
    pub(crate) obeyed: bool,
}

/// No run is longer, in seconds.
const LONGEST_RUN: u64 = 7 * 24 * 3600;

fn is_interval(record: &IntervalRecord) -> bool {
    let is_of_a_run = record.number <= LONGEST_RUN && record.second <= LONGEST_RUN;
    is_of_a_run && Interval::try_from(record).is_ok()
}

/// Of whoever writes; longer ones are nobody's of ours.
const LONGEST_NAME: usize = 200;
const MOST_WORKERS: usize = 1000;
const LONGEST_DELAY_MS: u64 = 3_600_000;

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_NAME && !text.contains(char::is_control)
}

impl Entry {
    /// Reads a record; `None` for one that nobody of ours would write. Of another version, claims are told alone.
    pub(crate) fn read(offset: i64, appended_ms: i64, payload: &[u8]) -> Option<Self> {
        let note: Note = match serde_json::from_slice(payload) {
            Ok(note) => note,
            Err(_) => of_another_version(payload)?,
        };
        let names = [&note.run, &note.from];
        let is_sound = names.into_iter().all(|name| is_name(name)) && note.says.is_sound();
        is_sound.then_some(Self {
            offset,
            appended_ms,
            note,
        })
    }
}

fn of_another_version(payload: &[u8]) -> Option<Note> {
    #[derive(Deserialize)]
    struct Other {
        version: u32,
        run: String,
        from: String,
        says: serde_json::Value,
    }
    let Other {
        version,
        run,
        from,
        says,
    } = serde_json::from_slice(payload).ok()?;
    let is_claim = version != PROTOCOL && says.get("claim").is_some();
    is_claim.then_some(Note {
        version,
        run,
        from,
        says: Says::Claim { workers: 0 },
    })
}

impl Says {
    fn is_sound(&self) -> bool {
        match self {
            Self::Hello { name, .. } => is_name(name),
            Self::Plan(plan) => {
                let order = &plan.order;
                (1..=MOST_WORKERS).contains(&order.len()) && order.iter().all(|own| is_name(own))
            }
            Self::Ready(ready) => ready.header.check().is_ok(),
            Self::Start { delay_ms } => *delay_ms <= LONGEST_DELAY_MS,
            Self::Refused { reason } | Self::Stop { reason } | Self::Abort { reason } => {
                !reason.contains(char::is_control)
            }
            Self::Claim { .. } | Self::Started | Self::Finished | Self::Verdict { .. } => true,
        }
    }
}

impl Measurement {
    /// Reads a record; `None` for one that nobody of ours would write.
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let own: Self = serde_json::from_slice(payload).ok()?;
        let is_sound = match &own.says {
            Measured::Done(done) => done.end.check().is_ok(),
            Measured::Intervals(records) => records.iter().all(is_interval),
            Measured::Beat(_) => true,
        };
        (is_sound && is_name(&own.run) && is_name(&own.from)).then_some(own)
    }
}
