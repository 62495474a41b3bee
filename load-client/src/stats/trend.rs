//! Whether a series rises or falls, and how fast.

use crate::stats::{PValue, mean, quantile_of_sorted, two_sided_p};

/// The slope of the straight line of least squares, with its test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearTrend {
    /// Change of the value per unit of time.
    pub slope: f64,
    /// Two-sided p-value of a slope of zero.
    pub p: PValue,
}

/// The linear trend of a series of points (time, value), with Student's t-test of its slope, n - 2 degrees
/// of freedom.
///
/// Fisher, "The Goodness of Fit of Regression Formulae, and the Distribution of Regression Coefficients"
/// (Journal of the Royal Statistical Society 85, 1922). For few points, of which the ranks that [`trend`]
/// takes tell too little; their deviations should be about normal.
///
/// `None` below three points, when all have one time, when all lie on a line, and where something is not
/// finite.
#[must_use]
pub fn linear_trend(points: &[(f64, f64)]) -> Option<LinearTrend> {
    if points.len() < 3 {
        return None;
    }
    let (times, values): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
    let (time, value) = (mean(&times)?, mean(&values)?);
    let squares: f64 = times.iter().map(|own| (own - time).powi(2)).sum();
    let products: f64 = points
        .iter()
        .map(|own| (own.0 - time) * (own.1 - value))
        .sum();
    let slope = products / squares;
    let residual = |own: &(f64, f64)| own.1 - value - slope * (own.0 - time);
    let rest: f64 = points.iter().map(|own| residual(own).powi(2)).sum();
    let df = points.len() as f64 - 2.0;
    let t = slope / (rest / df / squares).sqrt();
    let p = two_sided_p(t, df)?;
    (slope.is_finite() && t.is_finite()).then_some(LinearTrend { slope, p })
}

/// A straight trend through a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// Change of the value per unit of time: the median of the slopes between all pairs of points.
    pub slope: f64,
    /// Kendall's S in standard deviations: beyond ±2.58 a series without a trend gets in 1 % of cases.
    pub z: f64,
}

/// The trend of a series of points (time, value), in any order.
///
/// Slope: Theil (1950), Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau" (JASA 63,
/// 1968). Test: Mann, "Nonparametric Tests Against Trend" (Econometrica 13, 1945), with Kendall's correction
/// for ties and for continuity (*Rank Correlation Methods*, 1975). Both stand a quarter of wild points.
/// The test takes the points as independent: give it windows that do not overlap.
///
/// `None` below three points, and when all have one time.
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
    slopes.sort_unstable_by(f64::total_cmp);
    let deviation = variance(points).sqrt();
    let z = if deviation > 0.0 {
        (score - sign(score)) / deviation
    } else {
        0.0
    };
    Some(Trend {
        slope: quantile_of_sorted(&slopes, 0.5)?,
        z,
    })
}

/// The sign of a number, which is 0 for 0, unlike [`f64::signum`].
fn sign(number: f64) -> f64 {
    if number == 0.0 { 0.0 } else { number.signum() }
}

/// The variance of Kendall's S without a trend.
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
    fn sens_own_example() {
        // Sen 1968, section 6: the estimate is 4.
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
        // S = 8 of 10 pairs, two values tied: variance (5·4·15 - 2·1·9) / 18 = 15.667, z = 8/√15.667 with
        // one taken off for continuity.
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
    fn a_line_through_few_points_is_tested_by_student() {
        // Residuals' squares 1.1: t = 0.9 / sqrt(1.1 / 3 / 10) = 4.7001; p by the closed form for 3 df.
        let points = [(1.0, 1.0), (2.0, 2.0), (3.0, 4.0), (4.0, 4.0), (5.0, 4.5)];
        let found = linear_trend(&points).unwrap();
        assert!((found.slope - 0.9).abs() < 1e-12, "{found:?}");
        assert!(
            (found.p.value().unwrap() - 0.018_219_854_743_222).abs() < 1e-12,
            "{found:?}"
        );
        assert_eq!(linear_trend(&points[..2]), None);
        assert_eq!(linear_trend(&[(1.0, 1.0); 5]), None);
        assert_eq!(linear_trend(&[(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]), None);
        assert_eq!(
            linear_trend(&[(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0)]),
            None
        );
    }

    #[test]
    fn flat_and_undefined() {
        let flat: Vec<_> = (0..9).map(|i| (f64::from(i), 5.0)).collect();
        assert_eq!(trend(&flat), Some(Trend { slope: 0.0, z: 0.0 }));
        assert_eq!(trend(&flat[..2]), None);
        assert_eq!(trend(&[(1.0, 1.0); 5]), None);
    }
}
