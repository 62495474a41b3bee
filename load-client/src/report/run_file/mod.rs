//! The file of `--hdr`: an HdrHistogram log (version 2, compressed), which HdrHistogram's tools read and plot. Its
//! comments have the rest that is needed to merge the parts of a run.
//!
//! | line | content |
//! |---|---|
//! | `#run {...}` | the facts that all parts of the run share, and which part this is |
//! | `#interval {...}` | counts of a second, or a part of one: outcomes, errors, mean and bounds of each histogram |
//! | `Tag=KIND,...` | response times of the good replies of the measured part; in nanoseconds |
//! | `Tag=KIND/service,...` | service times |
//! | `Tag=KIND/warm-up,...`, `Tag=KIND/warm-up/service,...` | the same of the warm-up |
//! | `#reset` | the figures were reset: earlier lines do not count |
//! | `#end {...}` | why and when the run ended, the self-check, the report |

mod merge;
mod part;
mod read;

use std::collections::HashSet;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::load::Share;
use crate::load::plan::{Plan, Span};
use crate::measure::interval::{Interval, IntervalRecord, LagRecord, Packed};
use crate::measure::recorded::Handed;
use crate::measure::recorder::{Outlet, nanoseconds};
use crate::measure::selfcheck::Validity;
use crate::report::html::Section;
use crate::report::{Destination, EndedBy, ExportError};
use crate::transport::kafka::KafkaSettings;

pub(crate) use merge::{
    Merged, NotOneRun, Replay, merged, ordered, replayed, schedule_lag, started_ms, validity,
};
pub(crate) use part::{OfWorker, RunPart, section, unmatched_replies};
pub(crate) use read::{RunRead, read_run_file};

/// The version of the format of the comments.
const FORMAT: u32 = 1;
const RUN: &str = "#run ";
const INTERVAL: &str = "#interval ";
const RESET: &str = "#reset";
const END: &str = "#end ";

/// The header of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunHeader {
    pub(crate) format: u32,
    /// Such as `1/3`.
    pub(crate) segment: String,
    /// When the part began, in milliseconds since 1970, by its machine's clock.
    pub(crate) started_ms: u64,
    pub(crate) run: SharedFacts,
}

/// The facts that all parts of a run share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SharedFacts {
    pub(crate) topic: String,
    pub(crate) load_model: String,
    /// The target of the run's beginning, in words.
    pub(crate) target: String,
    /// Users started per second.
    pub(crate) spawn_rate: f64,
    pub(crate) kinds: Vec<String>,
    pub(crate) warm_up_ns: u64,
    /// `None` for a run that goes on until it is stopped.
    pub(crate) run_time_ns: Option<u64>,
    pub(crate) timeout_ns: u64,
    pub(crate) stages: Vec<Span>,
    /// How requests and replies find each other.
    pub(crate) wire: Value,
}

/// The end of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunEnd {
    pub(crate) duration_ms: u64,
    pub(crate) ended_by: EndedBy,
    /// When sending ended, from the start of the run.
    pub(crate) sent_until_ns: Option<u64>,
    pub(crate) lag: LagRecord,
    /// Cores that the client used after the warm-up.
    pub(crate) cores: Option<f64>,
    pub(crate) validity: Validity,
    /// The report of `--json`.
    pub(crate) report: Map<String, Value>,
    /// The circumstances of its page.
    pub(crate) sections: Vec<Section>,
}

impl RunHeader {
    pub(crate) fn new(plan: &Plan, kafka: &KafkaSettings, kinds: &[String]) -> Self {
        // Clients that read replies from different partitions still measure the same.
        let mut wire = kafka.service.wire.clone();
        wire.reply_partition = None;
        Self {
            format: FORMAT,
            segment: plan.share.to_string(),
            started_ms: milliseconds(since_1970(SystemTime::now())),
            run: SharedFacts {
                topic: kafka.topic.clone(),
                load_model: plan.load_model(),
                target: plan.target_in_words(),
                spawn_rate: plan.spawn_rate,
                kinds: kinds.to_vec(),
                warm_up_ns: nanoseconds(plan.warm_up),
                run_time_ns: plan.run_time.map(nanoseconds),
                timeout_ns: nanoseconds(plan.timeout),
                stages: plan.spans(),
                // This cannot fail: all its map keys are strings.
                wire: serde_json::to_value(wire).unwrap_or_default(),
            },
        }
    }

    /// Returns which part of the run this is.
    pub(crate) fn share(&self) -> Result<Share, String> {
        self.segment.parse()
    }
}

/// A file that is written during the run. Clones write the same file.
#[derive(Debug, Clone)]
pub(crate) struct RunFile(Arc<Mutex<Writing>>);

#[derive(Debug)]
struct Writing {
    /// `None` once a write has failed or the file has ended.
    destination: Option<Destination>,
    failure: Option<ExportError>,
    /// Text that is not written yet: the header before the first interval. If the destination is not a growing file,
    /// all text.
    text: String,
    tags: Vec<String>,
    began: Duration,
}

impl RunFile {
    /// Begins the file of a run that begins now. Nothing is written before the first interval.
    pub(crate) fn begin(destination: Destination, header: &RunHeader) -> anyhow::Result<Self> {
        let json = serde_json::to_string(header)?;
        let began = Duration::from_millis(header.started_ms);
        let started = humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + began);
        let text = format!(
            "#load-client: response and service times on {}\n#[Histogram log format version 1.3]\n\
             #[StartTime: {} (seconds since epoch), {started}]\n{RUN}{json}\n\
             \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n",
            header.run.topic,
            seconds(began),
        );
        Ok(Self(Arc::new(Mutex::new(Writing {
            destination: Some(destination),
            failure: None,
            text,
            tags: tags(&header.run.kinds),
            began,
        }))))
    }

    /// Ends the file. Fails when the end or an earlier interval could not be written.
    pub(crate) fn finish(&self, end: &RunEnd) -> anyhow::Result<()> {
        let json = serde_json::to_string(end)?;
        let mut writing = self.lock();
        writing.text += &format!("{END}{json}\n");
        if let Some(failure) = writing.failure.take() {
            return Err(failure.into());
        }
        let text = std::mem::take(&mut writing.text);
        let Some(mut destination) = writing.destination.take() else {
            return Ok(());
        };
        if !destination.grows() {
            return Ok(destination.write_whole(text.as_bytes())?);
        }
        // If the end cannot be written, keep the intervals.
        let ended = destination.write_all(text.as_bytes());
        ended.map_err(|error| destination.failed(error))?;
        Ok(destination.finish()?)
    }

    fn lock(&self) -> MutexGuard<'_, Writing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outlet for RunFile {
    fn take(&mut self, handed: &Handed) {
        let mut writing = self.lock();
        let text = match handed {
            Handed::Interval(interval) => writing.lines(interval),
            Handed::Forget => format!("{RESET}\n"),
        };
        writing.write(&text);
    }
}

impl Writing {
    /// Writes text. The first failure is kept for the end, so that the run goes on without its file.
    fn write(&mut self, text: &str) {
        if self.failure.is_some() {
            return;
        }
        self.text += text;
        let Some(destination) = self.destination.as_mut().filter(|own| own.grows()) else {
            return;
        };
        let text = std::mem::take(&mut self.text);
        if let Err(error) = destination.write_all(text.as_bytes()) {
            self.failure = Some(destination.failed(error));
            self.destination = None;
        }
    }

    /// Returns the lines of an interval. The histograms are where HdrHistogram's tools look for them.
    fn lines(&self, interval: &Interval) -> String {
        let mut record = IntervalRecord::from(interval);
        let mut lines = String::new();
        let start = seconds(self.began + Duration::from_secs(record.second));
        for part in &mut record.parts {
            let tag = self.tags.get(usize::from(part.kind));
            let tag = tag.map_or("", String::as_str);
            let [response, service] = TAGS[usize::from(part.is_warm_up())];
            for (times, kind) in [(&mut part.response, response), (&mut part.service, service)] {
                let Packed(packed) = std::mem::take(&mut times.histogram);
                if !packed.is_empty() {
                    let most = times.most_ns() as f64 / 1e6;
                    lines += &format!("Tag={tag}{kind},{start},1.000,{most:.3},{packed}\n");
                }
            }
        }
        // This cannot fail: the record has only numbers and strings.
        let json = serde_json::to_string(&record).unwrap_or_default();
        format!("{INTERVAL}{json}\n{lines}")
    }
}

/// Suffixes of a kind's tag, for its response times and its other times.
const TAGS: [[&str; 2]; 2] = [["", "/service"], ["/warm-up", "/warm-up/service"]];

/// Returns the tag of each kind. HdrHistogram's tools add up the lines with the same tag.
fn tags(kinds: &[String]) -> Vec<String> {
    let mut taken = HashSet::new();
    let tag = |(number, kind): (usize, &String)| {
        let mut tag = kind.replace([',', ' ', '\r', '\n'], "_");
        let all = |tag: &str| {
            TAGS.as_flattened()
                .iter()
                .map(|own| format!("{tag}{own}"))
                .collect::<Vec<_>>()
        };
        while all(&tag).iter().any(|own| taken.contains(own)) {
            tag += &format!("_{}", number + 1);
        }
        taken.extend(all(&tag));
        tag
    };
    kinds.iter().enumerate().map(tag).collect()
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn since_1970(moment: SystemTime) -> Duration {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default()
}

fn seconds(time: Duration) -> String {
    format!("{}.{:03}", time.as_secs(), time.subsec_millis())
}
