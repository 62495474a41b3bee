//! The files of a simulation, `simulate.json` and `simulate.md`, and one table for several simulations.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::judge::Part;
use super::table;
use crate::cli::{SimulateArguments, typed};
use crate::environment::Provenance;
use crate::files;
use crate::stack::{Description, Stack};

/// The file with all verdicts. `--join` makes one table of several.
const FILE: &str = "simulate.json";

/// The content of `simulate.json`. It has no secret.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    #[serde(flatten)]
    provenance: Provenance,
    #[serde(flatten)]
    stack: Description,
    client_properties: Vec<String>,
    seed: u64,
    /// The busy loops are a share of this median, in milliseconds.
    baseline_median_ms: f64,
    #[serde(flatten)]
    pub(super) findings: Findings,
}

/// The content of a table.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Findings {
    /// Where, when and with which sources, and the command that repeats it.
    place: String,
    pub(super) threshold: f64,
    pub(super) parts: Vec<Part>,
}

impl Report {
    pub(super) fn new(
        stack: &Stack,
        arguments: &SimulateArguments,
        seed: u64,
        provenance: Provenance,
        baseline_median_ms: f64,
    ) -> Self {
        let own = stack.description();
        let Description { broker, store, .. } = &own;
        let place = format!(
            "{}. {broker}, {store}. Baseline's median {baseline_median_ms:.3} ms.\n\n`{}`\n",
            provenance.line(),
            command(arguments, seed),
        );
        Self {
            provenance,
            client_properties: stack.shown_properties(),
            seed,
            baseline_median_ms,
            findings: Findings {
                place,
                threshold: arguments.threshold,
                parts: Vec::new(),
            },
            stack: own,
        }
    }

    /// The table, with its origin above.
    pub(super) fn text(&self) -> String {
        let Findings {
            place,
            threshold,
            parts,
        } = &self.findings;
        format!("{place}\n{}", table::of_parts(parts, *threshold))
    }

    /// Writes both files over the earlier ones. Each is complete at any time.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        files::write_json(&folder.join(FILE), self)?;
        files::write(&folder.join("simulate.md"), &self.text())
    }
}

/// The command that repeats the simulation.
fn command(arguments: &SimulateArguments, seed: u64) -> String {
    let only: Vec<String> = arguments.only.iter().map(|change| change.typed()).collect();
    let mut command = format!(
        "harness simulate {} --only {} --experiments {} --changed {} --trials {} --run-time {} --warm-up {} \
         --truth-trials {} --truth-time {} --users {} --threshold {}% --seed {seed}",
        typed::target(&arguments.target),
        only.join(","),
        arguments.experiments,
        arguments.changed,
        arguments.trials,
        typed::duration(arguments.run_time),
        typed::duration(arguments.warm_up),
        arguments.truth_trials,
        typed::duration(arguments.truth_time),
        arguments.users,
        typed::percentage(arguments.threshold),
    );
    if let Some(rehearsal) = arguments.rehearsal {
        command += &format!(" --rehearsal {}", typed::duration(rehearsal));
    }
    command
}

/// One table of several `simulate.json`.
///
/// # Errors
///
/// Fails if a file is missing, is no `simulate.json`, or has another threshold than the first.
pub fn join(files: &[PathBuf]) -> Result<String> {
    let (mut text, mut parts, mut threshold) = (String::new(), Vec::new(), None);
    for file in files {
        let own = read(file)?;
        let first = *threshold.get_or_insert(own.threshold);
        anyhow::ensure!(
            first == own.threshold,
            "--join {}: its threshold is {} %, and that of the first file {} %",
            file.display(),
            typed::percentage(own.threshold),
            typed::percentage(first)
        );
        text += &format!("{}\n", own.place);
        parts.extend(own.parts);
    }
    Ok(text + &table::of_parts(&parts, threshold.unwrap_or_default()))
}

fn read(file: &Path) -> Result<Findings> {
    let text = fs::read(file).with_context(|| format!("--join {}", file.display()))?;
    serde_json::from_slice(&text)
        .with_context(|| format!("--join {}: not a {FILE}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::super::judge::Answer;
    use super::super::judge::tests::part;
    use super::*;

    fn written(folder: &Path, name: &str, threshold: f64, part: Part) -> PathBuf {
        let findings = Findings {
            place: format!("place of {name}\n"),
            threshold,
            parts: vec![part],
        };
        let file = folder.join(name);
        files::write_json(&file, &findings).unwrap();
        file
    }

    #[test]
    fn simulations_are_joined_if_they_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let wrong = part("aa", 0.0, &[(Answer::Faster, -0.1)]);
        let right = part("3%", 0.03, &[(Answer::Slower, 0.03)]);
        let one = written(folder.path(), "one", 0.02, wrong);
        let two = written(folder.path(), "two", 0.02, right.clone());
        let text = join(&[one.clone(), two]).unwrap();
        assert!(
            text.starts_with("place of one\n\nplace of two\n\n| meant |"),
            "{text}"
        );
        assert!(
            text.contains("\n| none | none |") && text.contains("\n| +3 % | 12.0 µs |"),
            "{text}"
        );
        assert!(text.contains("Wrong verdicts: 1 of 2,"), "{text}");

        let other = written(folder.path(), "other", 0.05, right);
        let refused = join(&[one.clone(), other]).unwrap_err().to_string();
        assert!(refused.contains("its threshold is 5 %"), "{refused}");
        fs::write(&one, "{}").unwrap();
        assert!(
            join(&[one])
                .unwrap_err()
                .to_string()
                .contains("not a simulate.json")
        );
        let missing = folder.path().join("missing");
        assert!(join(&[missing]).unwrap_err().to_string().contains("--join"));
    }
}
