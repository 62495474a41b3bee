//! How long the blocks of a block bootstrap must be to keep the correlation of a series.

use super::mean;
use super::moments::is_constant;

/// Longest series whose autocovariances are taken value by value.
const MAX_VALUES: usize = 100_000;

/// Lags in a row that must look uncorrelated: the K_n of the paper for any n below 10^25.
const QUIET_LAGS: usize = 5;

/// The automatic block length of the circular block bootstrap, in values, at least `floor`.
///
/// D. N. Politis & H. White, "Automatic Block-Length Selection for the Dependent Bootstrap"
/// (Econometric Reviews 23, 2004) with the correction of Patton, Politis & White (28, 2009):
/// b = (2 G² / D)^(1/3) n^(1/3), with the flat-top window of width 2 m around the last lag m whose
/// correlation exceeds 2 sqrt(log10 n / n), D = 4/3 g(0)², and b at most min(3 sqrt n, n/3). A
/// series of more than 100,000 values is first averaged in groups, and the length found is that
/// of the groups times their size: this bounds the time, and can only make the blocks longer.
///
/// Pass as `floor` the number of requests in one second of the run. The answer is at least 1 and
/// at most the length of the series. `None` for fewer than ten values, for a series without
/// spread, and for one that holds something that is not finite.
#[must_use]
pub fn automatic_block_length(series: &[f64], floor: usize) -> Option<usize> {
    if series.len() < 2 * QUIET_LAGS || is_constant(series) || mean(series).is_none() {
        return None;
    }
    let group = series.len().div_ceil(MAX_VALUES);
    let length = if group == 1 {
        optimal_length(series)?
    } else {
        let groups: Option<Vec<f64>> = series.chunks_exact(group).map(mean).collect();
        optimal_length(&groups?)? * group as f64
    };
    let whole = length.round().max(1.0) as usize;
    Some(whole.max(floor).min(series.len()))
}

/// The optimum before rounding; `None` when the series has no finite spread.
fn optimal_length(series: &[f64]) -> Option<f64> {
    let centre = mean(series)?;
    let deviations: Vec<f64> = series.iter().map(|value| value - centre).collect();
    let count = series.len() as f64;
    let mut covariances = Autocovariances::of(&deviations);
    if !(covariances.at(0) > 0.0 && covariances.at(0).is_finite()) {
        return None;
    }
    let width = window_width(&mut covariances, count);
    let (mut weighted, mut spectrum) = (0.0, covariances.at(0));
    for lag in 1..=width {
        let share = lag as f64 / width as f64;
        let weight = if share <= 0.5 {
            1.0
        } else {
            2.0 * (1.0 - share)
        };
        let term = 2.0 * weight * covariances.at(lag);
        weighted += term * lag as f64;
        spectrum += term;
    }
    let variance_term = 4.0 / 3.0 * spectrum * spectrum;
    let length = (2.0 * weighted * weighted / variance_term * count).cbrt();
    let most = (3.0 * count.sqrt()).min(count / 3.0).ceil();
    // A spectrum of zero has no finite optimum; the cap is the honest answer.
    Some(if length.is_nan() {
        most
    } else {
        length.min(most)
    })
}

/// Twice the last lag that is correlated before five quiet ones, at least 2.
fn window_width(covariances: &mut Autocovariances<'_>, count: f64) -> usize {
    let quiet_below = 2.0 * (count.log10() / count).sqrt() * covariances.at(0);
    let longest = count.sqrt().ceil() as usize + QUIET_LAGS;
    let mut quiet = 0;
    for lag in 1..=longest {
        quiet = if covariances.at(lag).abs() < quiet_below {
            quiet + 1
        } else {
            0
        };
        if quiet == QUIET_LAGS {
            let last = (lag - QUIET_LAGS).max(1);
            return (2 * last).min(longest);
        }
    }
    longest
}

/// Autocovariances that are computed when first asked for: most series need few of them.
struct Autocovariances<'a> {
    deviations: &'a [f64],
    known: Vec<f64>,
}

impl<'a> Autocovariances<'a> {
    fn of(deviations: &'a [f64]) -> Self {
        Self {
            deviations,
            known: Vec::new(),
        }
    }

    fn at(&mut self, lag: usize) -> f64 {
        while self.known.len() <= lag {
            let later = self.deviations.get(self.known.len()..).unwrap_or_default();
            let products = self.deviations.iter().zip(later).map(|(a, b)| a * b);
            self.known
                .push(products.sum::<f64>() / self.deviations.len() as f64);
        }
        self.known[lag]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::SplitMix64;

    fn autoregressive(correlation: f64, count: usize) -> Vec<f64> {
        let mut random = SplitMix64::new(11);
        let mut value = 0.0;
        (0..count)
            .map(|_| {
                value = correlation * value + random.below(2001) as f64 - 1000.0;
                value
            })
            .collect()
    }

    #[test]
    fn stronger_correlation_takes_longer_blocks() {
        let lengths: Vec<usize> = [0.0, 0.5, 0.9, 0.98]
            .map(|correlation| {
                automatic_block_length(&autoregressive(correlation, 5000), 1).unwrap()
            })
            .into();
        assert!(lengths.is_sorted_by(|a, b| a < b), "{lengths:?}");
        assert!(lengths[0] <= 5, "{lengths:?}");
    }

    #[test]
    fn a_long_series_is_grouped_and_keeps_its_length() {
        let series = autoregressive(0.9, 250_000);
        let grouped = automatic_block_length(&series, 1).unwrap();
        let exact = optimal_length(&series).unwrap();
        assert!(
            (grouped as f64 / exact - 1.0).abs() < 0.15,
            "{grouped} {exact}"
        );
    }

    #[test]
    fn the_floor_and_the_length_of_the_series_are_kept() {
        let series = autoregressive(0.0, 1000);
        assert_eq!(automatic_block_length(&series, 250), Some(250));
        assert_eq!(automatic_block_length(&series, 5000), Some(1000));
    }

    #[test]
    fn undefined_results_are_none() {
        assert_eq!(automatic_block_length(&[1.0; 100], 1), None);
        assert_eq!(automatic_block_length(&[1.0, 2.0], 1), None);
        assert_eq!(automatic_block_length(&[f64::INFINITY; 50], 1), None);
    }
}
