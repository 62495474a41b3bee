//! How the load goes over time: stages from a file or a preset, and rates. Pure.

use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use crate::load::plan::{MAX_USERS, Stage, Target};
use crate::load::units::{parse_duration, parse_rate};
use crate::scenario::{parse_name, place_in};

const DEFAULT_SPAWN_RATE: f64 = 1.0;

/// What is wrong with a shape file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub(crate) struct ShapeError {
    /// Counted from 1.
    pub(crate) line: usize,
    /// Characters, counted from 1.
    pub(crate) column: usize,
    /// In words, on one line.
    pub(crate) message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawShape {
    #[serde(default)]
    stage: Vec<Spanned<RawStage>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawStage {
    name: Option<Spanned<String>>,
    duration: Spanned<String>,
    users: Option<Spanned<u32>>,
    spawn_rate: Option<Spanned<f64>>,
    rate: Option<Spanned<String>>,
    #[serde(default)]
    ramp: bool,
}

/// What is wrong, and the bytes that it is wrong with.
pub(crate) type Wrong = (Range<usize>, String);

/// Reads the stages of a shape file.
///
/// # Errors
///
/// When the text is no TOML, or no shape.
pub(crate) fn parse(text: &str) -> Result<Vec<Stage>, ShapeError> {
    stages(text).map_err(|(span, message)| {
        let (line, column) = place_in(text, span.start);
        ShapeError {
            line,
            column,
            message,
        }
    })
}

fn stages(text: &str) -> Result<Vec<Stage>, Wrong> {
    let raw: RawShape = toml::from_str(text).map_err(|error| {
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        (error.span().unwrap_or_default(), message)
    })?;
    read_stages(&raw.stage)
}

/// Reads stages, of which there must be one.
pub(crate) fn read_stages(raw: &[Spanned<RawStage>]) -> Result<Vec<Stage>, Wrong> {
    let Some(first) = raw.first() else {
        return Err((0..0, "a shape needs one [[stage]] at least".to_owned()));
    };
    let is_open = first.get_ref().rate.is_some();
    let stages = raw.iter().enumerate();
    stages
        .map(|(index, stage)| {
            if stage.get_ref().rate.is_some() != is_open {
                let mixed = "either all stages have a rate or all have users";
                return Err((stage.span(), mixed.to_owned()));
            }
            read(index, stage)
        })
        .collect()
}

fn read(index: usize, stage: &Spanned<RawStage>) -> Result<Stage, Wrong> {
    let raw = stage.get_ref();
    let name = raw.name.as_ref().map(|name| {
        let parsed = parse_name(name.get_ref());
        parsed.map_err(|reason| (name.span(), format!("a stage {reason}")))
    });
    Ok(Stage {
        name: name.unwrap_or_else(|| Ok(format!("stage {}", index + 1)))?,
        duration: duration(&raw.duration)?,
        target: target(stage)?,
        ramp: raw.ramp,
    })
}

fn target(stage: &Spanned<RawStage>) -> Result<Target, Wrong> {
    let raw = stage.get_ref();
    match (&raw.rate, &raw.users, &raw.spawn_rate) {
        (Some(rate), None, None) => match parse_rate(rate.get_ref()) {
            Ok(rate) => Ok(Target::Rate(rate)),
            Err(message) => Err((rate.span(), format!("rate {message}"))),
        },
        (None, Some(users), _) if *users.get_ref() > MAX_USERS => {
            Err((users.span(), format!("users takes up to {MAX_USERS}")))
        }
        (None, Some(users), spawn_rate) => Ok(Target::Users {
            users: *users.get_ref(),
            spawn_rate: spawn_rate_of(spawn_rate.as_ref())?,
        }),
        (None, None, _) => Err((
            stage.span(),
            "a stage needs users or rate, such as users = 50 or rate = \"500/s\"".to_owned(),
        )),
        (Some(rate), ..) => Err((
            rate.span(),
            "a stage has rate, or users and spawn_rate, not both".to_owned(),
        )),
    }
}

/// The spawn rate, or its default.
pub(crate) fn spawn_rate_of(spawn_rate: Option<&Spanned<f64>>) -> Result<f64, Wrong> {
    match spawn_rate {
        None => Ok(DEFAULT_SPAWN_RATE),
        Some(rate) if rate.get_ref().is_finite() && *rate.get_ref() > 0.0 => Ok(*rate.get_ref()),
        Some(rate) => Err((
            rate.span(),
            "spawn_rate takes a number above 0, users per second".to_owned(),
        )),
    }
}

fn duration(text: &Spanned<String>) -> Result<Duration, Wrong> {
    parse_duration(text.get_ref()).map_err(|_| {
        let message = "duration takes a time above 0 such as \"30s\" or \"5m\"";
        (text.span(), message.to_owned())
    })
}

/// A shape with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preset {
    /// Ramps up for a tenth of the run time, holds, ramps down for a tenth.
    Load,
    /// Ramps up for a twentieth, then holds: for a drift over hours.
    Soak,
    /// Ten steps of equal length, each a tenth of the target more: for the step that breaks.
    Stress,
    /// A tenth of the target for two fifths of the run time, the target for one, a tenth for the last
    /// two: for the time to recover.
    Spike,
    /// No stages: the rate is searched for.
    Capacity,
}

/// The stage of [`Preset::Spike`] that is the spike; also the name that a shape file gives it.
const SPIKE: &str = "spike";

impl Preset {
    /// The preset of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let all = [
            Self::Load,
            Self::Soak,
            Self::Stress,
            Self::Spike,
            Self::Capacity,
        ];
        all.into_iter().find(|preset| preset.name() == name)
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Soak => "soak",
            Self::Stress => "stress",
            Self::Spike => SPIKE,
            Self::Capacity => "capacity",
        }
    }

    /// Its stages.
    pub(crate) fn stages(self, target: Target, run_time: Duration) -> Vec<Stage> {
        let part = |twentieths: u32| run_time * twentieths / 20;
        let stage = |name: &str, twentieths, tenths, ramp| Stage {
            name: name.to_owned(),
            duration: part(twentieths),
            target: scaled(target, tenths),
            ramp,
        };
        match self {
            Self::Load => vec![
                stage("ramp up", 2, 10, true),
                stage("hold", 16, 10, false),
                stage("ramp down", 2, 0, true),
            ],
            Self::Soak => vec![stage("ramp up", 1, 10, true), stage("hold", 19, 10, false)],
            Self::Stress => (1..=10)
                .map(|step| stage(&format!("step {step}"), 2, step, false))
                .collect(),
            Self::Spike => vec![
                stage("base", 8, 1, false),
                stage(SPIKE, 4, 10, false),
                stage("recovery", 8, 1, false),
            ],
            Self::Capacity => Vec::new(),
        }
    }
}

/// So many tenths of a target; of users at least one, unless none are wanted.
fn scaled(target: Target, tenths: u32) -> Target {
    match target {
        Target::Rate(rate) => Target::Rate(rate * f64::from(tenths) / 10.0),
        Target::Users { users, spawn_rate } => Target::Users {
            users: u32::try_from((u64::from(users) * u64::from(tenths)).div_ceil(10))
                .unwrap_or(u32::MAX),
            spawn_rate,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_users_and_rates() {
        let stages = parse(
            "[[stage]]\nduration = \"30s\"\nusers = 50\nspawn_rate = 10\n\n\
             [[stage]]\nname = \"down\"\nduration = \"1m\"\nusers = 0\nramp = true\n",
        )
        .unwrap();
        assert_eq!((&*stages[0].name, &*stages[1].name), ("stage 1", "down"));
        let users = Target::Users {
            users: 50,
            spawn_rate: 10.0,
        };
        assert_eq!((stages[0].target, stages[0].ramp), (users, false));
        assert!(stages[1].ramp);
        let stages = parse("[[stage]]\nduration = \"5m\"\nrate = \"30/m\"").unwrap();
        assert_eq!(stages[0].target, Target::Rate(0.5));
    }

    #[test]
    fn errors_name_their_place() {
        let stage = "[[stage]]\nduration = \"1s\"\n";
        for (text, place, word) in [
            ("", (1, 1), "[[stage]]"),
            (
                "[[stage]]\nduration = \"soon\"\nusers = 1",
                (2, 12),
                "duration",
            ),
            ("[[stage]]\nduration = 30\nusers = 1", (2, 12), "string"),
            ("[[stage]]\nusers = 1", (1, 1), "duration"),
            (&format!("{stage}users = -1"), (3, 9), "-1"),
            (&format!("{stage}users = 1\nuser = 2"), (4, 1), "user"),
            (
                &format!("{stage}users = 1\nspawn_rate = 0.0"),
                (4, 14),
                "spawn_rate",
            ),
            (&format!("{stage}rate = \"fast\""), (3, 8), "500/s"),
            (
                &format!("{stage}rate = \"1/s\"\nusers = 1"),
                (3, 8),
                "not both",
            ),
            (
                &format!("{stage}rate = \"1/s\"\n{stage}users = 1"),
                (4, 1),
                "all stages",
            ),
            (stage, (1, 1), "needs users or rate"),
            (
                &format!("{stage}users = 1\nname = \"\\u001b\""),
                (4, 8),
                "a stage takes a name without control",
            ),
            ("[[stage]\n", (1, 9), "array"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.line, error.column), place, "{text}: {error}");
            assert!(error.message.contains(word), "{error}");
            assert!(!error.message.contains('\n'), "{error}");
        }
    }

    #[test]
    fn presets_fill_the_run_time() {
        for preset in [Preset::Load, Preset::Soak, Preset::Stress, Preset::Spike] {
            let stages = preset.stages(Target::Rate(100.0), Duration::from_secs(100));
            let total: Duration = stages.iter().map(|stage| stage.duration).sum();
            assert_eq!(total, Duration::from_secs(100), "{}", preset.name());
            assert_eq!(Preset::named(preset.name()), Some(preset));
            let most = stages.iter().map(|stage| match stage.target {
                Target::Rate(rate) => rate,
                Target::Users { .. } => 0.0,
            });
            assert_eq!(most.fold(0.0, f64::max), 100.0);
        }
    }

    #[test]
    fn a_tenth_of_few_users_is_one() {
        let target = Target::Users {
            users: 4,
            spawn_rate: 1.0,
        };
        let users: Vec<_> = Preset::Spike
            .stages(target, Duration::from_secs(10))
            .iter()
            .map(|stage| stage.target.to_string())
            .collect();
        assert_eq!(users, ["1 user(s)", "4 user(s)", "1 user(s)"]);
    }
}
