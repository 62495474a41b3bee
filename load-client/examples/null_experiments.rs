//! Prints the verdicts of thousands of simulated experiments of each kind: `make simulate`.

#![expect(clippy::print_stdout, reason = "its output is its purpose")]

#[path = "../tests/simulated/experiment.rs"]
mod experiment;
#[path = "../tests/simulated/looking.rs"]
mod looking;
#[path = "../tests/simulated/normal.rs"]
mod normal;

use experiment::{Answers, Order, RUN_NOISE, Truth, simulate};
use looking::{Blocks, FIXED, LEAST, Looking, MOST, Noise, look};

const EXPERIMENTS: u32 = 1_000;
/// Number of experiments with drawn blocks instead of drawn requests.
const SHORT: u32 = 4_000;

fn main() {
    println!(
        "{EXPERIMENTS} experiments a row, 6 blocks, threshold 2 %, run-to-run noise {} % if not stated; shares in %",
        100.0 * RUN_NOISE
    );
    noise();
    steps();
    failures();
    order();
    looking();
}

/// Compares experiments that end as soon as they are decided with those that have a fixed number of blocks.
fn looking() {
    println!(
        "\n{SHORT} experiments a row, threshold 2 %: {FIXED} blocks looked at once; {LEAST} to {MOST} looked at after each \
         with the same interval, and with the confidence sequence; shares in %"
    );
    let header = |name| {
        println!(
            "{name:<42}{:>8}{:>8}{:>12}{:>14}",
            "faster", "slower", "equivalent", "mean blocks"
        );
    };
    let none = (0.0, 0.035, Noise::Normal);
    let bound = |noise| (-0.02, 0.035, noise);
    let large = |change| (change, 0.035, Noise::Normal);
    header("change, spread, noise, looked at");
    for (change, spread, noise) in [
        bound(Noise::Normal),
        bound(Noise::HeavyTails),
        bound(Noise::Outliers),
        bound(Noise::Skewed),
        none,
        (0.0, 0.02, Noise::Normal),
        large(-0.03),
        large(-0.05),
        large(-0.1),
        large(-0.3),
    ] {
        for way in [Looking::Once, Looking::TooOften, Looking::Anytime] {
            let blocks = Blocks {
                change,
                spread,
                noise,
            };
            let ends = look(blocks, way, SHORT, 8_000);
            let name = format!(
                "{:+.0} %, {:.1} %, {noise:?}, {way:?}",
                100.0 * change,
                100.0 * spread
            );
            let percent = |count| format!("{:.1}", 100.0 * ends.share(count));
            println!(
                "{name:<42}{:>8}{:>8}{:>12}{:>14.1}",
                percent(ends.faster),
                percent(ends.slower),
                percent(ends.equivalent),
                ends.mean_blocks(),
            );
        }
    }
}

fn noise() {
    header("change, autocorrelation", "Welch per request");
    for (change, seed) in [(0.0, 1_000), (-0.3, 2_000)] {
        for (step, correlation) in (0_u64..).zip([0.0, 0.5, 0.9, 0.95]) {
            let truth = Truth {
                correlation,
                change,
                ..Truth::default()
            };
            let name = format!("{:+} %, {correlation}", 100.0 * change);
            row(&name, truth, seed + step, |answers| answers.per_request);
        }
    }
}

fn steps() {
    header("step, noise, median, change", "Welch per request");
    for (step_ms, run_noise, median_ms, change) in [
        (1.0, 0.002, 6.0, -0.03),
        (1.0, 0.025, 6.0, -0.03),
        (1.0, 0.025, 6.0, 0.05),
        (1.0, 0.025, 6.0, 0.1),
        (1.0, 0.002, 6.5, -0.01),
        (1.0, 0.002, 6.52, -0.01),
        (1.0, 0.025, 6.0, -0.4),
        (0.001, 0.002, 6.0, 0.0),
        (0.0, 0.002, 6.0, 0.0),
        (0.001, 0.002, 6.0, -0.03),
        (0.0, 0.002, 6.0, -0.03),
    ] {
        let truth = Truth {
            step_ms,
            run_noise,
            median_ms,
            change,
            ..Truth::default()
        };
        let name = format!(
            "{step_ms} ms, {} %, {median_ms} ms, {:+} %",
            100.0 * run_noise,
            100.0 * change
        );
        row(&name, truth, 3_000, |answers| answers.per_request);
    }
}

fn failures() {
    header("failures on both sides, change", "Welch per request");
    for failures in [0.001, 0.01, 0.1] {
        let truth = Truth {
            failures,
            change: -0.3,
            ..Truth::default()
        };
        let name = format!("{} %, -30 %", 100.0 * failures);
        row(&name, truth, 5_000, |answers| answers.per_request);
    }
}

fn order() {
    header("order, drift a run", "warned of a drift");
    for order in [Order::Turns, Order::Fixed, Order::Sequence] {
        for drift in [0.0, 0.01, 0.02] {
            let truth = Truth {
                order,
                drift,
                ..Truth::default()
            };
            let name = format!("{order:?}, {} %", 100.0 * drift);
            row(&name, truth, 6_000, |answers| answers.drifting);
        }
    }
}

fn header(title: &str, last: &str) {
    println!(
        "\n{title:<34}{:>8}{:>8}{:>12}{:>14}{:>12}{:>10}  {last}",
        "faster", "slower", "equivalent", "inconclusive", "no verdict", "coverage"
    );
}

/// Prints one row. `last` returns the count of its last column.
fn row(name: &str, truth: Truth, seed: u64, last: fn(&Answers) -> u32) {
    let answers = simulate(truth, EXPERIMENTS, seed);
    let percent = |count| format!("{:.1}", 100.0 * answers.share(count));
    println!(
        "{name:<34}{:>8}{:>8}{:>12}{:>14}{:>12}{:>10}  {}",
        percent(answers.faster),
        percent(answers.slower),
        percent(answers.equivalent),
        percent(answers.inconclusive),
        percent(answers.refused),
        percent(answers.covered),
        percent(last(&answers)),
    );
}
