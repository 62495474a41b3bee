//! The parts of a tally: latencies in a histogram with exact bounds and an exact mean, and the last seconds.

use std::collections::VecDeque;

use hdrhistogram::Histogram;

use crate::measure::history::Bin;
use crate::measure::interval::{Times, widened};
use crate::measure::summary::{Ended, Lag, Latency, PERCENTILES, Percentile, Rates};
use crate::stats::quantile_is_supported;

/// The longest latency that the histogram distinguishes, in nanoseconds. Longer latencies count as this one.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// Latencies in nanoseconds, to a fixed number of significant digits.
#[derive(Debug, Clone)]
pub(crate) struct Latencies {
    histogram: Histogram<u64>,
    bounds_ns: Option<(u64, u64)>,
    sum_ns: u128,
}

impl Default for Latencies {
    fn default() -> Self {
        Self::with_digits(3)
    }
}

impl Latencies {
    /// Makes a histogram with three or four digits. Four digits give a median of 4.471 ms to half a microsecond. Three
    /// digits take a tenth of the memory.
    pub(crate) fn with_digits(digits: u8) -> Self {
        let mut histogram =
            Histogram::new(digits).expect("3 and 4 digits are in the histogram's range");
        histogram.auto(true);
        Self {
            histogram,
            bounds_ns: None,
            sum_ns: 0,
        }
    }

    pub(crate) fn record(&mut self, latency_ns: u64) {
        self.histogram
            .record(latency_ns.clamp(1, LONGEST_NS))
            .expect("a histogram that resizes takes an hour");
        self.sum_ns += u128::from(latency_ns);
        self.bounds_ns = widened(self.bounds_ns, Some((latency_ns, latency_ns)));
    }

    /// Adds the latencies of an interval.
    pub(crate) fn take(&mut self, times: &Times) {
        for (latency_ns, count) in &times.counts {
            self.histogram
                .record_n((*latency_ns).clamp(1, LONGEST_NS), *count)
                .expect("a histogram that resizes takes an hour");
        }
        self.sum_ns += times.sum_ns;
        self.bounds_ns = widened(self.bounds_ns, times.bounds_ns);
    }

    /// Returns its latencies for an interval.
    pub(crate) fn times(&self) -> Times {
        Times {
            counts: counts(&self.histogram),
            sum_ns: self.sum_ns,
            bounds_ns: self.bounds_ns,
        }
    }

    /// Returns these latencies as the lag of a schedule, `None` without latencies.
    pub(crate) fn lag(&self, held_back: u64, unsent: u64) -> Option<Lag> {
        Some(Lag {
            requests: self.count(),
            p50_ms: self.at_ms(0.5)?,
            p99_ms: self.at_ms(0.99)?,
            max_ms: self.at_ms(1.0)?,
            held_back,
            unsent,
        })
    }

    /// Merges the counts, because percentiles must never be averaged.
    pub(crate) fn add(&mut self, other: &Self) {
        self.histogram
            .add(&other.histogram)
            .expect("a histogram that resizes takes any other");
        self.sum_ns += other.sum_ns;
        self.bounds_ns = widened(self.bounds_ns, other.bounds_ns);
    }

    pub(crate) fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }

    pub(crate) fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// Returns a quantile (0 to 1) in milliseconds, however few values support it. `None` without values.
    pub(crate) fn at_ms(&self, quantile: f64) -> Option<f64> {
        let (low, high) = self.bounds_ns?;
        let found = self.histogram.value_at_quantile(quantile);
        Some(milliseconds(found.clamp(low, high)))
    }

    pub(crate) fn summary(&self) -> Option<Latency> {
        self.summary_with(&[])
    }

    /// Summarises like [`Self::summary`], with further quantiles, in ascending order.
    pub(super) fn summary_with(&self, further: &[f64]) -> Option<Latency> {
        let (low, high) = self.bounds_ns?;
        let count = self.histogram.len();
        let mut quantiles = [&PERCENTILES.map(|(_, quantile)| quantile), further].concat();
        quantiles.sort_unstable_by(f64::total_cmp);
        quantiles.dedup();
        let supported = quantiles
            .into_iter()
            .filter(|q| quantile_is_supported(count, *q));
        let percentiles = supported.filter_map(|quantile| {
            let ms = self.at_ms(quantile)?;
            Some(Percentile { quantile, ms })
        });
        Some(Latency {
            count,
            mean_ms: self.sum_ns as f64 / count as f64 / 1e6,
            min_ms: milliseconds(low),
            max_ms: milliseconds(high),
            median_ms: self.at_ms(0.5)?,
            percentiles: percentiles.collect(),
        })
    }

    /// Returns bins of equal width on a logarithmic axis, from the fastest to the slowest. Empty without values.
    pub(super) fn bins(&self, count: u32) -> Vec<Bin> {
        let Some((low, high)) = self.bounds_ns else {
            return Vec::new();
        };
        let (low, high) = (low.max(1) as f64, high.max(1) as f64 * 1.000_001);
        let ratio = (high / low).powf(1.0 / f64::from(count));
        let edge = |index: u32| low * ratio.powf(f64::from(index));
        let mut bins: Vec<Bin> = (0..count)
            .map(|index| Bin {
                low_ms: edge(index) / 1e6,
                high_ms: edge(index + 1) / 1e6,
                count: 0,
            })
            .collect();
        for value in self.histogram.iter_recorded() {
            let at = (value.value_iterated_to() as f64).clamp(low, high);
            let index = ((at / low).ln() / ratio.ln()).floor() as usize;
            let last = bins.len() - 1;
            let own = &mut bins[index.min(last)].count;
            *own = own.saturating_add(value.count_at_value());
        }
        bins
    }
}

/// Returns the values of a histogram, each with its number of occurrences.
pub(crate) fn counts(histogram: &Histogram<u64>) -> Vec<(u64, u64)> {
    let values = histogram.iter_recorded();
    let counts = values.map(|own| (own.value_iterated_to(), own.count_at_value()));
    counts.collect()
}

fn milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

/// Locust's window of the live rate: the ten seconds that ended two seconds ago.
const RATE_SECONDS: u64 = 10;
const RATE_DELAY_SECONDS: u64 = 2;

/// The last seconds of one kind of request.
#[derive(Debug, Default)]
pub(super) struct Recent {
    seconds: VecDeque<Second>,
}

#[derive(Debug, Default)]
struct Second {
    number: u64,
    ended: Ended,
    latencies: Latencies,
}

impl Recent {
    /// Adds the requests that ended in second `number`. With several clients, one may be some seconds behind the
    /// others.
    pub(super) fn add(&mut self, number: u64, ended: Ended, times: &Times) {
        let place = self.seconds.partition_point(|own| own.number < number);
        if self
            .seconds
            .get(place)
            .is_none_or(|own| own.number != number)
        {
            let second = Second {
                number,
                ..Second::default()
            };
            self.seconds.insert(place, second);
            let last = self.seconds.back().map_or(0, |own| own.number);
            let kept = RATE_SECONDS + RATE_DELAY_SECONDS + 1;
            self.seconds.retain(|own| own.number + kept >= last);
        }
        let place = self.seconds.partition_point(|own| own.number < number);
        // Data that is too old is dropped.
        if let Some(own) = self
            .seconds
            .get_mut(place)
            .filter(|own| own.number == number)
        {
            own.ended.add(ended);
            own.latencies.take(times);
        }
    }

    /// Returns the rates in second `now`.
    pub(super) fn rates(&self, now: u64) -> Rates {
        let end = now.saturating_sub(RATE_DELAY_SECONDS);
        let start = end.saturating_sub(RATE_SECONDS);
        let mut ended = Ended::default();
        for second in self.between(start, end) {
            ended.add(second.ended);
        }
        ended.rates((end - start) as f64)
    }

    /// Returns the latencies of the ten seconds before `now`.
    pub(super) fn window(&self, now: u64) -> Option<Latency> {
        let mut merged = Latencies::default();
        let start = (now + 1).saturating_sub(RATE_SECONDS);
        self.between(start, now + 1)
            .for_each(|second| merged.add(&second.latencies));
        merged.summary()
    }

    fn between(&self, start: u64, end: u64) -> impl Iterator<Item = &Second> {
        let seconds = self.seconds.iter();
        seconds.filter(move |second| (start..end).contains(&second.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_is_as_recording_together() {
        let (mut one, mut two, mut both) = (
            Latencies::with_digits(4),
            Latencies::with_digits(4),
            Latencies::with_digits(4),
        );
        for latency in 1..=2000_u64 {
            let part = if latency % 3 == 0 { &mut one } else { &mut two };
            part.record(latency * 10_000);
            both.record(latency * 10_000);
        }
        one.add(&two);
        assert_eq!(one.summary(), both.summary());
        let p99 = one.summary().unwrap().percentile(0.99).unwrap();
        assert!((p99 - 19.8).abs() < 19.8e-4, "{p99}");
        assert_eq!(Latencies::default().summary(), None);
    }

    #[test]
    fn bins_hold_every_latency_once() {
        let mut latencies = Latencies::with_digits(3);
        for latency in 1..=1000_u64 {
            latencies.record(latency * 100_000);
        }
        let bins = latencies.bins(40);
        assert_eq!(bins.len(), 40);
        assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), 1000);
        assert!(bins.windows(2).all(|two| two[0].high_ms == two[1].low_ms));
        assert!(bins[0].count > 0 && bins[39].count > 0);
        assert!(Latencies::with_digits(3).bins(40).is_empty());
    }

    #[test]
    fn equal_latencies_fill_one_bin() {
        let mut latencies = Latencies::with_digits(3);
        (0..5).for_each(|_| latencies.record(7));
        assert_eq!(
            latencies.bins(10).iter().map(|bin| bin.count).sum::<u64>(),
            5
        );
    }

    fn times(latency_ns: u64) -> Times {
        Times {
            counts: vec![(latency_ns, 1)],
            sum_ns: latency_ns.into(),
            bounds_ns: Some((latency_ns, latency_ns)),
        }
    }

    #[test]
    fn a_client_that_is_behind_counts_where_it_belongs() {
        let (mut recent, one) = (
            Recent::default(),
            Ended {
                requests: 1,
                failures: 0,
            },
        );
        for number in [30, 28, 31, 28, 3] {
            recent.add(number, one, &times(number));
        }
        let numbers = recent
            .seconds
            .iter()
            .map(|own| (own.number, own.ended.requests));
        assert_eq!(numbers.collect::<Vec<_>>(), [(28, 2), (30, 1), (31, 1)]);
    }

    #[test]
    fn the_rate_ends_two_seconds_ago_and_the_window_now() {
        let mut recent = Recent::default();
        for second in 0..20 {
            for _ in 0..=second {
                let ended = Ended {
                    requests: 1,
                    failures: u64::from(second == 17),
                };
                recent.add(second, ended, &times(second * 1_000_000));
            }
        }
        // Seconds 8 to 17 have 9 to 18 requests.
        let rates = recent.rates(20);
        assert_eq!((rates.requests, rates.failures), (13.5, 1.8));
        assert_eq!(recent.window(19).unwrap().min_ms, 10.0);
        assert_eq!(recent.window(40), None);
        assert_eq!(Recent::default().rates(0), Rates::default());
        assert!(recent.seconds.len() <= 14);
    }
}
