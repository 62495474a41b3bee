//! `load-client merge`: reads the files of the parts of a run.

use crate::args::{MergeArguments, Misuse};
use crate::program::whole::Outputs;
use crate::report::run_file::{NotOneRun, RunPart, ordered, read_run_file, validity};

/// Merges the parts of a run and returns the exit code. Fails when the files are not the parts of one run, or when a
/// file cannot be read or written.
pub(crate) fn merge(arguments: &MergeArguments) -> anyhow::Result<u8> {
    let outputs = Outputs::claim(&arguments.outputs, &arguments.parts)?;
    let parts = arguments.parts.iter().map(|path| {
        let name = path.display().to_string();
        Ok(RunPart::of_file(name, read_run_file(path)?))
    });
    let parts = parts.collect::<anyhow::Result<Vec<_>>>()?;
    let parts = ordered(parts).map_err(as_misuse)?;
    outputs.conclude(parts, |parts| validity(parts))
}

/// Blames the command line for a wrong set of files, but not for the content of a file.
fn as_misuse(error: NotOneRun) -> anyhow::Error {
    match error {
        error @ NotOneRun::Unreadable { .. } => error.into(),
        error => Misuse(error.to_string()).into(),
    }
}
