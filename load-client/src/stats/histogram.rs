//! A histogram of two samples on one binning.
//!
//! Two overlaid histograms with bins of their own cannot be compared by eye: the seed's had
//! different widths, and one time-out of 30 s made every bin 30 ms wide.

use serde::Serialize;

use super::quantile_of_sorted;

/// Share of the values, at the upper end, that the last bin gathers.
const GATHERED_TAIL: f64 = 0.005;

/// Counts of two samples over the same bins.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SharedHistogram {
    /// Edges of the bins, one more than there are bins, ascending and equally far apart.
    pub edges: Vec<f64>,
    /// Values of the first sample in each bin.
    pub baseline: Vec<u64>,
    /// Values of the second sample in each bin.
    pub changed: Vec<u64>,
    /// Values of the first sample at or above the last edge.
    pub baseline_above: u64,
    /// Values of the second sample at or above the last edge.
    pub changed_above: u64,
}

/// Counts both samples into `bins` bins of equal width between the smallest value of both and
/// the larger of their 99.5 % quantiles; what lies above is counted apart, so that one outlier
/// does not flatten the picture.
///
/// A bin holds its lower edge and not its upper one. `None` when a sample or `bins` is empty.
#[must_use]
pub fn shared_histogram(baseline: &[f64], changed: &[f64], bins: usize) -> Option<SharedHistogram> {
    if bins == 0 || baseline.is_empty() || changed.is_empty() {
        return None;
    }
    let range_of = |sample: &[f64]| {
        let mut sorted = sample.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        Some((sorted[0], quantile_of_sorted(&sorted, 1.0 - GATHERED_TAIL)?))
    };
    let (first, second) = (range_of(baseline)?, range_of(changed)?);
    let (low, mut high) = (first.0.min(second.0), first.1.max(second.1));
    if high <= low {
        high = low + 1.0;
    }
    let width = (high - low) / bins as f64;
    let edges = (0..=bins).map(|edge| low + width * edge as f64).collect();
    let (baseline, baseline_above) = count(baseline, low, width, bins);
    let (changed, changed_above) = count(changed, low, width, bins);
    Some(SharedHistogram {
        edges,
        baseline,
        changed,
        baseline_above,
        changed_above,
    })
}

fn count(sample: &[f64], low: f64, width: f64, bins: usize) -> (Vec<u64>, u64) {
    let (mut counts, mut above) = (vec![0; bins], 0);
    for value in sample {
        let bin = ((value - low) / width) as usize;
        match counts.get_mut(bin) {
            Some(count) => *count += 1,
            None => above += 1,
        }
    }
    (counts, above)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_share_the_edges_and_no_value_is_lost() {
        let baseline: Vec<f64> = (0..1000).map(f64::from).collect();
        let changed: Vec<f64> = (500..900).map(f64::from).collect();
        let histogram = shared_histogram(&baseline, &changed, 20).unwrap();
        assert_eq!(histogram.edges.len(), 21);
        assert_eq!(histogram.edges[0], 0.0);
        let sum = |counts: &[u64]| counts.iter().sum::<u64>();
        assert_eq!(sum(&histogram.baseline) + histogram.baseline_above, 1000);
        assert_eq!(sum(&histogram.changed) + histogram.changed_above, 400);
    }

    #[test]
    fn one_outlier_does_not_widen_the_bins() {
        let mut baseline: Vec<f64> = (0..999)
            .map(|index| 4.0 + f64::from(index) / 1000.0)
            .collect();
        baseline.push(30_000.0);
        let histogram = shared_histogram(&baseline, &baseline, 50).unwrap();
        assert!(*histogram.edges.last().unwrap() < 5.0);
        assert!(histogram.baseline_above >= 1);
    }

    #[test]
    fn equal_values_and_empty_samples() {
        let histogram = shared_histogram(&[2.0], &[2.0], 4).unwrap();
        assert_eq!(histogram.baseline, [1, 0, 0, 0]);
        assert_eq!(shared_histogram(&[], &[1.0], 4), None);
        assert_eq!(shared_histogram(&[1.0], &[1.0], 0), None);
    }
}
