//! Prints what the verdict answers to a thousand simulated experiments of each kind: `make simulate`.

#![expect(clippy::print_stdout, reason = "its output is its purpose")]

#[path = "../tests/simulated/experiment.rs"]
mod experiment;

use experiment::{RUN_NOISE, Truth, simulate};

const EXPERIMENTS: u32 = 1_000;

fn main() {
    println!(
        "{EXPERIMENTS} experiments a row, 6 blocks, run-to-run noise {} %, threshold 2 %; shares in %",
        100.0 * RUN_NOISE
    );
    println!(
        "{:>7}{:>6}{:>8}{:>8}{:>12}{:>14}{:>10}{:>20}",
        "truth",
        "rho",
        "faster",
        "slower",
        "equivalent",
        "inconclusive",
        "coverage",
        "Welch per request"
    );
    for (change, seed) in [(0.0, 1_000), (-0.3, 2_000)] {
        for (step, correlation) in [(0, 0.0), (1, 0.5), (2, 0.9), (3, 0.95)] {
            let truth = Truth {
                correlation,
                change,
            };
            let answers = simulate(truth, EXPERIMENTS, seed + step);
            let percent = |count| format!("{:.1}", 100.0 * answers.share(count));
            println!(
                "{:>6}%{correlation:>6}{:>8}{:>8}{:>12}{:>14}{:>10}{:>20}",
                100.0 * change,
                percent(answers.faster),
                percent(answers.slower),
                percent(answers.equivalent),
                percent(answers.inconclusive),
                percent(answers.covered),
                percent(answers.per_request),
            );
        }
    }
}
