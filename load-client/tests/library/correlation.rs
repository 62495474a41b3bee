//! Shows which tests of two single runs still hold when neighbouring requests are correlated.
//!
//! This is test code only. The systems are equal, their series are autoregressive, and the seed is fixed.

use load_client::stats::*;

const TRIALS: usize = 300;
const VALUES: usize = 4_000;

/// The sum of twelve uniform values minus six, which is nearly normal with variance 1.
fn noise(random: &mut SplitMix64) -> f64 {
    let sum: f64 = (0..12)
        .map(|_| random.below(1 << 32) as f64 / (1_u64 << 32) as f64)
        .sum();
    sum - 6.0
}

fn autoregressive(random: &mut SplitMix64, correlation: f64) -> Vec<f64> {
    let mut state = noise(random) / (1.0 - correlation * correlation).sqrt();
    (0..VALUES)
        .map(|_| {
            state = correlation * state + noise(random);
            state
        })
        .collect()
}

/// Returns the share of the trials in which each test finds a difference at 5 %: Welch on all values, and on batch
/// means.
fn false_positives(correlation: f64) -> [f64; 2] {
    let mut random = SplitMix64::new(2024);
    let mut rejected = [0_usize; 2];
    for _ in 0..TRIALS {
        let first = autoregressive(&mut random, correlation);
        let second = autoregressive(&mut random, correlation);
        let tests = [welch, welch_of_batch_means];
        for (count, test) in rejected.iter_mut().zip(tests) {
            let p = test(&first, &second).unwrap().p;
            *count += usize::from(p.is_below(0.05));
        }
    }
    rejected.map(|count| count as f64 / TRIALS as f64)
}

#[test]
fn independent_values_suit_every_test() {
    let shares = false_positives(0.0);
    assert!(
        shares.iter().all(|share| (0.01..=0.09).contains(share)),
        "{shares:?}"
    );
}

#[test]
fn only_the_plain_test_is_deceived_by_correlation() {
    let [plain, batches] = false_positives(0.9);
    assert!(plain > 0.5, "{plain}");
    assert!(batches <= 0.12, "{batches}");
}
