//! `load-client compare`: reads the runs, prints the comparison, writes the reports.

use std::fs;
use std::path::PathBuf;

use crate::args::{CompareArguments, Misuse};
use crate::compare::{self, Comparison, Options, ReadError, Run, Side, read_run, summary_beside};
use crate::report::html::{PageContext, Section, comparison_page};
use crate::report::text::{comparison_markdown, comparison_text};
use crate::report::{
    Destination, append_history, check_history, history_row, refuse_collisions, write_if_asked,
};
use crate::session::terminal::{Text, say};

/// Exit code: `--fail-on` is broken.
const BROKEN: u8 = 4;

/// Compares the runs and returns the exit code. Fails when a file is named twice, or cannot be read or written.
pub(crate) fn compare(arguments: &CompareArguments) -> anyhow::Result<u8> {
    // Only the history needs the commit, so a wrong GITHUB_SHA matters only there.
    let commit = match &arguments.history {
        Some(_) => arguments.commit().map_err(anyhow::Error::msg)?,
        None => String::new(),
    };
    let names = arguments.names()?;
    let outputs = Outputs::claim(arguments)?;
    let (baseline, changed) = read_sides(arguments)?;
    let options = Options {
        threshold: arguments.threshold,
        is_sequential: arguments.sequential,
        names,
        ..Options::default()
    };
    let comparison = compare::compare(&baseline, &changed, &options)?;
    outputs.text.print(&comparison_text(&comparison));
    outputs.write(arguments, &comparison)?;
    write_history(arguments, &commit, &comparison, [&baseline, &changed])?;
    Ok(exit_code(arguments, &comparison))
}

/// The places of the outputs, claimed before anything is read.
struct Outputs {
    json: Option<Destination>,
    markdown: Option<Destination>,
    html: Option<Destination>,
    text: Text,
}

impl Outputs {
    fn claim(arguments: &CompareArguments) -> anyhow::Result<Self> {
        let all = [
            ("--json", arguments.json.as_deref()),
            ("--markdown", arguments.markdown.as_deref()),
            ("--html", arguments.html.as_deref()),
            ("--history", arguments.history.as_deref()),
        ];
        let outputs = all.into_iter();
        let outputs: Vec<_> = outputs
            .filter_map(|(flag, path)| Some((flag, path?)))
            .collect();
        let runs = arguments.baseline.iter().chain(&arguments.changed);
        // The summary beside a run is an input too.
        let summaries = runs.clone().map(|path| summary_beside(path));
        let summaries: Vec<_> = summaries.filter(|path| path.exists()).collect();
        let inputs = runs.chain(&summaries).chain(&arguments.config);
        let inputs: Vec<_> = inputs.map(PathBuf::as_path).collect();
        refuse_collisions(&outputs, &inputs)?;
        arguments.history.as_deref().map_or(Ok(()), check_history)?;
        let claim = |path: &Option<PathBuf>| path.as_deref().map(Destination::claim).transpose();
        Ok(Self {
            json: claim(&arguments.json)?,
            markdown: claim(&arguments.markdown)?,
            html: claim(&arguments.html)?,
            text: Text::beside(outputs.into_iter().map(|(_, path)| path)),
        })
    }

    fn write(self, arguments: &CompareArguments, comparison: &Comparison) -> anyhow::Result<()> {
        write_if_asked(self.json, || {
            let mut json = serde_json::to_vec_pretty(comparison)?;
            json.push(b'\n');
            Ok(json)
        })?;
        write_if_asked(self.markdown, || {
            Ok(comparison_markdown(comparison).into_bytes())
        })?;
        write_if_asked(self.html, || {
            let context = context(arguments, comparison);
            Ok(comparison_page(comparison, &context).into_bytes())
        })
    }
}

fn read_sides(arguments: &CompareArguments) -> anyhow::Result<(Vec<Run>, Vec<Run>)> {
    let first = identities(Side::Baseline, &arguments.baseline)?;
    let second = identities(Side::Changed, &arguments.changed)?;
    let baseline = read_all(&arguments.baseline)?;
    let mut changed = read_all(&arguments.changed)?;
    let shared = second.iter().map(|own| first.contains(own));
    for (run, _) in changed.iter_mut().zip(shared).filter(|(_, shared)| *shared) {
        // A file compared with itself has the ratio 1. That would look like evidence that nothing changed.
        run.invalid
            .push("the same file is on both sides".to_owned());
    }
    Ok((baseline, changed))
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<Run>, ReadError> {
    paths.iter().map(|path| read_run(path)).collect()
}

/// Appends the valid runs to the history. An invalid run shows the limits of the load client, not a change of the
/// service.
fn write_history(
    arguments: &CompareArguments,
    commit: &str,
    comparison: &Comparison,
    [baseline, changed]: [&[Run]; 2],
) -> anyhow::Result<()> {
    let Some(path) = &arguments.history else {
        return Ok(());
    };
    let sides = [
        (Side::Baseline, baseline, &comparison.baseline),
        (Side::Changed, changed, &comparison.changed),
    ];
    let mut rows = Vec::new();
    for (side, runs, summary) in sides {
        if !arguments.history_side.includes(side) {
            continue;
        }
        for (run, own) in runs.iter().zip(&summary.runs) {
            if run.invalid.is_empty() && own.figures.count > 0 {
                rows.push(history_row(side, commit, run, own));
            } else {
                say(&format!(
                    "run {} ({}) is left out of the history: it is not valid",
                    run.label, summary.name
                ));
            }
        }
    }
    append_history(path, &rows)?;
    Ok(())
}

fn exit_code(arguments: &CompareArguments, comparison: &Comparison) -> u8 {
    let Some(rule) = arguments.fail_on else {
        return 0;
    };
    let Some(reason) = comparison.broken(rule) else {
        return 0;
    };
    say(&format!("error: --fail-on {rule}: {reason}"));
    BROKEN
}

fn context(arguments: &CompareArguments, comparison: &Comparison) -> PageContext {
    let (old, new) = (&comparison.baseline.name, &comparison.changed.name);
    let files = [(old, &arguments.baseline), (new, &arguments.changed)];
    let rows = files.into_iter().flat_map(|(side, paths)| {
        let row = |path: &PathBuf| (side.clone(), path.display().to_string());
        paths.iter().map(row)
    });
    PageContext {
        title: format!("Round-trip times: {old} and {new}"),
        notices: Vec::new(),
        sections: vec![Section::new("Files", rows)],
    }
}

/// Returns the paths without links and detours. A path that cannot be resolved is reported later, when it is read.
/// Refuses a file that one side names twice, because one measurement would look like two.
fn identities(side: Side, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Misuse> {
    let mut identities = Vec::new();
    for path in paths {
        let identity = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        if identities.contains(&identity) {
            return Err(Misuse(format!(
                "{} is given twice for the {side} side; name each run once",
                path.display()
            )));
        }
        identities.push(identity);
    }
    Ok(identities)
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
        let error = identities(Side::Changed, &given).unwrap_err();
        let told = format!("{} is given twice for the changed side", detour.display());
        assert!(error.to_string().starts_with(&told), "{error}");
        let known = identities(Side::Baseline, &given[..2]).unwrap();
        let same = identities(Side::Changed, &given[2..]).unwrap();
        assert_eq!(same, known[..1]);
    }
}
