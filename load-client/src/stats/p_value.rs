//! P-values and their adjustment for several tests, sign flips of paired differences, and the trend of a series by its
//! ranks.

use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::stats::quantile;

/// A smaller p-value is shown as "< 1e-300", because it loses digits near the end of the range of doubles.
const SMALLEST_SHOWN: f64 = 1e-300;

/// The probability of a difference at least as large as the observed one if there is no true difference.
///
/// The article's analysis printed p = 0, which is impossible. The number was only too small for a double.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct PValue(f64);

impl PValue {
    /// Makes a p-value. It cuts off rounding above 1, and 0 stands for a value too small for a double.
    #[must_use]
    pub fn new(probability: f64) -> Self {
        Self(probability.min(1.0))
    }

    /// Returns the probability, `None` when it is below 1e-300.
    #[must_use]
    pub fn value(self) -> Option<f64> {
        (self.0 >= SMALLEST_SHOWN).then_some(self.0)
    }

    /// Returns whether the p-value is significant at this level.
    #[must_use]
    pub fn is_below(self, level: f64) -> bool {
        self.0 < level
    }

    /// Formats it for a sentence: `p = 0.03125`, or `p < 1e-300` if it underflows.
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

/// Serializes as `{"p": 0.031, "log10_p": -1.5, "text": "0.03100"}`. Both numbers are null if it underflows.
impl Serialize for PValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("PValue", 3)?;
        fields.serialize_field("p", &self.value())?;
        fields.serialize_field("log10_p", &self.value().map(f64::log10))?;
        fields.serialize_field("text", &self.to_string())?;
        fields.end()
    }
}

/// Adjusts p-values for their number. The results have the given order.
///
/// S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (Scandinavian Journal of Statistics 6, 1979). The
/// smallest of k p-values is multiplied by k, the next by k - 1 and so on. No result is smaller than the one before it,
/// or larger than 1.
#[must_use]
pub fn holm(p_values: &[PValue]) -> Vec<PValue> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].0.total_cmp(&p_values[*b].0));
    let mut adjusted = p_values.to_vec();
    let mut largest = 0.0_f64;
    for (place, index) in order.into_iter().enumerate() {
        largest = largest.max(p_values[index].0 * (p_values.len() - place) as f64);
        adjusted[index] = PValue::new(largest);
    }
    adjusted
}

/// The most pairs for which all 2^K sign patterns are visited. Above it the test returns `None`.
const MAX_SIGN_FLIP_PAIRS: usize = 24;

/// Returns the two-sided exact p-value of the hypothesis that paired differences are centred on zero.
///
/// Under that hypothesis each difference is as likely to have the other sign (R. A. Fisher, *The
/// Design of Experiments*, 1935, section 21), so p is the share of the 2^K sign patterns whose
/// sum is at least as far from zero as the one seen. The smallest possible p is 2 / 2^K.
/// `None` for no pairs, for a difference that is not a number, and above 24 pairs.
#[must_use]
pub fn sign_flip(differences: &[f64]) -> Option<PValue> {
    let count = differences.len();
    if count == 0 || count > MAX_SIGN_FLIP_PAIRS || differences.iter().any(|d| !d.is_finite()) {
        return None;
    }
    // Sums that are equal on paper differ in the last digits. They count as ties.
    let slack = 1e-12 * differences.iter().map(|d| d.abs()).sum::<f64>();
    let seen = differences.iter().sum::<f64>();
    let patterns = 1_u32 << count;
    let sums = (0..patterns).map(|pattern| flipped_sum(differences, pattern));
    let extreme = sums.filter(|sum| sum.abs() >= seen.abs() - slack).count();
    Some(PValue::new(extreme as f64 / f64::from(patterns)))
}

fn flipped_sum(differences: &[f64], pattern: u32) -> f64 {
    let signed = |(index, difference): (usize, &f64)| {
        if pattern >> index & 1 == 1 {
            -difference
        } else {
            *difference
        }
    };
    differences.iter().enumerate().map(signed).sum()
}

/// A straight trend through a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// Change of the value per unit of time: the median of the slopes between all pairs of points.
    pub slope: f64,
    /// Kendall's S in standard deviations. A series without a trend exceeds ±2.58 in 1 % of cases.
    pub z: f64,
}

/// Returns the trend of a series of points (time, value), in any order.
///
/// Slope: Theil (1950), Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau" (JASA 63, 1968). Test:
/// Mann, "Nonparametric Tests Against Trend" (Econometrica 13, 1945), with Kendall's correction for ties and for
/// continuity (*Rank Correlation Methods*, 1975). Both tolerate a quarter of wild points. The test treats the points as
/// independent, so use windows that do not overlap.
///
/// `None` below three points, and when all points have the same time.
#[must_use]
pub fn trend(points: &[(f64, f64)]) -> Option<Trend> {
    if points.len() < 3 {
        return None;
    }
    let (mut slopes, mut score) = (Vec::new(), 0.0);
    for (index, (time, value)) in points.iter().enumerate() {
        for (other_time, other_value) in &points[index + 1..] {
            let (run, rise) = (other_time - time, other_value - value);
            if run != 0.0 {
                slopes.push(rise / run);
                score += sign(rise) * sign(run);
            }
        }
    }
    let deviation = variance(points).sqrt();
    let z = if deviation > 0.0 {
        (score - sign(score)) / deviation
    } else {
        0.0
    };
    Some(Trend {
        slope: quantile(&slopes, 0.5)?,
        z,
    })
}

/// Returns the sign of a number. The sign of 0 is 0, unlike in [`f64::signum`].
fn sign(number: f64) -> f64 {
    if number == 0.0 { 0.0 } else { number.signum() }
}

/// Returns the variance of Kendall's S without a trend.
fn variance(points: &[(f64, f64)]) -> f64 {
    let part = |count: f64| count * (count - 1.0) * (2.0 * count + 5.0);
    let mut values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    values.sort_unstable_by(f64::total_cmp);
    let ties: f64 = values
        .chunk_by(|one, other| one == other)
        .map(|tied| part(tied.len() as f64))
        .sum();
    (part(points.len() as f64) - ties) / 18.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_underflowing_p_is_never_zero() {
        for p in [PValue::new(0.0), PValue::new(1e-305)] {
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

    #[test]
    fn matches_the_steps_by_hand() {
        let p_values = [0.04, 0.01, 0.03, 0.5].map(PValue::new);
        let adjusted: Vec<f64> = holm(&p_values).iter().map(|p| p.value().unwrap()).collect();
        for (found, expected) in adjusted.iter().zip([0.09, 0.04, 0.09, 0.5]) {
            assert!((found - expected).abs() < 1e-12, "{adjusted:?}");
        }
    }

    #[test]
    fn underflow_and_the_ceiling() {
        let p_values = [PValue::new(0.0), PValue::new(0.9)];
        assert_eq!(holm(&p_values)[0].value(), None);
        assert_eq!(holm(&[PValue::new(0.9); 3])[0].value(), Some(1.0));
        assert_eq!(holm(&[]), []);
    }

    #[track_caller]
    fn assert_p(differences: &[f64], expected: f64) {
        let p = sign_flip(differences).and_then(PValue::value).unwrap();
        assert!((p - expected).abs() < 1e-12, "{p}");
    }

    #[test]
    fn the_smallest_p_is_two_in_two_to_the_k() {
        assert_p(&[-0.31, -0.30, -0.32, -0.33, -0.29], 0.0625);
        assert_p(&[-0.31, -0.30, -0.32, -0.33, -0.29, -0.3], 0.03125);
        assert_p(&[1.0; 8], 2.0 / 256.0);
        assert_p(&[1.0; 10], 2.0 / 1024.0);
    }

    #[test]
    fn ties_count_as_extreme() {
        assert_p(&[1.0, -1.0], 1.0);
        assert_p(&[0.1, 0.2, -0.3], 1.0);
        // The patterns of ±1 ±2 ±3 with |sum| >= 4 are 6, 4 and their mirrors.
        assert_p(&[-1.0, 2.0, 3.0], 0.5);
    }

    #[test]
    fn undefined_sign_flips_are_none() {
        assert_eq!(sign_flip(&[]), None);
        assert_eq!(sign_flip(&[f64::NAN]), None);
        assert_eq!(sign_flip(&[1.0; 25]), None);
    }

    #[test]
    fn sens_own_example() {
        // In Sen 1968, section 6, the estimate is 4.
        let points = [
            (1.0, 9.0),
            (2.0, 15.0),
            (3.0, 19.0),
            (4.0, 20.0),
            (10.0, 45.0),
            (12.0, 55.0),
            (18.0, 78.0),
        ];
        assert_eq!(trend(&points).unwrap().slope, 4.0);
    }

    #[test]
    fn the_score_is_corrected_for_ties_and_continuity() {
        // S = 8 of 10 pairs, two values tied: variance (5·4·15 - 2·1·9) / 18 = 15.667. The 8 is reduced by one for
        // continuity.
        let points = [(1.0, 1.0), (2.0, 2.0), (3.0, 2.0), (4.0, 4.0), (5.0, 5.0)];
        let found = trend(&points).unwrap();
        assert!(
            (found.z - 8.0 / (282.0_f64 / 18.0).sqrt()).abs() < 1e-12,
            "{found:?}"
        );
    }

    #[test]
    fn a_quarter_of_wild_points_does_not_turn_the_slope() {
        let value = |index: i32| match index % 4 {
            0 => 1e6,
            _ => 2.0 * f64::from(index),
        };
        let points: Vec<_> = (0..40).map(|i| (f64::from(i), value(i))).collect();
        let found = trend(&points).unwrap();
        assert!((found.slope - 2.0).abs() < 0.5, "{found:?}");
    }

    #[test]
    fn flat_and_undefined() {
        let flat: Vec<_> = (0..9).map(|i| (f64::from(i), 5.0)).collect();
        assert_eq!(trend(&flat), Some(Trend { slope: 0.0, z: 0.0 }));
        assert_eq!(trend(&flat[..2]), None);
        assert_eq!(trend(&[(1.0, 1.0); 5]), None);
    }
}
