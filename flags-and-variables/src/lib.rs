//! Reads clap's flags from environment variables and from files of settings.
//!
//! clap itself reads a variable only if its flag was not typed, accepts an empty variable as a value, and blames the
//! flag for a wrong variable. Here a variable counts as a flag that was typed before all others. A setting of a file
//! counts the same if no variable sets its flag.

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

/// Holds the flags of a program.
#[derive(Debug)]
pub struct Given {
    /// The flags of the command line, the variables and the file.
    pub matches: ArgMatches,
    /// The flags of the command line alone, to check for flags that must not be typed there. Conflicts and missing
    /// flags are no errors in it.
    pub typed: ArgMatches,
    /// The flags that the variables and the file have set.
    pub origins: Origins,
}

/// Reads a command line, program first, and the variables of the command's flags.
///
/// A repeatable flag has the values of its variable, one per line, and then those of the command line. `lists` contains
/// the ids of flags whose single value is a whole list. For these the command line's value replaces the variable's, as
/// with all flags that are not repeatable.
///
/// # Errors
///
/// Returns clap's own error, also for `--help` and `--version`. It names the variable if that is wrong.
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

/// Reads the settings of a command from a file. The error is one line.
pub type ReadSettings<'a> = dyn Fn(&Command, &Path) -> Result<Vec<Setting>, String> + 'a;

/// Describes a file of settings.
#[derive(Clone, Copy)]
pub struct SettingsFile<'a> {
    /// The id of the flag that names the file.
    pub flag: &'a str,
    /// Reads the file for the sub-command in use.
    pub read: &'a ReadSettings<'a>,
}

/// Reads the same as [`read`], and a file of settings that a flag names. A setting counts if neither the command line
/// nor a variable sets its flag. A setting of a repeatable flag is combined with the command line like a variable.
///
/// # Errors
///
/// Returns the errors of [`read`], and an error if the file cannot be used.
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
        // The user asked for help, which shows the variables.
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
    // A wrong value is reported before a missing flag.
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

/// Removes the variables, which this crate reads instead of clap.
fn without_variables(command: Command) -> Command {
    command
        .mut_args(|argument| argument.env(Resettable::Reset))
        .mut_subcommands(without_variables)
}

#[cfg(test)]
mod tests;
