//! The Hodges-Lehmann shift and its counterpart for ratios, with their intervals.

use statrs::distribution::{ContinuousCDF, Normal};

use crate::stats::pairwise::Pairwise;
use crate::stats::sample::is_level;
use crate::stats::{Interval, SortedSample};

/// The typical difference first - second: the median of all pairwise differences.
///
/// J. L. Hodges & E. L. Lehmann, "Estimates of Location Based on Rank Tests" (Annals of
/// Mathematical Statistics 34, 1963); the interval consists of two order statistics of the
/// differences (Hollander, Wolfe & Chicken, *Nonparametric Statistical Methods*, 3rd ed., section
/// 4.3). Their ranks come from the exact distribution of U, as R's, while it is at hand (about 65
/// values a side), beyond that from its Edgeworth expansion; ties make the interval wider than
/// needed, never narrower. Exact in O((m + n) log(m n)) time and O(m + n) memory.
///
/// `None` for samples too small to reach the confidence, for a level outside (0, 1) and where a difference
/// overflows.
#[must_use]
pub fn hodges_lehmann_shift(
    first: &SortedSample,
    second: &SortedSample,
    confidence: f64,
) -> Option<Interval> {
    let pairs = Pairwise::new(first, second, |x, y| x - y)?;
    estimate(&pairs, first, second, confidence, |low, high| {
        low + 0.5 * (high - low)
    })
}

/// The typical ratio first / second: the median of all pairwise ratios.
///
/// It is [`hodges_lehmann_shift`] on the log scale: with an even number of pairs the median is the
/// geometric mean of the middle two. `None` also where a value is not above zero.
#[must_use]
pub fn pairwise_ratio(
    first: &SortedSample,
    second: &SortedSample,
    confidence: f64,
) -> Option<Interval> {
    if first.min() <= 0.0 || second.min() <= 0.0 {
        return None;
    }
    let pairs = Pairwise::new(first, second, |x, y| x / y)?;
    let result = estimate(&pairs, first, second, confidence, |low, high| {
        low.sqrt() * high.sqrt()
    })?;
    // A ratio of the extremes of the range of doubles is 0 by underflow.
    (result.low > 0.0).then_some(result)
}

fn estimate<F: Fn(f64, f64) -> f64>(
    pairs: &Pairwise<'_, F>,
    first: &SortedSample,
    second: &SortedSample,
    confidence: f64,
    middle_of: impl Fn(f64, f64) -> f64,
) -> Option<Interval> {
    if !is_level(confidence) {
        return None;
    }
    let all = pairs.pairs();
    let rank = lower_rank(first.count(), second.count(), (1.0 - confidence) / 2.0)?;
    let (low, high) = pairs.select_with_next((all - 1) / 2);
    let estimate = if all % 2 == 1 || low == high {
        low
    } else {
        middle_of(low, high)
    };
    let interval = Interval {
        estimate,
        low: pairs.select(rank),
        high: pairs.select(all - 1 - rank),
    };
    interval.finite()
}

/// Rank, from 0, of the lower end among the pairs, with at most about `tail` below it; `None` where even the
/// smallest and the largest pair are not far enough apart.
fn lower_rank(first: usize, second: usize, tail: f64) -> Option<u64> {
    match RankSumDistribution::new(first, second) {
        Some(distribution) => distribution.quantile(tail).checked_sub(1),
        None => approximate_rank(first as f64, second as f64, tail),
    }
}

/// The whole rank next to where P(U <= u) is `tail`, by the first four moments of U for samples of `m` and `n`.
///
/// E. Fix & J. L. Hodges, "Significance Probabilities of the Wilcoxon Test" (Annals of
/// Mathematical Statistics 26, 1955): U is symmetric, so its first correction to the normal (here of its
/// quantile, by Cornish and Fisher) is the one of the fourth cumulant. For a thousand values a side it moves the
/// rank by two.
fn approximate_rank(m: f64, n: f64, tail: f64) -> Option<u64> {
    let deviation = (m * n * (m + n + 1.0) / 12.0).sqrt();
    let excess_kurtosis = -1.2 * (m * m + n * n + m * n + m + n) / (m * n * (m + n + 1.0));
    let z = -Normal::standard().inverse_cdf(tail);
    let corrected = z + excess_kurtosis / 24.0 * (z * z * z - 3.0 * z);
    let rank = (m * n / 2.0 - corrected * deviation).round();
    (rank >= 0.0).then_some(rank as u64)
}

/// Most pairs for which the distribution is built: 10,000 is two samples of 100.
const MAX_PAIRS: usize = 1_000_000;

/// Numbers of arrangements for each value of U, and their sum.
struct RankSumDistribution {
    arrangements: Vec<u128>,
    total: f64,
}

impl RankSumDistribution {
    /// The distribution for samples of `first` and `second` values.
    ///
    /// The number of arrangements with U = u is the coefficient of q^u in the Gaussian binomial
    /// coefficient, the product of (1 - q^(n+i)) / (1 - q^i) for i = 1..m (Andrews, *The Theory of
    /// Partitions*, 1976, theorem 3.1). `None` when the arrangements exceed 2^127, from about 65
    /// values a side on, or the pairs a million.
    fn new(first: usize, second: usize) -> Option<Self> {
        let (few, many) = (first.min(second), first.max(second));
        let pairs = few.checked_mul(many).filter(|pairs| *pairs <= MAX_PAIRS)?;
        let ln_total: f64 = (1..=few).map(|i| ((many + i) as f64 / i as f64).ln()).sum();
        if few == 0 || ln_total >= 127.0 * std::f64::consts::LN_2 {
            return None;
        }
        let mut counts = vec![0_u128; pairs + 1];
        counts[0] = 1;
        for i in 1..=few {
            // What wraps round in between cancels again: the coefficients themselves all fit.
            for u in (many + i..=pairs).rev() {
                counts[u] = counts[u].wrapping_sub(counts[u - many - i]);
            }
            for u in i..=pairs {
                counts[u] = counts[u].wrapping_add(counts[u - i]);
            }
        }
        let total = counts.iter().sum::<u128>() as f64;
        Some(Self {
            arrangements: counts,
            total,
        })
    }

    /// The smallest u with P(U <= u) >= `probability`.
    fn quantile(&self, probability: f64) -> u64 {
        let mut sum = 0_u128;
        let below = self.arrangements.iter().take_while(|count| {
            sum += **count;
            (sum as f64 / self.total) < probability
        });
        below.count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(values: impl IntoIterator<Item = i32>) -> SortedSample {
        SortedSample::new(&values.into_iter().map(f64::from).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn undefined_results_are_none() {
        let (few, many) = (sorted(0..2), sorted(0..30));
        assert_eq!(
            hodges_lehmann_shift(&few, &few, 0.95),
            None,
            "too few for 95 %"
        );
        assert_eq!(hodges_lehmann_shift(&sorted([3]), &sorted([1]), 0.95), None);
        assert_eq!(hodges_lehmann_shift(&many, &many, 1.0), None);
        assert_eq!(
            pairwise_ratio(&many, &many, 0.95),
            None,
            "zero has no ratio"
        );
        let huge = SortedSample::new(&[-1.7e308, 1.7e308, 0.0, 1.0, 2.0, 3.0]).unwrap();
        let found = hodges_lehmann_shift(&huge, &huge, 0.95);
        assert!(found.is_none_or(|found| found.estimate == 0.0), "{found:?}");
    }

    #[test]
    fn approximate_ranks_continue_the_exact_ones() {
        for (m, n) in [(40, 60), (64, 64), (20, 90)] {
            let exact = RankSumDistribution::new(m, n).unwrap();
            for tail in [0.005, 0.025, 0.05] {
                let found = approximate_rank(m as f64, n as f64, tail).unwrap();
                let wanted = exact.quantile(tail);
                assert!(
                    found.abs_diff(wanted) <= 1,
                    "{m} {n} {tail}: {found} {wanted}"
                );
            }
        }
    }

    #[test]
    fn constants_have_an_interval_of_no_width() {
        let (sevens, fives) = (sorted([7; 40]), sorted([5; 50]));
        for (found, expected) in [
            (hodges_lehmann_shift(&sevens, &fives, 0.95), 2.0),
            (pairwise_ratio(&sevens, &fives, 0.95), 1.4),
        ] {
            let found = found.unwrap();
            assert_eq!([found.low, found.estimate, found.high], [expected; 3]);
        }
    }

    #[test]
    fn three_against_two() {
        // The ten arrangements of 2 among 5 have U = 0, 1, 2, 2, 3, 3, 4, 4, 5, 6.
        let distribution = RankSumDistribution::new(3, 2).unwrap();
        assert_eq!(distribution.arrangements, [1, 1, 2, 2, 2, 1, 1]);
        assert_eq!(distribution.quantile(0.4), 2);
        assert_eq!(distribution.quantile(0.05), 0);
    }

    #[test]
    fn the_arrangements_of_large_samples_are_all_there() {
        let distribution = RankSumDistribution::new(64, 64).unwrap();
        // C(128, 64)
        let all = 23_951_146_041_928_082_866_135_587_776_380_551_750_u128;
        assert_eq!(distribution.arrangements.iter().sum::<u128>(), all);
        assert!(RankSumDistribution::new(70, 70).is_none());
        assert!(RankSumDistribution::new(0, 3).is_none());
    }
}
