//! A sample in ascending order, checked once, so that every rank statistic can rely on it.

use std::cmp::Ordering;

/// Finite values in ascending order; never empty.
///
/// Sorting a million values costs more than most statistics on them, so it is done once and shared.
#[derive(Debug, Clone, PartialEq)]
pub struct SortedSample(Vec<f64>);

impl SortedSample {
    /// Sorts a copy of `values`; `None` when there are none or one of them is not finite.
    #[must_use]
    pub fn new(values: &[f64]) -> Option<Self> {
        if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        Some(Self(sorted))
    }

    /// The values, ascending.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// How many values there are, at least one.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The smallest value.
    #[must_use]
    pub fn min(&self) -> f64 {
        self.0[0]
    }

    /// The largest value.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.0[self.0.len() - 1]
    }
}

/// A run of equal values in two samples taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TieGroup {
    /// Members of the first sample.
    pub(super) first: usize,
    /// Members of the second sample.
    pub(super) second: usize,
}

/// Visits the distinct values of both samples in ascending order, with their multiplicities.
pub(super) fn merge(first: &SortedSample, second: &SortedSample, mut visit: impl FnMut(TieGroup)) {
    let (mut left, mut right) = (first.values(), second.values());
    loop {
        let value = match (left.first(), right.first()) {
            (None, None) => return,
            (Some(value), None) | (None, Some(value)) => *value,
            (Some(a), Some(b)) => match a.partial_cmp(b) {
                Some(Ordering::Greater) => *b,
                _ => *a,
            },
        };
        let group = TieGroup {
            first: take_equal(&mut left, value),
            second: take_equal(&mut right, value),
        };
        visit(group);
    }
}

fn take_equal(values: &mut &[f64], value: f64) -> usize {
    let count = values.iter().take_while(|other| **other == value).count();
    *values = &values[count..];
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undefined_samples_are_none() {
        assert_eq!(SortedSample::new(&[]), None);
        assert_eq!(SortedSample::new(&[1.0, f64::NAN]), None);
        assert_eq!(SortedSample::new(&[1.0, f64::INFINITY]), None);
    }

    #[test]
    fn equal_values_of_both_samples_form_one_group() {
        let first = SortedSample::new(&[3.0, 1.0, 1.0, -0.0]).unwrap();
        let second = SortedSample::new(&[1.0, 0.0, 4.0]).unwrap();
        let mut groups = Vec::new();
        merge(&first, &second, |group| {
            groups.push((group.first, group.second));
        });
        assert_eq!(groups, [(1, 1), (2, 1), (1, 0), (0, 1)]);
    }
}
