//! The statistics against SciPy on generated samples: `tests/data/statistics_fixtures.json`, which
//! `tests/data/make_statistics_fixtures.py` writes.
//!
//! Test code only.

use serde::Deserialize;

use super::student::ln_upper_tail;
use super::*;

const DIRECTIONS: [Alternative; 3] = [
    Alternative::TwoSided,
    Alternative::Less,
    Alternative::Greater,
];

#[derive(Deserialize)]
struct Fixtures {
    quantiles: Vec<f64>,
    pairs: Vec<Pair>,
    tails: Tails,
    paired: Vec<Paired>,
    permutations: Vec<Permutation>,
    holm: Holm,
    series: Vec<Correlated>,
    fieller: Vec<Ratio>,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    x: Vec<f64>,
    y: Vec<f64>,
    mean: [f64; 2],
    variance: [Option<f64>; 2],
    type7: Vec<f64>,
    nearest: Vec<f64>,
    harrell_davis: Option<Vec<f64>>,
    welch: Option<WelchFigures>,
    u: f64,
    mann_whitney_asymptotic: [f64; 3],
    mann_whitney_exact: Option<[f64; 3]>,
    ks_d: f64,
    ks_exact: f64,
    ks_asymptotic: Option<f64>,
    median_difference: f64,
    cliffs_delta: f64,
    median_ratio: Option<f64>,
}

#[derive(Deserialize)]
struct WelchFigures {
    t: f64,
    df: f64,
    p: f64,
    low90: f64,
    high90: f64,
}

#[derive(Deserialize)]
struct Tails {
    normal: Vec<[f64; 2]>,
    normal_critical: Vec<[f64; 2]>,
    student: Vec<[f64; 3]>,
    student_critical: Vec<[f64; 3]>,
    kolmogorov: Vec<(u64, f64, f64)>,
}

#[derive(Deserialize)]
struct Paired {
    old: Vec<f64>,
    new: Vec<f64>,
    t: f64,
    p: f64,
    tost5: [f64; 2],
    change: [f64; 3],
    sign_flip: f64,
}

#[derive(Deserialize)]
struct Permutation {
    x: Vec<f64>,
    y: Vec<f64>,
    p: [f64; 3],
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

#[derive(Deserialize)]
struct Ratio {
    old: Vec<f64>,
    new: Vec<f64>,
    ratio: [f64; 3],
}

fn fixtures() -> Fixtures {
    serde_json::from_str(include_str!("../../tests/data/statistics_fixtures.json")).unwrap()
}

/// Relative to the figure, and for figures near zero to 1.
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
            let nearest = quantile_nearest_rank(x.values(), *q).unwrap();
            assert_close(what, nearest, pair.nearest[index]);
            if let Some(expected) = &pair.harrell_davis {
                assert_close(what, harrell_davis(&x, *q).unwrap(), expected[index]);
            }
        }
    }
}

#[test]
fn welch_and_its_interval() {
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
        let interval = welch_interval(&pair.x, &pair.y, 0.9).unwrap();
        assert_close(what, interval.low, expected.low90);
        assert_close(what, interval.high, expected.high90);
    }
}

#[test]
fn mann_whitney() {
    let mut exact = 0;
    for pair in &fixtures().pairs {
        let (what, x, y) = (pair.name.as_str(), sorted(&pair.x), sorted(&pair.y));
        for (index, direction) in DIRECTIONS.into_iter().enumerate() {
            let found = mann_whitney_asymptotic(&x, &y, direction).unwrap();
            assert_close(what, found.u_first, pair.u);
            assert_p(what, found.p, pair.mann_whitney_asymptotic[index]);
            if let Some(expected) = pair.mann_whitney_exact {
                let found = mann_whitney_exact(&x, &y, direction).unwrap();
                assert_p(what, found.p, expected[index]);
                exact += 1;
            }
        }
    }
    assert!(exact >= 12, "{exact} exact tests");
}

#[test]
fn kolmogorov_smirnov_both_ways() {
    for pair in &fixtures().pairs {
        let (what, x, y) = (pair.name.as_str(), sorted(&pair.x), sorted(&pair.y));
        let found = kolmogorov_smirnov_exact(&x, &y).unwrap();
        assert_close(what, found.d, pair.ks_d);
        assert_p(what, found.p, pair.ks_exact);
        match pair.ks_asymptotic.filter(|p| *p > 0.0) {
            Some(expected) => {
                let found = kolmogorov_smirnov_asymptotic(&x, &y).unwrap();
                assert_p(what, found.p, expected);
            }
            // SciPy prints 0 for samples apart.
            None => assert_eq!(found.d, 1.0, "{what}"),
        }
    }
}

#[test]
fn effect_sizes() {
    for pair in &fixtures().pairs {
        let (what, x, y) = (pair.name.as_str(), sorted(&pair.x), sorted(&pair.y));
        assert_close(
            what,
            dominance(&x, &y).unwrap().cliffs_delta(),
            pair.cliffs_delta,
        );
        let found = hodges_lehmann_shift(&x, &y, 0.95).unwrap();
        assert_close(what, found.estimate, pair.median_difference);
        let ratio = pairwise_ratio(&x, &y, 0.95).map(|found| found.estimate);
        match pair.median_ratio {
            Some(expected) => assert_close(what, ratio.unwrap(), expected),
            None => assert_eq!(ratio, None, "{what}"),
        }
    }
}

#[test]
fn tails_and_critical_values() {
    let tails = fixtures().tails;
    for [z, expected] in tails.normal {
        assert_close(
            &format!("normal {z}"),
            ln_normal_upper_tail(z).unwrap(),
            expected,
        );
    }
    for [p, expected] in tails.normal_critical {
        let found = normal_critical_value(p).unwrap();
        assert_close(&format!("normal critical {p}"), found, expected);
    }
    for [t, df, expected] in tails.student {
        if expected > 1e-300 {
            let found = ln_upper_tail(t, df).unwrap().exp();
            assert_close(&format!("student {t} {df}"), found, expected);
        }
    }
    for [alpha, df, expected] in tails.student_critical {
        let found = two_sided_critical_value(alpha, df).unwrap();
        assert_close(&format!("student critical {alpha} {df}"), found, expected);
    }
    for (n, d, expected) in tails.kolmogorov {
        let found = kolmogorov::ln_upper_tail(n, d).exp();
        assert_close(&format!("kolmogorov {n} {d}"), found, expected);
    }
}

#[test]
fn paired_blocks() {
    for case in fixtures().paired {
        let effect = paired_log_ratio(&case.old, &case.new, 0.95).unwrap();
        let test = effect.test.unwrap();
        assert_close("t", test.t, case.t);
        assert_p("p", test.p, case.p);
        let Interval {
            estimate,
            low,
            high,
        } = effect.change;
        for (found, expected) in [estimate, low, high].into_iter().zip(case.change) {
            assert_close("change", found, expected);
        }
        assert_p(
            "sign flip",
            sign_flip(&effect.log_ratios).unwrap(),
            case.sign_flip,
        );
        let (low, high) = log_margins(0.05).unwrap();
        let tost = equivalence(&effect.log_ratios, low, high).unwrap();
        assert_p("above", tost.above_low, case.tost5[0]);
        assert_p("below", tost.below_high, case.tost5[1]);
        assert_p("tost", tost.p, case.tost5[0].max(case.tost5[1]));
    }
}

#[test]
fn permutations_and_holm() {
    let fixtures = fixtures();
    for case in &fixtures.permutations {
        for (index, direction) in DIRECTIONS.into_iter().enumerate() {
            let found = permutation_test(&case.x, &case.y, direction).unwrap();
            assert_p("permutation", found, case.p[index]);
        }
    }
    let p_values: Option<Vec<PValue>> = fixtures
        .holm
        .p
        .iter()
        .map(|p| PValue::from_probability(*p))
        .collect();
    let adjusted = holm(&p_values.unwrap());
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

#[test]
fn ratios_of_means() {
    for case in fixtures().fieller {
        let found = ratio_of_means(&case.old, &case.new, 0.95).unwrap();
        for (found, expected) in [found.estimate, found.low, found.high]
            .into_iter()
            .zip(case.ratio)
        {
            assert_close("ratio", found, expected);
        }
    }
}
