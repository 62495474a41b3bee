//! The schedule of an open loop: the instants at which requests are to be sent, all known beforehand.
//!
//! Request k is due when the integral of the rate reaches k (constant spacing), or the k-th level of
//! a Poisson process of rate 1 (which makes a Poisson process of the varying rate: the inversion
//! method of Çınlar, *Introduction to Stochastic Processes*, 1975, section 4.7). Levels are visited
//! one by one, so that no request can be skipped, however late the caller is.

use std::time::Duration;

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
    /// `None` with constant spacing.
    random: Option<SplitMix64>,
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
    /// Schedules these segments, one after the other.
    pub(crate) fn new(segments: Vec<Segment>, arrivals: Arrivals) -> Self {
        let mut random = match arrivals {
            Arrivals::Constant => None,
            Arrivals::Poisson { seed } => Some(SplitMix64::new(seed)),
        };
        Self {
            segments,
            place: Place::default(),
            level: random.as_mut().map_or(0.0, SplitMix64::exponential),
            random,
        }
    }

    /// When the next request is due; `None` when no more are, unless the rate is changed.
    pub(crate) fn peek(&mut self) -> Option<Duration> {
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
        self.level += self.random.as_mut().map_or(1.0, SplitMix64::exponential);
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn segment(seconds: f64, from: f64, to: f64) -> Segment {
        Segment {
            duration: Duration::from_secs_f64(seconds),
            from,
            to,
        }
    }

    fn endless(rate: f64) -> Segment {
        Segment {
            duration: Duration::MAX,
            from: rate,
            to: rate,
        }
    }

    fn constant(segments: &[Segment]) -> Schedule {
        Schedule::new(segments.to_vec(), Arrivals::Constant)
    }

    fn milliseconds(schedule: impl Iterator<Item = Duration>) -> Vec<u128> {
        schedule.map(|due| due.as_millis()).collect()
    }

    #[test]
    fn constant_spacing_is_exact() {
        let due: Vec<_> = constant(&[segment(20.0, 100.0, 100.0)]).collect();
        assert_eq!(due.len(), 2000);
        let expected = (0..2000).map(|index| Duration::from_millis(10 * index));
        assert!(due.into_iter().eq(expected));
    }

    #[test]
    fn a_ramp_meets_its_square_roots() {
        // The integral of 2t is t²: request k is due at the root of k.
        let due = constant(&[segment(3.0, 0.0, 6.0)]).map(|due| due.as_secs_f64());
        for (index, due) in due.enumerate() {
            assert!((due - (index as f64).sqrt()).abs() < 1e-9, "{index} {due}");
        }
        let down: Vec<_> = constant(&[segment(3.0, 6.0, 0.0)]).collect();
        assert_eq!(down.len(), 9);
        assert!(down[8] - down[7] > down[1] - down[0]);
    }

    #[test]
    fn segments_follow_each_other_without_a_gap() {
        let due = constant(&[
            segment(1.0, 2.0, 2.0),
            segment(1.0, 0.0, 0.0),
            segment(1.0, 4.0, 4.0),
        ]);
        assert_eq!(milliseconds(due), [0, 500, 2000, 2250, 2500, 2750]);
    }

    #[test]
    fn a_changed_rate_keeps_what_was_due() {
        let mut schedule = constant(&[endless(10.0)]);
        assert_eq!(milliseconds(schedule.by_ref().take(3)), [0, 100, 200]);
        // Half a request has built up by 350 ms since the one of 300 ms, which is late and stays due.
        schedule.set_rate(Duration::from_millis(350), 100.0);
        assert_eq!(milliseconds(schedule.by_ref().take(3)), [300, 355, 365]);
        schedule.set_rate(Duration::from_secs(1), 0.0);
        assert_eq!(schedule.by_ref().count(), 63, "up to the stop");
        schedule.set_rate(Duration::from_secs(9), 1.0);
        assert!(schedule.next().unwrap() >= Duration::from_secs(9));
    }

    #[test]
    fn a_change_holds_to_the_end_of_its_segment() {
        let mut schedule = constant(&[segment(1.0, 10.0, 10.0), segment(1.0, 2.0, 2.0)]);
        schedule.set_rate(Duration::from_millis(500), 0.0);
        assert_eq!(milliseconds(schedule), [0, 100, 200, 300, 400, 1000, 1500]);
    }

    #[test]
    fn a_change_is_followed_though_the_schedule_had_looked_beyond_it() {
        let mut schedule = constant(&[segment(1.0, 1.0, 1.0), segment(1.0, 0.0, 0.0)]);
        assert_eq!(milliseconds(schedule.by_ref().take(1)), [0]);
        assert_eq!(schedule.peek(), None);
        schedule.set_rate(Duration::from_millis(500), 10.0);
        assert_eq!(milliseconds(schedule), [550, 650, 750, 850, 950]);
    }

    #[test]
    fn poisson_arrivals_are_the_same_for_a_seed_and_keep_the_rate() {
        let run = |seed| {
            let arrivals = Arrivals::Poisson { seed };
            Schedule::new(vec![segment(100.0, 100.0, 100.0)], arrivals).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        // Ten standard deviations of a Poisson count of mean 10,000.
        assert!((9000..11_000).contains(&run(1).len()), "{}", run(1).len());
    }

    fn segments() -> impl Strategy<Value = Vec<Segment>> {
        let quarter = |count: u32| f64::from(count) / 4.0;
        let any = (1..40_u32, 0..400_u32, 0..400_u32);
        let any = any.prop_map(move |(seconds, from, to)| {
            segment(quarter(seconds), quarter(from), quarter(to))
        });
        prop::collection::vec(any, 1..6)
    }

    proptest! {
        #[test]
        fn never_skips_and_never_descends(segments in segments(), seed in proptest::option::of(0..9_u64)) {
            let arrivals = seed.map_or(Arrivals::Constant, |seed| Arrivals::Poisson { seed });
            let mut schedule = Schedule::new(segments.clone(), arrivals);
            let end: Duration = segments.iter().map(|segment| segment.duration).sum();
            let mut last = Duration::ZERO;
            let mut count = 0_u32;
            while let Some(due) = schedule.peek() {
                prop_assert_eq!(schedule.next(), Some(due));
                prop_assert!(due >= last && due <= end, "{:?} after {:?}", due, last);
                last = due;
                count += 1;
            }
            let integral: f64 = segments.iter().map(Segment::requests).sum();
            if seed.is_none() {
                // Request 0 comes at once, so a fraction at the end is a request more.
                prop_assert_eq!(f64::from(count), integral.ceil());
            } else {
                prop_assert!((f64::from(count) - integral).abs() <= 10.0 * integral.sqrt() + 10.0);
            }
        }

        #[test]
        fn the_kth_request_comes_when_the_integral_reaches_k(segments in segments()) {
            let schedule = Schedule::new(segments.clone(), Arrivals::Constant);
            for (index, due) in schedule.enumerate() {
                let (mut left, mut integral) = (due.as_secs_f64(), 0.0);
                for segment in &segments {
                    let seconds = left.min(segment.seconds());
                    let slope = (segment.to - segment.from) / segment.seconds();
                    integral += segment.from * seconds + slope * seconds * seconds / 2.0;
                    left -= seconds;
                }
                // Instants are whole nanoseconds; the fastest rate here is 100 a second.
                prop_assert!((integral - index as f64).abs() < 1e-5, "{} {}", integral, index);
            }
        }
    }
}
