//! Tail and critical values of the normal and of Student's t distribution, in logarithms, and p-values
//! that survive underflow.

use std::f64::consts::{PI, SQRT_2};
use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
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

// Tail and critical values of Student's t distribution, in logarithms.
//
// `statrs` gives the tail as a plain number, which is 0 for the sample sizes of a load test. It
// also stops its continued fraction after 140 terms and takes the difference of two large
// `ln_gamma`: measured against 40 digits at a million degrees of freedom it is off by 1e-9 of the
// value, this by 1e-11. The tests hold both against each other where `statrs` is exact.

/// Most terms of the continued fraction; it needs about the square root of the larger parameter.
const MAX_TERMS: u32 = 200_000;

/// From here on the asymptotic series of [`ln_gamma_half_step`] is exact to the last digit.
const ASYMPTOTIC_FROM: f64 = 24.0;

/// Natural logarithm of P(|T| >= |t|) with `df` degrees of freedom.
///
/// Abramowitz & Stegun 26.7.1 with 26.5.4: the probability is the regularised incomplete beta
/// function I_x(df/2, 1/2) at x = df / (df + t²). `None` unless `df` > 0 and `t` is a number.
#[must_use]
pub fn ln_two_sided_tail(t: f64, df: f64) -> Option<f64> {
    if !(df > 0.0 && df.is_finite()) || t.is_nan() {
        return None;
    }
    if t.is_infinite() {
        return Some(f64::NEG_INFINITY);
    }
    let ratio = t * t / df;
    let half_df = df / 2.0;
    // x = 1 / (1 + ratio) and its complement, both without cancellation.
    let (x, complement) = (1.0 / (1.0 + ratio), ratio / (1.0 + ratio));
    let ln_front = -half_df * ratio.ln_1p() + 0.5 * complement.ln() - ln_beta_half(half_df);
    if x < (half_df + 1.0) / (half_df + 2.5) {
        let fraction = beta_continued_fraction(half_df, 0.5, x)?;
        return Some(ln_front - half_df.ln() + fraction.ln());
    }
    if ratio == 0.0 {
        return Some(0.0);
    }
    // Near the centre the other tail converges; p is above 0.08 here, so 1 - body is exact enough.
    let fraction = beta_continued_fraction(0.5, half_df, complement)?;
    let body = (ln_front + std::f64::consts::LN_2).exp() * fraction;
    Some((-body).ln_1p())
}

/// The t with P(|T| >= t) = `alpha`, for example 2.571 for `alpha` 0.05 and 5 degrees of freedom.
///
/// Found by bisection on [`ln_two_sided_tail`], which falls strictly in t.
#[must_use]
pub fn two_sided_critical_value(alpha: f64, df: f64) -> Option<f64> {
    if !(alpha > 0.0 && alpha < 1.0) {
        return None;
    }
    let target = alpha.ln();
    let mut high = 1.0;
    while ln_two_sided_tail(high, df)? > target {
        high *= 2.0;
    }
    let mut low = 0.0;
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return Some(middle);
        }
        if ln_two_sided_tail(middle, df)? > target {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// ln B(a, 1/2).
fn ln_beta_half(a: f64) -> f64 {
    0.5 * std::f64::consts::PI.ln() - ln_gamma_half_step(a)
}

/// ln Γ(a + 1/2) - ln Γ(a), without taking the difference of two large numbers.
///
/// DLMF 5.11.13 (<https://dlmf.nist.gov/5.11#iii>), in logarithms; small arguments are lifted by
/// Γ(a + 1) = a Γ(a) first.
fn ln_gamma_half_step(a: f64) -> f64 {
    let (mut argument, mut lift) = (a, 0.0);
    while argument < ASYMPTOTIC_FROM {
        lift += (0.5 / argument).ln_1p();
        argument += 1.0;
    }
    let inverse = 1.0 / argument;
    let square = inverse * inverse;
    let series = inverse
        * (-1.0 / 8.0
            + square
                * (1.0 / 192.0
                    + square
                        * (-1.0 / 640.0 + square * (17.0 / 14336.0 - square * 31.0 / 18432.0))));
    0.5 * argument.ln() + series - lift
}

/// The continued fraction of the incomplete beta function, by Lentz's method.
///
/// Abramowitz & Stegun 26.5.8; evaluation after Lentz (1976) and Thompson & Barnett (1986), as
/// in *Numerical Recipes*, 3rd ed., section 6.4. `None` if it does not settle.
fn beta_continued_fraction(a: f64, b: f64, x: f64) -> Option<f64> {
    let guarded = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let mut numerator = 1.0;
    let mut denominator = 1.0 / guarded(1.0 - (a + b) * x / (a + 1.0));
    let mut result = denominator;
    for term in 1..=MAX_TERMS {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a - 1.0 + 2.0 * m) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 1.0 + 2.0 * m));
        let mut step = 1.0;
        for coefficient in [even, odd] {
            denominator = 1.0 / guarded(1.0 + coefficient * denominator);
            numerator = guarded(1.0 + coefficient / numerator);
            step = numerator * denominator;
            result *= step;
        }
        if (step - 1.0).abs() <= f64::EPSILON {
            return Some(result);
        }
    }
    None
}

// A p-value that survives underflow.
//
// The seed's analysis printed p = 0, which is impossible: the number was only too small for a
// double. Keeping the logarithm keeps the information.

/// Below this a p-value is shown as "< 1e-300".
const SMALLEST_SHOWN_LOG10: f64 = -300.0;

/// A probability, held as its natural logarithm.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct PValue {
    ln: f64,
}

impl PValue {
    /// A p-value from its natural logarithm; rounding above p = 1 is cut off.
    #[must_use]
    pub fn from_ln(ln: f64) -> Self {
        Self { ln: ln.min(0.0) }
    }

    /// A p-value from the probability itself, which must be above zero.
    #[must_use]
    pub fn from_probability(probability: f64) -> Option<Self> {
        (probability > 0.0).then(|| Self::from_ln(probability.ln()))
    }

    /// The probability; `None` when it is below 1e-300, where [`PValue::log10`] still tells.
    #[must_use]
    pub fn value(self) -> Option<f64> {
        (self.log10() >= SMALLEST_SHOWN_LOG10).then(|| self.ln.exp())
    }

    /// The natural logarithm of the probability.
    #[must_use]
    pub fn ln(self) -> f64 {
        self.ln
    }

    /// The decimal logarithm of the probability.
    #[must_use]
    pub fn log10(self) -> f64 {
        self.ln / std::f64::consts::LN_10
    }

    /// What a sentence says: `p = 0.03125`, or `p < 1e-300` where it underflows.
    #[must_use]
    pub fn equation(self) -> String {
        let sign = self.value().map_or("", |_| "= ");
        format!("p {sign}{self}")
    }
}

impl fmt::Display for PValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value() {
            None => write!(formatter, "< 1e-300"),
            Some(value) if value < 1e-4 => write!(formatter, "{value:.2e}"),
            Some(value) => write!(formatter, "{value:.5}"),
        }
    }
}

/// `{"p": 0.031, "log10_p": -1.5, "text": "0.03100"}`; `p` is null where it underflows.
impl Serialize for PValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("PValue", 3)?;
        fields.serialize_field("p", &self.value())?;
        fields.serialize_field("log10_p", &self.log10())?;
        fields.serialize_field("text", &self.to_string())?;
        fields.end()
    }
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

    #[test]
    fn an_underflowing_p_is_never_zero() {
        let p = PValue::from_ln(-2000.0);
        assert_eq!(p.to_string(), "< 1e-300");
        assert_eq!(p.equation(), "p < 1e-300");
        assert_eq!(p.value(), None);
    }

    #[test]
    fn a_small_p_is_shown_by_its_exponent() {
        assert_eq!(
            PValue::from_probability(2.4477e-81).unwrap().to_string(),
            "2.45e-81"
        );
        assert_eq!(
            PValue::from_probability(0.03125).unwrap().to_string(),
            "0.03125"
        );
        assert_eq!(PValue::from_probability(0.0), None);
    }
}

#[cfg(test)]
mod student_tests {
    use statrs::distribution::{ContinuousCDF, StudentsT};

    use super::*;

    #[track_caller]
    fn assert_close(found: f64, expected: f64, relative: f64) {
        assert!(
            ((found - expected) / expected).abs() <= relative,
            "{found} is not {expected}"
        );
    }

    #[test]
    fn agrees_with_statrs_where_that_is_exact() {
        for df in [0.7, 1.0, 2.0, 5.0, 12.97, 60.0] {
            let distribution = StudentsT::new(0.0, 1.0, df).unwrap();
            for t in [0.01, 0.4, 1.0, 1.7, 2.5, 8.0, 40.0] {
                let p = ln_two_sided_tail(t, df).unwrap().exp();
                assert_close(p, 2.0 * distribution.sf(t), 1e-11);
            }
        }
    }

    #[test]
    fn closed_forms_hold() {
        // One degree of freedom is the Cauchy distribution, two have p = 1 - t / sqrt(2 + t²).
        let cauchy = 1.0 - 2.0 / std::f64::consts::PI * 3.0_f64.atan();
        assert_close(ln_two_sided_tail(3.0, 1.0).unwrap().exp(), cauchy, 1e-14);
        let two = 1.0 - 1.5 / (2.0 + 1.5_f64 * 1.5).sqrt();
        assert_close(ln_two_sided_tail(1.5, 2.0).unwrap().exp(), two, 1e-14);
    }

    #[test]
    fn undefined_results_are_none() {
        assert_eq!(ln_two_sided_tail(f64::NAN, 3.0), None);
        assert_eq!(ln_two_sided_tail(1.0, 0.0), None);
        assert_eq!(two_sided_critical_value(0.0, 3.0), None);
        assert_eq!(ln_two_sided_tail(0.0, 3.0), Some(0.0));
    }

    #[test]
    fn critical_values_match_the_printed_tables() {
        for (df, expected) in [
            (1.0, 12.706_204_736),
            (5.0, 2.570_581_836),
            (30.0, 2.042_272_456),
        ] {
            assert_close(two_sided_critical_value(0.05, df).unwrap(), expected, 1e-9);
        }
    }
}
