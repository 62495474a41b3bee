//! From variables to the flags that stand for them.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::Origins;

/// One flag of which the variable counts.
struct Variable {
    name: String,
    /// As clap's messages show it, and as it is typed.
    shown: String,
    flag: String,
    values: Vec<OsString>,
    /// What was typed beside it, where both count.
    beside: Option<Vec<OsString>>,
}

/// The flags of the program itself, then those of the sub-command in use.
pub(crate) struct Levels(Vec<(Option<String>, Vec<Variable>)>);

impl Levels {
    pub(crate) fn find(
        command: &Command,
        typed: &ArgMatches,
        lists: &[&str],
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, clap::Error> {
        let (mut levels, mut at, mut command, mut typed) = (Vec::new(), None, command, typed);
        loop {
            let mut own = Vec::new();
            for argument in command.get_arguments() {
                // One that is global stands in front of the sub-command.
                if at.is_none() || !argument.is_global_set() {
                    own.extend(Variable::find(command, argument, typed, lists, variable)?);
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

    /// The variables as flags, and nothing that was typed but the program and its sub-commands.
    pub(crate) fn alone(&self, arguments: &[OsString]) -> Vec<OsString> {
        let mut all: Vec<OsString> = arguments.first().cloned().into_iter().collect();
        for (name, own) in &self.0 {
            all.extend(name.iter().map(OsString::from));
            all.extend(own.iter().flat_map(Variable::as_typed));
        }
        all
    }

    /// The command line with the variables in front of the flags of each command.
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

    /// An error that shows without the command line.
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

/// What stands in front of the equal sign.
fn key(value: &OsString) -> Option<&str> {
    Some(value.to_str()?.split_once('=')?.0)
}

impl Variable {
    /// The variable of a flag, unless it says nothing or the command line replaces it.
    fn find(
        command: &Command,
        argument: &Arg,
        typed: &ArgMatches,
        lists: &[&str],
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Option<Self>, clap::Error> {
        let name = argument.get_env().and_then(|name| name.to_str());
        let Some((name, text)) = name.and_then(|name| Some((name, variable(name)?))) else {
            return Ok(None);
        };
        let id = argument.get_id().as_str();
        let is_typed = typed.value_source(id) == Some(ValueSource::CommandLine);
        let repeats = matches!(argument.get_action(), ArgAction::Append);
        if is_typed && (!repeats || lists.contains(&id)) {
            return Ok(None);
        }
        let mut values = values(text, repeats);
        if matches!(argument.get_action(), ArgAction::SetTrue) {
            let told = values.first().map(is_true);
            match told {
                Some(None) => return Err(no_boolean(command, name)),
                Some(Some(false)) => values.clear(),
                _ => {}
            }
        }
        if values.is_empty() {
            return Ok(None);
        }
        let typed = || typed.get_raw(id).into_iter().flatten();
        Ok(Some(Self {
            name: name.to_owned(),
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

/// What a variable says: blank lines, and line ends at its end, are how shells and files hand texts on.
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
