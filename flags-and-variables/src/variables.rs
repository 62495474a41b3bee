//! Converts variables, and settings of a file, to the flags that they set.

use std::ffi::OsString;
use std::path::Path;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::{Origins, SettingsFile};

/// A flag that a file sets.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The flag's id.
    pub id: String,
    /// Its name in messages.
    pub name: String,
    /// Its values. An empty value means the flag without a value. For a flag that takes no value it is true or false.
    pub values: Vec<OsString>,
}

/// The sources of flags besides the command line.
pub(crate) struct Sources<'a> {
    variable: &'a dyn Fn(&str) -> Option<OsString>,
    settings: Vec<Setting>,
}

impl<'a> Sources<'a> {
    /// Reads the file of settings, if a flag names one.
    pub(crate) fn open(
        command: &Command,
        typed: &ArgMatches,
        variable: &'a dyn Fn(&str) -> Option<OsString>,
        file: Option<SettingsFile<'_>>,
    ) -> Result<Self, clap::Error> {
        let mut own = Self {
            variable,
            settings: Vec::new(),
        };
        let in_use = typed.subcommand();
        let in_use =
            in_use.and_then(|(name, deeper)| Some((command.find_subcommand(name)?, deeper)));
        let (at, typed) = in_use.unwrap_or((command, typed));
        if let Some(file) = file
            && let Some((path, origins)) = own.path(at, typed, file.flag)
        {
            let read = (file.read)(at, Path::new(&path));
            own.settings = read.map_err(|message| {
                let message = origins.name(&message);
                command.clone().error(ErrorKind::ValueValidation, message)
            })?;
        }
        Ok(own)
    }

    /// Returns the file that a flag names, and the variable if that has set the flag.
    fn path(
        &self,
        command: &Command,
        typed: &ArgMatches,
        flag: &str,
    ) -> Option<(OsString, Origins)> {
        let argument = command.get_arguments().find(|own| own.get_id() == flag)?;
        let mut origins = Origins::default();
        if typed.value_source(flag) == Some(ValueSource::CommandLine) {
            let path = typed.get_raw(flag)?.next_back().map(OsString::from)?;
            return Some((path, origins));
        }
        let (name, values) = self.of_variable(argument)?;
        origins.push(format!("--{}", argument.get_long()?), name);
        Some((values.into_iter().next()?, origins))
    }

    /// Returns the variable of a flag and its values, unless it is blank.
    fn of_variable(&self, argument: &Arg) -> Option<(String, Vec<OsString>)> {
        let name = argument.get_env()?.to_str()?;
        let repeats = matches!(argument.get_action(), ArgAction::Append);
        let values = values((self.variable)(name)?, repeats);
        (!values.is_empty()).then(|| (name.to_owned(), values))
    }

    /// Returns the name of the source that sets a flag, and its values.
    fn of(&self, argument: &Arg) -> Option<(String, Vec<OsString>)> {
        let setting = || {
            let mut settings = self.settings.iter();
            let found = settings.find(|own| argument.get_id() == own.id.as_str())?;
            Some((found.name.clone(), found.values.clone()))
        };
        self.of_variable(argument).or_else(setting)
    }
}

/// A flag that a variable or the file sets.
struct Variable {
    name: String,
    /// The flag as clap's messages show it, and as it is typed.
    shown: String,
    flag: String,
    values: Vec<OsString>,
    /// The values on the command line, if both count.
    beside: Option<Vec<OsString>>,
}

/// The flags of the program itself, then those of the sub-command in use.
pub(crate) struct Levels(Vec<(Option<String>, Vec<Variable>)>);

impl Levels {
    pub(crate) fn find(
        command: &Command,
        typed: &ArgMatches,
        lists: &[&str],
        sources: &Sources<'_>,
    ) -> Result<Self, clap::Error> {
        let (mut levels, mut at, mut command, mut typed) = (Vec::new(), None, command, typed);
        loop {
            let mut own = Vec::new();
            for argument in command.get_arguments() {
                // A global flag goes before the sub-command.
                if at.is_none() || !argument.is_global_set() {
                    own.extend(Variable::find(command, argument, typed, lists, sources)?);
                }
            }
            levels.push((at.take(), own));
            let Some((name, deeper)) = typed.subcommand() else {
                return Ok(Self(levels));
            };
            let Some(sub) = command.find_subcommand(name) else {
                return Ok(Self(levels));
            };
            (at, command, typed) = (Some(name.to_owned()), sub, deeper);
        }
    }

    /// Returns the variables as flags, without any typed flags: only the program and its sub-commands.
    pub(crate) fn alone(&self, arguments: &[OsString]) -> Vec<OsString> {
        let mut all: Vec<OsString> = arguments.first().cloned().into_iter().collect();
        for (name, own) in &self.0 {
            all.extend(name.iter().map(OsString::from));
            all.extend(own.iter().flat_map(Variable::as_typed));
        }
        all
    }

    /// Returns the command line with the variables before the flags of each command.
    pub(crate) fn in_front_of(&self, arguments: Vec<OsString>) -> Vec<OsString> {
        let mut all = arguments;
        let mut place = 1;
        for (name, own) in &self.0 {
            if let Some(name) = name {
                let found = all.iter().skip(place).position(|one| one == name.as_str());
                place += found.map_or(0, |found| found + 1);
            }
            let own: Vec<_> = own.iter().flat_map(Variable::as_typed).collect();
            let (at, count) = (place.min(all.len()), own.len());
            all.splice(at..at, own);
            place = at + count;
        }
        all
    }

    pub(crate) fn origins(&self) -> Origins {
        let mut origins = Origins::default();
        for own in self.0.iter().flat_map(|(_, own)| own) {
            match &own.beside {
                None => own.blame(&mut origins),
                Some(typed) => {
                    let typed: Vec<_> = typed.iter().map(key).collect();
                    let keys = own
                        .values
                        .iter()
                        .map(key)
                        .filter(|key| !typed.contains(key));
                    for key in keys.flatten() {
                        let (flag, name) = (&own.flag, &own.name);
                        origins.push(format!("{flag} {key}"), format!("{name} {key}"));
                    }
                }
            }
        }
        origins
    }

    /// Renames an error that occurs even without the command line.
    pub(crate) fn variables_at_fault(
        &self,
        command: &mut Command,
        error: clap::Error,
    ) -> clap::Error {
        let mut origins = Origins::default();
        let all = self.0.iter().flat_map(|(_, own)| own);
        all.for_each(|own| own.blame(&mut origins));
        origins.renamed(command, error)
    }
}

/// Returns the text before the equal sign.
fn key(value: &OsString) -> Option<&str> {
    Some(value.to_str()?.split_once('=')?.0)
}

impl Variable {
    /// Returns the source of a flag, unless it is blank or the command line replaces it.
    fn find(
        command: &Command,
        argument: &Arg,
        typed: &ArgMatches,
        lists: &[&str],
        sources: &Sources<'_>,
    ) -> Result<Option<Self>, clap::Error> {
        let Some((name, mut values)) = sources.of(argument) else {
            return Ok(None);
        };
        let id = argument.get_id().as_str();
        let is_typed = typed.value_source(id) == Some(ValueSource::CommandLine);
        let repeats = matches!(argument.get_action(), ArgAction::Append);
        if is_typed && (!repeats || lists.contains(&id)) {
            return Ok(None);
        }
        if matches!(argument.get_action(), ArgAction::SetTrue) {
            let told = values.first().map(is_true);
            match told {
                Some(None) => return Err(no_boolean(command, &name)),
                Some(Some(false)) => values.clear(),
                _ => {}
            }
        }
        if values.is_empty() {
            return Ok(None);
        }
        let typed = || typed.get_raw(id).into_iter().flatten();
        Ok(Some(Self {
            name,
            shown: argument.to_string(),
            flag: match (argument.get_long(), argument.get_short()) {
                (Some(long), _) => format!("--{long}"),
                (None, Some(short)) => format!("-{short}"),
                (None, None) => return Ok(None),
            },
            values: if argument.get_action().takes_values() {
                values
            } else {
                vec![OsString::new()]
            },
            beside: is_typed.then(|| typed().map(OsString::from).collect()),
        }))
    }

    fn as_typed(&self) -> impl Iterator<Item = OsString> {
        self.values.iter().map(|value| {
            let mut typed = OsString::from(&self.flag);
            if !value.is_empty() {
                typed.push("=");
                typed.push(value);
            }
            typed
        })
    }

    fn blame(&self, origins: &mut Origins) {
        origins.push(self.shown.clone(), self.name.clone());
        origins.push(self.flag.clone(), self.name.clone());
    }
}

/// Returns the values of a variable, without blank lines and final line ends, which shells and files add.
fn values(text: OsString, repeats: bool) -> Vec<OsString> {
    let Some(known) = text.to_str() else {
        return vec![text];
    };
    let is_blank = |line: &str| line.trim().is_empty();
    if repeats {
        let lines = known.lines().filter(|line| !is_blank(line));
        lines.map(OsString::from).collect()
    } else if is_blank(known) {
        Vec::new()
    } else {
        vec![known.trim_end_matches(['\r', '\n']).into()]
    }
}

fn is_true(value: &OsString) -> Option<bool> {
    let word = value.to_str()?.trim().to_ascii_lowercase();
    match word.as_str() {
        "1" | "true" | "t" | "yes" | "y" | "on" => Some(true),
        "0" | "false" | "f" | "no" | "n" | "off" => Some(false),
        _ => None,
    }
}

fn no_boolean(command: &Command, name: &str) -> clap::Error {
    let takes = "takes 1, true, yes or on, or 0, false, no or off";
    let message = format!("invalid value for '{name}': {takes}");
    command.clone().error(ErrorKind::ValueValidation, message)
}
