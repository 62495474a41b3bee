//! The steps in which latencies are recorded, and what these hide: a median of whole milliseconds stands for any
//! within a step.
//!
//! The bounds are those of the worst case (Manski, *Partial Identification of Probability Distributions*, 2003,
//! section 1.4): they do not shrink with more requests or blocks, because every block may err to the same side.

use crate::compare::Metric;
use crate::compare::sides::{RunFigures, SideSummary, Sides};
use crate::stats::{Interval, SortedSample, mean};

/// Powers of ten that are tried as the step, coarsest first.
const EXPONENTS: std::ops::RangeInclusive<i32> = -9..=2;
/// How far from a whole number of steps a value may lie, in steps: the rounding of its digits.
const SLACK: f64 = 1e-3;
/// Values closer than this share of themselves are one value that was rounded in other ways.
const SAME: f64 = 1e-9;

/// The step between the values that a sample can hold, such as 1.0 for whole milliseconds.
///
/// Two signs are looked for, and the coarser counts: the largest power of ten of which all values are
/// multiples, as digits cut off leave it; and, where at least half of the values are tied with another,
/// the smallest gap between tied values, as the ticks of a clock leave it. Ties are the mark of recorded
/// values that stand for a whole cell (Sheppard, "On the Calculation of the Most Probable Values of
/// Frequency-Constants, for Data Arranged According to Equidistant Division of a Scale", Proceedings of
/// the London Mathematical Society 29, 1898).
///
/// `None` when no step is seen: values of full precision, or nothing but zeroes.
pub(super) fn lattice_step(sample: &SortedSample) -> Option<f64> {
    if sample.max() == 0.0 && sample.min() == 0.0 {
        return None;
    }
    let decimal = decimal_step(sample.values());
    let tick = tick(sample.values());
    decimal.into_iter().chain(tick).reduce(f64::max)
}

fn decimal_step(values: &[f64]) -> Option<f64> {
    let is_multiple = |steps: f64| (steps - steps.round()).abs() < SLACK;
    let mut steps = EXPONENTS.rev().map(|exponent| 10.0_f64.powi(exponent));
    steps.find(|step| values.iter().all(|value| is_multiple(value / step)))
}

fn tick(sorted: &[f64]) -> Option<f64> {
    let groups = sorted.chunk_by(|one, other| other - one <= SAME * other.abs());
    let groups: Vec<&[f64]> = groups.collect();
    let tied: Vec<&[f64]> = groups
        .iter()
        .copied()
        .filter(|group| group.len() > 1)
        .collect();
    if tied.iter().map(|group| group.len()).sum::<usize>() * 2 < sorted.len() {
        return None;
    }
    let smallest_gap = |groups: &[&[f64]]| {
        let gaps = groups.windows(2).map(|pair| pair[1][0] - pair[0][0]);
        gaps.reduce(f64::min)
    };
    // A single tied value says only how far its neighbours are.
    smallest_gap(&tied).or_else(|| smallest_gap(&groups))
}

/// How far the mean log-ratio over the blocks may lie from the truth because of the steps; 0 where there
/// are none. `None` when a figure lies below half a step, so that its ratio may be anything.
pub(super) fn hidden(metric: Metric, sides: &Sides<'_>) -> Option<f64> {
    let blocks = sides.blocks().map(|[old, new]| {
        // The larger of both bounds the ratio whether values are rounded (up to half a step either way) or cut
        // off (up to a step one way).
        Some(hidden_in(metric, old)?.max(hidden_in(metric, new)?))
    });
    mean(&blocks.collect::<Option<Vec<f64>>>()?)
}

fn hidden_in(metric: Metric, run: &RunFigures) -> Option<f64> {
    let step = run.resolution_ms.filter(|_| metric != Metric::Throughput);
    hidden_at(metric.of(&run.figures)?, step.unwrap_or(0.0))
}

/// How far the logarithm of a value may lie from the truth because of the steps; `None` below half a step.
pub(super) fn hidden_at(value: f64, step: f64) -> Option<f64> {
    let half = step / 2.0;
    if half == 0.0 {
        return Some(0.0);
    }
    (value > half).then(|| ((value + half) / (value - half)).ln())
}

/// Widens an interval of a relative change by what the steps hide, in logarithms.
pub(super) fn widened(interval: Interval, hidden: f64) -> Interval {
    Interval {
        low: (interval.low.ln_1p() - hidden).exp_m1(),
        high: (interval.high.ln_1p() + hidden).exp_m1(),
        ..interval
    }
}

/// The coarsest step of the runs' latencies, in milliseconds.
pub(super) fn coarsest(sides: [&SideSummary; 2]) -> Option<f64> {
    let runs = sides.into_iter().flat_map(|side| &side.runs);
    runs.filter_map(|run| run.resolution_ms).reduce(f64::max)
}

/// A step in words: `steps of 1 ms`.
pub(super) fn in_words(step: f64) -> String {
    // Six digits are nanoseconds; more is the rounding of the search for the step.
    format!("steps of {} ms", (step * 1e6).round() / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::SplitMix64;

    fn drawn(count: usize, step: f64) -> SortedSample {
        let mut random = SplitMix64::new(11);
        let values = (0..count).map(|_| {
            let value = 4.0 + 8.0 * random.unit();
            if step > 0.0 {
                (value / step).round() * step
            } else {
                value
            }
        });
        SortedSample::new(&values.collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn resolution_is_found_by_digits_and_by_ties() {
        for step in [1.0, 0.1, 0.001, 10.0] {
            let found = lattice_step(&drawn(400, step)).unwrap();
            assert!((found - step).abs() < 1e-9, "{step}: {found}");
        }
        // Ticks of a clock, which are no power of ten.
        for step in [15.625 / 10.0, 1.0 / 3.0] {
            let found = lattice_step(&drawn(400, step)).unwrap();
            assert!((found - step).abs() < 1e-9, "{step}: {found}");
        }
    }

    #[test]
    fn stray_values_do_not_hide_the_ticks() {
        let mut values = drawn(400, 1.0).values().to_vec();
        values.extend(drawn(40, 0.0).values());
        let sample = SortedSample::new(&values).unwrap();
        assert_eq!(lattice_step(&sample), Some(1.0));
        let noisy: Vec<f64> = drawn(400, 1.0)
            .values()
            .iter()
            .enumerate()
            .map(noise)
            .collect();
        let found = lattice_step(&SortedSample::new(&noisy).unwrap()).unwrap();
        assert!((found - 1.0).abs() < 1e-6, "{found}");
    }

    fn noise((index, value): (usize, &f64)) -> f64 {
        value * (1.0 + 1e-13 * index as f64)
    }

    #[test]
    fn values_of_full_precision_have_no_step() {
        for count in [1, 20, 400, 20_000] {
            assert_eq!(lattice_step(&drawn(count, 0.0)), None, "{count}");
        }
        assert_eq!(lattice_step(&SortedSample::new(&[0.0; 9]).unwrap()), None);
    }

    #[test]
    fn one_value_has_the_step_of_its_digits() {
        let of = |value: f64| lattice_step(&SortedSample::new(&[value; 50]).unwrap());
        assert_eq!(of(4.0), Some(1.0));
        assert!((of(4.25).unwrap() - 0.01).abs() < 1e-12);
    }
}
