//! The schedule of an open loop: the moments at which requests are due, all known beforehand.
//!
//! Request k is due when the integral of the rate reaches a level. With constant spacing the level is k. With Poisson
//! arrivals it is the k-th point of a Poisson process of rate 1, which gives a Poisson process of the varying rate (the
//! inversion method of Çınlar, *Introduction to Stochastic Processes*, 1975, section 4.7). The schedule visits levels
//! one by one, so it skips no request, however late the caller is.

use std::time::Duration;

use crate::load::share::Share;
use crate::stats::SplitMix64;

/// How requests are spread around the rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrivals {
    /// At equal intervals.
    Constant,
    /// At random, like independent customers: the gaps are exponential.
    Poisson {
        /// The seed of the random gaps.
        seed: u64,
    },
}

/// A part of the run in which the rate changes in a straight line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Segment {
    /// Its length. A segment without an end has [`Duration::MAX`].
    pub(crate) duration: Duration,
    /// Requests per second at its start.
    pub(crate) from: f64,
    /// Requests per second at its end.
    pub(crate) to: f64,
}

impl Segment {
    fn seconds(&self) -> f64 {
        self.duration.as_secs_f64()
    }

    /// Returns the number of requests in it, which is the integral of its rate.
    fn requests(&self) -> f64 {
        self.seconds() * (self.from + self.to) / 2.0
    }

    /// Returns how far into the segment `requests` requests are due, in seconds. Solves from·t + slope·t²/2 = requests
    /// in the form without cancellation.
    fn seconds_until(&self, requests: f64) -> f64 {
        if requests <= 0.0 {
            return 0.0;
        }
        let slope = (self.to - self.from) / self.seconds();
        let root = (self.from * self.from + 2.0 * slope * requests).max(0.0);
        (2.0 * requests / (self.from + root.sqrt())).min(self.seconds())
    }

    /// Splits it. From the cut on, the rate is `rate`.
    fn changed_at(&self, cut: Duration, rate: f64) -> [Self; 2] {
        let share = cut.as_secs_f64() / self.seconds();
        let before = Self {
            duration: cut,
            from: self.from,
            to: self.from + (self.to - self.from) * share,
        };
        let after = Self {
            duration: self.duration - cut,
            from: rate,
            to: rate,
        };
        [before, after]
    }
}

/// Iterates over the moments at which requests are due, as times from the start of the run. The times never decrease,
/// and no request is skipped.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    segments: Vec<Segment>,
    place: Place,
    /// The level at which the next request is due.
    level: f64,
    /// The number of that request among those of all clients, from 0.
    number: u64,
    /// `None` with constant spacing.
    random: Option<Random>,
    share: Share,
}

/// The random numbers of Poisson arrivals. The owner of each request is drawn at random, because a randomly thinned
/// Poisson process is again a Poisson process, and so is the union of such parts, even if one begins late. Every N-th
/// request would have Erlang gaps instead (Kingman, *Poisson Processes*, 1993, section 5.1).
#[derive(Debug, Clone)]
struct Random {
    gaps: SplitMix64,
    /// Decides which client sends a request. Every client draws the same numbers.
    owners: SplitMix64,
    owner: u64,
}

/// Makes the owners' random numbers differ from those of the gaps.
const OWNERS: u64 = 0x6f77_6e65_7273;

impl Random {
    fn new(seed: u64, share: Share) -> Self {
        let mut own = Self {
            gaps: SplitMix64::new(seed),
            owners: SplitMix64::new(seed ^ OWNERS),
            owner: 0,
        };
        own.draw_owner(share);
        own
    }

    fn draw_owner(&mut self, share: Share) {
        self.owner = self.owners.draw() % u64::from(share.of());
    }
}

/// The segment in which the next request is searched.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    index: usize,
    start: Duration,
    /// Number of requests of the segments before it.
    requests_before: f64,
}

impl Schedule {
    /// Schedules a share of the requests of these segments, one segment after the other.
    pub(crate) fn new(segments: Vec<Segment>, arrivals: Arrivals, share: Share) -> Self {
        let mut random = match arrivals {
            Arrivals::Constant => None,
            Arrivals::Poisson { seed } => Some(Random::new(seed, share)),
        };
        let first = random.as_mut().map(|random| random.gaps.exponential());
        Self {
            segments,
            place: Place::default(),
            level: first.unwrap_or(0.0),
            number: 0,
            random,
            share,
        }
    }

    /// Returns when the next request is due, `None` when there are no more unless the rate changes.
    pub(crate) fn peek(&mut self) -> Option<Duration> {
        loop {
            let due = self.due()?;
            if self.is_own() {
                return Some(due);
            }
            self.pass();
        }
    }

    /// Returns the number of the next request among those of all clients, from 0. Call [`Self::peek`] first.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Returns whether the next request is in the share.
    fn is_own(&self) -> bool {
        match &self.random {
            None => self.share.has(self.number),
            Some(random) => random.owner == u64::from(self.share.index()),
        }
    }

    /// Moves on to the following request.
    fn pass(&mut self) {
        self.number += 1;
        self.level += match &mut self.random {
            None => 1.0,
            Some(random) => {
                random.draw_owner(self.share);
                random.gaps.exponential()
            }
        };
    }

    /// Returns when the next request of all clients is due.
    fn due(&mut self) -> Option<Duration> {
        loop {
            let segment = self.segments.get(self.place.index)?;
            let within = self.level - self.place.requests_before;
            if within < segment.requests() {
                // A time that does not fit a `Duration` lies beyond any run.
                let into = Duration::try_from_secs_f64(segment.seconds_until(within));
                let into = into.unwrap_or(Duration::MAX);
                return Some(self.place.start.saturating_add(into));
            }
            self.place = Place {
                index: self.place.index + 1,
                start: self.place.start.saturating_add(segment.duration),
                requests_before: self.place.requests_before + segment.requests(),
            };
        }
    }

    /// Changes the rate from `at` on, up to the end of the segment that contains `at`. Requests that were due before
    /// stay due.
    pub(crate) fn set_rate(&mut self, at: Duration, rate: f64) {
        let mut start = Duration::ZERO;
        for (index, segment) in self.segments.iter().enumerate() {
            let end = start.saturating_add(segment.duration);
            if at < end {
                let changed = segment.changed_at(at - start, rate);
                self.segments.splice(index..=index, changed);
                break;
            }
            start = end;
        }
        // The search may already be beyond the change.
        self.place = Place::default();
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let due = self.peek()?;
        self.pass();
        Some(due)
    }
}

#[cfg(test)]
mod tests;
