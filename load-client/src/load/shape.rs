//! The course of the load over time: stages from a file or a preset, and the rates and times in them as people write
//! them.

use std::ops::Range;
use std::time::Duration;

use flags_and_variables::place_in;
use serde::Deserialize;
use toml::Spanned;

use crate::load::plan::{MAX_USERS, Stage, Target, checked_spawn_rate};
use crate::scenario::parse_name;

const DEFAULT_SPAWN_RATE: f64 = 1.0;

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

/// The bytes that are wrong, and the message.
pub(crate) type Wrong = (Range<usize>, String);

fn wrong<T>(place: &Spanned<T>, message: impl Into<String>) -> Wrong {
    (place.span(), message.into())
}

/// Reads the stages of a shape file.
///
/// # Errors
///
/// Returns an error when the text is not TOML, or not a shape. One line says what is wrong, and where.
pub(crate) fn parse(text: &str) -> Result<Vec<Stage>, String> {
    let raw = toml::from_str::<RawShape>(text).map_err(|error| {
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        (error.span().unwrap_or_default(), message)
    });
    let stages = raw.and_then(|raw| read_stages(&raw.stage));
    stages.map_err(|(span, message)| {
        let (line, column) = place_in(text, span.start);
        format!("line {line}, column {column}: {message}")
    })
}

/// Reads the stages. There must be at least one.
pub(crate) fn read_stages(raw: &[Spanned<RawStage>]) -> Result<Vec<Stage>, Wrong> {
    let Some(first) = raw.first() else {
        return Err((0..0, "a shape needs at least one [[stage]]".to_owned()));
    };
    let is_open = |stage: &Spanned<RawStage>| stage.get_ref().rate.is_some();
    let read = |(number, stage)| match is_open(stage) == is_open(first) {
        true => read_stage(number, stage),
        false => Err(wrong(
            stage,
            "either all stages have a rate or all have users",
        )),
    };
    (1..).zip(raw).map(read).collect()
}

fn read_stage(number: usize, stage: &Spanned<RawStage>) -> Result<Stage, Wrong> {
    let raw = stage.get_ref();
    let name = match &raw.name {
        None => format!("stage {number}"),
        Some(name) => {
            parse_name(name.get_ref()).map_err(|reason| wrong(name, format!("a stage {reason}")))?
        }
    };
    let duration = parse_duration(raw.duration.get_ref()).map_err(|_| {
        let message = "duration takes a time above 0 such as \"30s\" or \"5m\"";
        wrong(&raw.duration, message)
    });
    Ok(Stage {
        name,
        duration: duration?,
        target: target(stage)?,
        ramp: raw.ramp,
    })
}

fn target(stage: &Spanned<RawStage>) -> Result<Target, Wrong> {
    let raw = stage.get_ref();
    match (&raw.rate, &raw.users, &raw.spawn_rate) {
        (Some(rate), None, None) => parse_rate(rate.get_ref())
            .map(Target::Rate)
            .map_err(|message| wrong(rate, format!("rate {message}"))),
        (None, Some(users), _) if *users.get_ref() > MAX_USERS => {
            Err(wrong(users, format!("users takes up to {MAX_USERS}")))
        }
        (None, Some(users), spawn_rate) => Ok(Target::Users {
            users: *users.get_ref(),
            spawn_rate: spawn_rate_of(spawn_rate.as_ref())?,
        }),
        (None, None, _) => {
            let message = "a stage needs users or rate, such as users = 50 or rate = \"500/s\"";
            Err(wrong(stage, message))
        }
        (Some(rate), ..) => {
            let message = "a stage has rate, or users and spawn_rate, not both";
            Err(wrong(rate, message))
        }
    }
}

/// Returns the spawn rate, or its default.
pub(crate) fn spawn_rate_of(spawn_rate: Option<&Spanned<f64>>) -> Result<f64, Wrong> {
    let Some(given) = spawn_rate else {
        return Ok(DEFAULT_SPAWN_RATE);
    };
    checked_spawn_rate(*given.get_ref())
        .map_err(|takes| wrong(given, format!("spawn_rate {takes}")))
}

/// A shape with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preset {
    /// Ramps up for a tenth of the run time, holds, and ramps down for a tenth.
    Load,
    /// Ramps up for a twentieth of the run time, then holds. It shows a drift over hours.
    Soak,
    /// Ten steps of equal length, each a tenth of the target more. It shows at which step the service breaks.
    Stress,
    /// A tenth of the target for two fifths of the run time, the target for one fifth, and a tenth for the last two. It
    /// shows the time to recover.
    Spike,
    /// No stages: the run searches for the highest rate.
    Capacity,
}

/// The name of the stage whose recovery reports measure, also in a shape file.
pub(crate) const SPIKE: &str = "spike";

impl Preset {
    const ALL: [Self; 5] = [
        Self::Load,
        Self::Soak,
        Self::Stress,
        Self::Spike,
        Self::Capacity,
    ];

    /// Returns the preset with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }

    /// Returns its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Soak => "soak",
            Self::Stress => "stress",
            Self::Spike => "spike",
            Self::Capacity => "capacity",
        }
    }

    /// Returns its stages.
    pub(crate) fn stages(self, target: Target, run_time: Duration) -> Vec<Stage> {
        let stage = |name: &str, twentieths: u32, tenths, ramp| Stage {
            name: name.to_owned(),
            duration: run_time * twentieths / 20,
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

/// Returns this many tenths of a target. A target with users keeps at least one.
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

/// Parses a time above zero.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration = parse_duration_or_zero(text).ok();
    let duration = duration.filter(|duration| !duration.is_zero());
    duration.ok_or_else(|| "takes a time above 0 such as 300, 30s, 5m or 1h30m".to_owned())
}

/// Parses a time, which may be zero. A number without a unit is in seconds, as in Locust.
pub(crate) fn parse_duration_or_zero(text: &str) -> Result<Duration, String> {
    let duration = match text.parse() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => humantime::parse_duration(text).ok(),
    };
    // At most a year, because the arithmetic of instants may overflow beyond.
    let duration = duration.filter(|duration| duration.as_secs() <= 366 * 24 * 3600);
    duration.ok_or_else(|| "takes a time such as 300, 30s, 5m or 1h30m".to_owned())
}

/// Parses a time or a range of times: `100ms`, `50ms..150ms`.
pub(crate) fn parse_times(text: &str) -> Result<(Duration, Duration), String> {
    let (least, most) = text.split_once("..").unwrap_or((text, text));
    match (parse_duration_or_zero(least), parse_duration_or_zero(most)) {
        (Ok(least), Ok(most)) if least <= most => Ok((least, most)),
        _ => Err("takes a time such as 100ms, or a range such as 50ms..150ms".to_owned()),
    }
}

/// The highest rate, in requests per second.
const HIGHEST: f64 = 10_000_000.0;

/// Parses a rate, and returns it in requests per second.
///
/// # Errors
///
/// Returns an error that shows the format when the text is not a rate.
pub(crate) fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = text.trim().split_once('/').and_then(|(count, unit)| {
        let count: f64 = count.trim().parse().ok()?;
        let seconds = match unit.trim() {
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        Some(count / seconds)
    });
    let rate = rate.filter(|rate| (0.0..=HIGHEST).contains(rate));
    rate.ok_or_else(|| "takes a rate such as 500/s, 30/m or 1.5/s, up to 10000000/s".to_owned())
}

/// Formats a rate in the unit that keeps it readable.
pub(crate) fn show_rate(per_second: f64) -> String {
    let (seconds, unit) = match per_second {
        rate if rate >= 1.0 || rate == 0.0 => (1.0, "s"),
        rate if rate * 60.0 >= 1.0 => (60.0, "m"),
        _ => (3600.0, "h"),
    };
    let rounded = (per_second * seconds * 1000.0).round() / 1000.0;
    format!("{rounded}/{unit}")
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
            let place = format!("line {}, column {}: ", place.0, place.1);
            assert!(error.starts_with(&place), "{text}: {error}");
            assert!(error.contains(word) && !error.contains('\n'), "{error}");
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

    #[test]
    fn durations() {
        assert_eq!(parse_duration("300").unwrap().as_secs(), 300);
        assert_eq!(parse_duration("1.5").unwrap().as_millis(), 1500);
        assert_eq!(parse_duration("1h30m").unwrap().as_secs(), 5400);
        assert_eq!(parse_duration_or_zero("0s").unwrap(), Duration::ZERO);
        for wrong in ["", "0", "-1", "soon", "nan", "1e30"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn units() {
        assert_eq!(parse_rate("500/s"), Ok(500.0));
        assert_eq!(parse_rate("1.5/s"), Ok(1.5));
        assert_eq!(parse_rate("30/m"), Ok(0.5));
        assert_eq!(parse_rate("90 / h"), Ok(0.025));
        for wrong in ["", "500", "x/s", "-1/s", "nan/s", "inf/s", "5/d", "1e9/s"] {
            assert!(parse_rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shown_as_read() {
        for text in ["500/s", "1.5/s", "30/m", "30/h", "0/s"] {
            assert_eq!(show_rate(parse_rate(text).unwrap()), text);
        }
    }
}
