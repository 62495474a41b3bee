//! The files of a run: `limits.json`, `limits.md` and the pictures.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use super::figures::{Cell, Metric, Ratio, ratios};
use super::footprint::Footprint;
use super::targets::{Target, targets};
use super::{chart, table};
use crate::cli::LimitsArguments;
use crate::environment::{Commit, Machine, OPTIMISED, now};
use crate::stack::{Description, Stack};

/// All that `limits.json` says. It holds no secret.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    date: String,
    machine: Machine,
    commit: Option<Commit>,
    rustc: &'static str,
    optimised: bool,
    librdkafka: String,
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
        seed: u64,
        cells: Vec<Cell>,
        footprints: Vec<Footprint>,
    ) -> Self {
        Self {
            date: now(),
            machine: Machine::this(),
            commit: Commit::current(),
            rustc: env!("HARNESS_RUSTC_VERSION"),
            optimised: OPTIMISED,
            librdkafka: rdkafka::util::get_rdkafka_version().1,
            stack: stack.description(),
            client_properties: stack.shown_properties(),
            command: command(stack, arguments, seed),
            seed,
            targets: targets(&cells, &footprints),
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

    fn commit(&self) -> String {
        let Some(commit) = &self.commit else {
            return "no commit".to_owned();
        };
        let changed = if commit.dirty { ", with changes" } else { "" };
        let short = commit.id.get(..7).unwrap_or(&commit.id);
        format!("commit {short}{changed}")
    }

    fn place(&self) -> String {
        let Machine { cpu, cores, os, .. } = &self.machine;
        let commit = self.commit();
        let debug = if self.optimised {
            ""
        } else {
            " Built without --release: no figure should be quoted."
        };
        format!(
            "{}: {cores} cores of {cpu}, {os}; {}, {}; {commit}.{debug}\n\n`{}`",
            self.date, self.stack.broker, self.stack.store, self.command
        )
    }
}

/// What to type for the same run.
fn command(stack: &Stack, arguments: &LimitsArguments, seed: u64) -> String {
    let join = |items: Vec<String>| items.join(",");
    let users = join(arguments.users.iter().map(u32::to_string).collect());
    let partitions = join(arguments.partitions.iter().map(i32::to_string).collect());
    let instances = join(arguments.instances.iter().map(usize::to_string).collect());
    let mut command = format!(
        "harness limits --stack {} --rounds {} --users {users} --run-time {} --warm-up {} --partitions {partitions} \
         --instances {instances} --seed {seed}",
        stack.kind().name(),
        arguments.rounds,
        typed(arguments.run_time),
        typed(arguments.warm_up),
    );
    if !arguments.only.is_empty() {
        let only = arguments
            .only
            .iter()
            .map(|subject| subject.name().to_owned());
        command += &format!(" --only {}", join(only.collect()));
    }
    for (flag, given) in [
        (" --skip-open-loop", arguments.skip_open_loop),
        (" --skip-footprint", arguments.skip_footprint),
    ] {
        command += if given { flag } else { "" };
    }
    command
}

/// As a flag takes it, in one word.
fn typed(time: Duration) -> String {
    let text = humantime::format_duration(time).to_string();
    text.replace(' ', "")
}

/// Writes the files and returns what to print.
pub(super) fn write(report: &Report, folder: &Path) -> Result<String> {
    let put = |name: &str, text: &str| {
        let file = folder.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    };
    let json = serde_json::to_string_pretty(report).context("cannot write JSON")?;
    put("limits.json", &(json + "\n"))?;
    let day = report.date.split('T').next().unwrap_or_default();
    let (stack, commit) = (report.stack.stack.name(), report.commit());
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
