//! The replies of a run in the order in which they were asked for, and how they went over time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, SystemTime};

use crate::compare::run::{Run, TimeBin};
use crate::stats::quantile_of_sorted;

/// Bins of the time line: as many as a chart can show.
const TIME_BINS: usize = 200;

/// At most one reply in this many may share its stamp with another; otherwise the stamps do not tell the order.
const DISTINCT: usize = 10;
/// Stamps after this are on the wall clock (the year 2001), in seconds since 1970.
const WALL_CLOCK_S: f64 = 1e9;

/// One reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reply {
    /// The file's time stamp in seconds, or once it is sorted the moment of sending; 0 when the file does
    /// not say.
    pub(super) at_s: f64,
    pub(super) latency_ms: f64,
    pub(super) warm_up: bool,
    /// Number of its kind.
    pub(super) kind: usize,
}

/// When the first of these requests ended, if the stamps are on the wall clock.
pub(super) fn wall_clock_start(replies: &[Reply]) -> Option<SystemTime> {
    let first = replies.iter().map(|reply| reply.at_s).reduce(f64::min)?;
    let seconds = Some(first).filter(|first| *first > WALL_CLOCK_S)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}

/// Sorts by the moment of sending; `false` when the stamps do not tell it, and the order is the file's.
///
/// Files are in the order of the replies, in which a slow request is far from its neighbours, and
/// autocorrelation is about neighbours. Where many requests share a stamp, taking the latency off a common
/// end would put the slowest first: a pattern that is not in the load.
pub(super) fn in_order_of_sending(replies: &mut [Reply], stamps_are_ends: bool) -> bool {
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

/// A digest of all that was measured, by which copies of a file are known.
pub(super) fn digest(replies: &[Reply], failures: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    failures.hash(&mut hasher);
    for reply in replies {
        let bits = [reply.at_s, reply.latency_ms].map(f64::to_bits);
        (bits, reply.warm_up, reply.kind).hash(&mut hasher);
    }
    hasher.finish()
}

/// Sums up sorted replies over time; empty when all were sent at one moment. Where the stamps are too coarse
/// to tell the order, no bin is narrower than the gap between two of them.
pub(super) fn timeline(replies: &[Reply], is_ordered: bool) -> Vec<TimeBin> {
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
    // The end itself belongs to the last bin.
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

/// More kinds are no kinds: somebody put an identifier into the name.
pub(super) const MAX_KINDS: usize = 500;

/// Kinds by number, with the failures of each.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    /// Each as it stands in the file, its two columns with a blank between them.
    names: Vec<Vec<u8>>,
    numbers: HashMap<Vec<u8>, usize>,
    failures: Vec<u64>,
    /// The kind of the line before: most lines repeat it.
    last: usize,
    /// The name that is looked up; kept for its memory.
    sought: Vec<u8>,
}

impl Kinds {
    /// The number of a kind; `None` when there are more than [`MAX_KINDS`].
    pub(super) fn number(&mut self, parts: [&[u8]; 2]) -> Option<usize> {
        let [one, two] = parts;
        let is = |name: &Vec<u8>| {
            let rest = name.strip_prefix(one);
            rest.and_then(|rest| rest.strip_prefix(b" ")) == Some(two)
        };
        if !self.names.get(self.last).is_some_and(is) {
            self.sought.clear();
            for part in [one, b" ", two] {
                self.sought.extend_from_slice(part);
            }
            self.last = match self.numbers.get(&self.sought) {
                Some(number) => *number,
                None => self.add()?,
            };
        }
        Some(self.last)
    }

    /// Gives the sought name the next number.
    fn add(&mut self) -> Option<usize> {
        let number = self.names.len();
        (number < MAX_KINDS).then(|| {
            self.names.push(self.sought.clone());
            self.failures.push(0);
            self.numbers.insert(self.sought.clone(), number);
            number
        })
    }

    pub(super) fn count_failure(&mut self, kind: usize) {
        self.failures[kind] += 1;
    }

    fn name(&self, kind: usize) -> String {
        let name = String::from_utf8_lossy(&self.names[kind]);
        name.trim_end().to_owned()
    }

    pub(super) fn names(&self) -> BTreeSet<String> {
        (0..self.names.len()).map(|kind| self.name(kind)).collect()
    }

    /// The run of each kind alone, from measured replies; nothing when there is only one.
    pub(super) fn parts(
        &self,
        label: &str,
        replies: &[Reply],
        is_ordered: bool,
    ) -> BTreeMap<String, Run> {
        if self.names.len() < 2 {
            return BTreeMap::new();
        }
        let mut latencies_ms = vec![Vec::new(); self.names.len()];
        for reply in replies.iter().filter(|reply| !reply.warm_up) {
            latencies_ms[reply.kind].push(reply.latency_ms);
        }
        let part = |(kind, own)| {
            let name = self.name(kind);
            let run = Run {
                failures: self.failures[kind],
                kinds: [name.clone()].into(),
                is_ordered,
                ..Run::new(label.to_owned(), own)
            };
            (name, run)
        };
        latencies_ms.into_iter().enumerate().map(part).collect()
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
        let mut replies: Vec<Reply> = (0..2000)
            .rev()
            .map(|index| f64::from(index) / 100.0)
            .map(|sent_s| {
                reply(
                    sent_s,
                    if (10.0..11.0).contains(&sent_s) {
                        500.0
                    } else {
                        5.0
                    },
                )
            })
            .collect();
        assert!(in_order_of_sending(&mut replies, false));
        let bins = timeline(&replies, true);
        assert!((195..=205).contains(&bins.len()), "{}", bins.len());
        let slow: Vec<f64> = bins
            .iter()
            .filter(|bin| bin.median_ms > 100.0)
            .map(|bin| bin.seconds)
            .collect();
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
