//! Compares the statistics with SciPy on generated samples. `tests/data/make_statistics_fixtures.py` writes the samples
//! to `tests/data/statistics_fixtures.json`.
//!
//! This is test code only.

use serde::Deserialize;

use load_client::stats::*;

#[derive(Deserialize)]
struct Fixtures {
    quantiles: Vec<f64>,
    pairs: Vec<Pair>,
    tails: Tails,
    paired: Vec<Paired>,
    holm: Holm,
    series: Vec<Correlated>,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    x: Vec<f64>,
    y: Vec<f64>,
    mean: [f64; 2],
    variance: [Option<f64>; 2],
    type7: Vec<f64>,
    harrell_davis: Option<Vec<f64>>,
    welch: Option<WelchFigures>,
    ks_d: f64,
    median_difference: f64,
    cliffs_delta: f64,
    median_ratio: Option<f64>,
}

#[derive(Deserialize)]
struct WelchFigures {
    t: f64,
    df: f64,
    p: f64,
}

#[derive(Deserialize)]
struct Tails {
    student: Vec<[f64; 3]>,
    student_critical: Vec<[f64; 3]>,
}

#[derive(Deserialize)]
struct Paired {
    old: Vec<f64>,
    new: Vec<f64>,
    t: f64,
    p: f64,
    change: [f64; 3],
    sign_flip: f64,
}

#[derive(Deserialize)]
struct Holm {
    p: Vec<f64>,
    adjusted: Vec<f64>,
}

#[derive(Deserialize)]
struct Correlated {
    x: Vec<f64>,
    autocorrelation: [f64; 3],
    block_length: usize,
}

fn fixtures() -> Fixtures {
    serde_json::from_str(include_str!("../data/statistics_fixtures.json")).unwrap()
}

/// The error is relative to the figure, or to 1 for figures near zero.
#[track_caller]
fn assert_close(what: &str, found: f64, expected: f64) {
    let error = (found - expected).abs();
    let tiny = expected == 0.0 && error < 1e-12;
    assert!(
        error <= 1e-9 * expected.abs() || tiny,
        "{what}: {found} is not {expected}"
    );
}

#[track_caller]
fn assert_p(what: &str, found: PValue, expected: f64) {
    assert_close(
        what,
        found.value().expect("within the range of doubles"),
        expected,
    );
}

fn sorted(values: &[f64]) -> SortedSample {
    SortedSample::new(values).unwrap()
}

#[test]
fn moments_and_quantiles() {
    let fixtures = fixtures();
    for pair in &fixtures.pairs {
        let what = pair.name.as_str();
        for (sample, side) in [(&pair.x, 0), (&pair.y, 1)] {
            assert_close(what, mean(sample).unwrap(), pair.mean[side]);
            match pair.variance[side] {
                Some(expected) => assert_close(what, variance(sample).unwrap(), expected),
                None => assert_eq!(variance(sample), None, "{what}"),
            }
        }
        let x = sorted(&pair.x);
        for (index, q) in fixtures.quantiles.iter().enumerate() {
            assert_close(what, quantile(&pair.x, *q).unwrap(), pair.type7[index]);
            if let Some(expected) = &pair.harrell_davis {
                assert_close(what, harrell_davis(&x, *q).unwrap(), expected[index]);
            }
        }
    }
}

#[test]
fn welch_of_all_pairs() {
    let fixtures = fixtures();
    for pair in &fixtures.pairs {
        let what = pair.name.as_str();
        let found = welch(&pair.x, &pair.y);
        let Some(expected) = &pair.welch else {
            assert_eq!(found, None, "{what}");
            continue;
        };
        let found = found.unwrap();
        assert_close(what, found.t, expected.t);
        assert_close(what, found.df, expected.df);
        assert_p(what, found.p, expected.p);
    }
}

#[test]
fn effect_sizes() {
    for pair in &fixtures().pairs {
        let (what, x, y) = (pair.name.as_str(), sorted(&pair.x), sorted(&pair.y));
        assert_close(what, kolmogorov_smirnov_distance(&x, &y), pair.ks_d);
        assert_close(what, cliffs_delta(&x, &y), pair.cliffs_delta);
        let shift = hodges_lehmann_shift(&x, &y, 0.95);
        let ratio = pairwise_ratio(&x, &y, 0.95);
        if pair.x.len() * pair.y.len() < 9 {
            assert_eq!((shift, ratio), (None, None), "{what}: too small for 95 %");
            continue;
        }
        assert_close(what, shift.unwrap().estimate, pair.median_difference);
        match pair.median_ratio {
            Some(expected) => assert_close(what, ratio.unwrap().estimate, expected),
            None => assert_eq!(ratio, None, "{what}"),
        }
    }
}

#[test]
fn tails_and_critical_values() {
    let tails = fixtures().tails;
    for [t, df, expected] in tails.student {
        if t >= 0.0 && expected > 1e-300 {
            let what = format!("student {t} {df}");
            assert_p(&what, two_sided_p(t, df).unwrap(), 2.0 * expected);
        }
    }
    for [alpha, df, expected] in tails.student_critical {
        let found = two_sided_critical_value(alpha, df).unwrap();
        assert_close(&format!("student critical {alpha} {df}"), found, expected);
    }
}

#[test]
fn paired_blocks() {
    for case in fixtures().paired {
        let pairs = case.old.iter().zip(&case.new);
        let log_ratios: Vec<f64> = pairs
            .map(|(old, new)| log_ratio(*old, *new).unwrap())
            .collect();
        let test = paired_t_test(&log_ratios).unwrap();
        assert_close("t", test.t, case.t);
        assert_p("p", test.p, case.p);
        let change = paired_log_ratio(&case.old, &case.new, 0.95).unwrap();
        let found = [change.estimate, change.low, change.high];
        for (found, expected) in found.into_iter().zip(case.change) {
            assert_close("change", found, expected);
        }
        assert_p("sign flip", sign_flip(&log_ratios).unwrap(), case.sign_flip);
    }
}

#[test]
fn p_values_by_holm() {
    let fixtures = fixtures();
    let p_values = fixtures.holm.p.iter().map(|p| PValue::new(*p));
    let adjusted = holm(&p_values.collect::<Vec<_>>());
    for (found, expected) in adjusted.iter().zip(&fixtures.holm.adjusted) {
        assert_p("holm", *found, *expected);
    }
}

#[test]
fn correlated_series() {
    for case in fixtures().series {
        for (lag, expected) in [1, 2, 10].into_iter().zip(case.autocorrelation) {
            assert_close(
                "autocorrelation",
                autocorrelation(&case.x, lag).unwrap(),
                expected,
            );
        }
        assert_eq!(automatic_block_length(&case.x, 1), Some(case.block_length));
    }
}
