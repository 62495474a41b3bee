//! How often a value of one sample lies below a value of the other: the counts behind
//! Cliff's delta and "probability of being faster".

use serde::Serialize;

use super::SortedSample;
use super::sorted::merge;

/// The pairs of two samples, sorted by which member is larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Dominance {
    /// Pairs in which the first sample's value is smaller.
    pub first_less: u64,
    /// Pairs of equal values.
    pub equal: u64,
    /// Pairs in which the first sample's value is larger.
    pub first_greater: u64,
}

/// Counts the pairs by one walk through both sorted samples: O(m + n).
///
/// `None` when there are more than 2^63 pairs.
#[must_use]
pub fn dominance(first: &SortedSample, second: &SortedSample) -> Option<Dominance> {
    let (m, n) = (first.count() as u64, second.count() as u64);
    let pairs = m.checked_mul(n).filter(|pairs| *pairs <= 1 << 63)?;
    let (mut first_greater, mut equal, mut second_below) = (0, 0, 0_u64);
    merge(first, second, |group| {
        let (firsts, seconds) = (group.first as u64, group.second as u64);
        first_greater += firsts * second_below;
        equal += firsts * seconds;
        second_below += seconds;
    });
    Some(Dominance {
        first_less: pairs - equal - first_greater,
        equal,
        first_greater,
    })
}

impl Dominance {
    /// Number of pairs, at least one.
    #[must_use]
    pub fn pairs(self) -> u64 {
        self.first_less + self.equal + self.first_greater
    }

    /// Cliff's delta, P(first > second) - P(first < second), from -1 to 1.
    ///
    /// N. Cliff, "Dominance statistics: Ordinal analyses to answer ordinal questions"
    /// (Psychological Bulletin 114, 1993). With the changed run's latencies first, below zero
    /// means that the change is faster.
    #[must_use]
    pub fn cliffs_delta(self) -> f64 {
        (self.first_greater as f64 - self.first_less as f64) / self.pairs() as f64
    }

    /// P(first < second), equal values counted half: with the changed run's latencies first, the
    /// probability that a request after the change is faster than one before it.
    ///
    /// The "common language effect size" of McGraw & Wong (Psychological Bulletin 111, 1992).
    #[must_use]
    pub fn probability_less(self) -> f64 {
        (self.first_less as f64 + 0.5 * self.equal as f64) / self.pairs() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_counted_as_by_hand() {
        let first = SortedSample::new(&[1.0, 2.0, 2.0, 5.0]).unwrap();
        let second = SortedSample::new(&[2.0, 4.0]).unwrap();
        let counts = dominance(&first, &second).unwrap();
        assert_eq!(
            counts,
            Dominance {
                first_less: 4,
                equal: 2,
                first_greater: 2
            }
        );
        assert_eq!(counts.cliffs_delta(), -0.25);
        assert_eq!(counts.probability_less(), 0.625);
    }

    #[test]
    fn samples_apart_and_samples_alike() {
        let low = SortedSample::new(&[1.0, 2.0]).unwrap();
        let high = SortedSample::new(&[3.0]).unwrap();
        assert_eq!(dominance(&low, &high).unwrap().cliffs_delta(), -1.0);
        assert_eq!(dominance(&low, &low).unwrap().cliffs_delta(), 0.0);
    }
}
