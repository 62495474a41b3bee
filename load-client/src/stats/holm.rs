//! Several tests at once: p-values that stay honest when the best of them is looked at.

use super::PValue;

/// Adjusts p-values for their number, in the order given.
///
/// S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (Scandinavian Journal of
/// Statistics 6, 1979): the smallest of k is multiplied by k, the next by k - 1 and so on, none
/// becoming smaller than one before it or larger than 1. Works on the logarithms, so that a p-value
/// too small for a double keeps its size.
#[must_use]
pub fn holm(p_values: &[PValue]) -> Vec<PValue> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].ln().total_cmp(&p_values[*b].ln()));
    let mut adjusted = p_values.to_vec();
    let mut largest = f64::NEG_INFINITY;
    for (place, index) in order.into_iter().enumerate() {
        let factor = (p_values.len() - place) as f64;
        largest = largest.max(p_values[index].ln() + factor.ln());
        adjusted[index] = PValue::from_ln(largest);
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_steps_by_hand() {
        let p_values = [0.04, 0.01, 0.03, 0.5].map(|p| PValue::from_probability(p).unwrap());
        let adjusted: Vec<f64> = holm(&p_values).iter().map(|p| p.value().unwrap()).collect();
        for (found, expected) in adjusted.iter().zip([0.09, 0.04, 0.09, 0.5]) {
            assert!((found - expected).abs() < 1e-12, "{adjusted:?}");
        }
    }

    #[test]
    fn underflow_and_the_ceiling() {
        let p_values = [PValue::from_ln(-5000.0), PValue::from_ln(-0.1)];
        let adjusted = holm(&p_values);
        assert!((adjusted[0].log10() - (2.0_f64.ln() - 5000.0) / 10.0_f64.ln()).abs() < 1e-9);
        assert_eq!(holm(&[PValue::from_ln(-0.1); 3])[0].value(), Some(1.0));
        assert_eq!(holm(&[]), []);
    }
}
