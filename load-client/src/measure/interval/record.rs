//! An interval as JSON. Its histograms have HdrHistogram's own format (V2, compressed, base64), which all its tools
//! read.
//!
//! Histograms of the same precision add up bucket by bucket. The sum of several clients' records is therefore what one
//! client would have recorded.

use std::collections::BTreeMap;
use std::io::Read;

use base64::prelude::{BASE64_STANDARD, Engine};
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

use super::errors::{Errors, Occurrences};
use super::{Frame, Interval, Part, Place, StageFrame, Times, ended};
use crate::measure::summary::{Ended, Status};
use crate::measure::tally::{Latencies, counts};
use crate::measure::window::{ThroughputWindow, WindowCounts};

/// Significant digits of the histograms, the same as in a tally's finest.
const DIGITS: u8 = 4;
/// The most parts of one interval. This bounds a record that may be hostile.
const MOST_PARTS: usize = 10_000;

/// An interval in a file or a record. Counts of zero are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct IntervalRecord {
    pub(crate) number: u64,
    pub(crate) second: u64,
    pub(crate) users: u32,
    window: WindowCounts,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    stages: Vec<WindowCounts>,
    pub(crate) parts: Vec<PartRecord>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ErrorRecord>,
}

/// The measurements of one kind of request in one place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PartRecord {
    pub(crate) kind: u16,
    #[serde(flatten)]
    place: PlaceRecord,
    outcomes: BTreeMap<Status, u64>,
    sent_within: Ended,
    bytes: u64,
    pub(crate) response: TimesRecord,
    pub(crate) service: TimesRecord,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct PlaceRecord {
    warm_up: bool,
    stage: Option<u16>,
}

/// Latencies of good replies. Without good replies all fields are empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TimesRecord {
    sum_ns: u64,
    bounds_ns: Option<(u64, u64)>,
    #[serde(default, skip_serializing_if = "Packed::is_empty")]
    pub(crate) histogram: Packed,
}

/// A histogram, packed and in base64. Empty if it has no values.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Packed(pub(crate) String);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ErrorRecord {
    kind: u16,
    status: Status,
    error: String,
    count: u64,
    first_seconds: f64,
    last_seconds: f64,
    first_body: Option<(f64, Box<str>)>,
}

/// The error for a record that no load client of this version has written.
#[derive(Debug, thiserror::Error)]
#[error("an interval cannot be read: {0}")]
pub(crate) struct Unreadable(String);

impl Packed {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn of(times: &Times) -> Self {
        if times.counts.is_empty() {
            return Self::default();
        }
        let mut latencies = Latencies::with_digits(DIGITS);
        latencies.take(times);
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(latencies.histogram(), &mut bytes)
            .expect("memory takes it, and no count is above 2^63");
        Self(BASE64_STANDARD.encode(bytes))
    }

    /// Returns the values with their counts.
    fn counts(&self) -> Result<Vec<(u64, u64)>, Unreadable> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let told = |error: &dyn std::fmt::Display| Unreadable(format!("a histogram: {error}"));
        let packed = BASE64_STANDARD.decode(&self.0);
        let bytes = unpacked(&packed.map_err(|error| told(&error))?);
        let bytes = bytes.map_err(|reason| told(&reason))?;
        let read = Deserializer::new().deserialize::<u64, _>(&mut &*bytes);
        Ok(counts(&read.map_err(|error| told(&error))?))
    }
}

/// Marks the compressed format, version 2. Cookie and length come before the data packed by zlib.
const COOKIE_COMPRESSED: u32 = 0x1c84_9314;
/// More than the size of any histogram with four digits and values up to an hour.
const LONGEST_BYTES: u64 = 8 << 20;

/// Unpacks a histogram, and checks its length against the stated and the largest length. The library would allocate as
/// much memory as a histogram asks for.
fn unpacked(packed: &[u8]) -> Result<Vec<u8>, &'static str> {
    let word = |bytes: &[u8], at: usize| {
        let word = bytes.get(at..at + 4)?;
        word.try_into().ok().map(u32::from_be_bytes)
    };
    if word(packed, 0) != Some(COOKIE_COMPRESSED) {
        return Err("it is not packed in version 2 of the format");
    }
    let mut bytes = Vec::new();
    let zlib = flate2::read::ZlibDecoder::new(packed.get(8..).unwrap_or_default());
    let read = zlib.take(LONGEST_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|_| "it cannot be unpacked")?;
    // Cookie, length, offset, digits, bounds and ratio are 40 bytes.
    let length = word(&bytes, 4).ok_or("it is too short")? as usize;
    let digits = word(&bytes, 12).ok_or("it is too short")?;
    let fits = bytes.len() as u64 <= LONGEST_BYTES && length <= bytes.len();
    match fits && digits <= u32::from(DIGITS) {
        true => Ok(bytes),
        false => Err("it is larger than the histograms of a load client"),
    }
}

impl IntervalRecord {
    /// Returns whether it fits a run with this many kinds of request.
    pub(crate) fn is_of(&self, kinds: usize) -> bool {
        self.parts.iter().all(|part| usize::from(part.kind) < kinds)
    }

    /// Returns the requests that ended, without those of the warm-up.
    pub(crate) fn measured(&self) -> Ended {
        let mut sum = Ended::default();
        for part in self.parts.iter().filter(|part| !part.is_warm_up()) {
            sum.add(ended(&part.outcomes));
        }
        sum
    }

    /// Returns the histograms that have values, in their order.
    pub(crate) fn histograms(&mut self) -> impl Iterator<Item = &mut Packed> {
        let times = self.parts.iter_mut();
        let times = times.flat_map(|part| [&mut part.response, &mut part.service]);
        let some = times.filter(|times| times.bounds_ns.is_some());
        some.map(|times| &mut times.histogram)
    }
}

impl PartRecord {
    pub(crate) fn is_warm_up(&self) -> bool {
        self.place.warm_up
    }
}

impl TimesRecord {
    pub(super) fn of(times: &Times) -> Self {
        Self {
            sum_ns: u64::try_from(times.sum_ns).unwrap_or(u64::MAX),
            bounds_ns: times.bounds_ns,
            histogram: Packed::of(times),
        }
    }

    /// Returns the longest latency, in nanoseconds.
    pub(crate) fn most_ns(&self) -> u64 {
        self.bounds_ns.map_or(0, |(_, most)| most)
    }

    pub(super) fn times(&self) -> Result<Times, Unreadable> {
        let counts = self.histogram.counts()?;
        let is_sound = match self.bounds_ns {
            Some((low, high)) => low <= high && !counts.is_empty(),
            None => counts.is_empty(),
        };
        if !is_sound {
            return Err(Unreadable("its bounds do not match its times".to_owned()));
        }
        Ok(Times {
            counts,
            sum_ns: self.sum_ns.into(),
            bounds_ns: self.bounds_ns,
        })
    }
}

impl From<&Interval> for IntervalRecord {
    fn from(interval: &Interval) -> Self {
        let part = |((kind, place), part): (&(u16, Place), &Part)| PartRecord {
            kind: *kind,
            place: PlaceRecord {
                warm_up: *place == Place::WarmUp,
                stage: match place {
                    Place::Stage(stage) => Some(*stage),
                    Place::WarmUp | Place::Run => None,
                },
            },
            outcomes: part.outcomes.clone(),
            sent_within: part.sent_within,
            bytes: part.bytes,
            response: TimesRecord::of(&part.response),
            service: TimesRecord::of(&part.service),
        };
        let errors = interval.errors.seen.iter();
        let errors = errors.map(|((kind, status, error), own)| ErrorRecord {
            kind: *kind,
            status: *status,
            error: error.to_string(),
            count: own.count,
            first_seconds: own.first_seconds,
            last_seconds: own.last_seconds,
            first_body: own.first_body.clone(),
        });
        let stages = interval.frame.stages.iter();
        Self {
            number: interval.number,
            second: interval.second,
            users: interval.users,
            window: interval.frame.window.counts,
            stages: stages.map(|stage| stage.window.counts).collect(),
            parts: interval.parts.iter().map(part).collect(),
            errors: errors.collect(),
        }
    }
}

/// Replaces characters that could move a terminal's cursor.
fn shown(text: &str) -> String {
    text.replace(char::is_control, " ")
}

impl TryFrom<&IntervalRecord> for Interval {
    type Error = Unreadable;

    fn try_from(record: &IntervalRecord) -> Result<Self, Unreadable> {
        if record.parts.len() > MOST_PARTS {
            return Err(Unreadable(format!("it has more than {MOST_PARTS} parts")));
        }
        let mut parts = BTreeMap::new();
        for own in &record.parts {
            let place = match (own.place.warm_up, own.place.stage) {
                (true, _) => Place::WarmUp,
                (false, Some(stage)) => Place::Stage(stage),
                (false, None) => Place::Run,
            };
            let part = Part {
                outcomes: own.outcomes.clone(),
                sent_within: own.sent_within,
                bytes: own.bytes,
                response: own.response.times()?,
                service: own.service.times()?,
            };
            parts.insert((own.kind, place), part);
        }
        let mut errors = Errors::default();
        for own in &record.errors {
            let occurrences = Occurrences {
                count: own.count,
                first_seconds: own.first_seconds,
                last_seconds: own.last_seconds,
                first_body: own
                    .first_body
                    .as_ref()
                    .map(|(at, body)| (*at, shown(body).into())),
            };
            let error = shown(&own.error).into();
            errors.put(own.kind, own.status, error, &occurrences);
        }
        let stage = |counts: &WindowCounts| StageFrame {
            // The coordinator that adds the records up knows the places of the stages.
            start_ns: 0,
            end_ns: 0,
            window: ThroughputWindow::counted(*counts),
        };
        Ok(Self {
            number: record.number,
            second: record.second,
            users: record.users,
            parts,
            errors,
            frame: Frame {
                window: ThroughputWindow::counted(record.window),
                stages: record.stages.iter().map(stage).collect(),
            },
        })
    }
}
