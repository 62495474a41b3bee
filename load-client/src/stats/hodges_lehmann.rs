//! The Hodges-Lehmann shift and its counterpart for ratios, with their intervals. They are order statistics of all
//! pairwise combinations of two samples, computed without forming the pairs.
//!
//! Two samples of a million requests have 10^12 pairwise differences. These form a matrix that ascends along its rows
//! and columns, so one walk of m + n steps counts how many lie at or below any value (Monahan, "Algorithm 616: Fast
//! Computation of the Hodges-Lehmann Location Estimator", ACM TOMS 10, 1984). A search narrows the range around the
//! wanted pair until a single value is left. The result is exact.

use statrs::distribution::{ContinuousCDF, Normal};

use crate::stats::sample::is_level;
use crate::stats::{Interval, SortedSample};

/// Returns the typical difference first - second: the median of all pairwise differences.
///
/// J. L. Hodges & E. L. Lehmann, "Estimates of Location Based on Rank Tests" (Annals of Mathematical Statistics 34,
/// 1963). The interval consists of two order statistics of the differences (Hollander, Wolfe & Chicken, *Nonparametric
/// Statistical Methods*, 3rd ed., section 4.3). Up to about 65 values on each side, their ranks come from the exact
/// distribution of U, as in R. Beyond that they come from its Edgeworth expansion. Ties make the interval wider than
/// needed, never narrower. The function takes O(m + n) memory, and O(m + n) time for each of the few dozen steps of the
/// search.
///
/// `None` for samples too small to reach the confidence, for a level outside (0, 1), and where a difference overflows.
#[must_use]
pub fn hodges_lehmann_shift(
    first: &SortedSample,
    second: &SortedSample,
    confidence: f64,
) -> Option<Interval> {
    Pairs::new(first, second, |x, y| x - y).median(confidence, f64::midpoint)
}

/// Returns the typical ratio first / second: the median of all pairwise ratios.
///
/// This is [`hodges_lehmann_shift`] on the log scale. With an even number of pairs the median is the geometric mean of
/// the middle two. `None` also where a value is not above zero, and where a ratio underflows.
#[must_use]
pub fn pairwise_ratio(
    first: &SortedSample,
    second: &SortedSample,
    confidence: f64,
) -> Option<Interval> {
    if first.min() <= 0.0 || second.min() <= 0.0 {
        return None;
    }
    let geometric_mean = |low: f64, high: f64| low.sqrt() * high.sqrt();
    let found = Pairs::new(first, second, |x, y| x / y).median(confidence, geometric_mean);
    found.filter(|found| found.low > 0.0)
}

/// The matrix `combine(x, y)`, where `combine` rises in its first and falls in its second argument, also after rounding
/// to doubles.
struct Pairs<'a, F> {
    rows: &'a [f64],
    columns: &'a [f64],
    combine: F,
}

/// The place of a value among the pairs.
struct Place {
    /// How many pairs lie at or below it.
    count: u64,
    /// The largest pair at or below it.
    floor: f64,
    /// The smallest pair above it.
    ceiling: f64,
}

impl<'a, F: Fn(f64, f64) -> f64> Pairs<'a, F> {
    fn new(rows: &'a SortedSample, columns: &'a SortedSample, combine: F) -> Self {
        Self {
            rows: rows.values(),
            columns: columns.values(),
            combine,
        }
    }

    fn count(&self) -> u64 {
        self.rows.len() as u64 * self.columns.len() as u64
    }

    /// Returns the smallest and the largest pair.
    fn range(&self) -> [f64; 2] {
        let last = [self.rows.len() - 1, self.columns.len() - 1];
        [(0, last[1]), (last[0], 0)]
            .map(|(row, column)| (self.combine)(self.rows[row], self.columns[column]))
    }

    /// Returns the median with its interval. `mean` combines the middle two of an even number of pairs.
    fn median(&self, confidence: f64, mean: fn(f64, f64) -> f64) -> Option<Interval> {
        let [smallest, largest] = self.range();
        if !is_level(confidence) || !(largest - smallest).is_finite() {
            return None;
        }
        let rank = lower_rank(
            self.rows.len(),
            self.columns.len(),
            (1.0 - confidence) / 2.0,
        )?;
        let count = self.count();
        let middle = self.select((count - 1) / 2);
        let place = self.place(middle);
        let is_between_two = count.is_multiple_of(2) && place.count == count / 2;
        Some(Interval {
            estimate: if is_between_two {
                mean(middle, place.ceiling)
            } else {
                middle
            },
            low: self.select(rank),
            high: self.select(count - 1 - rank),
        })
    }

    /// Walks once along the staircase between the pairs up to `value` and those above it.
    fn place(&self, value: f64) -> Place {
        let mut place = Place {
            count: 0,
            floor: f64::NEG_INFINITY,
            ceiling: f64::INFINITY,
        };
        let mut above = 0;
        for row in self.rows {
            let pair = |column: &f64| (self.combine)(*row, *column);
            let rest = self.columns[above..].iter();
            above += rest.take_while(|column| pair(column) > value).count();
            place.count += (self.columns.len() - above) as u64;
            let (over, under) = self.columns.split_at(above);
            place.ceiling = over
                .last()
                .map_or(place.ceiling, |column| place.ceiling.min(pair(column)));
            place.floor = under
                .first()
                .map_or(place.floor, |column| place.floor.max(pair(column)));
        }
        place
    }

    /// Returns the pair at `rank`, from 0 in ascending order. `rank` must be below [`Self::count`].
    fn select(&self, rank: u64) -> f64 {
        let [mut low, mut high] = self.range();
        // The number of pairs below `low`, and the number of pairs up to `high`.
        let (mut below, mut up_to) = (0, self.count());
        let mut step = 0;
        while low < high {
            let left = (up_to - below) as f64;
            let share = (rank - below) as f64 / left;
            // Close ends have evenly spread pairs between them. Chance moves the wanted pair by about the square root
            // of their number, so two pivots at this distance enclose it.
            let margin = 2.0 / left.sqrt();
            let aim = [0.5, share - margin, share + margin][step % 3];
            let pivot = low + aim.max(0.0) * (high - low);
            let place = self.place(pivot.min(high.next_down()));
            if rank < place.count {
                (high, up_to) = (place.floor, place.count);
            } else {
                (low, below) = (place.ceiling, place.count);
            }
            step += 1;
        }
        low
    }
}

/// Returns the rank, from 0, of the interval's lower end among the pairs, with a probability of about `tail` below it.
/// `None` if even the smallest and the largest pair are not far enough apart.
fn lower_rank(first: usize, second: usize, tail: f64) -> Option<u64> {
    match RankSumDistribution::new(first, second) {
        Some(distribution) => distribution.quantile(tail).checked_sub(1),
        None => approximate_rank(first as f64, second as f64, tail),
    }
}

/// Returns the whole rank nearest to the point where P(U <= u) is `tail`, by the first four moments of U for samples of
/// `m` and `n`.
///
/// E. Fix & J. L. Hodges, "Significance Probabilities of the Wilcoxon Test" (Annals of Mathematical Statistics 26,
/// 1955). U is symmetric, so its first correction to the normal distribution is that of the fourth cumulant. It is
/// applied to the quantile here, by Cornish and Fisher. For a thousand values on each side it moves the rank by two.
fn approximate_rank(m: f64, n: f64, tail: f64) -> Option<u64> {
    let deviation = (m * n * (m + n + 1.0) / 12.0).sqrt();
    let excess_kurtosis = -1.2 * (m * m + n * n + m * n + m + n) / (m * n * (m + n + 1.0));
    let z = -Normal::standard().inverse_cdf(tail);
    let corrected = z + excess_kurtosis / 24.0 * (z * z * z - 3.0 * z);
    let rank = (m * n / 2.0 - corrected * deviation).round();
    (rank >= 0.0).then_some(rank as u64)
}

/// The most pairs for which the distribution is built. 10,000 pairs are two samples of 100.
const MAX_PAIRS: usize = 1_000_000;

/// The numbers of arrangements for each value of U, and their sum.
struct RankSumDistribution {
    arrangements: Vec<u128>,
    total: f64,
}

impl RankSumDistribution {
    /// Builds the distribution for samples of `first` and `second` values.
    ///
    /// The number of arrangements with U = u is the coefficient of q^u in the Gaussian binomial coefficient, the
    /// product of (1 - q^(n+i)) / (1 - q^i) for i = 1..m (Andrews, *The Theory of Partitions*, 1976, theorem 3.1).
    /// `None` when there are more than 2^127 arrangements, which happens from about 65 values on each side, or more
    /// than a million pairs.
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
            // Overflows in between cancel each other, because the coefficients themselves all fit.
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

    /// Returns the smallest u with P(U <= u) >= `probability`.
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
    use crate::stats::SplitMix64;

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
        assert_eq!(hodges_lehmann_shift(&huge, &huge, 0.95), None);
        let [tiny, large] = [1e-300, 1e300].map(|value| SortedSample::new(&[value; 30]).unwrap());
        assert_eq!(pairwise_ratio(&tiny, &large, 0.95), None, "it underflows");
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
        // The binomial coefficient C(128, 64).
        let all = 23_951_146_041_928_082_866_135_587_776_380_551_750_u128;
        assert_eq!(distribution.arrangements.iter().sum::<u128>(), all);
        assert!(RankSumDistribution::new(70, 70).is_none());
        assert!(RankSumDistribution::new(0, 3).is_none());
    }

    /// Makes a sample with at most `levels` distinct values. With 2, nearly everything is a tie.
    fn sample(seed: u64, count: usize, levels: usize) -> SortedSample {
        let mut random = SplitMix64::new(seed);
        let values: Vec<f64> = (0..count)
            .map(|_| random.below(levels) as f64 / 7.0)
            .collect();
        SortedSample::new(&values).unwrap()
    }

    #[test]
    fn every_rank_is_the_one_of_the_sorted_pairs() {
        for (rows, columns, levels) in [
            (1, 1, 9),
            (130, 97, 1),
            (130, 97, 2),
            (130, 97, 3),
            (130, 97, 40),
            (130, 97, 1_000_000),
        ] {
            let (first, second) = (sample(1, rows, levels), sample(2, columns, levels));
            let all = first.values().iter();
            let all = all.flat_map(|x| second.values().iter().map(move |y| x - y));
            let mut expected: Vec<f64> = all.collect();
            expected.sort_unstable_by(f64::total_cmp);
            let pairs = Pairs::new(&first, &second, |x, y| x - y);
            for rank in (0..expected.len()).step_by(211).chain([expected.len() - 1]) {
                assert_eq!(pairs.select(rank as u64), expected[rank], "{levels} {rank}");
            }
        }
    }
}
