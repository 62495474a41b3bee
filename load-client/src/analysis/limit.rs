//! A limit that a stage holds or breaks, such as `p95<50ms`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::summary::StageResult;

/// One limit on a figure of a stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    figure: Figure,
    /// Milliseconds, or a share; the figure must stay below.
    below: f64,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Figure {
    Mean,
    Largest,
    Quantile(f64),
    Failures,
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "takes a limit such as p95<50ms, avg<20ms, max<1s or failures<1%".to_owned();
        let (name, bound) = text.split_once('<').ok_or_else(wrong)?;
        let figure = match name.trim() {
            "avg" => Figure::Mean,
            "max" => Figure::Largest,
            "med" => Figure::Quantile(0.5),
            "failures" => Figure::Failures,
            name => quantile(name).ok_or_else(wrong)?,
        };
        let below = match figure {
            Figure::Failures => share(bound.trim()),
            _ => milliseconds(bound.trim()),
        };
        Ok(Self {
            figure,
            below: below.ok_or_else(wrong)?,
            text: text.split_whitespace().collect(),
        })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Limit {
    /// How a stage breaks it; `None` when it holds, or has too few replies for the figure. A stage whose
    /// requests all failed breaks any limit on a latency.
    #[must_use]
    pub fn broken_by(&self, stage: &StageResult) -> Option<String> {
        if stage.requests == 0 {
            return None;
        }
        if self.figure == Figure::Failures {
            let share = stage.failures as f64 / stage.requests as f64;
            let told = format!("{:.2} % failed, the limit is {self}", 100.0 * share);
            return (share >= self.below).then_some(told);
        }
        let Some(response) = &stage.response else {
            return Some(format!("no request was answered well, the limit is {self}"));
        };
        let found = match self.figure {
            Figure::Mean => Some(response.mean_ms),
            Figure::Largest => Some(response.max_ms),
            Figure::Quantile(quantile) => response.percentile(quantile),
            Figure::Failures => None,
        };
        let found = found.filter(|found| *found >= self.below)?;
        Some(format!("{found:.3} ms, the limit is {self}"))
    }
}

/// One of the percentiles that a [`crate::summary::Latency`] has.
fn quantile(name: &str) -> Option<Figure> {
    let all = [50.0, 66.0, 75.0, 80.0, 90.0, 95.0, 98.0, 99.0, 99.9, 99.99];
    let percent: f64 = name.strip_prefix('p')?.parse().ok()?;
    let known = all.contains(&percent);
    // Rounded, so that it is the very number that the summary has.
    known.then(|| Figure::Quantile((percent * 100.0).round() / 10_000.0))
}

fn share(text: &str) -> Option<f64> {
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().ok()? / 100.0,
        None => text.parse().ok()?,
    };
    (share > 0.0 && share <= 1.0).then_some(share)
}

fn milliseconds(text: &str) -> Option<f64> {
    let bound = humantime::parse_duration(text).ok();
    let bound = bound.filter(|bound| *bound > Duration::ZERO)?;
    Some(bound.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests::stage;

    fn broken(limit: &str, p95_ms: f64, failures: u64) -> Option<String> {
        let limit: Limit = limit.parse().unwrap();
        limit.broken_by(&stage("step", p95_ms, failures))
    }

    #[test]
    fn limits_hold_and_break() {
        assert_eq!(broken("p95<50ms", 49.9, 0), None);
        let told = broken("p95 < 50ms", 61.25, 0).unwrap();
        assert_eq!(told, "61.250 ms, the limit is p95<50ms");
        assert_eq!(broken("failures<1%", 1.0, 9), None);
        assert!(
            broken("failures<1%", 1.0, 10)
                .unwrap()
                .starts_with("1.00 %")
        );
        assert!(broken("avg<20ms", 41.0, 0).is_some());
        assert!(broken("max<20ms", 19.0, 0).is_none());
        assert_eq!(broken("p99<1ms", 50.0, 0), None, "too few replies for it");
    }

    #[test]
    fn nothing_but_failures_breaks_a_latency() {
        let mut dead = stage("step", 1.0, 1000);
        dead.response = None;
        let limit: Limit = "p95<50ms".parse().unwrap();
        assert!(limit.broken_by(&dead).is_some());
        dead.requests = 0;
        assert_eq!(limit.broken_by(&dead), None, "not begun");
    }

    #[test]
    fn wrong_limits_are_told() {
        for wrong in [
            "",
            "p95",
            "p95<50",
            "p95>50ms",
            "p97<1s",
            "failures<2",
            "px<1s",
            "avg<0s",
        ] {
            let error = wrong.parse::<Limit>().unwrap_err();
            assert!(error.contains("p95<50ms"), "{wrong}");
        }
    }
}
