//! The two-sample Kolmogorov-Smirnov test: do two samples have the same distribution at all?
//!
//! It notices what medians miss: the same median and a spread that exploded.

use serde::Serialize;

use super::sorted::merge;
use super::{PValue, SortedSample, kolmogorov};

/// Largest sample for which [`kolmogorov_smirnov`] takes the exact distribution, as SciPy does.
const EXACT_UP_TO: usize = 10_000;

/// Below this the exact sum runs out of doubles.
const SMALLEST_EXACT: f64 = 1e-290;

/// The result of a Kolmogorov-Smirnov test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct KolmogorovSmirnov {
    /// Largest distance between the two empirical distribution functions, 0 to 1.
    pub d: f64,
    /// Two-sided p-value.
    pub p: PValue,
}

/// The test with the exact p-value up to 10,000 values a side, with the asymptotic one above.
#[must_use]
pub fn kolmogorov_smirnov(
    first: &SortedSample,
    second: &SortedSample,
) -> Option<KolmogorovSmirnov> {
    if first.count().max(second.count()) <= EXACT_UP_TO {
        kolmogorov_smirnov_exact(first, second)
    } else {
        kolmogorov_smirnov_asymptotic(first, second)
    }
}

/// The test with its exact p-value, in O(m n) steps; for samples without ties.
///
/// Each order of the m + n values is a path from (0, 0) to (m, n), all equally likely; p is the
/// share of the paths that stray from the diagonal as far as the one seen (J. L. Hodges, "The
/// significance probability of the Smirnov two-sample test", Arkiv för Matematik 3, 1958). Ties
/// make p larger than it should be. Where p falls below 1e-290 its logarithm is that of
/// [`kolmogorov_smirnov_asymptotic`]. `None` above 10,000 values a side.
#[must_use]
pub fn kolmogorov_smirnov_exact(
    first: &SortedSample,
    second: &SortedSample,
) -> Option<KolmogorovSmirnov> {
    let (m, n) = (first.count(), second.count());
    if m.max(n) > EXACT_UP_TO {
        return None;
    }
    let distance = largest_distance(first, second);
    if distance == 0 {
        let p = PValue::from_ln(0.0);
        return Some(KolmogorovSmirnov { d: 0.0, p });
    }
    let probability = stray_share(m as i64, n as i64, distance as i64);
    if probability < SMALLEST_EXACT {
        return kolmogorov_smirnov_asymptotic(first, second);
    }
    Some(KolmogorovSmirnov {
        d: distance as f64 / (m * n) as f64,
        p: PValue::from_probability(probability)?,
    })
}

/// The test with the p-value of Kolmogorov's distribution for m n / (m + n) values, rounded.
///
/// The same choice as SciPy's `method="asymp"`. When the samples do not overlap at all, p is the
/// exact 2 / C(m + n, m). `None` for one value a side, which rounds to none.
#[must_use]
pub fn kolmogorov_smirnov_asymptotic(
    first: &SortedSample,
    second: &SortedSample,
) -> Option<KolmogorovSmirnov> {
    let (m, n) = (first.count() as f64, second.count() as f64);
    let distance = largest_distance(first, second);
    let d = distance as f64 / (m * n);
    let ln = if distance == first.count() as u64 * second.count() as u64 {
        let few = m.min(n);
        let ln_paths: f64 = (1..=few as u64)
            .map(|i| ((m.max(n) + i as f64) / i as f64).ln())
            .sum();
        std::f64::consts::LN_2 - ln_paths
    } else {
        let size = (m * n / (m + n)).round_ties_even() as u64;
        if size == 0 {
            return None;
        }
        kolmogorov::ln_upper_tail(size, d)
    };
    Some(KolmogorovSmirnov {
        d,
        p: PValue::from_ln(ln),
    })
}

/// The largest distance of the distribution functions, times m n: a whole number.
fn largest_distance(first: &SortedSample, second: &SortedSample) -> u64 {
    let (m, n) = (first.count() as u64, second.count() as u64);
    let (mut i, mut j, mut largest) = (0, 0, 0);
    merge(first, second, |group| {
        i += group.first as u64;
        j += group.second as u64;
        largest = (i * n).abs_diff(j * m).max(largest);
    });
    largest
}

/// Share of the paths to (m, n) that reach a point with |i n - j m| >= `distance`.
///
/// The path to (i, j) came from (i - 1, j) with probability i / (i + j). Only points inside the
/// band round the diagonal need work; outside of it the share is 1.
fn stray_share(m: i64, n: i64, distance: i64) -> f64 {
    let mut shares = vec![1.0; n as usize + 1];
    for i in 0..=m {
        // First and last j with |i n - j m| < distance.
        let low = (i * n - distance).div_euclid(m) + 1;
        let high = (i * n + distance - 1).div_euclid(m).min(n);
        if low >= 1 && low <= n + 1 {
            shares[low as usize - 1] = 1.0;
        }
        for j in low.max(0)..=high {
            let column = j as usize;
            shares[column] = match (i, j) {
                (0, 0) => 0.0,
                (_, 0) => shares[0],
                (0, _) => shares[column - 1],
                _ => {
                    let (from_below, from_left) = (shares[column], shares[column - 1]);
                    (i as f64 * from_below + j as f64 * from_left) / (i + j) as f64
                }
            };
        }
    }
    shares[n as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(values: &[f64]) -> SortedSample {
        SortedSample::new(values).unwrap()
    }

    #[test]
    fn few_values_are_counted_as_by_hand() {
        // 6 orders of 2 and 2; d = 1 in two of them, d = 1/2 or more in all.
        assert!((stray_share(2, 2, 4) - 1.0 / 3.0).abs() < 1e-15);
        assert_eq!(stray_share(2, 2, 2), 1.0);
        let apart = kolmogorov_smirnov_exact(&sorted(&[1.0, 2.0]), &sorted(&[3.0, 4.0])).unwrap();
        assert_eq!(apart.d, 1.0);
    }

    #[test]
    fn equal_samples_have_no_distance() {
        let sample = sorted(&[5.0, 5.0, 7.0]);
        let result = kolmogorov_smirnov(&sample, &sample).unwrap();
        assert_eq!((result.d, result.p.value()), (0.0, Some(1.0)));
        let one = kolmogorov_smirnov_exact(&sorted(&[1.0]), &sorted(&[2.0])).unwrap();
        assert_eq!((one.d, one.p.value()), (1.0, Some(1.0)));
        let asymptotic = kolmogorov_smirnov_asymptotic(&sorted(&[1.0]), &sorted(&[1.0]));
        assert_eq!(asymptotic, None);
    }

    #[test]
    fn a_p_beyond_the_range_of_doubles_keeps_its_logarithm() {
        let low: Vec<f64> = (0..2000).map(f64::from).collect();
        let high: Vec<f64> = (0..2000).map(|value| 5000.0 + f64::from(value)).collect();
        let result = kolmogorov_smirnov(&sorted(&low), &sorted(&high)).unwrap();
        assert_eq!(result.p.value(), None);
        // log10 of 2 / C(4000, 2000)
        assert!((result.p.log10() + 1202.0).abs() < 1.0, "{}", result.p);
        let touching: Vec<f64> = (0..2000).map(|value| 1999.5 + f64::from(value)).collect();
        let result = kolmogorov_smirnov(&sorted(&low), &sorted(&touching)).unwrap();
        assert!(result.p.log10() < -1000.0, "{}", result.p);
    }
}
