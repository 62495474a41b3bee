//! Block-by-block effects: run i of one side is paired with run i of the other.

use serde::Serialize;

use super::summary::{Figures, SideSummary};
use crate::stats::{PValue, PairedInterval, paired_interval, sign_flip, variance};

/// The relative change of one figure, estimated over the blocks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effect {
    /// Natural log of changed over baseline, for each block.
    pub log_ratios: Vec<f64>,
    /// Estimated relative change: -0.3 is 30 % lower.
    pub change: f64,
    /// Lower end of the 95 % interval of the change.
    pub low: f64,
    /// Upper end of the 95 % interval of the change.
    pub high: f64,
    /// Exact two-sided sign-flip p-value; `None` above 24 blocks.
    pub p: Option<PValue>,
}

/// The effects that the blocks carry. An effect is `None` when a run lacks the figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Blocks {
    /// Number of blocks.
    pub count: u64,
    /// Change of the median latency: the one that the verdict is about.
    pub median: Option<Effect>,
    /// Change of the 95th percentile.
    pub p95: Option<Effect>,
    /// Change of the throughput.
    pub throughput: Option<Effect>,
}

/// Pairs the runs of both sides; `None` unless both have the same number, two or more.
pub(super) fn pair(baseline: &SideSummary, changed: &SideSummary) -> Option<Blocks> {
    let count = baseline.runs.len();
    if count < 2 || changed.runs.len() != count {
        return None;
    }
    let effect_of = |figure: fn(&Figures) -> Option<f64>| {
        let pairs = baseline.runs.iter().zip(&changed.runs);
        let log_ratios: Option<Vec<f64>> = pairs
            .map(|(old, new)| log_ratio(figure(&old.figures)?, figure(&new.figures)?))
            .collect();
        effect(log_ratios?)
    };
    Some(Blocks {
        count: count as u64,
        median: effect_of(|figures| figures.median_ms),
        p95: effect_of(|figures| figures.p95_ms),
        throughput: effect_of(|figures| figures.throughput),
    })
}

/// The interval and the standard deviation of log-ratios, on the log scale.
pub(super) fn log_interval(log_ratios: &[f64]) -> Option<(PairedInterval, f64)> {
    Some((paired_interval(log_ratios)?, variance(log_ratios)?.sqrt()))
}

fn log_ratio(old: f64, new: f64) -> Option<f64> {
    (old > 0.0 && new > 0.0).then(|| (new / old).ln())
}

fn effect(log_ratios: Vec<f64>) -> Option<Effect> {
    let (interval, _) = log_interval(&log_ratios)?;
    Some(Effect {
        change: interval.mean.exp_m1(),
        low: interval.low.exp_m1(),
        high: interval.high.exp_m1(),
        p: sign_flip(&log_ratios),
        log_ratios,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_is_the_geometric_mean_of_the_ratios() {
        let effect = effect(vec![0.7_f64.ln(), 0.8_f64.ln()]).unwrap();
        assert!((effect.change - (0.56_f64.sqrt() - 1.0)).abs() < 1e-12);
        assert!(effect.low < effect.change && effect.change < effect.high);
    }

    #[test]
    fn a_zero_has_no_ratio() {
        assert_eq!(log_ratio(0.0, 1.0), None);
    }
}
