//! One run of several clients, coordinated by Kafka's log. Coordinator and workers are state machines: records and
//! ticks in, records out. Other modules read and write the log.
//!
//! The topic *control* has one partition, so all participants agree on the order of its records. The writer of the last
//! claim of a run is its coordinator. Later records of another coordinator have no effect. Only the first plan and the
//! first start of a run count. Measurements go to *results*, keyed by worker.

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

/// The version of the records' format.
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

/// The content of a record of the topic control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Says {
    /// A coordinator takes the run and wants this many workers. The first claim begins the run.
    Claim {
        workers: u32,
    },
    /// A worker is free for the run.
    Hello {
        name: String,
        cores: usize,
        /// The part that the worker wants to send, counted from 0.
        index: Option<u32>,
    },
    Plan(Box<PlanNote>),
    /// A worker is connected, and about to send this load.
    Ready(Box<Ready>),
    /// A worker cannot take part.
    Refused {
        reason: String,
    },
    /// A worker begins the load this long after it has read this record.
    Start {
        delay_ms: u64,
    },
    /// A worker has read the start.
    Started,
    /// Send nothing more, and wait for replies.
    Stop {
        reason: String,
    },
    /// Send nothing more, and do not wait for replies.
    Abort {
        reason: String,
    },
    /// All measurements have arrived.
    Finished,
    /// The exit code of the coordinator.
    Verdict {
        exit_code: u8,
    },
}

/// A worker is ready.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// The digest of the worker's load.
    pub(crate) digest: String,
    /// The header of the worker's part.
    pub(crate) header: RunHeader,
}

/// The plan of a run: the load, and the worker of each part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PlanNote {
    /// The workers. The index of a worker is the part of the load that it sends.
    pub(crate) order: Vec<String>,
    pub(crate) load: LoadNote,
}

/// The whole load, as the flags of the command line.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LoadNote {
    /// Brokers of the service.
    pub(crate) brokers: String,
    pub(crate) flags: Vec<PlanFlag>,
    /// The files of these flags, in base64, by their paths.
    pub(crate) files: BTreeMap<String, String>,
    /// Length of a worker's interval in seconds.
    pub(crate) interval_seconds: u64,
}

/// A flag of `run`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PlanFlag {
    /// The long name of the flag, such as `rate`; or `X`.
    pub(crate) name: String,
    pub(crate) value: Option<String>,
    /// Whether the value is the path of one of the plan's files.
    #[serde(default)]
    pub(crate) is_file: bool,
}

impl LoadNote {
    /// Returns a digest, which differs between different loads.
    pub(crate) fn digest(&self) -> String {
        // This cannot fail: all its map keys are strings.
        let json = serde_json::to_vec(self).unwrap_or_default();
        Uuid::new_v5(&Uuid::NAMESPACE_OID, &json).to_string()
    }
}

/// A record of the topic control, with its place in the log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) offset: i64,
    /// When the log appended it, in milliseconds since 1970, by the clock of the partition's leader.
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
    /// A sign of life, written each second.
    Beat(Beat),
    /// One or several intervals of a second each.
    Intervals(Vec<IntervalRecord>),
    Done(Box<Done>),
}

/// The state of a worker.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Beat {
    /// Active users, or requests in flight of an open loop.
    pub(crate) active: u32,
    /// Cores that the worker has used since its start.
    pub(crate) cores: Option<f64>,
    /// 99th percentile of how late the worker sent its requests.
    pub(crate) lag_p99_ms: Option<f64>,
    /// Requests that the worker has sent.
    pub(crate) sent: u64,
}

/// A worker has sent its part. The totals must be the sum of its intervals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) end: RunEnd,
    pub(crate) intervals: u64,
    pub(crate) ended: Ended,
    /// Whether an order of the coordinator ended the part.
    pub(crate) obeyed: bool,
}

/// Longest run in seconds.
const LONGEST_RUN: u64 = 7 * 24 * 3600;

fn is_interval(record: &IntervalRecord) -> bool {
    let is_of_a_run = record.number <= LONGEST_RUN && record.second <= LONGEST_RUN;
    is_of_a_run && Interval::try_from(record).is_ok()
}

/// Longest name of a run or a participant. load-client never writes longer ones.
const LONGEST_NAME: usize = 200;
const MOST_WORKERS: usize = 1000;
const LONGEST_DELAY_MS: u64 = 3_600_000;

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_NAME && !text.contains(char::is_control)
}

impl Entry {
    /// Reads a record, or returns `None` if load-client would not write it. Of another version, only claims are read.
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
    /// Reads a record, or returns `None` if load-client would not write it.
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
