//! Files that appear whole or not at all.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use load_client::export::{ExportError, check_writable, write_whole};
use serde::Serialize;

/// Writes a text, over what was there before.
pub(crate) fn write(file: &Path, text: &str) -> Result<()> {
    named(file, write_whole(file, text.as_bytes()))
}

/// Writes a value as indented JSON.
pub(crate) fn write_json(file: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).context("cannot write JSON")?;
    write(file, &(text + "\n"))
}

/// Makes the folder of a file that is written at the end of long work, and finds out whether it takes one:
/// better now than then.
pub(crate) fn prepare(file: &Path) -> Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    named(file, check_writable(file))
}

/// Names the file as the user did, and not the one that it grows in.
fn named(file: &Path, outcome: Result<(), ExportError>) -> Result<()> {
    outcome.map_err(|ExportError::Io { source, .. }| {
        anyhow::Error::new(source).context(format!("cannot write {}", file.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_in_a_new_folder_or_the_error_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/report.json");
        assert!(write_json(&file, &1).is_err(), "there is no such folder");
        prepare(&file).unwrap();
        assert!(!file.exists(), "nothing was written yet");
        write_json(&file, &[1]).unwrap();
        write_json(&file, &[1, 2]).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "[\n  1,\n  2\n]\n");
        let beside = fs::read_dir(file.parent().unwrap()).unwrap().count();
        assert_eq!(beside, 1);

        let below_a_file = file.join("below");
        for error in [prepare(&below_a_file), write(&below_a_file, "")] {
            assert!(format!("{:#}", error.unwrap_err()).contains("report.json"));
        }
        let taken = prepare(folder.path()).unwrap_err();
        assert!(
            format!("{taken:#}").starts_with(&format!("cannot write {}", folder.path().display()))
        );
    }
}
