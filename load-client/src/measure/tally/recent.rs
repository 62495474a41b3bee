//! What ended in the last seconds: Locust's live rates, and percentiles of a window.

use std::collections::VecDeque;

use super::latencies::Latencies;
use crate::measure::summary::{Latency, Rates};

/// Locust's window of the live rate: the ten seconds that ended two seconds ago.
const RATE_SECONDS: u64 = 10;
const RATE_DELAY_SECONDS: u64 = 2;

/// The last seconds of one kind of request, in a ring.
#[derive(Debug, Default)]
pub(super) struct Recent {
    seconds: VecDeque<Second>,
    /// Seconds that have left the ring, to be used again.
    spare: Vec<Second>,
}

#[derive(Debug)]
struct Second {
    number: u64,
    requests: u64,
    failures: u64,
    latencies: Latencies,
}

impl Recent {
    /// Counts a request that ended in second `number`; numbers do not fall.
    pub(super) fn record(&mut self, number: u64, failed: bool, latency_ns: Option<u64>) {
        let is_new = self.seconds.back().is_none_or(|last| last.number < number);
        if is_new {
            self.begin(number);
        }
        if let Some(last) = self.seconds.back_mut() {
            last.requests += 1;
            last.failures += u64::from(failed);
            latency_ns
                .into_iter()
                .for_each(|latency| last.latencies.record(latency));
        }
    }

    /// The rates in second `now`.
    pub(super) fn rates(&self, now: u64) -> Rates {
        let end = now.saturating_sub(RATE_DELAY_SECONDS);
        let start = end.saturating_sub(RATE_SECONDS);
        let within = self.between(start, end);
        let (requests, failures) = within.fold((0, 0), |(requests, failures), second| {
            (requests + second.requests, failures + second.failures)
        });
        let seconds = (end - start).max(1) as f64;
        Rates {
            requests: requests as f64 / seconds,
            failures: failures as f64 / seconds,
        }
    }

    /// The latencies of the ten seconds before `now`.
    pub(super) fn window(&self, now: u64) -> Option<Latency> {
        let mut merged = Latencies::with_digits(3);
        let start = (now + 1).saturating_sub(RATE_SECONDS);
        self.between(start, now + 1)
            .for_each(|second| merged.add(&second.latencies));
        merged.summary()
    }

    fn between(&self, start: u64, end: u64) -> impl Iterator<Item = &Second> {
        let seconds = self.seconds.iter();
        seconds.filter(move |second| (start..end).contains(&second.number))
    }

    fn begin(&mut self, number: u64) {
        let kept = RATE_SECONDS + RATE_DELAY_SECONDS + 1;
        let is_old = |second: &Second| second.number + kept < number;
        while self.seconds.front().is_some_and(is_old) {
            self.spare.extend(self.seconds.pop_front());
        }
        let mut fresh = self.spare.pop().unwrap_or_else(|| Second {
            number,
            requests: 0,
            failures: 0,
            latencies: Latencies::with_digits(3),
        });
        (fresh.number, fresh.requests, fresh.failures) = (number, 0, 0);
        fresh.latencies.clear();
        self.seconds.push_back(fresh);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_ends_two_seconds_ago_and_the_window_now() {
        let mut recent = Recent::default();
        for second in 0..20 {
            for _ in 0..=second {
                recent.record(second, second == 17, Some(second * 1_000_000));
            }
        }
        // Seconds 8 to 17 hold 9 to 18 requests.
        let rates = recent.rates(20);
        assert_eq!((rates.requests, rates.failures), (13.5, 1.8));
        assert_eq!(recent.window(19).unwrap().min_ms, 10.0);
        assert_eq!(recent.window(40), None);
        assert_eq!(Recent::default().rates(0), Rates::default());
        assert!(recent.seconds.len() <= 14);
    }
}
