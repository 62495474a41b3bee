//! Makes a run from the lines of its file: its replies in the order of sending, and their course over time.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::{Duration, SystemTime};

use csv::ByteRecord;

use crate::compare::Warning;
use crate::compare::read::format::{Columns, Ended, Row};
use crate::compare::read::sidecar::Beside;
use crate::compare::read::{line_of, unpacked_name};
use crate::compare::run::{Run, TimeBin};
use crate::measure::window::ThroughputWindow;
use crate::stats::{quantile_is_supported, quantile_of_sorted};

const HEADER: &str = "expected a header that starts with request_type,name,response_time";

/// Bins of the timeline: as many as a chart can show.
const TIME_BINS: usize = 200;

/// The stamps show the order only if at most one reply in this many shares its stamp with another.
const DISTINCT: usize = 10;
/// Stamps after this one are on the wall clock, in seconds since 1970 (2001 or later).
const WALL_CLOCK_S: f64 = 1e9;

/// One reply.
#[derive(Debug, Clone, Copy)]
struct Reply {
    /// The file's time stamp in seconds. After sorting, the moment of sending. 0 when the file has no stamp.
    at_s: f64,
    latency_ms: f64,
    warm_up: bool,
    /// Number of its kind.
    kind: usize,
}

/// Collects the lines of a file one by one.
pub(super) struct RunReader<'a> {
    path: &'a Path,
    columns: Columns,
    width: usize,
    run: Run,
    summary: Beside,
    /// The window of the summary, if it has one, and the window from the first to the last request.
    windows: [Option<ThroughputWindow>; 2],
    replies: Vec<Reply>,
    kinds: Kinds,
}

impl<'a> RunReader<'a> {
    pub(super) fn new(
        path: &'a Path,
        header: &ByteRecord,
        summary: Beside,
    ) -> Result<Self, String> {
        if header.iter().all(|field| field.trim_ascii().is_empty()) {
            return Err(format!("is empty; {HEADER}"));
        }
        let columns = Columns::of(header).map_err(|column| match separator(header) {
            Some(separator) => {
                format!("line 1: the fields are separated by {separator}; only commas are read")
            }
            None => format!("line 1: no column {column}; {HEADER}"),
        })?;
        let unpacked = unpacked_name(path);
        let label = unpacked.file_stem().unwrap_or(path.as_os_str());
        Ok(Self {
            path,
            columns,
            width: header.len(),
            run: Run::new(label.to_string_lossy().into_owned(), Vec::new()),
            windows: [summary.window(), Some(ThroughputWindow::default())],
            summary,
            replies: Vec::new(),
            kinds: Kinds::default(),
        })
    }

    pub(super) fn skip_cut_off(&mut self, record: &ByteRecord) {
        let text = format!(
            "{} line {}: the last line is cut off and was left out; the run was probably killed",
            self.path.display(),
            line_of(record)
        );
        self.run.warnings.push(Warning::new("cut off", text));
    }

    pub(super) fn take(&mut self, record: &ByteRecord) -> Result<(), String> {
        let at = |reason: String| format!("line {}{reason}", line_of(record));
        if record.len() != self.width {
            let (found, width) = (record.len(), self.width);
            return Err(at(format!(": {found} fields where the header has {width}")));
        }
        let row = self.columns.row(record).map_err(at)?;
        row.map_or(Ok(()), |row| self.take_request(&row).map_err(at))
    }

    fn take_request(&mut self, row: &Row<'_>) -> Result<(), String> {
        self.run.warm_up += u64::from(row.warm_up);
        if row.ended == Ended::Censored {
            self.run.censored += u64::from(!row.warm_up);
            return Ok(());
        }
        let kind = if row.warm_up {
            0
        } else {
            self.kinds.number(row.kind)?
        };
        let latency_ms = match row.ended {
            Ended::Well(latency_ms) => Some(latency_ms),
            Ended::Badly | Ended::Censored => None,
        };
        if let Some(latency_ms) = latency_ms {
            self.replies.push(Reply {
                at_s: row.stamp_s.unwrap_or(0.0),
                latency_ms,
                warm_up: row.warm_up,
                kind,
            });
        } else if !row.warm_up {
            self.run.failures += 1;
            self.kinds.failures[kind] += 1;
        }
        if let Some(stamp_s) = row.stamp_s {
            let taken_ms = latency_ms.filter(|_| self.columns.stamps_are_ends());
            // Exact for our own files: their nanoseconds stay below 2^53 for a hundred days.
            let sent_ns = ((stamp_s - taken_ms.unwrap_or(0.0) / 1e3) * 1e9).round() as u64;
            let replied_ns = latency_ms.map(|latency_ms| {
                let replied_ns = row.replied_ns;
                replied_ns.unwrap_or_else(|| sent_ns + (latency_ms * 1e6) as u64)
            });
            for window in self.windows.iter_mut().flatten() {
                window.record_reply(sent_ns, replied_ns, row.warm_up);
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Run, String> {
        let mut run = self.run;
        let stamps_are_ends = self.columns.stamps_are_ends();
        if stamps_are_ends {
            run.started = wall_clock_start(&self.replies);
        }
        run.is_ordered = in_order_of_sending(&mut self.replies, stamps_are_ends);
        run.timeline = timeline(&self.replies, run.is_ordered);
        run.digest = Some(digest(&self.replies, run.failures));
        let measured = self.replies.iter().filter(|reply| !reply.warm_up);
        run.latencies_ms = measured.map(|reply| reply.latency_ms).collect();
        self.kinds.add_to(&mut run, &self.replies);
        let replies = run.latencies_ms.len() as u64;
        if replies + run.failures == 0 {
            let only = match run.warm_up {
                0 => String::new(),
                count => format!(
                    ", only {count} of the warm-up; shorten --warm-up or lengthen --run-time"
                ),
            };
            return Err(format!("has no measured request{only}"));
        }
        if replies > 0 && !quantile_is_supported(replies, 0.95) {
            let text = format!(
                "{} has {replies} replies, too few for a 95th percentile, which needs 200; lengthen --run-time",
                self.path.display()
            );
            run.warnings.push(Warning::new("few replies", text));
        }
        let [told, guessed] = self.windows;
        let is_own = self.summary.keep_if_of(self.path, &run);
        let told = told.filter(|_| is_own);
        let is_guessed = told.is_none();
        let window = told.or(guessed);
        run.throughput = window.and_then(|window| window.throughput_at(u64::MAX));
        run.window_is_guessed = is_guessed && run.throughput.is_some();
        self.summary.add_to(&mut run);
        Ok(run)
    }
}

/// Returns the separator of the fields, if it is not the comma.
fn separator(header: &ByteRecord) -> Option<&'static str> {
    let first = header.get(0).unwrap_or_default();
    let others = [(b';', "';'"), (b'\t', "a tab"), (b'|', "'|'")];
    let found = others.into_iter().find(|(byte, _)| first.contains(byte));
    found.map(|(_, separator)| separator)
}

/// Returns when the first of these requests ended, if the stamps are on the wall clock.
fn wall_clock_start(replies: &[Reply]) -> Option<SystemTime> {
    let first = replies.iter().map(|reply| reply.at_s).reduce(f64::min)?;
    let seconds = Some(first).filter(|first| *first > WALL_CLOCK_S)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}

/// Sorts the replies by the moment of sending. Returns `false` when the stamps do not show it. The replies then stay in
/// the order of the file.
///
/// A file has its replies in the order of their arrival. There, a slow request is far from the neighbours with which it
/// was sent, but autocorrelation is about neighbours. If many requests end at the same stamp, subtracting the latencies
/// would put the slowest first, a pattern that the load does not have.
fn in_order_of_sending(replies: &mut [Reply], stamps_are_ends: bool) -> bool {
    let by_time = |one: &Reply, other: &Reply| one.at_s.total_cmp(&other.at_s);
    replies.sort_by(by_time);
    let tied = replies
        .windows(2)
        .filter(|pair| pair[0].at_s == pair[1].at_s);
    if tied.count() * DISTINCT > replies.len() {
        return false;
    }
    if stamps_are_ends {
        for reply in &mut *replies {
            reply.at_s -= reply.latency_ms / 1e3;
        }
        replies.sort_by(by_time);
    }
    true
}

/// Returns a digest of all measured requests. Copies of a file have the same digest.
fn digest(replies: &[Reply], failures: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    failures.hash(&mut hasher);
    for reply in replies {
        let bits = [reply.at_s, reply.latency_ms].map(f64::to_bits);
        (bits, reply.warm_up, reply.kind).hash(&mut hasher);
    }
    hasher.finish()
}

/// Summarises sorted replies over time. Returns nothing when all have the same stamp. If the stamps are too coarse to
/// show the order, no bin is narrower than the gap between two stamps.
fn timeline(replies: &[Reply], is_ordered: bool) -> Vec<TimeBin> {
    let (Some(first), Some(last)) = (replies.first(), replies.last()) else {
        return Vec::new();
    };
    let mut width = (last.at_s - first.at_s) / TIME_BINS as f64;
    if width <= 0.0 {
        return Vec::new();
    }
    if !is_ordered {
        let gaps = replies.windows(2).map(|pair| pair[1].at_s - pair[0].at_s);
        let smallest = gaps.filter(|gap| *gap > 0.0).reduce(f64::min);
        width = smallest.map_or(width, |gap| width.max(gap));
    }
    // The last stamp belongs to the last bin.
    let bin_of =
        |reply: &Reply| (((reply.at_s - first.at_s) / width).floor() as usize).min(TIME_BINS - 1);
    let parts =
        replies.chunk_by(|one, other| bin_of(one) == bin_of(other) && one.warm_up == other.warm_up);
    let bins = parts.filter_map(|part| {
        let mut sorted: Vec<f64> = part.iter().map(|reply| reply.latency_ms).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        Some(TimeBin {
            seconds: (bin_of(part.first()?) as f64 + 0.5) * width,
            median_ms: quantile_of_sorted(&sorted, 0.5)?,
            p95_ms: quantile_of_sorted(&sorted, 0.95)?,
            warm_up: part.first()?.warm_up,
        })
    });
    bins.collect()
}

/// A run with more kinds probably has identifiers in the names.
const MAX_KINDS: usize = 500;

/// Numbers the kinds of request, and counts the failures of each.
#[derive(Debug, Default)]
struct Kinds {
    /// Each kind as it stands in the file: its two columns with a space between them.
    numbers: HashMap<Vec<u8>, usize>,
    failures: Vec<u64>,
    /// Buffer for the name that is looked up. It is reused to avoid allocations.
    sought: Vec<u8>,
}

impl Kinds {
    fn number(&mut self, [one, two]: [&[u8]; 2]) -> Result<usize, String> {
        self.sought.clear();
        for part in [one, b" ", two] {
            self.sought.extend_from_slice(part);
        }
        if let Some(number) = self.numbers.get(&self.sought) {
            return Ok(*number);
        }
        let number = self.numbers.len();
        if number == MAX_KINDS {
            return Err(format!(
                ": too many kinds to compare, more than {MAX_KINDS}; group them: give all requests of one kind \
                 the same name (k6: tags: {{ name: '/orders/ID' }}, Locust: name='/orders/ID')"
            ));
        }
        self.numbers.insert(self.sought.clone(), number);
        self.failures.push(0);
        Ok(number)
    }

    /// Names the kinds of a run. With several kinds, adds the run of each kind alone.
    fn add_to(self, run: &mut Run, replies: &[Reply]) {
        let name = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
        let named = self.numbers.into_iter();
        let mut named: Vec<(String, usize)> =
            named.map(|(own, number)| (name(own), number)).collect();
        // Sorted by number, so that the choice between two names that print alike is always the same.
        named.sort_by_key(|(_, number)| *number);
        run.kinds = named.iter().map(|(name, _)| name.clone()).collect();
        if named.len() < 2 {
            return;
        }
        let mut latencies_ms = vec![Vec::new(); named.len()];
        for reply in replies.iter().filter(|reply| !reply.warm_up) {
            latencies_ms[reply.kind].push(reply.latency_ms);
        }
        for (name, number) in named {
            let part = Run {
                failures: self.failures[number],
                kinds: [name.clone()].into(),
                is_ordered: run.is_ordered,
                ..Run::new(run.label.clone(), std::mem::take(&mut latencies_ms[number]))
            };
            run.parts.insert(name, part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(sent_s: f64, latency_ms: f64) -> Reply {
        Reply {
            at_s: sent_s,
            latency_ms,
            warm_up: sent_s < 1.0,
            kind: 0,
        }
    }

    #[test]
    fn a_stall_shows_where_it_was() {
        let replies = (0..2000).rev().map(|index| {
            let is_slow = (1000..1100).contains(&index);
            reply(f64::from(index) / 100.0, if is_slow { 500.0 } else { 5.0 })
        });
        let mut replies: Vec<Reply> = replies.collect();
        assert!(in_order_of_sending(&mut replies, false));
        let bins = timeline(&replies, true);
        assert!((195..=205).contains(&bins.len()), "{}", bins.len());
        let slow = bins.iter().filter(|bin| bin.median_ms > 100.0);
        let slow: Vec<f64> = slow.map(|bin| bin.seconds).collect();
        assert!((9..=11).contains(&slow.len()), "{slow:?}");
        assert!(slow.iter().all(|at| (9.9..11.1).contains(at)), "{slow:?}");
        assert!(bins.iter().all(|bin| bin.warm_up == (bin.seconds < 1.0)));
    }

    #[test]
    fn without_times_there_is_no_time_line() {
        assert!(timeline(&[], true).is_empty());
        assert!(timeline(&[reply(2.0, 1.0), reply(2.0, 3.0)], false).is_empty());
    }

    #[test]
    fn order_is_known_where_hardly_two_share_a_stamp() {
        let stamped = |step: f64| {
            let at = |index: u32| (f64::from(index) / 100.0 / step).floor() * step;
            let reply = |index| reply(at(index), f64::from(index * 7 % 13));
            (0..1000).map(reply).collect::<Vec<_>>()
        };
        for (step, is_known) in [(1.0, false), (0.1, false), (0.01, true), (0.001, true)] {
            let mut replies = stamped(step);
            assert_eq!(in_order_of_sending(&mut replies, true), is_known, "{step}");
            if !is_known {
                let as_written = stamped(step);
                let latencies =
                    |all: &[Reply]| all.iter().map(|own| own.latency_ms).collect::<Vec<_>>();
                assert_eq!(latencies(&replies), latencies(&as_written), "{step}");
            }
        }
    }

    #[test]
    fn copies_have_one_digest() {
        let replies = [reply(1.0, 2.0), reply(2.0, 3.0)];
        assert_eq!(digest(&replies, 0), digest(&replies, 0));
        assert_ne!(digest(&replies, 0), digest(&replies, 1));
        assert_ne!(
            digest(&replies, 0),
            digest(&[reply(1.0, 2.0), reply(2.5, 3.0)], 0)
        );
    }
}
