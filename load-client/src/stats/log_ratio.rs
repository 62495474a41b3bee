//! The effect itself: by what share a figure changed, from paired blocks, and what it means.

use serde::Serialize;

use super::{
    Equivalence, Interval, PairedTest, blocks_for_half_width, equivalence, mean,
    normal_critical_value, paired_interval_at, paired_t_test, variance,
};

/// The relative change of one figure over the blocks of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LogRatioEffect {
    /// ln(changed / baseline) of each block.
    pub log_ratios: Vec<f64>,
    /// Standard deviation of the log-ratios.
    pub deviation: f64,
    /// Mean of the log-ratios with its t interval, on the log scale.
    pub log_interval: Interval,
    /// The same as relative changes: -0.3 is 30 % less. The estimate is that of the geometric mean.
    pub change: Interval,
    /// The paired t-test of the log-ratios; `None` when they are all equal.
    pub test: Option<PairedTest>,
}

/// The paired effect of blocks that hold one baseline and one changed run each.
///
/// Ratios are averaged as logarithms, so that halving and doubling cancel; the interval is
/// Student's t on the K differences (P. J. Fleming & J. J. Wallace, "How not to lie with
/// statistics", CACM 29, 1986, for the geometric mean). `None` below two blocks, for sides of
/// different length, where a figure is not above zero, and for a level outside (0, 1).
#[must_use]
pub fn paired_log_ratio(
    baseline: &[f64],
    changed: &[f64],
    confidence: f64,
) -> Option<LogRatioEffect> {
    if baseline.len() != changed.len() {
        return None;
    }
    let pairs = baseline.iter().zip(changed);
    let log_ratios: Vec<f64> = pairs
        .map(|(old, new)| log_ratio(*old, *new))
        .collect::<Option<_>>()?;
    let log_interval = paired_interval_at(&log_ratios, confidence)?;
    Some(LogRatioEffect {
        deviation: variance(&log_ratios)?.sqrt(),
        change: log_interval.map(f64::exp_m1),
        test: paired_t_test(&log_ratios),
        log_interval,
        log_ratios,
    })
}

/// ln(new / old); `None` unless both are above zero and finite.
#[must_use]
pub fn log_ratio(old: f64, new: f64) -> Option<f64> {
    let positive = old > 0.0 && new > 0.0 && old.is_finite() && new.is_finite();
    // The difference of the logarithms, where the quotient would overflow or vanish.
    let quotient = new / old;
    let ln = if quotient.is_normal() {
        quotient.ln()
    } else {
        new.ln() - old.ln()
    };
    positive.then_some(ln)
}

/// A relative threshold on the log scale: 0.02 gives ln 0.98 and ln 1.02.
///
/// `None` unless 0 < `threshold` < 1.
#[must_use]
pub fn log_margins(threshold: f64) -> Option<(f64, f64)> {
    (threshold > 0.0 && threshold < 1.0).then(|| ((-threshold).ln_1p(), threshold.ln_1p()))
}

/// What blocks say about a figure, held against a threshold of what matters in practice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Decision {
    /// The whole interval lies below minus the threshold.
    Lower,
    /// The whole interval lies above the threshold.
    Higher,
    /// The whole interval lies within the threshold.
    Equivalent,
    /// The interval reaches over a threshold.
    Inconclusive {
        /// About how many more blocks would settle it; `None` when more than 10,000 in all.
        further_blocks: Option<u64>,
    },
}

/// Judges an effect on its 95 % interval (or the one it was made with) against `threshold`.
///
/// Equivalence by the same interval is TOST at half its error rate: 2.5 % for 95 %. The blocks
/// still needed are those at which the half-width t(0.975, K - 1) s / sqrt(K) first falls below
/// the distance of the mean from the nearest margin, if the mean and the standard deviation s stay
/// as they are: a plan, not a promise. `None` unless 0 < `threshold` < 1.
#[must_use]
pub fn decide(effect: &LogRatioEffect, threshold: f64) -> Option<Decision> {
    let (floor, ceiling) = log_margins(threshold)?;
    let Interval {
        estimate,
        low,
        high,
    } = effect.log_interval;
    Some(if high < floor {
        Decision::Lower
    } else if low > ceiling {
        Decision::Higher
    } else if low > floor && high < ceiling {
        Decision::Equivalent
    } else {
        let distance = (estimate - floor).abs().min((estimate - ceiling).abs());
        let blocks = effect.log_ratios.len() as u64;
        let further_blocks = blocks_for_half_width(effect.deviation, distance)
            .map(|needed| needed.saturating_sub(blocks).max(1));
        Decision::Inconclusive { further_blocks }
    })
}

/// [`equivalence`] of an effect within a relative threshold.
#[must_use]
pub fn equivalence_of(effect: &LogRatioEffect, threshold: f64) -> Option<Equivalence> {
    let (floor, ceiling) = log_margins(threshold)?;
    equivalence(&effect.log_ratios, floor, ceiling)
}

/// Runs a side that an unpaired comparison needs to see a relative difference `delta` in 80 % of
/// the experiments at the 5 % level, when runs vary by `variation` (standard deviation over mean).
///
/// 2 (z(0.975) + z(0.8))² (CV / delta)², the 15.7 (CV / delta)² of the usual formula (Cohen,
/// *Statistical Power Analysis*, 2nd ed., section 2.4), rounded up, at least 2. `None` unless both
/// are above zero.
#[must_use]
pub fn runs_for_power(variation: f64, delta: f64) -> Option<u64> {
    if !(variation > 0.0 && delta > 0.0 && variation.is_finite() && delta.is_finite()) {
        return None;
    }
    let z = normal_critical_value(0.025)? + normal_critical_value(0.2)?;
    let runs = (2.0 * z * z * (variation / delta).powi(2)).ceil();
    (runs < 1e15).then_some(runs.max(2.0) as u64)
}

/// Coefficient of variation of the figures of several runs: standard deviation over mean.
#[must_use]
pub fn coefficient_of_variation(figures: &[f64]) -> Option<f64> {
    let centre = mean(figures)?;
    (centre > 0.0).then_some(variance(figures)?.sqrt() / centre)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(changes: &[f64]) -> LogRatioEffect {
        let changed: Vec<f64> = changes.iter().map(|change| 5.0 * (1.0 + change)).collect();
        paired_log_ratio(&vec![5.0; changes.len()], &changed, 0.95).unwrap()
    }

    #[test]
    fn halving_and_doubling_cancel() {
        let effect = effect(&[-0.5, 1.0]);
        assert!(effect.change.estimate.abs() < 1e-15);
        assert!(effect.change.low < 0.0 && effect.change.high > 0.0);
    }

    #[test]
    fn the_whole_interval_must_clear_the_threshold() {
        let decision = |changes: &[f64]| decide(&effect(changes), 0.02).unwrap();
        assert_eq!(decision(&[-0.31, -0.30, -0.32]), Decision::Lower);
        assert_eq!(decision(&[0.10, 0.11, 0.105]), Decision::Higher);
        assert_eq!(decision(&[-0.010, -0.011, -0.010]), Decision::Equivalent);
        let open = decision(&[-0.05, 0.01, -0.03]);
        assert!(matches!(open, Decision::Inconclusive { further_blocks: Some(few) } if few > 1));
    }

    #[test]
    fn further_blocks_are_what_makes_the_interval_decisive() {
        let effect = effect(&[-0.05, -0.02, -0.03, -0.01, -0.06]);
        let Some(Decision::Inconclusive {
            further_blocks: Some(more),
        }) = decide(&effect, 0.02)
        else {
            panic!("{effect:?}");
        };
        let distance = (effect.log_interval.estimate - 0.98_f64.ln()).abs();
        let half = |blocks: u64| {
            let t = crate::stats::two_sided_critical_value(0.05, blocks as f64 - 1.0).unwrap();
            t * effect.deviation / (blocks as f64).sqrt()
        };
        assert!(
            half(5 + more) < distance && half(4 + more) >= distance,
            "{more}"
        );
    }

    #[test]
    fn equivalence_follows_the_decision() {
        let close = effect(&[-0.010, -0.011, -0.010]);
        assert!(equivalence_of(&close, 0.02).unwrap().p.value().unwrap() < 0.025);
    }

    #[test]
    fn planning_as_in_the_tables() {
        assert_eq!(runs_for_power(0.024, 0.05), Some(4));
        assert_eq!(runs_for_power(0.024, 0.02), Some(23));
        assert_eq!(runs_for_power(0.0, 0.02), None);
        assert_eq!(
            coefficient_of_variation(&[9.0, 11.0]),
            Some(2.0_f64.sqrt() / 10.0)
        );
    }

    #[test]
    fn undefined_results_are_none() {
        assert_eq!(paired_log_ratio(&[1.0], &[1.0], 0.95), None);
        assert_eq!(paired_log_ratio(&[1.0, 0.0], &[1.0, 1.0], 0.95), None);
        assert_eq!(paired_log_ratio(&[1.0, 2.0], &[1.0], 0.95), None);
        assert_eq!(log_margins(0.0), None);
        assert_eq!(decide(&effect(&[0.1, 0.2]), 1.0), None);
        assert_eq!(
            log_ratio(1e-300, 1e300),
            Some(1e300_f64.ln() - 1e-300_f64.ln())
        );
        assert_eq!(effect(&[0.1, 0.1]).test, None);
    }
}
