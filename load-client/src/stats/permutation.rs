//! The exact permutation test of two independent samples: for few runs, not for requests.

use super::{Alternative, PValue, mean};

/// Most divisions into two samples that are visited; 12 runs a side have 2.7 million.
pub const MAX_PERMUTATIONS: u64 = 5_000_000;

/// Exact p-value that two samples differ in their means, over all divisions into two.
///
/// R. A. Fisher, *The Design of Experiments* (1935); E. J. G. Pitman, "Significance Tests Which May
/// be Applied to Samples from any Populations" (Supplement to the JRSS 4, 1937). If the labels of
/// the runs mean nothing, each way to hand out the values is as likely as the one seen. The
/// two-sided p is twice the smaller tail, as in SciPy's `permutation_test`. Give it one figure for
/// each run, such as the run's median. `None` for an empty sample, for a value that is not finite,
/// and above [`MAX_PERMUTATIONS`].
#[must_use]
pub fn permutation_test(first: &[f64], second: &[f64], alternative: Alternative) -> Option<PValue> {
    if first.is_empty() || second.is_empty() {
        return None;
    }
    let total = divisions(first.len(), second.len())?;
    let pooled: Vec<f64> = first.iter().chain(second).copied().collect();
    if pooled.iter().any(|value| !value.is_finite()) {
        return None;
    }
    // The mean difference rises with the sum of the first sample, so that sum is enough. It is
    // taken round the common mean, where equal sums differ least by rounding.
    let centre = mean(&pooled)?;
    let deviations: Vec<f64> = pooled.iter().map(|value| value - centre).collect();
    let slack = 1e-12
        * deviations
            .iter()
            .map(|deviation| deviation.abs())
            .sum::<f64>();
    let seen: f64 = deviations[..first.len()].iter().sum();
    let (mut less, mut greater) = (0_u64, 0_u64);
    visit_sums(&deviations, first.len(), 0.0, &mut |sum| {
        less += u64::from(sum <= seen + slack);
        greater += u64::from(sum >= seen - slack);
    });
    let extreme = match alternative {
        Alternative::Less => less,
        Alternative::Greater => greater,
        Alternative::TwoSided => 2 * less.min(greater),
    };
    PValue::from_probability(extreme as f64 / total as f64)
}

/// C(m + n, m), up to the limit.
fn divisions(m: usize, n: usize) -> Option<u64> {
    (1..=m.min(n) as u64).try_fold(1_u64, |count, i| {
        let next = count.checked_mul(m.max(n) as u64 + i)? / i;
        (next <= MAX_PERMUTATIONS).then_some(next)
    })
}

/// Calls `visit` with the sum of every choice of `chosen` of the values, on top of `sum`.
fn visit_sums(values: &[f64], chosen: usize, sum: f64, visit: &mut impl FnMut(f64)) {
    if chosen == 0 {
        return visit(sum);
    }
    for (index, value) in values.iter().enumerate().take(values.len() + 1 - chosen) {
        visit_sums(&values[index + 1..], chosen - 1, sum + value, visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_p(first: &[f64], second: &[f64], alternative: Alternative, expected: f64) {
        let p = permutation_test(first, second, alternative).and_then(PValue::value);
        assert!((p.unwrap() - expected).abs() < 1e-12, "{p:?}");
    }

    #[test]
    fn the_smallest_p_of_equal_sizes() {
        let (low, high) = ([1.0, 1.1, 1.2], [2.0, 2.1, 2.2]);
        assert_p(&low, &high, Alternative::TwoSided, 0.1);
        assert_p(&low, &high, Alternative::Less, 0.05);
        assert_p(&low, &high, Alternative::Greater, 1.0);
    }

    #[test]
    fn equal_sums_are_ties() {
        // Of the six pairs of 0.1 0.2 0.3 0.4 only 0.1 + 0.2 is below 0.1 + 0.3; 0.1 + 0.3 is once.
        assert_p(&[0.1, 0.3], &[0.2, 0.4], Alternative::Less, 2.0 / 6.0);
        assert_p(&[0.1, 0.4], &[0.2, 0.3], Alternative::Less, 4.0 / 6.0);
        assert_p(&[5.0; 3], &[5.0; 4], Alternative::TwoSided, 1.0);
        assert_p(&[1.0], &[2.0], Alternative::TwoSided, 1.0);
    }

    #[test]
    fn undefined_results_are_none() {
        assert_eq!(permutation_test(&[], &[1.0], Alternative::Less), None);
        assert_eq!(
            permutation_test(&[f64::NAN], &[1.0], Alternative::Less),
            None
        );
        assert_eq!(
            permutation_test(&[1.0; 30], &[1.0; 30], Alternative::Less),
            None
        );
    }
}
