//! The search for the highest rate that holds the thresholds: which rate is tried next, and what was found. Pure.

use std::time::Duration;

use serde::Serialize;

use crate::load::shape::show_rate;

/// The search ends when the two rates are this close, as a share of the higher one.
const RESOLUTION: f64 = 0.05;
/// Rates below this share of the highest one are not tried.
const LOWEST: f64 = 1.0 / 1000.0;

/// A search for the highest rate that holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    /// Requests per second that are tried at most.
    pub highest: f64,
    /// What a probe of one rate takes: the load settles for a fifth of it, and is measured for the rest.
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

/// Bisects between 0 and the highest rate. A rate is given up after two probes that broke it: one that breaks by
/// chance would lead all later ones astray.
#[derive(Debug)]
pub(crate) struct Bisection {
    highest: f64,
    /// Whether the last probe broke its rate for the first time.
    is_doubted: bool,
    found: Capacity,
}

/// What became of a probe.
#[derive(Debug, PartialEq)]
pub(crate) enum Probed {
    Held,
    /// How it broke.
    Broke(String),
}

/// The highest rate that held, and the lowest that did not: the limit lies between the two.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Capacity {
    /// Requests per second; `None` if no rate held.
    pub held_per_second: Option<f64>,
    /// Requests per second; `None` if the highest rate held, or the run ended first.
    pub broke_per_second: Option<f64>,
    /// How that rate broke, in the second of its probes.
    pub reason: Option<String>,
    /// How often a rate was tried.
    pub probes: u32,
    /// Whether the search came to its end.
    pub is_complete: bool,
    /// All this for a reader.
    pub sentence: String,
}

impl Bisection {
    /// A search up to this rate.
    pub(crate) fn up_to(highest: f64) -> Self {
        Self {
            highest,
            is_doubted: false,
            found: Capacity::default(),
        }
    }

    /// The rate to try next; `None` when the search is over.
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

    /// How often a rate was tried.
    pub(crate) fn probes(&self) -> u32 {
        self.found.probes
    }

    /// Takes what became of the rate.
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

    /// What was found so far.
    pub(crate) fn found(&self) -> Capacity {
        let is_complete = self.rate().is_none();
        let held = self.found.held_per_second.map(show_rate);
        let broke = self.found.broke_per_second.map(show_rate);
        let reason = self.found.reason.as_deref().unwrap_or_default();
        let told = match (held, &broke) {
            (None, None) => "unknown".to_owned(),
            (Some(held), None) => format!("{held} held"),
            (None, Some(broke)) => format!("no rate held, down to {broke}: {reason}"),
            (Some(held), Some(broke)) => format!("{held} held, {broke} did not, twice: {reason}"),
        };
        let advice = match (is_complete, broke) {
            (true, Some(_)) => String::new(),
            (true, None) => {
                ", which is all of --rate; give a higher one to find the limit".to_owned()
            }
            (false, Some(broke)) => {
                format!("; the run ended before the search, --rate {broke} goes on with it")
            }
            (false, None) => {
                "; the run ended before the search, give a longer --run-time or a lower --rate"
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

    /// Searches up to 1000/s where each probe above `limit` breaks, and the probes numbered in `by_chance` do too.
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
            "capacity: 718.75/s held, 750/s did not, twice: late"
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
                .starts_with("capacity: 1000/s held, which is all of --rate")
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
            "capacity: unknown; the run ended before the search, give a longer --run-time or a lower --rate"
        );
        for _ in 0..2 {
            bisection.take(50.0, Probed::Broke("late".to_owned()));
        }
        assert_eq!(
            told(&bisection),
            "capacity: no rate held, down to 50/s: late; the run ended before the search, --rate 50/s goes on with it"
        );
        bisection.take(25.0, Probed::Held);
        let sentence = told(&bisection);
        assert!(
            sentence.starts_with("capacity: 25/s held, 50/s did not, twice: late; the run"),
            "{sentence}"
        );
    }
}
