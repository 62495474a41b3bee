//! Reference figures, published or computed with R and SciPy, that the statistics must reproduce.
//!
//! This is test code only. The generated data sets come from SplitMix64, so any language can build them again. Figures
//! printed with fewer digits than a double has are compared to those digits.

use load_client::stats::*;

/// Makes round-trip times in whole microseconds: a body, a skew and a few stalls.
fn generated(seed: u64, count: usize) -> Vec<u64> {
    let mut random = SplitMix64::new(seed);
    (0..count)
        .map(|_| {
            let (a, b, c) = (
                random.draw() % 3000,
                random.draw() % 1000,
                random.draw() % 1000,
            );
            let (stall, extra) = (random.draw() % 1000, random.draw() % 30_000);
            let stalled = if stall < 5 { 20_000 + extra } else { 0 };
            4000 + a + (b * c) / 250 + stalled
        })
        .collect()
}

fn floats(values: &[u64]) -> Vec<f64> {
    values.iter().map(|value| *value as f64).collect()
}

fn set_a() -> Vec<f64> {
    floats(&generated(1, 1000))
}

fn set_b() -> Vec<f64> {
    let scaled: Vec<u64> = generated(2, 900)
        .iter()
        .map(|value| value * 7 / 10)
        .collect();
    floats(&scaled)
}

fn sorted(values: &[f64]) -> SortedSample {
    SortedSample::new(values).unwrap()
}

fn null_sets() -> (Vec<f64>, Vec<f64>) {
    (floats(&generated(3, 1000)), floats(&generated(4, 1000)))
}

/// Compares a figure with the printed number of digits after the point.
#[track_caller]
fn assert_printed(found: f64, digits: usize, expected: &str) {
    assert_eq!(format!("{found:.digits$}"), expected);
}

/// Returns the estimate and the ends of the interval.
fn figures(found: Option<Interval>) -> (f64, f64, f64) {
    let found = found.unwrap();
    (found.estimate, found.low, found.high)
}

#[track_caller]
fn assert_close(found: f64, expected: f64) {
    let relative = ((found - expected) / expected).abs();
    assert!(relative < 1e-12, "{found} is not {expected} ({relative:e})");
}

#[track_caller]
fn assert_p(found: PValue, expected: f64) {
    let value = found.value().expect("within the range of doubles");
    let relative = ((value - expected) / expected).abs();
    assert!(relative < 1e-10, "{value} is not {expected} ({relative:e})");
}

#[test]
fn moments_and_quantiles_of_set_a() {
    let a = set_a();
    assert_eq!(a[..5], [7689.0, 6143.0, 8465.0, 6274.0, 7695.0]);
    assert_eq!(a.iter().sum::<f64>(), 6_677_726.0);
    assert_close(mean(&a).unwrap(), 6677.726);
    assert_close(variance(&a).unwrap(), 7_501_292.843_767_769);
    assert_eq!(quantile(&a, 0.0), Some(4032.0));
    assert_eq!(quantile(&a, 1.0), Some(54_324.0));
    assert_close(quantile(&a, 0.5).unwrap(), 6545.0);
    assert_close(quantile(&a, 0.9).unwrap(), 8314.7);
    assert_close(quantile(&a, 0.95).unwrap(), 8746.65);
    assert_close(quantile(&a, 0.99).unwrap(), 9803.08);
    assert_close(
        harrell_davis(&sorted(&a), 0.5).unwrap(),
        6_538.152_578_393_433,
    );
}

#[test]
fn moments_and_quantiles_of_set_b() {
    let b = set_b();
    assert_eq!(b[..5], [4878.0, 4775.0, 4890.0, 4418.0, 4757.0]);
    assert_eq!(b.iter().sum::<f64>(), 4_114_441.0);
    assert_close(variance(&b).unwrap(), 3_066_689.038_708_442);
    assert_close(quantile(&b, 0.5).unwrap(), 4471.0);
    assert_close(quantile(&b, 0.9).unwrap(), 5575.6);
    assert_close(quantile(&b, 0.95).unwrap(), 5991.95);
    assert_close(quantile(&b, 0.99).unwrap(), 6766.54);
    assert_close(
        harrell_davis(&sorted(&b), 0.5).unwrap(),
        4_469.585_580_159_13,
    );
}

#[test]
fn welch_of_sets_a_and_b() {
    let result = welch(&set_a(), &set_b()).unwrap();
    assert_close(result.t, 20.164_948_694_513_03);
    assert_close(result.df, 1_718.645_689_819_899_4);
    assert_p(result.p, 2.447_738_375_836_641_3e-81);
    let change = quantile(&set_b(), 0.5).unwrap() / quantile(&set_a(), 0.5).unwrap() - 1.0;
    assert_close(change, -0.316_883_116_883_116_9);
}

#[test]
fn welch_of_two_equal_systems() {
    let (first, second) = null_sets();
    let result = welch(&first, &second).unwrap();
    assert_close(result.t, 0.423_461_957_718_965_83);
    assert_p(result.p, 0.672_010_014_672_795_6);
}

#[test]
fn welch_of_hollander_and_wolfe() {
    let x = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
    let y = [1.15, 0.88, 0.90, 0.74, 1.21];
    let result = welch(&x, &y).unwrap();
    assert_close(result.t, 2.041_383_092_210_069_5);
    assert_close(result.df, 12.970_538_443_257_544);
    assert_p(result.p, 0.062_101_343_781_078_47);
}

#[test]
fn welch_of_the_scipy_example() {
    let result = welch(&[19.0, 22.0, 16.0, 29.0, 24.0], &[20.0, 11.0, 17.0, 12.0]).unwrap();
    assert_close(result.t, 2.283_148_255_687_047_7);
    assert_close(result.df, 6.928_837_482_846_501);
    assert_p(result.p, 0.056_750_925_921_875_74);
}

#[test]
fn ranks_of_sets_a_and_b() {
    let (a, b) = (sorted(&set_a()), sorted(&set_b()));
    assert_close(cliffs_delta(&b, &a), -0.820_381_111_111_111_1);
    assert_close(probability_smaller(&b, &a), 0.910_190_555_555_555_6);
    assert_printed(kolmogorov_smirnov_distance(&a, &b), 10, "0.6693333333");
}

#[test]
fn shift_and_ratio_of_sets_a_and_b() {
    let (a, b) = (sorted(&set_a()), sorted(&set_b()));
    let shift = figures(hodges_lehmann_shift(&b, &a, 0.95));
    assert_eq!(shift, (-2028.0, -2130.0, -1924.0));
    let (ratio, low, high) = figures(pairwise_ratio(&b, &a, 0.95));
    assert_close(ratio, 0.685_298_613_024_902);
    assert_close(low, 0.672_997_191_386_920_6);
    assert_close(high, 0.697_832_178_144_816_2);
}

/// Blocks of one value give the plain scheme: 2,000 times len(A), then len(B) draws by remainder.
#[test]
fn bootstrap_of_the_median_ratio_of_sets_a_and_b() {
    let (a, b) = (set_a(), set_b());
    let series = |values| Series {
        values,
        block_length: 1,
    };
    let pair = RunPair {
        baseline: series(&a),
        changed: series(&b),
    };
    let found = quantile_changes(&[pair], &[0.5], Bootstrap::default()).unwrap();
    assert_printed(found[0].low, 8, "-0.33116689");
    assert_printed(found[0].high, 8, "-0.30097379");
    assert_close(found[0].estimate, -0.316_883_116_883_116_9);
}

#[test]
fn locusts_medians_of_sets_a_and_b() {
    let median = |values: Vec<f64>| {
        let milliseconds: Vec<f64> = values.iter().map(|value| value / 1000.0).collect();
        locust_median(&sorted(&milliseconds)).unwrap()
    };
    let (old, new) = (median(set_a()), median(set_b()));
    assert_eq!((old, new), (7.0, 4.0));
    assert_printed(100.0 * (new / old - 1.0), 2, "-42.86");
}

#[test]
fn ranks_of_two_equal_systems() {
    let (first, second) = null_sets();
    let (first, second) = (sorted(&first), sorted(&second));
    let shift = figures(hodges_lehmann_shift(&second, &first, 0.95));
    assert_eq!(shift, (31.0, -86.0, 150.0));
    assert_close(cliffs_delta(&second, &first), 0.013_445);
}

#[test]
fn ranks_of_hollander_and_wolfe() {
    let x = sorted(&[0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]);
    let y = sorted(&[1.15, 0.88, 0.90, 0.74, 1.21]);
    let (shift, low, high) = figures(hodges_lehmann_shift(&x, &y, 0.95));
    assert_close(shift, 0.305);
    assert_close(low, -0.15);
    assert_close(high, 0.76);
}

#[test]
fn the_figures_of_pragmastat() {
    let range = |from: i32, to: i32| sorted(&(from..=to).map(f64::from).collect::<Vec<_>>());
    let shift = hodges_lehmann_shift(&range(1, 30), &range(21, 50), 1.0 - 1e-4);
    assert_eq!(figures(shift), (-20.0, -30.0, -10.0));
    let ratio = pairwise_ratio(&range(1, 200), &range(101, 300), 0.95).unwrap();
    assert_close(ratio.estimate, 0.500_835_422_470_633_4);
}

/// The reference quotes figures of this crate, for data with and without ties.
#[test]
fn pragmastat_agrees_on_shifts_and_ratios() {
    use pragmastat::estimators::raw;
    for (first, second) in [
        (set_b(), set_a()),
        null_sets(),
        (
            (1..=40).map(|i| f64::from(i % 4 + 2)).collect(),
            (1..=33).map(|i| f64::from(i % 5 + 1)).collect(),
        ),
    ] {
        let (x, y) = (sorted(&first), sorted(&second));
        let shift = hodges_lehmann_shift(&x, &y, 0.95).unwrap().estimate;
        let expected = raw::shift(x.values(), y.values(), true).unwrap();
        assert!((shift - expected).abs() < 1e-9, "{shift} {expected}");
        let ratio = pairwise_ratio(&x, &y, 0.95).unwrap().estimate;
        assert_close(ratio, raw::ratio(x.values(), y.values(), true).unwrap());
    }
}
