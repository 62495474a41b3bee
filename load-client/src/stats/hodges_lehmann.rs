//! The Hodges-Lehmann shift and its counterpart for ratios, with their intervals.

use serde::Serialize;

use crate::stats::pairwise::Pairwise;
use crate::stats::{SortedSample, ln_normal_upper_tail, normal_critical_value};

/// A rank-based estimate with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PairwiseEstimate {
    /// The median over all pairs.
    pub estimate: f64,
    /// Its interval; `None` for samples too small to reach the confidence asked for.
    pub interval: Option<PairwiseInterval>,
}

/// An interval between two order statistics of the pairs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PairwiseInterval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Confidence that the interval really has, at least about the one asked for: ranks come in
    /// whole steps.
    pub achieved_confidence: f64,
}

/// The typical difference first - second: the median of all pairwise differences.
///
/// J. L. Hodges & E. L. Lehmann, "Estimates of Location Based on Rank Tests" (Annals of
/// Mathematical Statistics 34, 1963); the interval consists of two order statistics of the
/// differences (Hollander, Wolfe & Chicken, *Nonparametric Statistical Methods*, 3rd ed., section
/// 4.3). Their ranks come from the exact distribution of U, as R's, while it is at hand (about 65
/// values a side), beyond that from its Edgeworth expansion; ties make the interval wider than
/// needed, never narrower. Exact in O((m + n) log(m n)) time and O(m + n) memory.
///
/// `None` for a level outside (0, 1) and where a difference overflows.
#[must_use]
pub fn hodges_lehmann_shift(
    first: &SortedSample,
    second: &SortedSample,
    confidence: f64,
) -> Option<PairwiseEstimate> {
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
) -> Option<PairwiseEstimate> {
    if first.min() <= 0.0 || second.min() <= 0.0 {
        return None;
    }
    let pairs = Pairwise::new(first, second, |x, y| x / y)?;
    let result = estimate(&pairs, first, second, confidence, |low, high| {
        low.sqrt() * high.sqrt()
    })?;
    // A ratio of the extremes of the range of doubles is 0 by underflow.
    let lowest = result
        .interval
        .map_or(result.estimate, |interval| interval.low);
    (lowest > 0.0).then_some(result)
}

fn estimate<F: Fn(f64, f64) -> f64>(
    pairs: &Pairwise<'_, F>,
    first: &SortedSample,
    second: &SortedSample,
    confidence: f64,
    middle_of: impl Fn(f64, f64) -> f64,
) -> Option<PairwiseEstimate> {
    if !is_level(confidence) {
        return None;
    }
    let all = pairs.pairs();
    let (low, high) = pairs.select_with_next((all - 1) / 2);
    let estimate = if all % 2 == 1 || low == high {
        low
    } else {
        middle_of(low, high)
    };
    let ends = lower_rank(first.count(), second.count(), confidence);
    let interval = ends.map(|(rank, achieved_confidence)| PairwiseInterval {
        low: pairs.select(rank),
        high: pairs.select(all - 1 - rank),
        achieved_confidence,
    });
    let finite = |interval: PairwiseInterval| interval.low.is_finite() && interval.high.is_finite();
    let defined = estimate.is_finite() && interval.is_none_or(finite);
    defined.then_some(PairwiseEstimate { estimate, interval })
}

/// Rank, from 0, of the lower end among the pairs, and the confidence that it gives; `None` where
/// even the smallest and the largest pair are not far enough apart.
fn lower_rank(first: usize, second: usize, confidence: f64) -> Option<(u64, f64)> {
    let tail = (1.0 - confidence) / 2.0;
    if let Some(distribution) = RankSumDistribution::new(first, second) {
        let rank = distribution.quantile(tail).checked_sub(1)?;
        return Some((rank, 1.0 - 2.0 * distribution.at_most(rank)));
    }
    let approximation = EdgeworthRankSum::new(first as f64, second as f64);
    let rank = approximation.rank(tail)?;
    Some((rank as u64, 1.0 - 2.0 * approximation.at_most(rank)?))
}

/// The distribution of U by its first four moments.
///
/// E. Fix & J. L. Hodges, "Significance Probabilities of the Wilcoxon Test" (Annals of
/// Mathematical Statistics 26, 1955): U is symmetric, so its first correction to the normal is the
/// one of the fourth cumulant. For a thousand values a side it moves the rank by two.
struct EdgeworthRankSum {
    centre: f64,
    deviation: f64,
    excess_kurtosis: f64,
}

impl EdgeworthRankSum {
    fn new(m: f64, n: f64) -> Self {
        Self {
            centre: m * n / 2.0,
            deviation: (m * n * (m + n + 1.0) / 12.0).sqrt(),
            excess_kurtosis: -1.2 * (m * m + n * n + m * n + m + n) / (m * n * (m + n + 1.0)),
        }
    }

    /// The whole rank next to where P(U <= u) is `tail`, by the Cornish-Fisher expansion.
    fn rank(&self, tail: f64) -> Option<f64> {
        let z = normal_critical_value(tail)?;
        let corrected = z + self.excess_kurtosis / 24.0 * (z * z * z - 3.0 * z);
        let rank = (self.centre - corrected * self.deviation).round();
        (rank >= 0.0).then_some(rank)
    }

    /// P(U <= `rank`), to within a rank: the ends of the interval are counted half.
    fn at_most(&self, rank: f64) -> Option<f64> {
        let z = (self.centre - rank) / self.deviation;
        let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let correction = density * self.excess_kurtosis / 24.0 * (z * z * z - 3.0 * z);
        Some(ln_normal_upper_tail(z)?.exp() + correction)
    }
}

/// Most pairs for which the distribution is built: 10,000 is two samples of 100.
const MAX_PAIRS: usize = 1_000_000;

/// Numbers of arrangements for each value of U, and their sum.
pub(super) struct RankSumDistribution {
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
    pub(super) fn new(first: usize, second: usize) -> Option<Self> {
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

    /// P(U <= u).
    pub(super) fn at_most(&self, u: u64) -> f64 {
        let up_to = self.arrangements.len().min(u as usize + 1);
        self.arrangements[..up_to].iter().sum::<u128>() as f64 / self.total
    }

    /// The smallest u with P(U <= u) >= `probability`.
    pub(super) fn quantile(&self, probability: f64) -> u64 {
        let mut sum = 0_u128;
        let below = self.arrangements.iter().take_while(|count| {
            sum += **count;
            (sum as f64 / self.total) < probability
        });
        below.count() as u64
    }
}

/// An estimate with its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The estimate itself.
    pub estimate: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Interval {
    /// Carries the three figures through a rising function, for example `exp_m1` from the log
    /// scale to relative changes.
    #[must_use]
    pub fn map(self, rising: impl Fn(f64) -> f64) -> Self {
        Self {
            estimate: rising(self.estimate),
            low: rising(self.low),
            high: rising(self.high),
        }
    }

    /// The interval, unless one of its figures is not a finite number.
    pub(super) fn finite(self) -> Option<Self> {
        let Self {
            estimate,
            low,
            high,
        } = self;
        (estimate.is_finite() && low.is_finite() && high.is_finite()).then_some(self)
    }
}

/// Whether `confidence` is a level such as 0.95.
pub(super) fn is_level(confidence: f64) -> bool {
    confidence > 0.0 && confidence < 1.0
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
        let found = hodges_lehmann_shift(&few, &few, 0.95).unwrap();
        assert_eq!(
            (found.estimate, found.interval),
            (0.0, None),
            "too few for 95 %"
        );
        assert_eq!(hodges_lehmann_shift(&many, &many, 1.0), None);
        assert_eq!(
            pairwise_ratio(&many, &many, 0.95),
            None,
            "zero has no ratio"
        );
        let huge = SortedSample::new(&[-1.7e308, 1.7e308, 0.0, 1.0, 2.0, 3.0]).unwrap();
        assert_eq!(
            hodges_lehmann_shift(&huge, &huge, 0.95).map(|found| found.estimate),
            Some(0.0)
        );
    }

    #[test]
    fn approximate_ranks_continue_the_exact_ones() {
        for (m, n) in [(40, 60), (64, 64), (20, 90)] {
            let exact = RankSumDistribution::new(m, n).unwrap();
            let approximation = EdgeworthRankSum::new(m as f64, n as f64);
            for tail in [0.005, 0.025, 0.05] {
                let (found, wanted) = (
                    approximation.rank(tail).unwrap(),
                    exact.quantile(tail) as f64,
                );
                assert!(
                    (found - wanted).abs() <= 1.0,
                    "{m} {n} {tail}: {found} {wanted}"
                );
            }
        }
    }

    #[test]
    fn constants_have_an_interval_of_no_width() {
        let result = hodges_lehmann_shift(&sorted([7; 40]), &sorted([5; 50]), 0.95).unwrap();
        let interval = result.interval.unwrap();
        assert_eq!(
            (interval.low, result.estimate, interval.high),
            (2.0, 2.0, 2.0)
        );
        let ratio = pairwise_ratio(&sorted([7; 40]), &sorted([5; 50]), 0.95).unwrap();
        let interval = ratio.interval.unwrap();
        assert_eq!(
            (interval.low, ratio.estimate, interval.high),
            (1.4, 1.4, 1.4)
        );
    }

    #[test]
    fn single_values_have_an_estimate_and_no_interval() {
        let found = hodges_lehmann_shift(&sorted([3]), &sorted([1]), 0.95).unwrap();
        assert_eq!((found.estimate, found.interval), (2.0, None));
    }

    #[test]
    fn three_against_two() {
        // The ten arrangements of 2 among 5 have U = 0, 1, 2, 2, 3, 3, 4, 4, 5, 6.
        let distribution = RankSumDistribution::new(3, 2).unwrap();
        assert_eq!(distribution.arrangements, [1, 1, 2, 2, 2, 1, 1]);
        assert_eq!(distribution.at_most(2), 0.4);
        assert_eq!(distribution.at_most(99), 1.0);
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
