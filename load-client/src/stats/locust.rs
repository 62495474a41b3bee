//! Locust's rounded percentiles, for the note on how far they are from the data.
//!
//! Locust counts response times in buckets (its `stats.py`): whole milliseconds below 100, then
//! steps of 10, 100 and 1,000. At the 4 to 7 ms of a round trip over Kafka that is an error of
//! ten per cent and more.

use std::collections::BTreeMap;

/// The bucket of a response time, both in milliseconds; halves go to the even step, as in Python.
///
/// `None` unless the time is finite and not negative.
#[must_use]
fn locust_bucket(milliseconds: f64) -> Option<u64> {
    if !milliseconds.is_finite() || milliseconds < 0.0 {
        return None;
    }
    let step = match milliseconds {
        below if below < 100.0 => 1.0,
        below if below < 1_000.0 => 10.0,
        below if below < 10_000.0 => 100.0,
        _ => 1_000.0,
    };
    Some(((milliseconds / step).round_ties_even() * step) as u64)
}

/// The median that Locust would print, in milliseconds: that of the buckets, kept between the
/// smallest and the largest time.
///
/// `None` for an empty sample and where a time has no bucket.
#[must_use]
pub fn locust_median(milliseconds: &[f64]) -> Option<f64> {
    let mut buckets = BTreeMap::<u64, usize>::new();
    for time in milliseconds {
        *buckets.entry(locust_bucket(*time)?).or_default() += 1;
    }
    let middle = milliseconds.len().checked_sub(1)? / 2;
    let mut before = 0;
    let median = buckets.iter().find_map(|(bucket, count)| {
        before += count;
        (before > middle).then_some(*bucket as f64)
    })?;
    let smallest = milliseconds.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = milliseconds.iter().copied().fold(0.0, f64::max);
    Some(median.clamp(smallest, largest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_as_in_locusts_own_tests() {
        for (time, bucket) in [
            (1.4, 1),
            (1.5, 2),
            (2.5, 2),
            (99.9, 100),
            (147.0, 150),
            (999.0, 1000),
            (3432.0, 3400),
            (58_760.0, 59_000),
        ] {
            assert_eq!(locust_bucket(time), Some(bucket), "{time}");
        }
    }

    #[test]
    fn medians_as_in_locusts_own_tests() {
        let times = [45.0, 135.0, 44.0, 375.0, 601.0, 35.0, 79.0];
        assert_eq!(locust_median(&times), Some(79.0));
        assert_eq!(locust_median(&[1.1, 1.99, 3.1]), Some(2.0));
        assert_eq!(
            locust_median(&[6.6, 6.6]),
            Some(6.6),
            "not above the largest"
        );
    }

    #[test]
    fn undefined_results_are_none() {
        assert_eq!(locust_median(&[]), None);
        assert_eq!(locust_median(&[1.0, f64::NAN]), None);
        assert_eq!(locust_bucket(-1.0), None);
    }
}
