//! Tests how often the verdict is right, with experiments whose truth is known. `make simulate` prints the long table.

#[path = "simulated/experiment.rs"]
mod experiment;
#[path = "simulated/looking.rs"]
mod looking;
#[path = "simulated/normal.rs"]
mod normal;

use experiment::{Answers, Order, Truth, simulate};
use looking::{Blocks, FIXED, Looking, Noise, look};

const CORRELATIONS: [f64; 4] = [0.0, 0.5, 0.9, 0.95];

fn answers(change: f64, experiments: u32) -> Vec<Answers> {
    let cells = (1_u64..).zip(CORRELATIONS);
    let one = |(seed, correlation)| {
        let truth = Truth {
            correlation,
            change,
            ..Truth::default()
        };
        simulate(truth, experiments, seed)
    };
    cells.map(one).collect()
}

#[test]
fn where_nothing_changed_at_most_one_verdict_in_twenty_says_so() {
    let mut covered = 0.0;
    for (answers, correlation) in answers(0.0, 200).iter().zip(CORRELATIONS) {
        let wrong = answers.share(answers.faster + answers.slower);
        assert!(wrong <= 0.05, "{correlation}: {answers:?}");
        covered += answers.share(answers.covered) / CORRELATIONS.len() as f64;
        // The article's test treats requests as independent evidence. This is its answer to the same experiments.
        assert!(
            answers.share(answers.per_request) > 0.2,
            "{correlation}: {answers:?}"
        );
    }
    // 95 % of 800 intervals include the truth, ±1.5 %. With a normal distribution instead of Student's t, 90 % do.
    assert!((0.93..0.97).contains(&covered), "{covered}");
}

#[test]
fn a_change_of_thirty_percent_is_found() {
    for (answers, correlation) in answers(-0.3, 100).iter().zip(CORRELATIONS) {
        assert!(
            answers.share(answers.faster) >= 0.99,
            "{correlation}: {answers:?}"
        );
        assert_eq!(answers.slower, 0);
    }
}

/// Whole milliseconds, as in the files of Locust and k6.
fn whole_milliseconds(median_ms: f64, change: f64, run_noise: f64) -> Answers {
    let truth = Truth {
        median_ms,
        change,
        run_noise,
        step_ms: 1.0,
        ..Truth::default()
    };
    simulate(truth, 50, 3_000)
}

#[test]
fn whole_milliseconds_never_show_false_equality() {
    for run_noise in [0.002, 0.025] {
        for change in [-0.03, 0.03, 0.05, 0.07, 0.1] {
            let answers = whole_milliseconds(6.0, change, run_noise);
            assert_eq!(answers.equivalent, 0, "{change} {run_noise}: {answers:?}");
        }
    }
}

#[test]
fn a_median_at_the_edge_of_a_millisecond_is_not_a_change() {
    for median_ms in [5.5, 6.49, 6.5, 6.52, 6.55] {
        for change in [-0.01, 0.0, 0.01] {
            let answers = whole_milliseconds(median_ms, change, 0.002);
            assert_eq!(
                answers.faster + answers.slower,
                0,
                "{median_ms} {change}: {answers:?}"
            );
        }
    }
    // A change that a step cannot hide is found, and the interval includes the truth.
    let answers = whole_milliseconds(6.5, -0.4, 0.002);
    assert_eq!((answers.faster, answers.covered), (50, 50), "{answers:?}");
}

#[test]
fn microseconds_decide_as_if_they_were_exact() {
    for change in [0.0, -0.1] {
        let of = |step_ms| {
            let truth = Truth {
                change,
                step_ms,
                run_noise: 0.005,
                ..Truth::default()
            };
            simulate(truth, 60, 4_000)
        };
        let (exact, rounded) = (of(0.0), of(0.001));
        let decided = |answers: &Answers| [answers.faster, answers.slower, answers.equivalent];
        let apart = decided(&exact).into_iter().zip(decided(&rounded));
        assert!(
            apart.clone().all(|(one, other)| one.abs_diff(other) <= 3),
            "{exact:?} {rounded:?}"
        );
    }
}

#[test]
fn fair_failures_at_random_forbid_hardly_any_verdict() {
    for failures in [0.01, 0.1] {
        let truth = Truth {
            failures,
            change: -0.3,
            ..Truth::default()
        };
        let answers = simulate(truth, 200, 5_000);
        // The test is at 1 %, which is 2 of 200, ±1.4.
        assert!(answers.refused <= 6, "{failures}: {answers:?}");
    }
}

#[test]
fn the_conclusion_names_runs_out_of_turn_and_a_drift_gives_a_warning() {
    let drifting = |order, drift| {
        let truth = Truth {
            order,
            drift,
            ..Truth::default()
        };
        simulate(truth, 100, 6_000)
    };
    for order in [Order::Sequence, Order::Fixed] {
        let answers = drifting(order, 0.02);
        assert_eq!(answers.out_of_turn, answers.experiments, "{answers:?}");
        assert!(answers.share(answers.drifting) > 0.5, "{answers:?}");
    }
    let steady = drifting(Order::Turns, 0.0);
    assert_eq!(steady.out_of_turn, 0);
    assert!(steady.share(steady.drifting) <= 0.07, "{steady:?}");
    // Runs made in turns remove a steady drift from the ratios.
    let turns = drifting(Order::Turns, 0.02);
    assert!(
        turns.share(turns.faster + turns.slower) <= 0.05,
        "{turns:?}"
    );
}

fn ends(change: f64, noise: Noise, looking: Looking) -> looking::Ends {
    let blocks = Blocks {
        change,
        spread: 0.035,
        noise,
    };
    look(blocks, looking, 1_000, 7_000)
}

#[test]
fn looking_after_each_block_is_rarely_wrong_with_the_sequence_and_often_without() {
    // At the threshold a change is neither faster nor equivalent.
    let wrong = |noise, looking| {
        let ends = ends(-0.02, noise, looking);
        ends.share(ends.faster + ends.slower + ends.equivalent)
    };
    for noise in [Noise::Normal, Noise::HeavyTails, Noise::Outliers] {
        let share = wrong(noise, Looking::Anytime);
        assert!(share <= 0.05, "{noise:?}: {share}");
    }
    assert!(wrong(Noise::Normal, Looking::TooOften) > 0.2);
    let (once, anytime) = (Looking::Once, Looking::Anytime);
    // Skewed noise misleads both. The sequence must not be worse, within chance.
    assert!(wrong(Noise::Skewed, anytime) <= wrong(Noise::Skewed, once) + 0.02);
}

#[test]
fn a_large_change_ends_the_looking_early_and_a_small_one_is_found_late() {
    let large = ends(-0.3, Noise::Normal, Looking::Anytime);
    assert_eq!(large.faster, large.experiments);
    assert!(large.mean_blocks() < FIXED as f64, "{large:?}");
    let small = ends(-0.05, Noise::Normal, Looking::Anytime);
    let once = ends(-0.05, Noise::Normal, Looking::Once);
    assert!(small.share(small.faster) > 0.9, "{small:?}");
    assert!(once.share(once.faster) < 0.6, "{once:?}");
}
