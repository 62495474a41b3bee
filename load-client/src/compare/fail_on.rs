//! `--fail-on`: the verdicts that fail a build.

use std::fmt;

use clap::ValueEnum;

use crate::compare::{Comparison, Verdict};

/// The verdicts that fail a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// The changed side is slower
    Slower,
    /// The changed side is not faster
    NotFaster,
}

impl fmt::Display for FailOn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Slower => "slower",
            Self::NotFaster => "not-faster",
        })
    }
}

impl Comparison {
    /// Returns why the comparison fails under a rule, `None` when it passes.
    ///
    /// A refused comparison fails under either rule: a build must not pass because nothing could be measured.
    #[must_use]
    pub fn broken(&self, rule: FailOn) -> Option<String> {
        let Some(verdict) = self.verdict else {
            let reason = self.refusal.as_deref();
            let reason = reason.unwrap_or("no reason is known");
            return Some(format!("there is no verdict: {reason}"));
        };
        let is_broken = match rule {
            FailOn::Slower => verdict == Verdict::Slower,
            FailOn::NotFaster => verdict != Verdict::Faster,
        };
        is_broken.then(|| format!("the verdict is {}", verdict.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Detail, Options, Run, compare};

    fn comparison(factors: &[f64]) -> Comparison {
        let run = |median: f64| {
            let latencies = (0..101).map(|index| median * (0.9 + 0.002 * f64::from(index)));
            Run::new("run".to_owned(), latencies.collect())
        };
        let baseline: Vec<Run> = factors.iter().map(|_| run(6.0)).collect();
        let changed: Vec<Run> = factors.iter().map(|factor| run(6.0 * factor)).collect();
        let options = Options {
            detail: Detail::Verdict,
            ..Options::default()
        };
        compare(&baseline, &changed, &options).unwrap()
    }

    #[test]
    fn each_verdict_under_each_rule() {
        for (factors, name, slower, not_faster) in [
            (
                &[0.7, 0.71, 0.69, 0.7, 0.7, 0.72][..],
                "faster",
                false,
                false,
            ),
            (&[1.3, 1.31, 1.29, 1.3, 1.3, 1.32], "slower", true, true),
            (
                &[1.0, 1.001, 0.999, 1.0, 1.0, 1.0],
                "equivalent",
                false,
                true,
            ),
            (&[0.8, 1.3, 0.9, 1.2, 0.7, 1.1], "inconclusive", false, true),
        ] {
            let comparison = comparison(factors);
            assert_eq!(comparison.verdict.map(Verdict::name), Some(name));
            assert_eq!(comparison.broken(FailOn::Slower).is_some(), slower);
            let reason = comparison.broken(FailOn::NotFaster);
            assert_eq!(reason.is_some(), not_faster);
            assert!(reason.is_none_or(|reason| reason.contains(name)));
        }
    }

    #[test]
    fn nothing_measured_is_no_pass() {
        let refused = comparison(&[0.5]);
        for rule in [FailOn::Slower, FailOn::NotFaster] {
            let reason = refused.broken(rule).unwrap();
            assert!(
                reason.contains("run-to-run variation was not measured"),
                "{reason}"
            );
        }
    }
}
