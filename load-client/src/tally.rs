//! Counts samples as they come in, with flat memory, and sums them up on demand.

use std::collections::{BTreeMap, VecDeque};

use hdrhistogram::Histogram;

use crate::sample::{Sample, Status};
use crate::stats::quantile_is_supported;
use crate::summary::{ErrorCount, Latency, Percentile, Rates, Summary, WarmUp};
use crate::window::ThroughputWindow;

/// Longest latency that the histogram tells apart; longer ones count as this.
const LONGEST_NS: u64 = 3_600_000_000_000;
/// Digits that the histogram keeps: a median of 4.471 ms is known to half a microsecond.
const SIGNIFICANT_DIGITS: u8 = 4;
/// Different error texts that are told apart; a broker that puts an id in each would fill memory.
const MAX_ERROR_TEXTS: usize = 100;
/// Locust's window of the live rate: the ten seconds that ended two seconds ago.
const RATE_SECONDS: u64 = 10;
const RATE_DELAY_SECONDS: u64 = 2;
/// Locust's percentiles.
const QUANTILES: [f64; 10] = [0.5, 0.66, 0.75, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999, 0.9999];

/// The running count of a run.
#[derive(Debug)]
pub struct Tally {
    outcomes: BTreeMap<Status, u64>,
    warm_up: WarmUp,
    latencies: Histogram<u64>,
    bounds_ns: Option<(u64, u64)>,
    sum_ns: u128,
    window: ThroughputWindow,
    errors: BTreeMap<(Status, String), u64>,
    recent: VecDeque<Second>,
}

#[derive(Debug, Clone, Copy)]
struct Second {
    number: u64,
    requests: u64,
    failures: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            outcomes: BTreeMap::new(),
            warm_up: WarmUp::default(),
            latencies: Histogram::new_with_bounds(1, LONGEST_NS, SIGNIFICANT_DIGITS)
                .expect("the bounds are constants in the range of the histogram"),
            bounds_ns: None,
            sum_ns: 0,
            window: ThroughputWindow::default(),
            errors: BTreeMap::new(),
            recent: VecDeque::new(),
        }
    }
}

impl Tally {
    /// Takes one sample, `second` seconds after the start of the run.
    pub fn record(&mut self, sample: &Sample, second: u64) {
        let status = sample.outcome.status();
        if status.is_failure() {
            self.count_error(status, sample.outcome.error());
        }
        if sample.warm_up {
            self.warm_up.requests += 1;
            self.warm_up.failures += u64::from(status.is_failure());
            return;
        }
        *self.outcomes.entry(status).or_default() += 1;
        if status == Status::Censored {
            return;
        }
        self.window.record(sample.sent_ns, status == Status::Ok);
        self.count_recent(second, status.is_failure());
        if let Some(latency) = sample.latency_ns() {
            self.latencies.saturating_record(latency.max(1));
            self.sum_ns += u128::from(latency);
            let (low, high) = self.bounds_ns.unwrap_or((latency, latency));
            self.bounds_ns = Some((low.min(latency), high.max(latency)));
        }
    }

    /// Requests and failures a second, lately. The measured requests only.
    #[must_use]
    pub fn live_rates(&self, second: u64) -> Rates {
        let end = second.saturating_sub(RATE_DELAY_SECONDS);
        let start = end.saturating_sub(RATE_SECONDS);
        let within = self
            .recent
            .iter()
            .filter(|entry| (start..end).contains(&entry.number));
        let (requests, failures) = within.fold((0, 0), |(requests, failures), entry| {
            (requests + entry.requests, failures + entry.failures)
        });
        let seconds = (end - start).max(1) as f64;
        Rates {
            requests: requests as f64 / seconds,
            failures: failures as f64 / seconds,
        }
    }

    /// Sums up what was recorded so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let censored = self.outcomes.get(&Status::Censored).copied().unwrap_or(0);
        let failing = self
            .outcomes
            .iter()
            .filter(|(status, _)| status.is_failure());
        Summary {
            requests: self.outcomes.values().sum::<u64>() - censored,
            failures: failing.map(|(_, count)| count).sum(),
            censored,
            outcomes: self.outcomes.clone(),
            warm_up: self.warm_up,
            latency: self.latency(),
            throughput: self.window.throughput(),
            window_seconds: self.window.seconds(),
            errors: self.error_counts(),
        }
    }

    fn latency(&self) -> Option<Latency> {
        let (low, high) = self.bounds_ns?;
        let count = self.latencies.len();
        let at = |q: f64| milliseconds(self.latencies.value_at_quantile(q).clamp(low, high));
        let supported = QUANTILES
            .into_iter()
            .filter(|q| quantile_is_supported(count, *q));
        let percentiles = supported.map(|q| Percentile {
            quantile: q,
            ms: at(q),
        });
        Some(Latency {
            mean_ms: self.sum_ns as f64 / count as f64 / 1e6,
            min_ms: milliseconds(low),
            max_ms: milliseconds(high),
            median_ms: at(0.5),
            percentiles: percentiles.collect(),
        })
    }

    fn count_error(&mut self, status: Status, error: &str) {
        let known = self.errors.len() < MAX_ERROR_TEXTS
            || self.errors.contains_key(&(status, error.to_owned()));
        let text = if known { error } else { "other errors" };
        *self.errors.entry((status, text.to_owned())).or_default() += 1;
    }

    fn count_recent(&mut self, second: u64, failed: bool) {
        if self.recent.back().is_none_or(|last| last.number < second) {
            self.recent.push_back(Second {
                number: second,
                requests: 0,
                failures: 0,
            });
        }
        if let Some(last) = self.recent.back_mut() {
            last.requests += 1;
            last.failures += u64::from(failed);
        }
        let kept = RATE_SECONDS + RATE_DELAY_SECONDS + 1;
        while self
            .recent
            .front()
            .is_some_and(|first| first.number + kept < second)
        {
            self.recent.pop_front();
        }
    }

    fn error_counts(&self) -> Vec<ErrorCount> {
        let entries = self.errors.iter();
        let mut counts: Vec<_> = entries
            .map(|((status, error), count)| ErrorCount {
                status: *status,
                error: error.clone(),
                count: *count,
            })
            .collect();
        counts.sort_by_key(|entry| std::cmp::Reverse(entry.count));
        counts
    }
}

fn milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Outcome;

    fn sample(sent_ms: u64, latency_ms: u64, outcome: Outcome) -> Sample {
        Sample {
            user: 0,
            intended_ns: sent_ms * 1_000_000,
            sent_ns: sent_ms * 1_000_000,
            replied_ns: Some((sent_ms + latency_ms) * 1_000_000),
            outcome,
            warm_up: false,
        }
    }

    #[test]
    fn failures_and_warm_up_stay_out_of_the_latencies() {
        let mut tally = Tally::default();
        tally.record(&sample(0, 4, Outcome::Ok), 0);
        tally.record(&sample(10, 6, Outcome::Ok), 0);
        tally.record(
            &sample(20, 5000, Outcome::ErrorStatus("status 500".to_owned())),
            0,
        );
        tally.record(&sample(30, 30_000, Outcome::TimeOut), 0);
        let mut warm_up = sample(0, 900, Outcome::Ok);
        warm_up.warm_up = true;
        tally.record(&warm_up, 0);
        let summary = tally.summary();
        let latency = summary.latency.unwrap();
        assert_eq!(
            (latency.mean_ms, latency.min_ms, latency.max_ms),
            (5.0, 4.0, 6.0)
        );
        assert_eq!((summary.requests, summary.failures), (4, 2));
        assert_eq!(summary.warm_up.requests, 1);
        assert_eq!(summary.errors.len(), 2);
    }

    #[test]
    fn percentiles_need_their_observations() {
        let mut tally = Tally::default();
        for index in 0..200 {
            tally.record(&sample(index, index + 1, Outcome::Ok), 0);
        }
        let latency = tally.summary().latency.unwrap();
        let last = latency.percentiles.last().unwrap();
        assert_eq!(last.quantile, 0.95);
        assert!((last.ms - 190.0).abs() < 0.1, "{}", last.ms);
    }

    #[test]
    fn the_live_rate_ends_two_seconds_ago() {
        let mut tally = Tally::default();
        for second in 0..20 {
            for _ in 0..=second {
                tally.record(&sample(0, 1, Outcome::Ok), second);
            }
        }
        // Seconds 8 to 17 hold 9 to 18 requests.
        assert_eq!(tally.live_rates(20).requests, 13.5);
        assert_eq!(Tally::default().live_rates(0).requests, 0.0);
    }

    #[test]
    fn censored_requests_are_neither_failed_nor_answered() {
        let mut tally = Tally::default();
        tally.record(&sample(0, 1, Outcome::Censored), 0);
        let summary = tally.summary();
        assert_eq!(
            (summary.requests, summary.failures, summary.censored),
            (0, 0, 1)
        );
        assert!(summary.latency.is_none());
    }

    #[test]
    fn endless_error_texts_do_not_fill_memory() {
        let mut tally = Tally::default();
        for index in 0..1000 {
            tally.record(
                &sample(0, 1, Outcome::SendError(format!("error {index}"))),
                0,
            );
        }
        assert!(tally.summary().errors.len() <= MAX_ERROR_TEXTS + 1);
        assert_eq!(tally.summary().failures, 1000);
    }
}
