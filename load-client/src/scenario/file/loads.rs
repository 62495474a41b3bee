//! Several loads at once: the `[[load]]` tables of a scenario.

use std::collections::HashSet;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::{named, parse_name, read, read_optional};
use crate::load::plan::{Stage, Target, checked_users};
use crate::load::shape::{
    RawStage, Wrong, parse_duration, parse_rate, parse_times, read_stages, spawn_rate_of,
};
use crate::scenario::Kind;

/// A load as a file describes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LoadTable {
    pub(crate) name: String,
    /// Names of the kinds of request that the load sends.
    pub(crate) kinds: Vec<String>,
    /// How much the load sends. With stages, the target of the first one.
    pub(crate) target: Target,
    pub(crate) stages: Vec<Stage>,
    pub(crate) is_poisson: bool,
    pub(crate) max_in_flight: Option<u32>,
    pub(crate) think_time: Option<(Duration, Duration)>,
    pub(crate) pace: Option<Duration>,
}

impl LoadTable {
    /// Returns whether the load has a schedule instead of users.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.target, Target::Rate(_))
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
    max_in_flight: Option<u32>,
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

/// Checks the loads. Each kind must be in one of them.
pub(super) fn loads(raw: &[Spanned<RawLoad>], kinds: &[Kind]) -> Result<Vec<LoadTable>, Wrong> {
    let mut free: HashSet<&str> = kinds.iter().map(|kind| &*kind.name).collect();
    let (known, mut loads, mut names) = (free.clone(), Vec::new(), HashSet::new());
    for (number, table) in (1..).zip(raw) {
        for kind in &table.get_ref().kinds {
            read(kind, |name| match free.remove(&**name) {
                true => Ok(()),
                false if known.contains(&**name) => {
                    Err("another load sends this request".to_owned())
                }
                false => Err("no [[request]] has this name".to_owned()),
            })?;
        }
        let load = load(number, table)?;
        if !names.insert(load.name.clone()) {
            return Err((table.span(), "another load has this name".to_owned()));
        }
        loads.push(load);
    }
    match free.iter().min() {
        Some(name) if !loads.is_empty() => {
            let message =
                format!("no [[load]] sends the request {name}; add it to the kinds of a load");
            Err((0..0, message))
        }
        _ => Ok(loads),
    }
}

fn load(number: usize, table: &Spanned<RawLoad>) -> Result<LoadTable, Wrong> {
    let raw = table.get_ref();
    let wrong = |message: &str| Err((table.span(), message.to_owned()));
    if let Some(Err(reason)) = raw.name.as_deref().map(parse_name) {
        return wrong(&format!("a load {reason}"));
    }
    if raw.kinds.is_empty() {
        return wrong("a load needs kinds, the names of its requests");
    }
    let kinds = raw.kinds.iter();
    let (target, stages) = target(table)?;
    let load = LoadTable {
        name: raw.name.clone().unwrap_or_else(|| format!("load {number}")),
        kinds: kinds.map(|kind| kind.get_ref().clone()).collect(),
        target,
        stages,
        is_poisson: raw.arrivals == Some(Arrivals::Poisson),
        max_in_flight: raw.max_in_flight,
        think_time: read_optional(&raw.think_time, |own| named("think_time", parse_times(own)))?,
        pace: read_optional(&raw.pace, |own| named("pace", parse_duration(own)))?,
    };
    let has_pause = load.think_time.is_some() || load.pace.is_some();
    let has_schedule = raw.arrivals.is_some() || load.max_in_flight.is_some();
    match load.is_open() {
        true if has_pause => wrong("think_time and pace are for a load of users"),
        false if has_schedule => wrong("arrivals and max_in_flight are for a load with a rate"),
        _ if load.think_time.is_some() && load.pace.is_some() => {
            wrong("a load has think_time or pace, not both")
        }
        _ if load.max_in_flight == Some(0) => wrong("max_in_flight takes a number above 0"),
        _ => Ok(load),
    }
}

fn target(table: &Spanned<RawLoad>) -> Result<(Target, Vec<Stage>), Wrong> {
    let raw = table.get_ref();
    let wrong = |message: &str| Err((table.span(), message.to_owned()));
    match (&raw.users, &raw.rate, raw.stage.is_empty()) {
        (Some(users), None, true) => {
            let users = read(users, |users| named("users", checked_users(*users)))?;
            let spawn_rate = spawn_rate_of(raw.spawn_rate.as_ref())?;
            Ok((Target::Users { users, spawn_rate }, Vec::new()))
        }
        _ if raw.spawn_rate.is_some() => wrong("spawn_rate of a load needs its users"),
        (None, Some(rate), true) => read(rate, |rate| match named("rate", parse_rate(rate))? {
            0.0 => Err("rate takes a rate above 0 such as 500/s".to_owned()),
            rate => Ok((Target::Rate(rate), Vec::new())),
        }),
        (None, None, false) => {
            let stages = read_stages(&raw.stage)?;
            Ok((stages[0].target, stages))
        }
        _ => wrong("a load needs exactly one of users, rate and [[load.stage]]"),
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
        read.map(|own| own.loads)
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
        assert!(loads[1].is_poisson && loads[1].stages.len() == 1);
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
