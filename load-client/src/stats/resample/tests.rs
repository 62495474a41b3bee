use super::*;

/// Values that resemble the one before them, above zero, in steps of `step`.
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

#[test]
fn the_counted_quantiles_are_those_of_the_written_out_resample() {
    let values = correlated(1, 137, 0.5, 7.0);
    let probabilities = [0.0, 0.1, 0.5, 0.905, 1.0];
    for block in [1, 4, 137, 500] {
        let mut exact = Exact::new(series(&values, block), &probabilities);
        let mut ring = Ring::new(values.len(), block);
        let (mut random, mut again) = (SplitMix64::new(8), SplitMix64::new(8));
        let mut found = [0.0; 5];
        for _ in 0..50 {
            exact.draw(&mut random, &mut found);
            ring.draw(&mut again);
            let mut resample: Vec<f64> = values
                .iter()
                .zip(&ring.multiplicities)
                .flat_map(|(value, times)| vec![*value; *times as usize])
                .collect();
            resample.sort_unstable_by(f64::total_cmp);
            for (quantile, probability) in found.iter().zip(probabilities) {
                let expected = quantile_of_sorted(&resample, probability).unwrap();
                assert!((quantile - expected).abs() < 1e-9, "{block} {probability}");
            }
        }
    }
}

#[test]
fn the_coarse_way_gives_nearly_the_exact_interval() {
    let probabilities = [0.1, 0.5, 0.9, 0.99];
    // Fine steps hardly tie, coarse ones put hundreds of values on one.
    for step in [0.001, 200.0] {
        let values = correlated(4, 20_000, 0.9, step);
        let sorted = SortedSample::new(&values).unwrap();
        // 200 is a multiple of the segment length, so both draw blocks of the same length.
        let mut exact = Exact::new(series(&values, 200), &probabilities);
        let mut coarse = Coarse::new(series(&values, 200), &sorted, &probabilities);
        let interval = |draw: &mut dyn FnMut(&mut SplitMix64, &mut [f64])| {
            let (mut random, mut quantiles) = (SplitMix64::new(6), [0.0; 4]);
            let mut lists = vec![Vec::new(); 4];
            for _ in 0..1500 {
                draw(&mut random, &mut quantiles);
                for (list, quantile) in lists.iter_mut().zip(quantiles) {
                    list.push(quantile);
                }
            }
            let each = lists
                .iter()
                .map(|list| Bootstrap::default().estimate(0.0, list).unwrap());
            each.collect::<Vec<_>>()
        };
        let wanted = interval(&mut |random, quantiles| exact.draw(random, quantiles));
        let found = interval(&mut |random, quantiles| coarse.draw(random, quantiles));
        for (wanted, found) in wanted.iter().zip(found) {
            let width = wanted.interval.high - wanted.interval.low;
            let low = (found.interval.low - wanted.interval.low).abs();
            let high = (found.interval.high - wanted.interval.high).abs();
            // Different draws, so the ends differ by what 1,500 replicates leave to chance.
            assert!(
                low < 0.1 * width + step && high < 0.1 * width + step,
                "{wanted:?} {found:?}"
            );
        }
    }
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
    let deviation = |block| {
        let found = quantile_changes(series(&old, block), series(&new, block), &[0.5], bootstrap);
        found.unwrap()[0].deviation
    };
    // The mean of such a series varies sqrt(39) times as much as that of independent values.
    assert!(
        deviation(200) > 3.0 * deviation(1),
        "{} {}",
        deviation(200),
        deviation(1)
    );
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
        quantile_changes(series(&old, 5), series(&new, 5), &[0.5, 0.9], bootstrap).unwrap()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn the_hierarchical_interval_holds_the_change_and_the_variation_between_blocks() {
    let sides: Vec<(Vec<f64>, Vec<f64>)> = (0..6_u64)
        .map(|block| {
            // Each block has a level of its own that cancels, and a change of its own that does not.
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
        .map(|(old, new)| RunPair {
            baseline: series(old, 20),
            changed: series(new, 20),
        })
        .collect();
    let bootstrap = Bootstrap {
        replicates: 400,
        ..Bootstrap::default()
    };
    let found = hierarchical_quantile_changes(&blocks, &[0.5, 0.95], bootstrap).unwrap();
    let Interval {
        estimate,
        low,
        high,
    } = found[0].interval;
    assert!(
        low < estimate && estimate < high && (estimate + 0.275).abs() < 0.01,
        "{found:?}"
    );
    assert!((0.01..0.05).contains(&(high - low)), "{found:?}");
    let of_mean = hierarchical_mean_change(&blocks, bootstrap).unwrap();
    assert!(
        (of_mean.interval.estimate + 0.275).abs() < 0.01,
        "{of_mean:?}"
    );
    assert!(
        of_mean.interval.low < -0.28 && of_mean.interval.high > -0.27,
        "{of_mean:?}"
    );
    assert_eq!(
        hierarchical_quantile_changes(&blocks[..1], &[0.5], bootstrap),
        None
    );
}

#[test]
fn undefined_results_are_none() {
    let values = [1.0, 2.0, 3.0];
    let good = series(&values, 1);
    let settings = Bootstrap::default();
    let change =
        |old, probabilities: &[f64], settings| quantile_changes(old, good, probabilities, settings);
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

#[test]
fn blocks_fill_the_ring_and_wrap_round() {
    for block in [1, 2, 3, 7, 10, 99] {
        let mut ring = Ring::new(10, block);
        let mut random = SplitMix64::new(3);
        let mut seen = [0_i64; 10];
        for _ in 0..2000 {
            ring.draw(&mut random);
            let places: i64 = ring.multiplicities.iter().map(|m| i64::from(*m)).sum();
            assert_eq!(places, 10, "{block}");
            for (total, multiplicity) in seen.iter_mut().zip(&ring.multiplicities) {
                *total += i64::from(*multiplicity);
            }
        }
        // Each place is as likely as any other, the first and the last included.
        assert!(
            seen.iter().all(|total| (1800..2200).contains(total)),
            "{block}: {seen:?}"
        );
    }
}

#[test]
fn a_block_of_one_is_a_plain_draw() {
    let (mut ring, mut random) = (Ring::new(5, 1), SplitMix64::new(9));
    ring.draw(&mut random);
    let mut expected = [0_i16; 5];
    let mut again = SplitMix64::new(9);
    for _ in 0..5 {
        expected[again.below(5)] += 1;
    }
    assert_eq!(ring.multiplicities, expected);
}
