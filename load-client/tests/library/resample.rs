//! The block bootstrap: how correlation, seeds and blocks change its intervals.

use load_client::stats::*;

/// Makes values above zero that resemble the one before them, in steps of `step`.
fn correlated(seed: u64, count: usize, correlation: f64, step: f64) -> Vec<f64> {
    let mut random = SplitMix64::new(seed);
    let mut state = 0.0;
    (0..count)
        .map(|_| {
            state = correlation * state + random.below(2001) as f64 - 1000.0;
            ((20_000.0 + state) / step).round() * step
        })
        .collect()
}

fn series(values: &[f64], block_length: usize) -> Series<'_> {
    Series {
        values,
        block_length,
    }
}

fn pair<'a>(baseline: Series<'a>, changed: Series<'a>) -> RunPair<'a> {
    RunPair { baseline, changed }
}

#[test]
fn longer_blocks_see_the_correlation() {
    let (old, new) = (
        correlated(1, 4000, 0.95, 0.01),
        correlated(2, 4000, 0.95, 0.01),
    );
    let bootstrap = Bootstrap {
        replicates: 500,
        ..Bootstrap::default()
    };
    let width = |block| {
        let pair = pair(series(&old, block), series(&new, block));
        let found = quantile_changes(&[pair], &[0.5], bootstrap);
        let found = found.unwrap()[0];
        found.high - found.low
    };
    // The mean of such a series varies sqrt(39) times as much as the mean of independent values.
    let (long, short) = (width(200), width(1));
    assert!(long > 3.0 * short, "{long} {short}");
}

#[test]
fn a_seed_gives_the_same_figures_again() {
    let (old, new) = (correlated(1, 300, 0.3, 1.0), correlated(2, 350, 0.3, 1.0));
    let run = |seed| {
        let bootstrap = Bootstrap {
            seed,
            replicates: 100,
            ..Bootstrap::default()
        };
        let pair = pair(series(&old, 5), series(&new, 5));
        quantile_changes(&[pair], &[0.5, 0.9], bootstrap).unwrap()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn the_hierarchical_interval_holds_the_change_and_the_variation_between_blocks() {
    let sides: Vec<(Vec<f64>, Vec<f64>)> = (0..6_u64)
        .map(|block| {
            // Each block has its own level, which cancels, and its own change, which does not.
            let level = 1.0 + 0.1 * block as f64;
            let change = 0.70 + 0.01 * block as f64;
            let scaled =
                |values: Vec<f64>, factor: f64| values.iter().map(|v| v * factor).collect();
            (
                scaled(correlated(10 + block, 800, 0.5, 0.01), level),
                scaled(correlated(50 + block, 700, 0.5, 0.01), level * change),
            )
        })
        .collect();
    let blocks: Vec<RunPair<'_>> = sides
        .iter()
        .map(|(old, new)| pair(series(old, 20), series(new, 20)))
        .collect();
    let bootstrap = Bootstrap {
        replicates: 400,
        ..Bootstrap::default()
    };
    let found = quantile_changes(&blocks, &[0.5, 0.95], bootstrap).unwrap();
    let Interval {
        estimate,
        low,
        high,
    } = found[0];
    assert!(
        low < estimate && estimate < high && (estimate + 0.275).abs() < 0.01,
        "{found:?}"
    );
    assert!((0.01..0.05).contains(&(high - low)), "{found:?}");
    let of_mean = mean_change(&blocks, bootstrap).unwrap();
    assert!((of_mean.estimate + 0.275).abs() < 0.01, "{of_mean:?}");
    assert!(of_mean.low < -0.28 && of_mean.high > -0.27, "{of_mean:?}");
    assert_eq!(quantile_changes(&[], &[0.5], bootstrap), None);
}

#[test]
fn zeroes_hinder_only_the_quantiles_that_they_reach() {
    let tenth: Vec<f64> = (0..1000).map(|index| f64::from(index % 10)).collect();
    let good = vec![5.0; 1000];
    for seed in 0..20 {
        let bootstrap = Bootstrap {
            seed,
            replicates: 50,
            ..Bootstrap::default()
        };
        let change = |probability| {
            let pair = pair(series(&good, 10), series(&tenth, 10));
            quantile_changes(&[pair], &[probability], bootstrap)
        };
        assert!(change(0.5).is_some(), "{seed}");
        assert_eq!(change(0.05), None, "{seed}");
    }
}

#[test]
fn undefined_results_are_none() {
    let values = [1.0, 2.0, 3.0];
    let good = series(&values, 1);
    let settings = Bootstrap::default();
    let change = |old, probabilities: &[f64], settings| {
        quantile_changes(&[pair(old, good)], probabilities, settings)
    };
    assert!(change(good, &[0.5], settings).is_some());
    assert_eq!(change(series(&[], 1), &[0.5], settings), None);
    assert_eq!(change(series(&[0.0, 1.0], 1), &[0.5], settings), None);
    assert_eq!(change(series(&[f64::NAN], 1), &[0.5], settings), None);
    assert_eq!(change(series(&values, 0), &[0.5], settings), None);
    assert_eq!(change(good, &[0.9, 0.5], settings), None);
    assert_eq!(change(good, &[1.5], settings), None);
    let empty = Bootstrap {
        replicates: 0,
        ..settings
    };
    assert_eq!(change(good, &[0.5], empty), None);
}
