//! When a comparison gives a verdict, when it refuses one, and why.

use super::*;

fn run(label: &str, median: f64) -> Run {
    Run {
        latencies_ms: (0..401)
            .map(|index| median * (0.8 + 0.001 * f64::from(index)))
            .collect(),
        failures: 0,
        throughput: Some(1000.0 / median),
        ..Run::new(label.to_owned(), Vec::new())
    }
}

fn runs(medians: &[f64]) -> Vec<Run> {
    medians.iter().map(|median| run("run", *median)).collect()
}

fn compared(baseline: &[Run], changed: &[Run]) -> Comparison {
    compare(baseline, changed, &Options::default()).unwrap()
}

const BASELINE: [f64; 6] = [6.0, 6.1, 5.9, 6.05, 5.95, 6.0];

#[test]
fn lower_round_trips_are_faster_and_throughput_rises() {
    let comparison = compared(
        &runs(&BASELINE),
        &runs(&BASELINE.map(|median| median * 0.7)),
    );
    assert_eq!(comparison.verdict, Some(Verdict::Faster));
    let blocks = comparison.blocks.unwrap();
    assert!((blocks.effect(Metric::P50).unwrap().change - -0.3).abs() < 1e-9);
    // Little's law: -30 % in latency is +43 % in throughput.
    assert!((blocks.effect(Metric::Throughput).unwrap().change - (1.0 / 0.7 - 1.0)).abs() < 1e-9);
    assert!(
        comparison.conclusion.contains("throughput +42.9 %"),
        "{}",
        comparison.conclusion
    );
}

#[test]
fn the_other_way_round_is_slower_and_no_change_is_equivalent() {
    let (low, high) = (runs(&BASELINE), runs(&BASELINE.map(|median| median * 1.3)));
    assert_eq!(compared(&low, &high).verdict, Some(Verdict::Slower));
    assert_eq!(compared(&low, &low).verdict, Some(Verdict::Equivalent));
}

#[test]
fn noise_between_runs_is_inconclusive_however_many_requests() {
    let changed = [5.0, 7.2, 5.1, 6.9, 5.2, 6.4];
    let comparison = compared(&runs(&BASELINE), &runs(&changed));
    assert!(matches!(
        comparison.verdict,
        Some(Verdict::Inconclusive { .. })
    ));
    assert!(
        comparison.conclusion.starts_with("Inconclusive"),
        "{}",
        comparison.conclusion
    );
}

#[track_caller]
fn assert_refused(baseline: &[Run], changed: &[Run], reason: &str) {
    let comparison = compared(baseline, changed);
    assert_eq!(comparison.verdict, None);
    let refusal = comparison.refusal.unwrap();
    assert!(refusal.contains(reason), "{refusal}");
    assert!(comparison.conclusion.starts_with("No verdict: "));
}

#[test]
fn one_run_a_side_or_unequal_numbers_carry_no_verdict() {
    let reason = "run-to-run variation was not measured";
    assert_refused(&runs(&[6.0]), &runs(&[4.0]), reason);
    assert_refused(&runs(&[6.0, 6.1]), &runs(&[4.0]), "compared in pairs");
}

#[test]
fn different_failure_rates_carry_no_verdict() {
    let faster = BASELINE.map(|median| median * 0.7);
    let (baseline, changed) = (runs(&BASELINE), failing(faster, [8, 9, 7, 8, 8, 9]));
    assert_refused(&baseline, &changed, "the failure rates differ (0.00 %");
    // The same on both sides, and a burst in one run, may be chance.
    let alike = failing(BASELINE, [9, 8, 8, 9, 7, 8]);
    assert_eq!(compared(&alike, &changed).verdict, Some(Verdict::Faster));
    let burst = failing(faster, [0, 0, 0, 40, 0, 0]);
    let comparison = compared(&baseline, &burst);
    assert_eq!(comparison.verdict, Some(Verdict::Faster));
    let told = |own: &Warning| own.text.contains("40 request(s)");
    assert!(comparison.warnings.iter().any(told));
}

fn failing(medians: [f64; 6], failures: [u64; 6]) -> Vec<Run> {
    let mut runs = runs(&medians);
    for (run, failures) in runs.iter_mut().zip(failures) {
        run.failures = failures;
    }
    runs
}

#[test]
fn failure_rates_that_are_plainly_unequal_carry_no_verdict_however_unlike_the_blocks() {
    let faster = BASELINE.map(|median| median * 0.7);
    // p is 0.04 and more, because the blocks differ among themselves.
    for (old, new) in [
        // Large, with a failure on either side.
        ([1, 0, 0, 0, 0, 0], [1, 21, 4, 35, 12, 40]),
        ([0; 6], [0, 0, 0, 0, 60, 60]),
        // Small, and in every block of one side alone.
        ([0; 6], [1, 1, 4, 1, 1, 9]),
        ([1, 1, 4, 1, 1, 9], [0; 6]),
    ] {
        let (baseline, changed) = (failing(BASELINE, old), failing(faster, new));
        assert_refused(&baseline, &changed, "the failure rates differ (");
    }
    // Failures on both sides, some blocks without any, no large difference: this may be chance.
    let (baseline, changed) = (
        failing(BASELINE, [1, 0, 0, 0, 0, 0]),
        failing(faster, [1, 1, 4, 1, 1, 9]),
    );
    assert_eq!(compared(&baseline, &changed).verdict, Some(Verdict::Faster));
}

#[test]
fn a_verdict_that_depends_on_failed_requests_is_refused() {
    // A third of one run on each side failed. The rates are alike, and which side looks faster is chance.
    let baseline = failing(BASELINE, [200, 0, 0, 0, 0, 0]);
    let faster = BASELINE.map(|median| median * 0.95);
    let changed = failing(faster, [0, 0, 200, 0, 0, 0]);
    assert_refused(&baseline, &changed, "the verdict depends on how they count");
}

#[test]
fn a_run_without_replies_carries_no_verdict() {
    let (baseline, mut changed) = (runs(&BASELINE), runs(&BASELINE));
    changed[2].latencies_ms.clear();
    changed[2].failures = 5;
    assert_refused(&baseline, &changed, "of the changed side has no good reply");
}

#[test]
fn what_cannot_be_compared_is_an_error() {
    let runs = runs(&BASELINE);
    let options = Options::default();
    assert_eq!(
        compare(&[], &runs, &options),
        Err(CompareError::NoRuns(Side::Baseline))
    );
    assert_eq!(
        compare(&runs, &[], &options),
        Err(CompareError::NoRuns(Side::Changed))
    );
    for threshold in [0.0, 1.0, -0.1] {
        assert_eq!(
            compare(
                &runs,
                &runs,
                &Options {
                    threshold,
                    ..options.clone()
                }
            ),
            Err(CompareError::Threshold(threshold))
        );
    }
}

#[test]
fn few_blocks_and_runs_cut_short_are_warned_of() {
    let (baseline, mut changed) = (runs(&[6.0, 6.1]), runs(&[4.0, 4.1]));
    changed[0].censored = 3;
    let warnings = compared(&baseline, &changed).warnings;
    assert!(
        warnings
            .iter()
            .any(|warning| warning.text.contains("only 2 blocks")),
        "{warnings:?}"
    );
    assert!(
        warnings
            .iter()
            .any(|warning| warning.text.contains("3 request(s) in flight")),
        "{warnings:?}"
    );
}

#[test]
fn invalid_runs_and_other_services_carry_no_verdict() {
    let (mut baseline, mut changed) = (runs(&BASELINE), runs(&BASELINE));
    for run in baseline.iter_mut().chain(&mut changed) {
        run.kinds.insert("KAFKA createOrder".to_owned());
    }
    assert_eq!(
        compared(&baseline, &changed).verdict,
        Some(Verdict::Equivalent)
    );
    changed[4].kinds = ["KAFKA readOrder".to_owned()].into();
    assert_refused(
        &baseline,
        &changed,
        "no kind of request in common: run has KAFKA createOrder",
    );
    changed[2].invalid = vec!["the client used 190 % of a core".to_owned()];
    assert_refused(
        &baseline,
        &changed,
        "of the changed side is invalid: the client used",
    );
}

#[test]
fn a_worse_tail_is_not_hidden_by_a_better_median() {
    let stretch = |run: &mut Run| {
        let tail = run.latencies_ms.len() * 94 / 100;
        run.latencies_ms[tail..]
            .iter_mut()
            .for_each(|latency| *latency *= 3.0);
    };
    let (baseline, mut changed) = (runs(&BASELINE), runs(&BASELINE.map(|median| median * 0.8)));
    changed.iter_mut().for_each(stretch);
    let comparison = compared(&baseline, &changed);
    assert_eq!(comparison.verdict, Some(Verdict::Faster));
    assert!(
        comparison
            .conclusion
            .contains("But the tail got slower: p95"),
        "{}",
        comparison.conclusion
    );
}

#[test]
fn resolution_of_either_side_widens_every_interval() {
    let rounded = |runs: &mut [Run]| {
        for latency in runs.iter_mut().flat_map(|run| &mut run.latencies_ms) {
            *latency = latency.round();
        }
    };
    let (exact, mut coarse) = (runs(&BASELINE), runs(&BASELINE));
    rounded(&mut coarse);
    for (baseline, changed) in [(&exact, &coarse), (&coarse, &exact), (&coarse, &coarse)] {
        let comparison = compared(baseline, changed);
        let because = super::verdict::Because::Resolution;
        assert!(
            matches!(comparison.verdict, Some(Verdict::Inconclusive { because: own, .. }) if own == because),
            "{}",
            comparison.conclusion
        );
        let blocks = comparison.blocks.unwrap();
        for effect in blocks.effects {
            if effect.metric == Metric::Throughput {
                assert_eq!(effect.resolution, 0.0);
                continue;
            }
            let least = least_of(7.5);
            assert!(effect.high - effect.low > 2.0 * least, "{effect:?}");
            let bootstrap = effect.bootstrap.unwrap();
            assert!(bootstrap.high - bootstrap.low > 2.0 * least, "{effect:?}");
        }
        let shape = comparison.shape.unwrap();
        assert!(
            shape
                .shift_function
                .iter()
                .all(|own| own.shift.high - own.shift.low >= 2.0)
        );
        let ratio = shape.ratio_change.unwrap();
        assert!(ratio.high - ratio.low > 2.0 * least_of(6.0), "{ratio:?}");
    }
    let single = compared(&coarse[..1], &coarse[..1]).within_runs.unwrap();
    let change = single.median_change.unwrap();
    assert!(change.high - change.low > 2.0 * least_of(6.0), "{change:?}");
    let blocks = compared(&exact, &exact).blocks.unwrap();
    assert!(blocks.effect(Metric::P50).unwrap().resolution < 0.001);
}

/// Returns the least that whole milliseconds hide of a figure, as a relative change.
fn least_of(figure_ms: f64) -> f64 {
    1.0 / (figure_ms + 0.5)
}

#[test]
fn a_median_below_half_a_step_has_no_ratio() {
    let mut runs = runs(&BASELINE);
    for run in &mut runs {
        // With steps of 10 ms, a median between 0 and 10 is unknown.
        run.latencies_ms = [[0.0; 20], [0.0; 20], [10.0; 20]].concat();
    }
    assert_refused(&runs, &runs, "a median of zero");
    for run in &mut runs {
        run.latencies_ms = [[0.0; 20], [10.0; 20]].concat();
    }
    assert_refused(&runs, &runs, "a median below half of the steps of 10 ms");
}

#[test]
fn an_unknown_order_leaves_out_figures_that_depend_on_it() {
    let (mut baseline, changed) = (runs(&BASELINE), runs(&BASELINE));
    baseline[2].is_ordered = false;
    let comparison = compared(&baseline, &changed);
    assert_eq!(comparison.verdict, Some(Verdict::Equivalent));
    let dependence = comparison.baseline.runs[2].dependence;
    assert_eq!(
        (dependence.autocorrelation, dependence.effective_size),
        (None, None)
    );
    assert_eq!(
        (dependence.effective_size_p99, dependence.block_length),
        (None, None)
    );
    assert!(comparison.shape.unwrap().shift_function.is_empty());
    assert_eq!(comparison.blocks.unwrap().effects[0].bootstrap, None);
    assert!(
        compared(&baseline[2..3], &changed[..1])
            .within_runs
            .is_none()
    );
}

#[test]
fn two_single_runs_show_the_variation_within_them() {
    let comparison = compared(&runs(&[6.0]), &runs(&[4.2]));
    let within = comparison.within_runs.unwrap();
    let change = within.median_change.unwrap();
    assert!((change.estimate - -0.3).abs() < 1e-9);
    assert!(change.low < -0.25 && change.high > -0.35);
    assert!(within.batch_mean_welch.is_some());
    assert!(
        comparison.conclusion.contains("by resampling requests"),
        "{}",
        comparison.conclusion
    );
    assert!(
        compared(&runs(&BASELINE), &runs(&BASELINE))
            .within_runs
            .is_none()
    );
}

#[test]
fn intervals_that_disagree_are_told() {
    // With two blocks, Student's t has one degree of freedom and is wide. The bootstrap cannot see this.
    let warnings = compared(&runs(&[6.0, 6.0]), &runs(&[5.0, 6.0])).warnings;
    let told = |warnings: &[Warning]| {
        warnings
            .iter()
            .any(|warning| warning.text.contains("of the median disagree"))
    };
    assert!(told(&warnings), "{warnings:?}");
    let warnings = compared(&runs(&BASELINE), &runs(&[5.0, 6.2, 5.5, 6.1, 5.2, 5.9])).warnings;
    assert!(!told(&warnings), "{warnings:?}");
}

#[test]
fn the_verdict_alone_is_the_same_verdict() {
    let (baseline, changed) = (runs(&BASELINE), runs(&BASELINE.map(|median| median * 0.7)));
    let full = compared(&baseline, &changed);
    let options = Options {
        detail: Detail::Verdict,
        ..Options::default()
    };
    let brief = compare(&baseline, &changed, &options).unwrap();
    assert_eq!(brief.verdict, full.verdict);
    assert_eq!(brief.conclusion, full.conclusion);
    assert!(brief.shape.is_none() && full.shape.is_some());
    assert!(brief.curves.overlay.is_none() && full.curves.overlay.is_some());
    let bootstrap = |comparison: Comparison| {
        let blocks = comparison.blocks.unwrap();
        blocks.effect(Metric::P50).unwrap().bootstrap
    };
    assert!(bootstrap(brief).is_none() && bootstrap(full).is_some());
}

#[test]
fn equal_warnings_of_several_runs_are_grouped() {
    let few = |run: &str| Warning::new("few", format!("{run} has few replies"));
    let told = once(&[
        few("a"),
        "no order".to_owned().into(),
        few("b"),
        few("c"),
        "the p90 differs".to_owned().into(),
        "the p95 differs".to_owned().into(),
    ]);
    let first = "a has few replies (and 2 more like this)";
    assert_eq!(
        told,
        [first, "no order", "the p90 differs", "the p95 differs"]
    );
}
