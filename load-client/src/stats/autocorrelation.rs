//! How strongly each request resembles the one before it, and how many independent ones a series
//! of them is worth.

use super::moments::is_constant;
use super::{mean, quantile, quantile_is_supported, variance};

/// Fewest values that have an effective sample size.
const FEWEST_VALUES: usize = 8;

/// Fewest batches from which a long-run variance is taken.
const FEWEST_BATCHES: usize = 4;

/// The autocorrelation of a series at `lag`, from -1 to 1.
///
/// The usual biased estimate, whose sums all have the mean of the whole series and divisor n (Box
/// & Jenkins, *Time Series Analysis*, eq. 2.1.13). `None` when the series has no spread, is not
/// longer than the lag, or holds something that is not finite.
#[must_use]
pub fn autocorrelation(series: &[f64], lag: usize) -> Option<f64> {
    let centre = mean(series)?;
    let later = series.get(lag..).filter(|later| !later.is_empty())?;
    let squares: f64 = series.iter().map(|value| (value - centre).powi(2)).sum();
    if squares <= 0.0 || is_constant(series) {
        return None;
    }
    let pairs = series.iter().zip(later);
    let products: f64 = pairs.map(|(a, b)| (a - centre) * (b - centre)).sum();
    Some(products / squares).filter(|found| found.is_finite())
}

/// The effective sample size of a series, from batch means of dyadic length.
///
/// Batches of b = 1, 2, 4, ... values have means whose variance, times b, rises to the long-run
/// variance once b exceeds the reach of the correlation (Flyvbjerg & Petersen, "Error estimates on
/// averages of correlated data", Journal of Chemical Physics 91, 1989). The length taken is the
/// first with b³ > 2 n r², r being the long-run variance in units of the plain one: there the
/// remaining bias and the noise of few batches balance (Lee, Conduit, Nemec, López Ríos &
/// Drummond, Physical Review E 83, 066706, 2011). Should none be long enough, four batches are the
/// least. O(n). A series that alternates is not credited with more than n values.
///
/// `None` for fewer than eight values, for a series without spread, and for one that holds
/// something that is not finite.
#[must_use]
pub fn effective_sample_size(series: &[f64]) -> Option<f64> {
    if series.len() < FEWEST_VALUES || is_constant(series) {
        return None;
    }
    let count = series.len() as f64;
    let spread = variance(series).filter(|spread| *spread > 0.0)?;
    let (mut means, mut length, mut inflation) = (series.to_vec(), 1.0_f64, 1.0);
    while length.powi(3) <= 2.0 * count * inflation * inflation {
        let longer = halved(&means);
        if longer.len() < FEWEST_BATCHES {
            break;
        }
        (means, length) = (longer, length * 2.0);
        inflation = length * variance(&means)? / spread;
    }
    Some(count / inflation.max(1.0))
}

/// The effective sample size of quantile `q` of a series: how many independent values would tell as much
/// about that quantile.
///
/// A quantile is as uncertain as the share of values above it (Bahadur's representation, "A Note on
/// Quantiles in Large Samples", Annals of Mathematical Statistics 37, 1966; for dependent values Heidelberger
/// & Lewis, "Quantile Estimation in Dependent Sequences", Operations Research 32, 1984), so this is
/// [`effective_sample_size`] of the series that is 1 above the quantile and 0 elsewhere. Slow replies
/// come in bursts: the size of the tail is often far below that of the mean.
///
/// `None` where the quantile is undefined or not carried by ten values above it, where all values are
/// on one side of it, and for the undefined cases of [`effective_sample_size`].
#[must_use]
pub fn effective_sample_size_of_quantile(series: &[f64], q: f64) -> Option<f64> {
    if !quantile_is_supported(series.len() as u64, q) {
        return None;
    }
    let limit = quantile(series, q)?;
    let above: Vec<f64> = series
        .iter()
        .map(|value| f64::from(u8::from(*value > limit)))
        .collect();
    effective_sample_size(&above)
}

/// Means of neighbouring pairs; an odd last value has no partner and is left out.
fn halved(series: &[f64]) -> Vec<f64> {
    let pairs = series.chunks_exact(2);
    pairs.map(|pair| 0.5 * pair[0] + 0.5 * pair[1]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undefined_results_are_none() {
        assert_eq!(autocorrelation(&[], 1), None);
        assert_eq!(autocorrelation(&[1.0], 1), None);
        assert_eq!(autocorrelation(&[0.1; 9], 1), None);
        assert_eq!(effective_sample_size(&[0.1; 100]), None);
        assert_eq!(effective_sample_size(&[1.0, 2.0, 3.0]), None);
        assert_eq!(effective_sample_size(&[f64::NAN; 20]), None);
    }

    #[test]
    fn matches_the_sums_by_hand() {
        // Deviations -1.5, -0.5, 0.5, 1.5: (0.75 - 0.25 + 0.75) / 5.
        assert_eq!(autocorrelation(&[1.0, 2.0, 3.0, 4.0], 1), Some(0.25));
        assert_eq!(autocorrelation(&[1.0, 2.0, 3.0, 4.0], 0), Some(1.0));
    }

    #[test]
    fn repeated_values_count_once() {
        // Each value four times in a row: a quarter of the values are independent.
        let mut random = super::super::SplitMix64::new(5);
        let series: Vec<f64> = (0..4096)
            .flat_map(|_| [random.below(1000) as f64; 4])
            .collect();
        let found = effective_sample_size(&series).unwrap();
        assert!((3200.0..5000.0).contains(&found), "{found}");
        assert!(autocorrelation(&series, 1).unwrap() > 0.7);
    }

    #[test]
    fn a_tail_in_bursts_is_worth_less_than_the_mean() {
        // Independent values, but for stalls of a hundred each.
        let mut random = super::super::SplitMix64::new(9);
        let series: Vec<f64> = (0..20_000)
            .map(|index| {
                let stall = if index % 5_000 < 100 { 5.0 } else { 0.0 };
                random.below(1000) as f64 / 100.0 + stall
            })
            .collect();
        let mean = effective_sample_size(&series).unwrap();
        let tail = effective_sample_size_of_quantile(&series, 0.99).unwrap();
        assert!(tail < mean / 2.0, "{tail} {mean}");
        let middle = effective_sample_size_of_quantile(&series, 0.5).unwrap();
        assert!(middle > tail, "{middle} {tail}");
        assert_eq!(
            effective_sample_size_of_quantile(&series[..999], 0.99),
            None
        );
        assert_eq!(effective_sample_size_of_quantile(&[1.0; 5000], 0.99), None);
    }

    #[test]
    fn an_alternating_series_is_not_credited_with_more_than_its_length() {
        let series: Vec<f64> = (0..1000).map(|index| f64::from(index % 2)).collect();
        let found = effective_sample_size(&series).unwrap();
        assert_eq!(found, 1000.0);
    }
}
