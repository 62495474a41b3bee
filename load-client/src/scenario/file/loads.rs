//! Several loads at once: the `[[load]]` tables of a scenario.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::{ScenarioError, Source, parse_name};
use crate::load::plan::{MAX_USERS, Stage, Target};
use crate::load::shape::{
    RawStage, parse_duration, parse_rate, parse_times, read_stages, spawn_rate_of,
};
use crate::scenario::Kind;

/// A load as a file describes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LoadTable {
    pub(crate) name: String,
    /// Names of the kinds of request that it sends.
    pub(crate) kinds: Vec<String>,
    pub(crate) goal: Goal,
    pub(crate) is_poisson: bool,
    pub(crate) max_in_flight: Option<u32>,
    pub(crate) think_time: Option<(Duration, Duration)>,
    pub(crate) pace: Option<Duration>,
}

/// How much a load sends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Goal {
    /// The same all the time.
    One(Target),
    /// By stages.
    Stages(Vec<Stage>),
}

impl LoadTable {
    /// Whether it has a schedule and no users.
    pub(crate) fn is_open(&self) -> bool {
        let first = match &self.goal {
            Goal::One(target) => Some(target),
            Goal::Stages(stages) => stages.first().map(|stage| &stage.target),
        };
        matches!(first, Some(Target::Rate(_)))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLoad {
    name: Option<String>,
    kinds: Vec<Spanned<String>>,
    users: Option<Spanned<u32>>,
    spawn_rate: Option<Spanned<f64>>,
    rate: Option<Spanned<String>>,
    arrivals: Option<Arrivals>,
    max_in_flight: Option<Spanned<u32>>,
    think_time: Option<Spanned<String>>,
    pace: Option<Spanned<String>>,
    #[serde(default)]
    stage: Vec<Spanned<RawStage>>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Arrivals {
    Constant,
    Poisson,
}

/// Checks the loads: each kind is in one of them.
pub(super) fn loads(
    source: &Source<'_>,
    raw: &[Spanned<RawLoad>],
    kinds: &[Kind],
) -> Result<Vec<LoadTable>, ScenarioError> {
    let mut free: HashSet<&str> = kinds.iter().map(|kind| &*kind.name).collect();
    let (known, mut loads, mut names) = (free.clone(), Vec::new(), HashMap::new());
    for (number, table) in (1..).zip(raw) {
        for kind in &table.get_ref().kinds {
            let (name, place) = (&**kind.get_ref(), Some(kind.span()));
            if !known.contains(name) {
                return Err(source.error(place, "no [[request]] has this name"));
            }
            if !free.remove(name) {
                return Err(source.error(place, "another load sends this request"));
            }
        }
        let load = load(source, number, table)?;
        if names.insert(load.name.clone(), ()).is_some() {
            return Err(source.error(Some(table.span()), "another load has this name"));
        }
        loads.push(load);
    }
    match free.iter().min() {
        Some(name) if !loads.is_empty() => {
            let message = format!("no [[load]] sends the request {name}; add it to one's kinds");
            Err(source.error(None, &message))
        }
        _ => Ok(loads),
    }
}

fn load(
    source: &Source<'_>,
    number: usize,
    table: &Spanned<RawLoad>,
) -> Result<LoadTable, ScenarioError> {
    let raw = table.get_ref();
    let wrong = |message: &str| source.error(Some(table.span()), message);
    if let Some(Err(reason)) = raw.name.as_deref().map(parse_name) {
        return Err(wrong(&format!("a load {reason}")));
    }
    if raw.kinds.is_empty() {
        return Err(wrong("a load needs kinds, the names of what it sends"));
    }
    let time = |text: &Option<Spanned<String>>, name| match text {
        None => Ok(None),
        Some(text) => parse_times(text.get_ref())
            .map(Some)
            .map_err(|reason| source.error(Some(text.span()), &format!("{name} {reason}"))),
    };
    let pace = raw.pace.as_ref().map(|text| {
        let parsed = parse_duration(text.get_ref());
        parsed.map_err(|reason| source.error(Some(text.span()), &format!("pace {reason}")))
    });
    let load = LoadTable {
        name: raw.name.clone().unwrap_or_else(|| format!("load {number}")),
        kinds: raw
            .kinds
            .iter()
            .map(|kind| kind.get_ref().clone())
            .collect(),
        goal: goal(source, table)?,
        is_poisson: raw.arrivals == Some(Arrivals::Poisson),
        max_in_flight: raw.max_in_flight.as_ref().map(|most| *most.get_ref()),
        think_time: time(&raw.think_time, "think_time")?,
        pace: pace.transpose()?,
    };
    let has_pause = load.think_time.is_some() || load.pace.is_some();
    let has_schedule = raw.arrivals.is_some() || load.max_in_flight.is_some();
    let message = match load.is_open() {
        true if has_pause => "think_time and pace are for a load of users",
        false if has_schedule => "arrivals and max_in_flight are for a load with a rate",
        _ if load.think_time.is_some() && load.pace.is_some() => {
            "a load has think_time or pace, not both"
        }
        _ if load.max_in_flight == Some(0) => "max_in_flight takes a number above 0",
        _ => return Ok(load),
    };
    Err(wrong(message))
}

fn goal(source: &Source<'_>, table: &Spanned<RawLoad>) -> Result<Goal, ScenarioError> {
    let raw = table.get_ref();
    let failed =
        |(place, message): (std::ops::Range<usize>, String)| source.error(Some(place), &message);
    match (&raw.users, &raw.rate, raw.stage.is_empty()) {
        (Some(users), None, true) if (1..=MAX_USERS).contains(users.get_ref()) => {
            Ok(Goal::One(Target::Users {
                users: *users.get_ref(),
                spawn_rate: spawn_rate_of(raw.spawn_rate.as_ref()).map_err(failed)?,
            }))
        }
        (Some(users), None, true) => {
            let message = format!("users takes a whole number from 1 to {MAX_USERS}");
            Err(source.error(Some(users.span()), &message))
        }
        _ if raw.spawn_rate.is_some() => {
            Err(source.error(Some(table.span()), "spawn_rate of a load needs its users"))
        }
        (None, Some(rate), true) => {
            let wrong = |reason: String| source.error(Some(rate.span()), &format!("rate {reason}"));
            match parse_rate(rate.get_ref()).map_err(wrong)? {
                0.0 => Err(wrong("takes a rate above 0 such as 500/s".to_owned())),
                rate => Ok(Goal::One(Target::Rate(rate))),
            }
        }
        (None, None, false) => read_stages(&raw.stage).map(Goal::Stages).map_err(failed),
        _ => {
            let message = "a load needs exactly one of users, rate and [[load.stage]]";
            Err(source.error(Some(table.span()), message))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const REQUESTS: &str =
        "[[request]]\nname = \"a\"\nbody = \"\"\n[[request]]\nname = \"b\"\nbody = \"\"\n";

    fn read(loads: &str) -> Result<Vec<LoadTable>, String> {
        let text = format!("{REQUESTS}{loads}");
        let read = crate::scenario::file::parse(Path::new("s.toml"), &text);
        read.map(|own| own.loads).map_err(|error| error.to_string())
    }

    #[test]
    fn each_load_has_kinds_and_a_model_of_its_own() {
        let loads = read(
            "[[load]]\nname = \"browse\"\nkinds = [\"a\"]\nusers = 5\nthink_time = \"1s..2s\"\n\
             [[load]]\nkinds = [\"b\"]\narrivals = \"poisson\"\n[[load.stage]]\nduration = \"5s\"\nrate = \"9/s\"\n",
        )
        .unwrap();
        let told: Vec<_> = loads
            .iter()
            .map(|own| (&*own.name, &*own.kinds, own.is_open()))
            .collect();
        assert_eq!(
            told,
            [
                ("browse", &["a".to_owned()][..], false),
                ("load 2", &["b".to_owned()], true)
            ]
        );
        assert!(
            loads[1].is_poisson
                && matches!(&loads[1].goal, Goal::Stages(stages) if stages.len() == 1)
        );
        assert_eq!(read(""), Ok(Vec::new()));
    }

    #[test]
    fn errors_name_the_place() {
        let all = "[[load]]\nkinds = [\"a\", \"b\"]\n";
        for (text, expected) in [
            (
                "[[load]]\nkinds = [\"c\"]\nusers = 1",
                "8:10: no [[request]]",
            ),
            (
                "[[load]]\nkinds = [\"a\", \"a\"]\nusers = 1",
                "8:15: another load",
            ),
            (
                "[[load]]\nkinds = [\"a\"]\nusers = 1",
                "1:1: no [[load]] sends the request b",
            ),
            ("[[load]]\nkinds = []\nusers = 1", "7:1: a load needs kinds"),
            (&format!("{all}users = 0"), "9:9: users takes"),
            (
                &format!("{all}rate = \"0/s\""),
                "9:8: rate takes a rate above 0",
            ),
            (
                &format!("{all}rate = \"1e9/s\""),
                "9:8: rate takes a rate such as 500/s, 30/m or 1.5/s, up to",
            ),
            (
                &format!("{all}users = 1\nrate = \"1/s\""),
                "7:1: a load needs exactly one",
            ),
            (
                &format!("{all}rate = \"1/s\"\nspawn_rate = 1"),
                "7:1: spawn_rate of a load",
            ),
            (
                &format!("{all}rate = \"1/s\"\npace = \"1s\""),
                "7:1: think_time and pace",
            ),
            (
                &format!("{all}users = 1\npace = \"0s\""),
                "10:8: pace takes",
            ),
            (
                &format!("{all}users = 1\nmax_in_flight = 1"),
                "7:1: arrivals and max_in_flight",
            ),
            (&format!("{all}users = 1\nuser = 1"), "10:1: unknown field"),
            (
                &format!("{all}[[load.stage]]\nduration = \"5s\""),
                "9:1: a stage needs",
            ),
        ] {
            let told = read(text).unwrap_err();
            assert!(
                told.starts_with(&format!("s.toml:{expected}")),
                "{told} / {expected}"
            );
        }
    }
}
