//! The exact distribution of Mann-Whitney's U without ties.

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

#[cfg(test)]
mod tests {
    use super::*;

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
