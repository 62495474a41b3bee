//! The schedule of an open loop: the instants at which requests are to be sent, all known beforehand.
//!
//! Request k is due when the integral of the rate reaches k (constant spacing), or the k-th level of
//! a Poisson process of rate 1 (which makes a Poisson process of the varying rate: the inversion
//! method of Çınlar, *Introduction to Stochastic Processes*, 1975, section 4.7). Levels are visited
//! one by one, so that no request can be skipped, however late the caller is.

use std::time::Duration;

use crate::load::share::Share;
use crate::stats::SplitMix64;

/// How requests are spread around the rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrivals {
    /// Evenly.
    Constant,
    /// At random, as independent customers come: gaps are exponential.
    Poisson {
        /// Decides the gaps.
        seed: u64,
    },
}

/// A part of the run in which the rate is a straight line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Segment {
    /// Length; one without an end has [`Duration::MAX`].
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

    /// Requests in it: the integral of its rate.
    fn requests(&self) -> f64 {
        self.seconds() * (self.from + self.to) / 2.0
    }

    /// How far into it `requests` have come. Solves from·t + slope·t²/2 = requests in the form that
    /// does not cancel.
    fn seconds_until(&self, requests: f64) -> f64 {
        if requests <= 0.0 {
            return 0.0;
        }
        let slope = (self.to - self.from) / self.seconds();
        let root = (self.from * self.from + 2.0 * slope * requests).max(0.0);
        (2.0 * requests / (self.from + root.sqrt())).min(self.seconds())
    }

    /// Splits it; from the cut on the rate is `rate`.
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

/// Iterates over the instants, as times from the start of the run. Never descends, never skips.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    segments: Vec<Segment>,
    place: Place,
    /// The level that the next request is due at.
    level: f64,
    /// Of that request, counted from 0 among those of all clients.
    number: u64,
    /// `None` with constant spacing.
    random: Option<Random>,
    share: Share,
}

/// What Poisson arrivals draw from. A Poisson process that is thinned at random is one again, and so is the union of such
/// parts, however late one of them begins; every N-th request would have Erlang gaps (Kingman, *Poisson Processes*, 1993,
/// section 5.1).
#[derive(Debug, Clone)]
struct Random {
    gaps: SplitMix64,
    /// Decides who sends a request. Every client draws the same.
    owners: SplitMix64,
    owner: u64,
}

/// Sets the owners' numbers apart from the gaps'.
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

/// The segment that the next request is looked for in.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    index: usize,
    start: Duration,
    /// Requests of the segments before it.
    requests_before: f64,
}

impl Schedule {
    /// Schedules a share of the requests of these segments, one after the other.
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

    /// When the next request is due; `None` when no more are, unless the rate is changed.
    pub(crate) fn peek(&mut self) -> Option<Duration> {
        loop {
            let due = self.due()?;
            if self.is_own() {
                return Some(due);
            }
            self.pass();
        }
    }

    /// The number of the next request, counted from 0 among those of all clients; to be asked after [`Self::peek`].
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Whether the next request is in the share.
    fn is_own(&self) -> bool {
        match &self.random {
            None => self.share.has(self.number),
            Some(random) => random.owner == u64::from(self.share.index()),
        }
    }

    /// Goes on to the request after the next.
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

    /// When the next request of all clients is due.
    fn due(&mut self) -> Option<Duration> {
        loop {
            let segment = self.segments.get(self.place.index)?;
            let within = self.level - self.place.requests_before;
            if within < segment.requests() {
                // A moment that fits no Duration is beyond any run.
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

    /// Changes the rate from `at` on, up to the end of the segment that `at` lies in. What was due
    /// before stays due.
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
        // Requests may have been looked for beyond the change already.
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
