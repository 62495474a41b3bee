//! Reads a TOML file of settings. Each setting has the long name of its flag.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Error, Read};
use std::path::Path;

use clap::{Arg, ArgAction, Command};
use toml::{Spanned, Value};

use crate::Setting;

/// The maximum size of a settings file, in bytes.
const LARGEST_BYTES: u64 = 1 << 20;
/// The minimum similarity of a suggested name (Jaro similarity, as in clap).
const LEAST_LIKENESS: f64 = 0.7;

/// What is wrong, and at which byte of the file.
type Wrong = (usize, String);

/// Describes a TOML file that sets flags.
#[derive(Debug, Clone, Copy)]
pub struct TomlFile<'a> {
    /// Id and long name of the flag that names the file.
    pub flag: &'a str,
    /// The program whose `--help` lists the flags.
    pub program: &'a str,
    /// Keys that are not flags, and that other code reads.
    pub beside: &'a [&'a str],
}

impl TomlFile<'_> {
    /// Reads the settings of a command.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, or if a key is not a flag of the command. The message begins with
    /// the flag, the file, the line and the column.
    pub fn read(&self, command: &Command, path: &Path) -> Result<Vec<Setting>, String> {
        let told = format!("--{} {}", self.flag, path.display());
        let text = text_of(path).map_err(|error| format!("{told}: {error}"))?;
        self.settings(command, path, &text)
            .map_err(|(offset, reason)| {
                let (line, column) = place_in(&text, offset);
                format!("{told}:{line}:{column}: {reason}")
            })
    }

    fn settings(&self, command: &Command, path: &Path, text: &str) -> Result<Vec<Setting>, Wrong> {
        let raw: BTreeMap<Spanned<String>, Spanned<Value>> =
            toml::from_str(text).map_err(|error| {
                let message = error.message().lines().collect::<Vec<_>>().join(", ");
                (error.span().unwrap_or_default().start, message)
            })?;
        let setting = |(key, value): (&Spanned<String>, &Spanned<Value>)| {
            let (name, at) = (key.get_ref(), key.span().start);
            let found = self.flags(command).find(|(own, _)| own == name);
            let (_, flag) = found.ok_or_else(|| (at, self.unknown(command, name)))?;
            let values = values(flag, value.get_ref());
            Ok(Setting {
                id: flag.get_id().to_string(),
                name: format!("{name} ({}:{})", path.display(), place_in(text, at).0),
                values: values
                    .map_err(|reason| (value.span().start, format!("{name} {reason}")))?,
            })
        };
        let own = raw
            .iter()
            .filter(|(key, _)| !self.beside.contains(&key.get_ref().as_str()));
        own.map(setting).collect()
    }

    /// Returns the flags that the file may set.
    fn flags<'c>(&self, command: &'c Command) -> impl Iterator<Item = (String, &'c Arg)> {
        let named = command
            .get_arguments()
            .filter_map(|own| Some((name_of(own)?, own)));
        named.filter(|(name, _)| name != self.flag && !matches!(&**name, "help" | "version"))
    }

    fn unknown(&self, command: &Command, key: &str) -> String {
        let written = key.replace('_', "-");
        let beside = self.beside.iter().map(|&name| name.to_owned());
        let names = self.flags(command).map(|(name, _)| name).chain(beside);
        let rated = names.map(|name| (strsim::jaro(&written, &name), name));
        let alike = rated.filter(|(likeness, _)| *likeness > LEAST_LIKENESS);
        let told = match alike.max_by(|one, other| one.0.total_cmp(&other.0)) {
            Some((_, name)) => format!("did you mean {name}?"),
            None => format!(
                "settings are the flags of {} {} --help",
                self.program,
                command.get_name()
            ),
        };
        format!("there is no setting {key:?}; {told}")
    }
}

/// Returns the name of a flag: the long one, or its letter if it has no other.
#[must_use]
pub fn name_of(argument: &Arg) -> Option<String> {
    let long = argument.get_long().map(str::to_owned);
    long.or_else(|| argument.get_short().map(String::from))
}

/// Returns the line and column of a byte of a text, both counted from 1. Columns are characters.
#[must_use]
pub fn place_in(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before[line_start..].chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

fn text_of(path: &Path) -> Result<String, Error> {
    let mut text = String::new();
    let file = File::open(path)?;
    match file.take(LARGEST_BYTES + 1).read_to_string(&mut text)? as u64 {
        0..=LARGEST_BYTES => Ok(text),
        _ => Err(Error::other(
            "is larger than 1 MiB, the limit of a settings file",
        )),
    }
}

fn values(argument: &Arg, value: &Value) -> Result<Vec<OsString>, &'static str> {
    let (action, count) = (argument.get_action(), argument.get_num_args());
    let takes_values = action.takes_values();
    let may_stand_alone = count.is_some_and(|count| count.min_values() == 0);
    match value {
        Value::Boolean(is_given) if !takes_values => Ok(vec![is_given.to_string().into()]),
        _ if !takes_values => Err("takes true or false"),
        // An empty value means the flag without a value.
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
            Err("has an empty value: remove the setting, or set a value")
        }
        Value::String(text) => Ok(text.into()),
        Value::Integer(number) => Ok(number.to_string().into()),
        Value::Float(number) => Ok(number.to_string().into()),
        _ => Err("takes a text or a number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: TomlFile<'_> = TomlFile {
        flag: "config",
        program: "load-client",
        beside: &["variants"],
    };

    fn command() -> Command {
        let value = |name: &'static str| Arg::new(name).long(name);
        let switch = |name| value(name).action(ArgAction::SetTrue);
        let alone = |name| value(name).num_args(0..=1);
        Command::new("run")
            .args(["config", "users", "spawn-rate", "run-time"].map(value))
            .args(["headless", "only-summary"].map(switch))
            .args(["web", "own-reply-topic"].map(alone))
            .arg(value("hdr"))
            .arg(value("header").action(ArgAction::Append))
            .arg(Arg::new("properties").short('X').action(ArgAction::Append))
    }

    fn parsed(text: &str) -> Result<Vec<(String, Vec<OsString>)>, String> {
        let mut run = command();
        run.build();
        let settings =
            FILE.settings(&run, Path::new("run.toml"), text)
                .map_err(|(at, reason)| {
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
    fn what_stands_beside_the_flags_is_passed_over_and_proposed() {
        let text = "users = 1\n[[variants]]\nname = 'a'";
        assert_eq!(parsed(text).unwrap().len(), 1);
        let told = parsed("variant = 1").unwrap_err();
        assert!(told.contains("did you mean variants?"), "{told}");
    }

    #[test]
    fn a_file_without_end_is_not_read_to_it() {
        let told = text_of(Path::new("/dev/zero")).unwrap_err();
        assert!(told.to_string().contains("larger than 1 MiB"), "{told}");
    }
}
