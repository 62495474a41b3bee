//! Writes files whole or not at all.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use load_client::report::{Destination, write_whole};
use serde::Serialize;
use tokio::task::spawn_blocking;

/// Writes a text, and replaces an existing file.
pub(crate) fn write(file: &Path, text: &str) -> Result<()> {
    Ok(write_whole(file, text.as_bytes())?)
}

/// Writes a value as indented JSON.
pub(crate) fn write_json(file: &Path, value: &impl Serialize) -> Result<()> {
    write(file, &json(value)?)
}

/// Writes a value as indented JSON to a prepared place. If the place is a pipe that nobody reads, this waits, but
/// signals still work.
pub(crate) async fn fill_json(place: Destination, value: &impl Serialize) -> Result<()> {
    let text = json(value)?;
    Ok(spawn_blocking(move || place.write_whole(text.as_bytes())).await??)
}

fn json(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value).context("cannot write JSON")?;
    Ok(text + "\n")
}

/// Creates the folder of a file that is written after long work, and checks that the file can be written, so that an
/// error shows before the work.
pub(crate) fn prepare(file: &Path) -> Result<Destination> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    Ok(Destination::claim(file)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_in_a_new_folder_or_the_error_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/report.json");
        assert!(write_json(&file, &1).is_err(), "there is no such folder");
        drop(prepare(&file).unwrap());
        assert!(!file.exists(), "nothing was written yet");
        write_json(&file, &[1]).unwrap();
        write_json(&file, &[1, 2]).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "[\n  1,\n  2\n]\n");
        let beside = fs::read_dir(file.parent().unwrap()).unwrap().count();
        assert_eq!(beside, 1);

        let below_a_file = file.join("below");
        for error in [prepare(&below_a_file).map(drop), write(&below_a_file, "")] {
            assert!(format!("{:#}", error.unwrap_err()).contains("report.json"));
        }
        let taken = prepare(folder.path()).unwrap_err();
        assert!(
            format!("{taken:#}").starts_with(&format!("cannot write {}", folder.path().display()))
        );
    }
}
