//! The files of a comparison, as they were named: which of them are one and the same.

use std::fs;
use std::path::{Path, PathBuf};

use crate::compare::Side;

/// A file that counts as two runs would make one measurement look like a repeated one.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("{path} is given twice for the {side} side; name each run once")]
pub(crate) struct GivenTwice {
    path: PathBuf,
    side: Side,
}

/// Finds a file that one side names twice, also by another path.
///
/// # Errors
///
/// [`GivenTwice`] for the first such file.
pub(super) fn refuse_repetitions(side: Side, paths: &[PathBuf]) -> Result<(), GivenTwice> {
    let identities: Vec<PathBuf> = paths.iter().map(|path| identity(path)).collect();
    let repeated = identities
        .iter()
        .enumerate()
        .find(|(index, own)| identities[..*index].contains(own));
    match repeated {
        None => Ok(()),
        Some((index, _)) => Err(GivenTwice {
            path: paths[index].clone(),
            side,
        }),
    }
}

/// For each changed file, whether it is among the baseline's too.
pub(super) fn on_both_sides(baseline: &[PathBuf], changed: &[PathBuf]) -> Vec<bool> {
    let baseline: Vec<PathBuf> = baseline.iter().map(|path| identity(path)).collect();
    changed
        .iter()
        .map(|path| baseline.contains(&identity(path)))
        .collect()
}

/// The path without links and detours. What cannot be resolved is reported when it is read.
fn identity(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_is_known_by_every_path() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["one.csv", "two.csv"] {
            fs::write(at(name), name).unwrap();
        }
        fs::create_dir(at("sub")).unwrap();
        let detour = at("sub/../one.csv");
        let given = [at("one.csv"), at("two.csv"), detour.clone()];
        let error = refuse_repetitions(Side::Changed, &given).unwrap_err();
        assert_eq!((error.path, error.side), (detour.clone(), Side::Changed));
        assert_eq!(refuse_repetitions(Side::Changed, &given[..2]), Ok(()));
        assert_eq!(
            on_both_sides(&given[..1], &[at("two.csv"), detour]),
            [false, true]
        );
    }
}
