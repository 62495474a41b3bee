//! Finds programs: those on PATH, and those of this workspace, which are in the folder of the harness.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The first executable file with this name on PATH.
#[must_use]
pub fn on_path(name: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|file| is_executable(file))
}

/// A program of this workspace: `given` if set, else `name` in the folder of the running executable (or, for a test
/// executable, one folder up).
///
/// # Errors
///
/// Fails if there is none. The message names `flag`, and the command that builds the program.
pub fn own(name: &str, flag: &str, given: Option<&Path>) -> Result<PathBuf> {
    if let Some(file) = given {
        return executable(file).with_context(|| flag.to_owned());
    }
    let beside = env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.to_owned()));
    let candidates = beside
        .iter()
        .flat_map(|folder| folder.ancestors().take(2))
        .map(|folder| folder.join(name));
    match candidates.into_iter().find(|file| is_executable(file)) {
        Some(file) => Ok(file),
        None => bail!(
            "no {name} in the folder of the harness: build it (cargo build --release -p {name}) or set {flag}"
        ),
    }
}

/// The program of a command, its first word. It is on PATH, or, if the word has a slash, in the command's folder.
pub(crate) fn found(word: &str, folder: Option<&Path>) -> Result<PathBuf> {
    if !word.contains('/') {
        return on_path(word).with_context(|| format!("there is no program {word} on PATH"));
    }
    executable(&folder.map_or_else(|| word.into(), |folder| folder.join(word)))
}

/// The file, if it is executable.
fn executable(file: &Path) -> Result<PathBuf> {
    if is_executable(file) {
        return Ok(file.to_owned());
    }
    bail!("{}: no such executable file", file.display());
}

/// The folder of this workspace's programs: that of the running executable, or, for a test executable, its parent.
pub(crate) fn folder() -> PathBuf {
    let exe = env::current_exe().unwrap_or_default();
    let folders = exe.ancestors().skip(1).take(2);
    let mut with_client = folders.filter(|folder| is_executable(&folder.join("load-client")));
    let own = with_client.next().or_else(|| exe.parent());
    own.unwrap_or(Path::new(".")).to_owned()
}

/// An example program of this workspace, in the folder `examples` beside the running executable.
///
/// # Errors
///
/// Fails if it is missing. The message names the command that builds it.
pub fn example(name: &str) -> Result<PathBuf> {
    let exe = env::current_exe().ok();
    let beside = exe.as_deref().and_then(Path::parent);
    let candidates = beside
        .into_iter()
        .flat_map(|folder| folder.ancestors().take(2));
    let mut files = candidates.map(|folder| folder.join("examples").join(name));
    match files.find(|file| is_executable(file)) {
        Some(file) => Ok(file),
        None => bail!(
            "the example {name} is not built: cargo build --release -p harness --example {name}"
        ),
    }
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_of_ours_names_the_flag_and_the_build() {
        let error = own("no-such-program", "--order-service", None)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("--order-service") && error.contains("cargo build"),
            "{error}"
        );
    }

    #[test]
    fn a_given_path_must_be_executable() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = own("order-service", "--order-service", Some(file.path())).unwrap_err();
        let expected = format!(
            "--order-service: {}: no such executable file",
            file.path().display()
        );
        assert_eq!(format!("{error:#}"), expected);
    }
}
