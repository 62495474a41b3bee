//! Environment variables of clap's flags, as people write them, and files of settings.
//!
//! clap asks a variable only where its flag was not typed, takes an empty one for a value, and blames the
//! flag. Here a variable is a flag that was typed in front of all others. So is a setting of a file, where no
//! variable gives the flag.

mod errors;
mod file;
mod origins;
mod variables;

use std::ffi::OsString;
use std::path::Path;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{ArgMatches, Command};

pub use errors::{Quietly, wrong_use};
pub use file::{TomlFile, name_of, place_in};
pub use origins::Origins;
pub use variables::Setting;
use variables::{Levels, Sources};

/// What a program was given.
#[derive(Debug)]
pub struct Given {
    /// Of the command line and the variables.
    pub matches: ArgMatches,
    /// Of the command line alone, for what must not be typed there. What does not go together or is
    /// missing without the variables is no error in it.
    pub typed: ArgMatches,
    /// Which flags the variables gave.
    pub origins: Origins,
}

/// Reads a command line, program first, and the variables that the command's flags name.
///
/// A flag that may be given many times has the values of its variable, one a line, and behind them those of
/// the command line. `lists` are the ids of the flags of which one value is a whole list: there the command
/// line's replaces the variable's, as with all flags that are given once.
///
/// # Errors
///
/// clap's own error, also for `--help` and `--version`; it names the variable where that is at fault.
pub fn read(
    command: Command,
    arguments: Vec<OsString>,
    lists: &[&str],
) -> Result<Given, clap::Error> {
    read_with(
        command,
        arguments,
        lists,
        &|name| std::env::var_os(name),
        None,
    )
}

/// Reads the settings that a file has for a command; the error is one line.
pub type ReadSettings<'a> = dyn Fn(&Command, &Path) -> Result<Vec<Setting>, String> + 'a;

/// A file of settings.
#[derive(Clone, Copy)]
pub struct SettingsFile<'a> {
    /// Id of the flag that names it.
    pub flag: &'a str,
    /// Reads it for the sub-command in use.
    pub read: &'a ReadSettings<'a>,
}

/// As [`read`], and a flag may name a file of settings. A setting counts where neither the command line nor a
/// variable gives its flag; one of a flag that may be given many times is joined as a variable is.
///
/// # Errors
///
/// As [`read`]; also when the file cannot be used.
pub fn read_with_file(
    command: Command,
    arguments: Vec<OsString>,
    lists: &[&str],
    file: SettingsFile<'_>,
) -> Result<Given, clap::Error> {
    let variable = |name: &str| std::env::var_os(name);
    read_with(command, arguments, lists, &variable, Some(file))
}

fn read_with(
    mut command: Command,
    arguments: Vec<OsString>,
    lists: &[&str],
    variable: &dyn Fn(&str) -> Option<OsString>,
    file: Option<SettingsFile<'_>>,
) -> Result<Given, clap::Error> {
    let without = without_variables(command.clone());
    let lenient = without.clone().ignore_errors(true);
    let Ok(typed) = lenient.try_get_matches_from(&arguments) else {
        // Help is asked for, and tells the variables.
        let matches = command.try_get_matches_from_mut(arguments)?;
        return Ok(Given {
            typed: matches.clone(),
            matches,
            origins: Origins::default(),
        });
    };
    command.build();
    let sources = Sources::open(&command, &typed, variable, file)?;
    let levels = Levels::find(&command, &typed, lists, &sources)?;
    let strict = |arguments| without.clone().try_get_matches_from(arguments);
    // What is wrong with a value shows before anything is missed.
    if let Err(error) = strict(levels.alone(&arguments))
        && matches!(
            error.kind(),
            ErrorKind::InvalidValue | ErrorKind::ValueValidation
        )
    {
        return Err(levels.variables_at_fault(&mut command, error));
    }
    let origins = levels.origins();
    match strict(levels.in_front_of(arguments)) {
        Ok(matches) => Ok(Given {
            matches,
            typed,
            origins,
        }),
        Err(error) => Err(origins.renamed(&mut command, error)),
    }
}

/// The variables are read here, and by clap no more.
fn without_variables(command: Command) -> Command {
    command
        .mut_args(|argument| argument.env(Resettable::Reset))
        .mut_subcommands(without_variables)
}

#[cfg(test)]
mod tests;
