//! An estimate of what a stalled closed loop did not measure.

use hdrhistogram::Histogram;

/// Significant digits of the histogram: values are off by at most a thousandth.
const SIGNIFICANT_DIGITS: u8 = 3;

/// Most samples that may be filled in.
const MOST_FILLED: u64 = 100_000_000;

/// The latencies with those that a stall kept from being taken: an estimate, to be labelled so.
///
/// Gil Tene's correction: a client that asks once every `expected_interval` and waits for `v` has
/// not asked `v / expected_interval - 1` times, and would then have seen `v` less one interval, less
/// two intervals and so on (`recordValueWithExpectedInterval` of HdrHistogram). Latencies and the
/// interval share one unit. It holds for closed loops only; an open loop has the figures themselves.
///
/// `None` for no latencies, an interval of 0, and more than a hundred million samples to fill in.
#[must_use]
pub fn corrected_for_omission(latencies: &[u64], expected_interval: u64) -> Option<Histogram<u64>> {
    if latencies.is_empty() || expected_interval == 0 {
        return None;
    }
    let filled: u64 = latencies
        .iter()
        .map(|latency| latency / expected_interval)
        .try_fold(0_u64, u64::checked_add)?;
    if filled > MOST_FILLED {
        return None;
    }
    let mut histogram = Histogram::new(SIGNIFICANT_DIGITS).ok()?;
    for latency in latencies {
        histogram.record_correct(*latency, expected_interval).ok()?;
    }
    Some(histogram)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_within_a_thousandth(found: f64, expected: f64) {
        assert!(
            (found / expected - 1.0).abs() <= 0.001,
            "{found} is not {expected}"
        );
    }

    /// HdrHistogram's own reference: 10,000 answers of 1 ms and one of 100 s, in microseconds.
    #[test]
    fn the_reference_figures_of_hdrhistogram() {
        let mut latencies = vec![1_000; 10_000];
        latencies.push(100_000_000);
        let mut raw = Histogram::<u64>::new(SIGNIFICANT_DIGITS).unwrap();
        for latency in &latencies {
            raw.record(*latency).unwrap();
        }
        assert_eq!(raw.len(), 10_001);
        assert_within_a_thousandth(raw.value_at_quantile(0.9999) as f64, 1_000.0);
        assert_within_a_thousandth(raw.mean(), 10_999.0);

        let corrected = corrected_for_omission(&latencies, 10_000).unwrap();
        assert_eq!(corrected.len(), 20_000);
        assert_within_a_thousandth(corrected.mean(), 25_000_500.0);
        for (q, expected) in [
            (0.5, 1_000.0),
            (0.75, 50_000_000.0),
            (0.9, 80_000_000.0),
            (0.99, 98_000_000.0),
        ] {
            assert_within_a_thousandth(corrected.value_at_quantile(q) as f64, expected);
        }
    }

    #[test]
    fn undefined_results_are_none() {
        assert!(corrected_for_omission(&[], 10).is_none());
        assert!(corrected_for_omission(&[5], 0).is_none());
        assert!(corrected_for_omission(&[u64::MAX], 1).is_none());
    }
}
