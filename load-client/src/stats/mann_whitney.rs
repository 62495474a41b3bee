//! The Mann-Whitney test: does one sample tend to larger values than the other?
//!
//! Like Welch's test it takes its values as independent. On the runs of an experiment they are; on
//! the requests of one run they are not.

use std::f64::consts::LN_2;

use serde::Serialize;

use super::rank_sum::RankSumDistribution;
use super::sorted::merge;
use super::{Alternative, PValue, SortedSample, dominance, ln_normal_upper_tail};

/// The result of a Mann-Whitney test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MannWhitney {
    /// Pairs in which the first sample's value is larger, ties counted half.
    pub u_first: f64,
    /// Pairs in which the second sample's value is larger, ties counted half.
    pub u_second: f64,
    /// The p-value.
    pub p: PValue,
}

/// The exact test, for small samples without a value that both share.
///
/// H. B. Mann & D. R. Whitney, "On a Test of Whether one of Two Random Variables is Stochastically
/// Larger than the Other" (Annals of Mathematical Statistics 18, 1947). The two-sided p is twice
/// the smaller tail, as in R and SciPy. `None` where values tie between the samples, because the
/// distribution of U is then another one, and for samples of more than about 130 values together;
/// [`mann_whitney_asymptotic`] has an answer there.
#[must_use]
pub fn mann_whitney_exact(
    first: &SortedSample,
    second: &SortedSample,
    alternative: Alternative,
) -> Option<MannWhitney> {
    let counts = dominance(first, second)?;
    if counts.equal > 0 || has_ties(first) || has_ties(second) {
        return None;
    }
    let distribution = RankSumDistribution::new(first.count(), second.count())?;
    let (greater, less) = (counts.first_greater, counts.first_less);
    // By symmetry P(U >= u) = P(U <= m n - u), and m n - u is the other sample's U.
    let probability = match alternative {
        Alternative::Greater => distribution.at_most(less),
        Alternative::Less => distribution.at_most(greater),
        Alternative::TwoSided => 2.0 * distribution.at_most(greater.min(less)),
    };
    Some(MannWhitney {
        u_first: greater as f64,
        u_second: less as f64,
        p: PValue::from_probability(probability)?,
    })
}

/// The asymptotic test with correction for ties and for continuity, as SciPy's and R's.
///
/// The variance of U under ties is that of Lehmann, *Nonparametrics: Statistical Methods Based on
/// Ranks* (1975), section 1.4. When all values are equal, p is 1.
#[must_use]
pub fn mann_whitney_asymptotic(
    first: &SortedSample,
    second: &SortedSample,
    alternative: Alternative,
) -> Option<MannWhitney> {
    let counts = dominance(first, second)?;
    let (u_first, pairs) = (counts.u(), counts.pairs() as f64);
    let u_second = pairs - u_first;
    let u = match alternative {
        Alternative::Greater => u_first,
        Alternative::Less => u_second,
        Alternative::TwoSided => u_first.max(u_second),
    };
    let deviation = null_variance(first, second).sqrt();
    let ln_tail = if deviation > 0.0 {
        ln_normal_upper_tail((u - pairs / 2.0 - 0.5) / deviation)?
    } else {
        0.0
    };
    let tails = if alternative == Alternative::TwoSided {
        LN_2
    } else {
        0.0
    };
    let p = PValue::from_ln(ln_tail + tails);
    Some(MannWhitney {
        u_first,
        u_second,
        p,
    })
}

fn has_ties(sample: &SortedSample) -> bool {
    sample.values().windows(2).any(|pair| pair[0] == pair[1])
}

/// Variance of U when both samples come from one distribution.
fn null_variance(first: &SortedSample, second: &SortedSample) -> f64 {
    let (m, n) = (first.count() as f64, second.count() as f64);
    let total = m + n;
    let mut tied = 0.0;
    merge(first, second, |group| {
        let size = (group.first + group.second) as f64;
        tied += size * (size * size - 1.0);
    });
    // All values equal: the two terms cancel but for rounding.
    let spread = (total + 1.0) - tied / (total * (total - 1.0));
    if spread <= 1e-12 * total {
        return 0.0;
    }
    m * n / 12.0 * spread
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(values: &[f64]) -> SortedSample {
        SortedSample::new(values).unwrap()
    }

    #[test]
    fn ties_have_no_exact_distribution_here() {
        let (first, second) = (sorted(&[1.0, 2.0]), sorted(&[2.0, 3.0]));
        assert_eq!(
            mann_whitney_exact(&first, &second, Alternative::TwoSided),
            None
        );
        assert!(mann_whitney_asymptotic(&first, &second, Alternative::TwoSided).is_some());
    }

    #[test]
    fn constants_do_not_differ() {
        let constant = sorted(&[4.0; 5]);
        let result = mann_whitney_asymptotic(&constant, &constant, Alternative::TwoSided).unwrap();
        assert_eq!(result.p.value(), Some(1.0));
    }

    #[test]
    fn the_smallest_exact_p_of_equal_sizes() {
        // 2 / C(2K, K), the table of the planning section: K = 3, 4, 5, 6.
        for (runs, expected) in [
            (3, 0.1),
            (4, 2.0 / 70.0),
            (5, 2.0 / 252.0),
            (6, 2.0 / 924.0),
        ] {
            let low: Vec<f64> = (0..runs).map(f64::from).collect();
            let high: Vec<f64> = (0..runs).map(|value| 100.0 + f64::from(value)).collect();
            let result =
                mann_whitney_exact(&sorted(&low), &sorted(&high), Alternative::TwoSided).unwrap();
            assert!((result.p.value().unwrap() - expected).abs() < 1e-15);
        }
    }

    #[test]
    fn the_tails_of_a_one_sided_test_overlap_in_one_value() {
        let (first, second) = (sorted(&[1.0, 4.0]), sorted(&[2.0, 3.0, 5.0]));
        let p = |alternative| {
            let result = mann_whitney_exact(&first, &second, alternative).unwrap();
            result.p.value().unwrap()
        };
        // U = 2 of 6: four of the ten arrangements have at most 2, two of them exactly 2.
        assert!((p(Alternative::Less) - 0.4).abs() < 1e-15);
        assert!((p(Alternative::Greater) - 0.8).abs() < 1e-15);
        assert!((p(Alternative::TwoSided) - 0.8).abs() < 1e-15);
    }
}
