//! Tail and critical values of the standard normal distribution, in logarithms.

use std::f64::consts::{PI, SQRT_2};

use statrs::function::erf::erfc_inv;

/// From here on the tail is computed as such, below as one half less the body.
const TAIL_FROM: f64 = 2.0;

/// Terms of the continued fraction; at z = 2 about 200 bring all digits, further out far fewer.
const FRACTION_TERMS: u32 = 300;

/// Natural logarithm of P(Z >= z) for a standard normal Z, also where P itself underflows.
///
/// Below 2 by the series of the body (Abramowitz & Stegun 26.2.11), whose terms all have one sign,
/// above by Laplace's continued fraction (26.2.14). `statrs` has the complementary error function,
/// but to ten digits only, and not its logarithm. `None` when `z` is not a number.
#[must_use]
pub fn ln_normal_upper_tail(z: f64) -> Option<f64> {
    if z.is_nan() {
        return None;
    }
    if z < 0.0 {
        return Some((-ln_normal_upper_tail(-z)?.exp()).ln_1p());
    }
    if z < TAIL_FROM {
        return Some((0.5 - body(z)).ln());
    }
    let fraction = (1..=FRACTION_TERMS)
        .rev()
        .fold(z, |rest, term| z + f64::from(term) / rest);
    Some(ln_density(z) - fraction.ln())
}

fn ln_density(z: f64) -> f64 {
    -0.5 * z * z - 0.5 * (2.0 * PI).ln()
}

/// P(0 <= Z <= z): the density times z + z³/3 + z⁵/(3·5) + ...
fn body(z: f64) -> f64 {
    let (mut term, mut sum, mut odd) = (z, z, 1.0);
    while term > f64::EPSILON * 0.01 * sum {
        odd += 2.0;
        term *= z * z / odd;
        sum += term;
    }
    ln_density(z).exp() * sum
}

/// The z with P(Z >= z) = `probability`, for example 1.96 for 0.025.
///
/// `None` unless `probability` lies strictly between 0 and 1.
#[must_use]
pub fn normal_critical_value(probability: f64) -> Option<f64> {
    if !(probability > 0.0 && probability < 1.0) {
        return None;
    }
    if probability > 0.5 {
        // 1 - p is exact here (Sterbenz), and the upper half keeps the relative precision.
        return Some(-normal_critical_value(1.0 - probability)?);
    }
    let ln_probability = probability.ln();
    let mut z = SQRT_2 * erfc_inv(2.0 * probability);
    // The start is good to ten digits; two steps of Newton's method on the logarithm, whose slope is
    // minus the hazard rate, bring the rest.
    for _ in 0..2 {
        let ln_tail = ln_normal_upper_tail(z)?;
        z += (ln_tail - ln_probability) * (ln_tail - ln_density(z)).exp();
    }
    Some(z)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_meet_where_they_change_over() {
        let (below, above) = (
            ln_normal_upper_tail(TAIL_FROM - 1e-12).unwrap(),
            ln_normal_upper_tail(TAIL_FROM).unwrap(),
        );
        assert!((below - above).abs() < 1e-11, "{below} {above}");
    }

    #[test]
    fn a_tail_beyond_the_range_of_doubles_keeps_its_logarithm() {
        // scipy.stats.norm.logsf(100)
        let found = ln_normal_upper_tail(100.0).unwrap();
        assert!((found - -5_005.524_208_694_205).abs() < 1e-9, "{found}");
        assert_eq!(ln_normal_upper_tail(f64::INFINITY), Some(f64::NEG_INFINITY));
        assert_eq!(ln_normal_upper_tail(f64::NEG_INFINITY), Some(0.0));
    }

    #[test]
    fn critical_values_match_the_printed_tables() {
        for (probability, expected) in [
            (0.025, 1.959_963_984_540_054),
            (0.5, 0.0),
            (0.975, -1.959_963_984_540_054),
            (1e-300, 37.047_096_299_361_2),
        ] {
            let found = normal_critical_value(probability).unwrap();
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn undefined_results_are_none() {
        assert_eq!(ln_normal_upper_tail(f64::NAN), None);
        assert_eq!(normal_critical_value(0.0), None);
        assert_eq!(normal_critical_value(1.0), None);
    }
}
