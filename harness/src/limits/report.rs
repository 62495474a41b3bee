//! The files of a run: `limits.json`, `limits.md` and the pictures.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::figures::{Cell, Metric, Ratio, ratios};
use super::footprint::Footprint;
use super::targets::{Target, targets};
use super::{chart, table};
use crate::cli::{LimitsArguments, typed};
use crate::environment::Provenance;
use crate::files;
use crate::stack::{Description, Stack};

/// The content of `limits.json`. It has no secret.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    #[serde(flatten)]
    provenance: Provenance,
    #[serde(flatten)]
    stack: Description,
    client_properties: Vec<String>,
    command: String,
    seed: u64,
    targets: Vec<Target>,
    ratios: Vec<Ratio>,
    footprints: Vec<Footprint>,
    cells: Vec<Cell>,
}

impl Report {
    pub(super) fn new(
        stack: &Stack,
        arguments: &LimitsArguments,
        provenance: Provenance,
        seed: u64,
        cells: Vec<Cell>,
        footprints: Vec<Footprint>,
    ) -> Self {
        Self {
            provenance,
            stack: stack.description(),
            client_properties: stack.shown_properties(),
            command: command(arguments, seed),
            seed,
            targets: targets(&cells, &footprints, arguments.busy_loops > 0),
            ratios: ratios(&cells),
            footprints,
            cells,
        }
    }

    fn text(&self) -> String {
        let mut text = format!(
            "# Limits, stack {}\n\n{}\n\n",
            self.stack.stack.name(),
            self.place()
        );
        text += &table::of_cells(&self.cells);
        if !self.footprints.is_empty() {
            text += &table::of_footprints(&self.footprints);
            text += "\n";
        }
        if !self.targets.is_empty() {
            text += &table::of_targets(&self.targets);
        }
        text
    }

    fn place(&self) -> String {
        let Description { broker, store, .. } = &self.stack;
        let line = self.provenance.line();
        format!("{line}. {broker}, {store}.\n\n`{}`", self.command)
    }
}

/// The command that repeats the run.
fn command(arguments: &LimitsArguments, seed: u64) -> String {
    let join = |items: Vec<String>| items.join(",");
    let users = join(arguments.users.iter().map(u32::to_string).collect());
    let partitions = join(arguments.partitions.iter().map(i32::to_string).collect());
    let instances = join(arguments.instances.iter().map(usize::to_string).collect());
    let mut command = format!(
        "harness limits {} --rounds {} --users {users} --run-time {} --warm-up {} --partitions {partitions} \
         --instances {instances} --seed {seed}",
        typed::target(&arguments.target),
        arguments.rounds,
        typed::duration(arguments.run_time),
        typed::duration(arguments.warm_up),
    );
    if !arguments.only.is_empty() {
        let only = arguments
            .only
            .iter()
            .map(|subject| subject.name().to_owned());
        command += &format!(" --only {}", join(only.collect()));
    }
    if arguments.busy_loops > 0 {
        command += &format!(" --busy-loops {}", arguments.busy_loops);
    }
    for (flag, given) in [
        (" --skip-open-loop", arguments.skip_open_loop),
        (" --skip-footprint", arguments.skip_footprint),
    ] {
        command += if given { flag } else { "" };
    }
    command
}

/// Writes the files. Returns the text to print.
pub(super) fn write(report: &Report, folder: &Path) -> Result<String> {
    let put = |name: &str, text: &str| {
        let file = folder.join(name);
        files::write(&file, text)
    };
    files::write_json(&folder.join("limits.json"), report)?;
    let (day, commit) = (report.provenance.day(), report.provenance.short_commit());
    let stack = report.stack.stack.name();
    let caption = format!("{day}, stack {stack}, {commit}; 95 % intervals");
    for (metric, name) in [
        (Metric::Throughput, "throughput.svg"),
        (Metric::P50, "p50.svg"),
        (Metric::P99, "p99.svg"),
    ] {
        put(name, &chart::svg(&report.ratios, metric, &caption))?;
    }
    let text = report.text();
    put("limits.md", &text)?;
    Ok(format!("{text}\nfiles: {}\n", folder.display()))
}
