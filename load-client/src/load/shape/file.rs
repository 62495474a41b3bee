//! Reads a shape file: stages in TOML.

use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::{Stage, Target, parse_rate};

/// Longest stage, a year: beyond it the arithmetic of instants may overflow.
const MAX_STAGE_DURATION: Duration = Duration::from_secs(366 * 24 * 3600);
const MAX_USERS: u32 = 1_000_000;
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
struct RawStage {
    name: Option<String>,
    duration: Spanned<String>,
    users: Option<Spanned<u32>>,
    spawn_rate: Option<Spanned<f64>>,
    rate: Option<Spanned<String>>,
    #[serde(default)]
    ramp: bool,
}

/// What is wrong, and the bytes that it is wrong with.
type Wrong = (Range<usize>, String);

/// Reads the stages of a shape file.
///
/// # Errors
///
/// When the text is no TOML, or no shape.
pub(crate) fn parse(text: &str) -> Result<Vec<Stage>, ShapeError> {
    stages(text).map_err(|(span, message)| {
        let before = text.get(..span.start).unwrap_or(text);
        ShapeError {
            line: before.matches('\n').count() + 1,
            column: before.chars().rev().take_while(|one| *one != '\n').count() + 1,
            message,
        }
    })
}

fn stages(text: &str) -> Result<Vec<Stage>, Wrong> {
    let raw: RawShape = toml::from_str(text).map_err(|error| {
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        (error.span().unwrap_or_default(), message)
    })?;
    let Some(first) = raw.stage.first() else {
        return Err((0..0, "a shape needs one [[stage]] at least".to_owned()));
    };
    let is_open = first.get_ref().rate.is_some();
    let stages = raw.stage.iter().enumerate();
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
    let name = raw.name.clone();
    Ok(Stage {
        name: name.unwrap_or_else(|| format!("stage {}", index + 1)),
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

fn spawn_rate_of(spawn_rate: Option<&Spanned<f64>>) -> Result<f64, Wrong> {
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
    let read = humantime::parse_duration(text.get_ref()).ok();
    let read = read.filter(|read| !read.is_zero() && *read <= MAX_STAGE_DURATION);
    read.ok_or_else(|| {
        let message = "duration takes a time above 0 such as \"30s\" or \"5m\"";
        (text.span(), message.to_owned())
    })
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
            ("[[stage]\n", (1, 9), "array"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.line, error.column), place, "{text}: {error}");
            assert!(error.message.contains(word), "{error}");
            assert!(!error.message.contains('\n'), "{error}");
        }
    }
}
