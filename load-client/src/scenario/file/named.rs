//! Finds the files that a scenario names, before any of them is read.

use std::path::PathBuf;

use toml::Spanned;

use super::RawScenario;

/// Returns the paths of the files as the scenario writes them. Returns none for a text that is not a scenario.
pub(crate) fn named_files(text: &str) -> Vec<PathBuf> {
    let raw: Option<RawScenario> = toml::from_str(text).ok();
    let requests = raw.into_iter().flat_map(|raw| raw.request);
    let files = requests.flat_map(|request| {
        let raw = request.into_inner();
        [raw.body_file, raw.body_lines, raw.feeder]
    });
    files.flatten().map(Spanned::into_inner).collect()
}
