//! Reference figures, published or computed with R and SciPy, that the statistics must reproduce.
//!
//! Test code only. The generated data sets come from SplitMix64 (Steele, Lea & Flood, OOPSLA
//! 2014), so any language can build them again.

use super::*;

struct SplitMix64(u64);

impl SplitMix64 {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Round-trip times in whole microseconds: a body, a skew and a few stalls.
fn generated(seed: u64, count: usize) -> Vec<u64> {
    let mut random = SplitMix64(seed);
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
fn the_generator_is_splitmix64() {
    let mut random = SplitMix64(0);
    assert_eq!(random.draw(), 0xe220_a839_7b1d_cdaf);
    assert_eq!(random.draw(), 0x6e78_9e6a_a1b9_65f4);
    assert_eq!(random.draw(), 0x06c4_5d18_8009_454f);
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
}

#[test]
fn welch_of_sets_a_and_b() {
    let result = welch(&set_a(), &set_b()).unwrap();
    assert_close(result.t, 20.164_948_694_513_03);
    assert_close(result.df, 1_718.645_689_819_899_4);
    assert_p(result.p, 2.447_738_375_836_641_3e-81);
    assert_close(result.p.log10(), 2.447_738_375_836_641_3e-81_f64.log10());
    let change = quantile(&set_b(), 0.5).unwrap() / quantile(&set_a(), 0.5).unwrap() - 1.0;
    assert_close(change, -0.316_883_116_883_116_9);
}

#[test]
fn welch_of_two_equal_systems() {
    let (first, second) = (floats(&generated(3, 1000)), floats(&generated(4, 1000)));
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
