//! From texts to values: flags that a variable or, with `--config`, a TOML file gives, which both know a flag by its
//! long name; and parsers of single values, whose errors say what the flag takes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Error, Read};
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command};
use flags_and_variables::Setting;
use kafka_cluster_url::ClusterUrl;
use toml::{Spanned, Value};

use crate::load::plan::{checked_spawn_rate, checked_users};
use crate::load::shape::{Preset, parse_rate};
use crate::scenario::place_in;

pub(crate) use crate::load::shape::{
    parse_duration as duration, parse_duration_or_zero as duration_or_zero, parse_times as times,
};

/// Id of the flag that names the file.
pub(crate) const CONFIG_FLAG: &str = "config";
/// Larger files hold no settings.
const LARGEST_BYTES: u64 = 1 << 20;
/// A name that resembles a key less is not what was meant (M. Jaro's measure, which clap takes too).
const LEAST_LIKENESS: f64 = 0.7;

/// What is wrong, and at which byte of the file.
type Wrong = (usize, String);

/// Reads the settings of a command.
///
/// # Errors
///
/// When the file cannot be read, or says something that is no flag of the command; the message begins with flag,
/// file, line and column.
pub(crate) fn read(command: &Command, path: &Path) -> Result<Vec<Setting>, String> {
    let file = path.display();
    let text = text_of(path).map_err(|error| format!("--config {file}: {error}"))?;
    settings(command, path, &text).map_err(|(offset, reason)| {
        let (line, column) = place_in(&text, offset);
        format!("--config {file}:{line}:{column}: {reason}")
    })
}

fn text_of(path: &Path) -> Result<String, Error> {
    let mut text = String::new();
    let file = File::open(path)?;
    match file.take(LARGEST_BYTES + 1).read_to_string(&mut text)? as u64 {
        0..=LARGEST_BYTES => Ok(text),
        _ => Err(Error::other("is larger than 1 MiB, which no settings are")),
    }
}

fn settings(command: &Command, path: &Path, text: &str) -> Result<Vec<Setting>, Wrong> {
    let raw: BTreeMap<Spanned<String>, Spanned<Value>> = toml::from_str(text).map_err(|error| {
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        (error.span().unwrap_or_default().start, message)
    })?;
    let setting = |(key, value): (&Spanned<String>, &Spanned<Value>)| {
        let (name, at) = (key.get_ref(), key.span().start);
        let found = flags(command).find(|(own, _)| own == name);
        let (_, flag) = found.ok_or_else(|| (at, unknown(command, name)))?;
        let values = values(flag, value.get_ref());
        Ok(Setting {
            id: flag.get_id().to_string(),
            name: format!("{name} ({}:{})", path.display(), place_in(text, at).0),
            values: values.map_err(|reason| (value.span().start, format!("{name} {reason}")))?,
        })
    };
    raw.iter().map(setting).collect()
}

/// The name of a flag: the long one, or its letter if it has no other.
fn name_of(argument: &Arg) -> Option<String> {
    let long = argument.get_long().map(str::to_owned);
    long.or_else(|| argument.get_short().map(String::from))
}

/// Gives a flag the variable of its name, such as `LOAD_CLIENT_RUN_TIME`, unless it has another one. That is
/// shown nowhere beside the flag, where its value would be too, which may be secret.
pub(super) fn with_variable(flag: Arg) -> Arg {
    let variable = name_of(&flag).map(|name| {
        let name = name.replace('-', "_").to_uppercase();
        // clap takes names that live as long as the program.
        &*format!("LOAD_CLIENT_{name}").leak()
    });
    match variable {
        Some(variable) if flag.get_env().is_none() => flag.env(variable),
        _ => flag,
    }
    .hide_env(true)
}

/// The flags that a file may give.
fn flags(command: &Command) -> impl Iterator<Item = (String, &Arg)> {
    let named = command
        .get_arguments()
        .filter_map(|own| Some((name_of(own)?, own)));
    named.filter(|(name, _)| !matches!(&**name, CONFIG_FLAG | "help" | "version"))
}

fn unknown(command: &Command, key: &str) -> String {
    let written = key.replace('_', "-");
    let rated = flags(command).map(|(name, _)| (strsim::jaro(&written, &name), name));
    let alike = rated.filter(|(likeness, _)| *likeness > LEAST_LIKENESS);
    let told = match alike.max_by(|one, other| one.0.total_cmp(&other.0)) {
        Some((_, name)) => format!("did you mean {name}?"),
        None => format!(
            "settings are the flags of load-client {} --help",
            command.get_name()
        ),
    };
    format!("there is no setting {key:?}; {told}")
}

fn values(argument: &Arg, value: &Value) -> Result<Vec<OsString>, &'static str> {
    let (action, count) = (argument.get_action(), argument.get_num_args());
    let takes_values = action.takes_values();
    let may_stand_alone = count.is_some_and(|count| count.min_values() == 0);
    match value {
        Value::Boolean(is_given) if !takes_values => Ok(vec![is_given.to_string().into()]),
        _ if !takes_values => Err("takes true or false"),
        // An empty value is the flag alone.
        Value::Boolean(true) if may_stand_alone => Ok(vec![OsString::new()]),
        Value::Boolean(false) if may_stand_alone => Ok(Vec::new()),
        Value::Array(all) if matches!(action, ArgAction::Append) => {
            all.iter().map(scalar).collect()
        }
        Value::Array(_) => Err("takes one value, not a list"),
        one => Ok(vec![scalar(one)?]),
    }
}

fn scalar(value: &Value) -> Result<OsString, &'static str> {
    match value {
        Value::String(text) if text.trim().is_empty() => {
            Err("has an empty value: leave it out, or write one")
        }
        Value::String(text) => Ok(text.into()),
        Value::Integer(number) => Ok(number.to_string().into()),
        Value::Float(number) => Ok(number.to_string().into()),
        _ => Err("takes a text or a number"),
    }
}

/// The cluster; what is wrong with a URL is told without a password in it.
pub(crate) fn cluster_url(text: &str) -> Result<ClusterUrl, String> {
    ClusterUrl::parse(text).map_err(|error| error.to_string())
}

/// A number of users.
pub(crate) fn users(text: &str) -> Result<u32, String> {
    // What is no number is refused as one that is out of bounds.
    checked_users(text.parse().unwrap_or(0))
}

/// Users per second.
pub(crate) fn spawn_rate(text: &str) -> Result<f64, String> {
    checked_spawn_rate(text.parse().unwrap_or(f64::NAN))
}

/// Requests per second, above zero.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let rate = parse_rate(text)?;
    let rate = (rate > 0.0).then_some(rate);
    rate.ok_or_else(|| "takes a rate above 0 such as 500/s, 30/m or 1.5/s".to_owned())
}

/// The name of a ready-made shape.
pub(crate) fn preset(text: &str) -> Result<Preset, String> {
    Preset::named(text).ok_or_else(|| "takes load, soak, stress, spike or capacity".to_owned())
}

/// A topic's name.
pub(crate) fn topic(text: &str) -> Result<String, String> {
    let legal = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    let is_name =
        (1..=249).contains(&text.len()) && text.chars().all(legal) && !matches!(text, "." | "..");
    let name = is_name.then(|| text.to_owned());
    name.ok_or_else(|| "takes a topic name: up to 249 letters, digits, '.', '_' or '-'".to_owned())
}

/// The body of the requests, and the file that it was read from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Body {
    pub(crate) content: bytes::Bytes,
    pub(crate) file: Option<PathBuf>,
}

/// The body of the requests: JSON itself, or a file with any content.
pub(crate) fn body(text: &str) -> Result<Body, String> {
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        return Ok(Body {
            content: text.to_owned().into(),
            file: None,
        });
    }
    if text.trim_start().starts_with(['{', '[']) {
        let reason = "this is neither (broken JSON can be sent from a file)";
        return Err(format!("takes JSON or a file; {reason}"));
    }
    let content = std::fs::read(text)
        .map_err(|error| format!("takes JSON or a file; the file cannot be read: {error}"))?;
    Ok(Body {
        content: content.into(),
        file: Some(text.into()),
    })
}

/// `KEY=VALUE`; the value may hold further equal signs, or be empty.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && !text.contains('\0') => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err("takes KEY=VALUE".to_owned()),
    }
}

/// A share: `2%` or `0.02`.
pub(crate) fn threshold(text: &str) -> Result<f64, String> {
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse::<f64>(),
    };
    let share = share.ok().filter(|share| *share > 0.0 && *share < 1.0);
    share.ok_or_else(|| "takes a share above 0 and below 100 %, such as 2% or 0.02".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Cli;

    /// A variable that is set somewhere would do nothing once its flag has another name.
    #[test]
    fn each_flag_has_its_variable() {
        let command = crate::args::command();
        let flags = command.get_subcommands().flat_map(Command::get_arguments);
        let names = flags.filter_map(|own| own.get_env()?.to_str());
        insta::assert_snapshot!(names.collect::<Vec<_>>().join("\n"));
    }

    fn parsed(text: &str) -> Result<Vec<(String, Vec<OsString>)>, String> {
        let mut cli = Cli::command();
        cli.build();
        let run = cli.find_subcommand("run").unwrap();
        let settings = settings(run, Path::new("run.toml"), text).map_err(|(at, reason)| {
            let (line, column) = place_in(text, at);
            format!("{line}:{column}: {reason}")
        })?;
        let told = settings.into_iter().map(|own| (own.name, own.values));
        Ok(told.collect())
    }

    #[test]
    fn each_type_of_value_becomes_what_would_be_typed() {
        let text = "users = 10\nspawn-rate = 2.5\nrun-time = \"5m\"\nheadless = true\nonly-summary = false\n\
                    header = [\"a=b\", \"c=d\"]\nweb = true\nown-reply-topic = 3\nX = \"linger.ms=0\"\n";
        let found = parsed(text).unwrap();
        let values = |name: &str| {
            let mut found = found.iter();
            let (_, values) = found.find(|(own, _)| own.starts_with(name)).unwrap();
            values
                .iter()
                .map(|own| own.to_str().unwrap())
                .collect::<Vec<_>>()
        };
        for (name, expected) in [
            ("users (run.toml:1)", &["10"][..]),
            ("spawn-rate (run.toml:2)", &["2.5"]),
            ("run-time (run.toml:3)", &["5m"]),
            ("headless", &["true"]),
            ("only-summary", &["false"]),
            ("header", &["a=b", "c=d"]),
            ("web", &[""]),
            ("own-reply-topic", &["3"]),
            ("X", &["linger.ms=0"]),
        ] {
            assert_eq!(values(name), expected, "{name}");
        }
    }

    #[test]
    fn errors_name_the_place_and_the_nearest_name() {
        for (text, expected) in [
            (
                "\nuser = 1",
                "2:1: there is no setting \"user\"; did you mean users?",
            ),
            (
                "spawn_rate = 1",
                "1:1: there is no setting \"spawn_rate\"; did you mean spawn-rate?",
            ),
            (
                "zzz = 1",
                "1:1: there is no setting \"zzz\"; settings are the flags of load-client run --help",
            ),
            ("config = 'a'", "1:1: there is no setting \"config\""),
            ("[run]\nusers = 1", "1:2: there is no setting \"run\""),
            ("users = [1, 2]", "1:9: users takes one value, not a list"),
            ("users = ''", "1:9: users has an empty value"),
            ("users = {}", "1:9: users takes a text or a number"),
            ("headless = 1", "1:12: headless takes true or false"),
            ("hdr = true", "1:7: hdr takes a text or a number"),
            ("header = [['a']]", "1:10: header takes a text or a number"),
            ("users = ", "1:9: "),
            ("users = 1\nusers = 2", "2:1: "),
        ] {
            let told = parsed(text).unwrap_err();
            assert!(told.starts_with(expected), "{told} / {expected}");
        }
    }

    #[test]
    fn a_file_without_end_is_not_read_to_it() {
        let told = text_of(Path::new("/dev/zero")).unwrap_err();
        assert!(told.to_string().contains("larger than 1 MiB"), "{told}");
    }
}

#[cfg(test)]
mod parse_tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(users("10"), Ok(10));
        assert!(users("0").is_err() && users("-1").is_err() && users("1.5").is_err());
        assert_eq!(spawn_rate("0.5"), Ok(0.5));
        assert!(
            spawn_rate("0").is_err() && spawn_rate("inf").is_err() && spawn_rate("nan").is_err()
        );
        assert_eq!(threshold("2%"), Ok(0.02));
        assert_eq!(threshold("0.05"), Ok(0.05));
        assert!(threshold("0").is_err() && threshold("2").is_err() && threshold("x%").is_err());
    }

    #[test]
    fn ranges_and_rates() {
        let milliseconds = Duration::from_millis;
        assert_eq!(times("100ms"), Ok((milliseconds(100), milliseconds(100))));
        assert_eq!(
            times("50ms..2s"),
            Ok((milliseconds(50), milliseconds(2000)))
        );
        for wrong in ["", "..", "2s..1s", "1s..", "1s...2s", "-1s"] {
            assert!(times(wrong).is_err(), "{wrong}");
        }
        assert_eq!(rate("30/m"), Ok(0.5));
        assert!(rate("0/s").is_err() && rate("500").is_err());
        assert!(preset("soak").is_ok() && preset("Soak").is_err());
    }

    #[test]
    fn pairs() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(pair("a="), Ok(("a".to_owned(), String::new())));
        assert!(pair("a").is_err() && pair("=b").is_err());
    }

    #[test]
    fn bodies() {
        assert_eq!(body("{\"items\":[]}").unwrap().content, "{\"items\":[]}");
        assert!(body("{\"items\":").unwrap_err().contains("neither"));
        assert!(
            body("no-such-file.json")
                .unwrap_err()
                .contains("cannot be read")
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("body");
        std::fs::write(&path, b"{broken").unwrap();
        assert_eq!(body(path.to_str().unwrap()).unwrap().content, "{broken");
    }

    #[test]
    fn topics() {
        assert!(topic("createOrder.reply").is_ok());
        assert!(topic("").is_err() && topic("a b").is_err() && topic("..").is_err());
        assert!(topic(&"x".repeat(250)).is_err());
    }
}
