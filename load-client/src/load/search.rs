//! The search for the highest rate that meets the thresholds: the rate to try next, and the result.

use std::time::Duration;

use serde::Serialize;

use crate::load::shape::show_rate;

/// The search ends when the highest rate that held and the lowest that broke differ by at most this share of the
/// latter.
const RESOLUTION: f64 = 0.05;
/// Rates below this share of the highest one are not tried.
const LOWEST: f64 = 1.0 / 1000.0;

/// A search for the highest rate that holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    /// The highest rate that is tried, in requests per second.
    pub highest: f64,
    /// Length of the probe of one rate. The load settles for a fifth of it, and is measured for the rest.
    pub cycle: Duration,
}

impl Search {
    pub(crate) fn settle(&self) -> Duration {
        self.cycle / 5
    }

    pub(crate) fn probe(&self) -> Duration {
        self.cycle - self.settle()
    }
}

/// Bisects between 0 and the highest rate. A rate is given up only after two probes that broke it, because one that
/// breaks by chance would mislead all later ones.
#[derive(Debug)]
pub(crate) struct Bisection {
    highest: f64,
    /// Whether the last probe broke its rate for the first time.
    is_doubted: bool,
    found: Capacity,
}

/// The result of a probe.
#[derive(Debug, PartialEq)]
pub(crate) enum Probed {
    Held,
    /// The rate broke, with the reason.
    Broke(String),
}

/// The highest rate that held, and the lowest that did not. The limit lies between the two.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Capacity {
    /// The highest rate that held, in requests per second. `None` if no rate held.
    pub held_per_second: Option<f64>,
    /// The lowest rate that broke, in requests per second. `None` if the highest rate held, or the run ended first.
    pub broke_per_second: Option<f64>,
    /// Why that rate broke, in its second probe.
    pub reason: Option<String>,
    /// The number of probes.
    pub probes: u32,
    /// Whether the search came to its end.
    pub is_complete: bool,
    /// The result as a sentence.
    pub sentence: String,
}

impl Bisection {
    /// Starts a search up to this rate.
    pub(crate) fn up_to(highest: f64) -> Self {
        Self {
            highest,
            is_doubted: false,
            found: Capacity::default(),
        }
    }

    /// Returns the rate to try next, `None` when the search is over.
    pub(crate) fn rate(&self) -> Option<f64> {
        let held = self.found.held_per_second.unwrap_or(0.0);
        let Some(broke) = self.found.broke_per_second else {
            let next = if held > 0.0 {
                self.highest
            } else {
                self.highest / 2.0
            };
            return (held < self.highest).then_some(next);
        };
        let is_close = broke - held <= broke * RESOLUTION;
        let between = f64::midpoint(held, broke);
        (!is_close && between >= self.highest * LOWEST).then_some(between)
    }

    /// Returns the number of probes.
    pub(crate) fn probes(&self) -> u32 {
        self.found.probes
    }

    /// Takes the result of a probe of this rate.
    pub(crate) fn take(&mut self, rate: f64, probed: Probed) {
        self.found.probes += 1;
        let was_doubted = std::mem::take(&mut self.is_doubted);
        match probed {
            Probed::Held => self.found.held_per_second = Some(rate),
            Probed::Broke(_) if !was_doubted => self.is_doubted = true,
            Probed::Broke(reason) => {
                self.found.broke_per_second = Some(rate);
                self.found.reason = Some(reason);
            }
        }
    }

    /// Returns the result so far.
    pub(crate) fn found(&self) -> Capacity {
        let is_complete = self.rate().is_none();
        let held = self.found.held_per_second.map(show_rate);
        let broke = self.found.broke_per_second.map(show_rate);
        let reason = self.found.reason.as_deref().unwrap_or_default();
        let told = match (held, &broke) {
            (None, None) => "unknown".to_owned(),
            (Some(held), None) => format!("{held} held"),
            (None, Some(broke)) => format!("no rate held, down to {broke}: {reason}"),
            (Some(held), Some(broke)) => {
                format!("{held} held, {broke} did not hold in two probes: {reason}")
            }
        };
        let advice = match (is_complete, broke) {
            (true, Some(_)) => String::new(),
            (true, None) => {
                ", the highest rate that was tried; give a higher --rate to find the limit".to_owned()
            }
            (false, Some(broke)) => {
                format!("; the run ended before the search did, so continue it with --rate {broke}")
            }
            (false, None) => {
                "; the run ended before the search did, so give a longer --run-time or a lower --rate"
                    .to_owned()
            }
        };
        Capacity {
            is_complete,
            sentence: format!("capacity: {told}{advice}"),
            ..self.found.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches up to 1000/s. Probes above `limit` break, and so do the probes with the numbers in `by_chance`.
    fn search(limit: f64, by_chance: &[u32]) -> (Vec<f64>, Capacity) {
        let (mut bisection, mut tried) = (Bisection::up_to(1000.0), Vec::new());
        while let Some(rate) = bisection.rate() {
            let breaks = rate > limit || by_chance.contains(&bisection.probes());
            let probed = match breaks {
                true => Probed::Broke("late".to_owned()),
                false => Probed::Held,
            };
            bisection.take(rate, probed);
            tried.push(rate);
        }
        (tried, bisection.found())
    }

    #[test]
    fn the_limit_is_shut_in() {
        let (tried, found) = search(720.0, &[]);
        assert_eq!(tried[..4], [500.0, 1000.0, 1000.0, 750.0]);
        let (held, broke) = (
            found.held_per_second.unwrap(),
            found.broke_per_second.unwrap(),
        );
        assert!(held <= 720.0 && 720.0 < broke && broke - held <= 0.05 * broke);
        assert_eq!(
            found.sentence,
            "capacity: 718.75/s held, 750/s did not hold in two probes: late"
        );
        assert_eq!(found.probes as usize, tried.len());
    }

    #[test]
    fn a_probe_that_breaks_by_chance_leads_nothing_astray() {
        let (without, with) = (search(720.0, &[]).1, search(720.0, &[0, 5]).1);
        assert_eq!(without.held_per_second, with.held_per_second);
        assert_eq!(without.broke_per_second, with.broke_per_second);
    }

    #[test]
    fn all_or_nothing_may_hold() {
        let (tried, all) = search(f64::INFINITY, &[]);
        assert_eq!(tried, [500.0, 1000.0]);
        assert!(
            all.sentence
                .starts_with("capacity: 1000/s held, the highest rate that was tried")
        );
        let (_, nothing) = search(0.0, &[]);
        assert_eq!(nothing.held_per_second, None);
        assert!(
            nothing
                .sentence
                .starts_with("capacity: no rate held, down to ")
        );
        assert!(nothing.broke_per_second.unwrap() < 2.0);
    }

    #[test]
    fn a_search_that_is_cut_off_says_so() {
        let mut bisection = Bisection::up_to(100.0);
        let told = |bisection: &Bisection| {
            let found = bisection.found();
            assert!(!found.is_complete, "{found:?}");
            found.sentence
        };
        assert_eq!(
            told(&bisection),
            "capacity: unknown; the run ended before the search did, so give a longer --run-time or a lower --rate"
        );
        for _ in 0..2 {
            bisection.take(50.0, Probed::Broke("late".to_owned()));
        }
        assert_eq!(
            told(&bisection),
            "capacity: no rate held, down to 50/s: late; the run ended before the search did, so continue it \
             with --rate 50/s"
        );
        bisection.take(25.0, Probed::Held);
        let sentence = told(&bisection);
        assert!(
            sentence
                .starts_with("capacity: 25/s held, 50/s did not hold in two probes: late; the run"),
            "{sentence}"
        );
    }
}
