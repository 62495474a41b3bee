//! Student's t distribution, and the p-values of all tests.

use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use statrs::distribution::{Continuous, ContinuousCDF, StudentsT};

/// A smaller p-value is shown as "< 1e-300": near the end of the range of doubles it loses its digits.
const SMALLEST_SHOWN: f64 = 1e-300;

/// The probability of a difference as large as the one seen, were there none.
///
/// The seed's analysis printed p = 0, which is impossible: the number was only too small for a double.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct PValue(pub(super) f64);

impl PValue {
    /// A p-value; rounding above 1 is cut off, and 0 stands for what is too small for a double.
    #[must_use]
    pub fn new(probability: f64) -> Self {
        Self(probability.min(1.0))
    }

    /// The probability; `None` when it is below 1e-300.
    #[must_use]
    pub fn value(self) -> Option<f64> {
        (self.0 >= SMALLEST_SHOWN).then_some(self.0)
    }

    /// Whether it is significant at this level.
    #[must_use]
    pub fn is_below(self, level: f64) -> bool {
        self.0 < level
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

/// `{"p": 0.031, "log10_p": -1.5, "text": "0.03100"}`; both numbers are null where it underflows.
impl Serialize for PValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("PValue", 3)?;
        fields.serialize_field("p", &self.value())?;
        fields.serialize_field("log10_p", &self.value().map(f64::log10))?;
        fields.serialize_field("text", &self.to_string())?;
        fields.end()
    }
}

/// P(|T| >= |t|) with `df` degrees of freedom; `None` unless `df` is above zero and `t` a number.
#[must_use]
pub fn two_sided_p(t: f64, df: f64) -> Option<PValue> {
    let tail = distribution(df).filter(|_| !t.is_nan())?.sf(t.abs());
    Some(PValue::new(2.0 * tail))
}

/// The t with P(|T| >= t) = `alpha`, for example 2.571 for `alpha` 0.05 and 5 degrees of freedom.
#[must_use]
pub fn two_sided_critical_value(alpha: f64, df: f64) -> Option<f64> {
    if !(alpha > 0.0 && alpha < 1.0) {
        return None;
    }
    let distribution = distribution(df)?;
    let start = -distribution.inverse_cdf(alpha / 2.0);
    // The start is good to seven digits with thousands of degrees of freedom; a step of Newton's method brings
    // the rest.
    Some(start + (distribution.sf(start) - alpha / 2.0) / distribution.pdf(start))
}

fn distribution(df: f64) -> Option<StudentsT> {
    let df = Some(df).filter(|df| df.is_finite())?;
    StudentsT::new(0.0, 1.0, df).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_close(found: f64, expected: f64, relative: f64) {
        assert!(
            ((found - expected) / expected).abs() <= relative,
            "{found} is not {expected}"
        );
    }

    fn p(t: f64, df: f64) -> f64 {
        two_sided_p(t, df).unwrap().value().unwrap()
    }

    #[test]
    fn closed_forms_hold() {
        // One degree of freedom is the Cauchy distribution, two have p = 1 - t / sqrt(2 + t²).
        let cauchy = 1.0 - 2.0 / std::f64::consts::PI * 3.0_f64.atan();
        assert_close(p(3.0, 1.0), cauchy, 1e-14);
        let two = 1.0 - 1.5 / (2.0 + 1.5_f64 * 1.5).sqrt();
        assert_close(p(-1.5, 2.0), two, 1e-14);
    }

    #[test]
    fn undefined_results_are_none() {
        assert_eq!(two_sided_p(f64::NAN, 3.0), None);
        assert_eq!(two_sided_p(1.0, 0.0), None);
        assert_eq!(two_sided_p(1.0, f64::INFINITY), None);
        assert_eq!(two_sided_critical_value(0.0, 3.0), None);
        assert_eq!(two_sided_p(0.0, 3.0), Some(PValue::new(1.0)));
        assert_eq!(two_sided_p(f64::INFINITY, 3.0), Some(PValue::new(0.0)));
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

    #[test]
    fn an_underflowing_p_is_never_zero() {
        for p in [two_sided_p(300.0, 1e6).unwrap(), PValue::new(1e-305)] {
            assert_eq!(p.to_string(), "< 1e-300");
            assert_eq!(p.equation(), "p < 1e-300");
            assert_eq!(p.value(), None);
            assert!(p.is_below(0.01));
            let json = serde_json::to_string(&p).unwrap();
            assert_eq!(json, r#"{"p":null,"log10_p":null,"text":"< 1e-300"}"#);
        }
    }

    #[test]
    fn a_small_p_is_shown_by_its_exponent() {
        assert_eq!(PValue::new(2.4477e-81).to_string(), "2.45e-81");
        assert_eq!(PValue::new(0.03125).to_string(), "0.03125");
    }
}
