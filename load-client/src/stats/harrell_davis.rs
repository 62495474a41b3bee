//! The Harrell-Davis quantile: all order statistics, weighted by how likely each is the quantile.

use statrs::function::beta::checked_beta_reg;

use super::SortedSample;

/// From this shape parameter on, the weights are integrals of a smooth hump.
const SMOOTH_FROM: f64 = 8.0;

/// Standard deviations of the weights beyond which they no longer change the last digit.
const REACH: f64 = 12.0;

/// Nodes and weights of five-point Gauss-Legendre quadrature on [-1, 1] (Abramowitz & Stegun
/// 25.4.30).
const NODES: [(f64, f64); 5] = [
    (-0.906_179_845_938_664, 0.236_926_885_056_189_08),
    (-0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
    (0.0, 0.568_888_888_888_888_9),
    (0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
    (0.906_179_845_938_664, 0.236_926_885_056_189_08),
];

/// Quantile `q` of a sample by Harrell & Davis, "A new distribution-free quantile estimator"
/// (Biometrika 69, 1982).
///
/// Value i of n weighs what the Beta((n+1) q, (n+1)(1-q)) distribution has between (i-1)/n and
/// i/n. It varies less from sample to sample than an interpolated order statistic, and moves
/// smoothly on rounded data. O(sqrt n) after sorting. `None` unless 0 < q < 1.
#[must_use]
pub fn harrell_davis(sample: &SortedSample, q: f64) -> Option<f64> {
    if !(q > 0.0 && q < 1.0) {
        return None;
    }
    let values = sample.values();
    let count = values.len() as f64;
    let (a, b) = ((count + 1.0) * q, (count + 1.0) * (1.0 - q));
    let centre = a / (a + b);
    let deviation = (centre * (1.0 - centre) / (a + b + 1.0)).sqrt();
    let smooth = a.min(b) >= SMOOTH_FROM;
    // The tails of the few-valued side are longer than normal, so nothing is cut off there.
    let reach = if smooth {
        REACH * deviation * count
    } else {
        count
    };
    let from = (centre * count - reach).floor().max(0.0) as usize;
    let to = ((centre * count + reach).ceil() as usize).min(values.len());
    // Taken from the middle value, so that constants stay what they are and nothing overflows.
    let origin = values[(centre * count) as usize];
    let (mut weighted, mut total) = (0.0, 0.0);
    for (index, value) in values.iter().enumerate().take(to).skip(from) {
        let weight = if smooth {
            smooth_weight(index as f64, count, a, b)
        } else {
            exact_weight(index as f64, count, a, b)?
        };
        total += weight;
        weighted += weight * (value - origin);
    }
    Some(origin + weighted / total).filter(|found| found.is_finite())
}

/// The weight by quadrature, up to a factor that all weights share.
fn smooth_weight(index: f64, count: f64, a: f64, b: f64) -> f64 {
    // Relative to the top of the hump, where neither factor overflows.
    let top = (a - 1.0) / (a + b - 2.0);
    let sum: f64 = NODES
        .iter()
        .map(|(node, weight)| {
            let x = (index + 0.5 + 0.5 * node) / count;
            let rise = (a - 1.0) * ((x - top) / top).ln_1p();
            let fall = (b - 1.0) * ((top - x) / (1.0 - top)).ln_1p();
            weight * (rise + fall).exp()
        })
        .sum();
    sum
}

fn exact_weight(index: f64, count: f64, a: f64, b: f64) -> Option<f64> {
    let up_to = |edge: f64| checked_beta_reg(a, b, (edge / count).min(1.0)).ok();
    Some(up_to(index + 1.0)? - up_to(index)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(values: &[f64]) -> SortedSample {
        SortedSample::new(values).unwrap()
    }

    #[test]
    fn undefined_results_are_none() {
        assert_eq!(harrell_davis(&sorted(&[1.0]), 0.0), None);
        assert_eq!(harrell_davis(&sorted(&[1.0]), 1.0), None);
        assert_eq!(harrell_davis(&sorted(&[1.0]), f64::NAN), None);
    }

    #[test]
    fn one_value_and_constants_are_themselves() {
        assert_eq!(harrell_davis(&sorted(&[0.1]), 0.99), Some(0.1));
        assert_eq!(harrell_davis(&sorted(&[0.1; 700]), 0.3), Some(0.1));
        assert_eq!(harrell_davis(&sorted(&[1.7e308; 30]), 0.5), Some(1.7e308));
    }

    #[test]
    fn both_ways_to_the_weights_agree() {
        let values: Vec<f64> = (0..60).map(|index| f64::from(index).powi(2)).collect();
        let (a, b) = (61.0 * 0.4, 61.0 * 0.6);
        let all = |weight: &dyn Fn(f64) -> f64| {
            let weights: Vec<f64> = (0..60).map(|index| weight(f64::from(index))).collect();
            let weighted: f64 = weights.iter().zip(&values).map(|(w, v)| w * v).sum();
            weighted / weights.iter().sum::<f64>()
        };
        let smooth = all(&|index| smooth_weight(index, 60.0, a, b));
        let exact = all(&|index| exact_weight(index, 60.0, a, b).unwrap());
        assert!((smooth / exact - 1.0).abs() < 1e-12, "{smooth} {exact}");
    }

    #[test]
    fn a_symmetric_sample_has_its_centre_as_median() {
        let values: Vec<f64> = (0..100_001).map(f64::from).collect();
        let median = harrell_davis(&sorted(&values), 0.5).unwrap();
        assert!((median - 50_000.0).abs() < 1e-6, "{median}");
    }
}
