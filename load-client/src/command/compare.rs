//! `load-client compare`: reads the runs, prints the comparison, writes the reports.

use std::io::Write;
use std::path::PathBuf;

use load_client::compare::{self, Options, ReadError, Run, read_run};
use load_client::export::html::{PageContext, Section, comparison_page};
use load_client::export::write_whole;
use load_client::output::comparison_text;

use crate::cli_compare::CompareArguments;

/// Compares the runs.
///
/// # Errors
///
/// When a file cannot be read or written.
pub(crate) fn compare(arguments: &CompareArguments) -> anyhow::Result<bool> {
    let (baseline, changed) = (
        read_all(&arguments.baseline)?,
        read_all(&arguments.changed)?,
    );
    let options = Options {
        threshold: arguments.threshold,
    };
    let comparison = compare::compare(&baseline, &changed, &options)?;
    let text = comparison_text(&comparison);
    // A reader that closed the pipe early has what it wanted; the files below are still due.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    if let Some(path) = &arguments.json {
        write_whole(path, &serde_json::to_vec_pretty(&comparison)?)?;
    }
    if let Some(path) = &arguments.html {
        write_whole(
            path,
            comparison_page(&comparison, &context(arguments)).as_bytes(),
        )?;
    }
    Ok(true)
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<Run>, ReadError> {
    paths.iter().map(|path| read_run(path)).collect()
}

fn context(arguments: &CompareArguments) -> PageContext {
    let files = |side: &'static str, paths: &[PathBuf]| {
        let row = |path: &PathBuf| (side.to_owned(), path.display().to_string());
        paths.iter().map(row).collect::<Vec<_>>()
    };
    let mut rows = files("baseline", &arguments.baseline);
    rows.extend(files("changed", &arguments.changed));
    PageContext {
        title: "Round-trip times: baseline and changed".to_owned(),
        notices: Vec::new(),
        sections: vec![Section {
            heading: "Files".to_owned(),
            rows,
        }],
    }
}
