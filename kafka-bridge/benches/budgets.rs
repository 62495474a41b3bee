//! Holds what a record costs, in allocations and instructions, against `budget.toml`: `make budgets`.
//!
//! Neither count depends on what else the machine does, so a regression shows where times do not.
//! Allocations are counted here, by the global allocator; instructions by valgrind's callgrind, under
//! which this program starts itself. Each row is run twice, with more records the second time: the
//! difference is the records' own, without start and end.
//!
//! Arguments: names of rows, all by default; or `run ROW RECORDS`, the run that is counted.

mod budget;
mod support;

use std::alloc::System;
use std::io::{Write, stdout};
use std::process::{Command, ExitCode};

use anyhow::{Context, bail, ensure};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use budget::table::{ROWS, Row};
use budget::{Budgets, Cost};
use support::rows::Work;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How many more records the second run has.
const MORE: usize = 2048;

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    // Added by `cargo bench`.
    arguments.retain(|argument| argument != "--bench");
    match &arguments[..] {
        [run, name, records] if run == "run" => {
            let count = records.parse().context("RECORDS has to be a number")?;
            counted_work((find(name)?.prepare)(count));
            Ok(ExitCode::SUCCESS)
        }
        [] => check(ROWS.iter()),
        names => {
            let rows: Result<Vec<_>, _> = names.iter().map(|name| find(name)).collect();
            check(rows?.into_iter())
        }
    }
}

fn find(name: &str) -> anyhow::Result<&'static Row> {
    let row = ROWS.iter().find(|row| row.name == name);
    row.with_context(|| {
        let names: Vec<_> = ROWS.iter().map(|row| row.name).collect();
        format!("no row `{name}`, there are {}", names.join(", "))
    })
}

fn check(rows: impl Iterator<Item = &'static Row>) -> anyhow::Result<ExitCode> {
    let budgets = Budgets::read(include_str!("budget.toml"))?;
    budgets.check_names(ROWS.iter().map(|row| row.name))?;
    let counts_instructions = has_valgrind();
    let mut out = stdout().lock();
    writeln!(
        out,
        "{:<26}{:>14}{:>9}{:>14}{:>9}",
        "a record", "allocations", "budget", "instructions", "budget"
    )?;
    let mut failures = Vec::new();
    for row in rows {
        let instructions = counts_instructions.then(|| instructions(row)).transpose()?;
        let cost = Cost {
            allocations: allocations(row),
            instructions,
        };
        writeln!(out, "{}", budgets.line(row.name, &cost))?;
        failures.extend(budgets.failures(row.name, &cost));
    }
    if !counts_instructions {
        writeln!(
            out,
            "\nnot checked: instructions, because valgrind is not installed (apt-get install valgrind)"
        )?;
    }
    for failure in &failures {
        writeln!(out, "\n{failure}")?;
    }
    Ok(ExitCode::from(u8::from(!failures.is_empty())))
}

/// Allocations a record; one that grows in place or moves counts as one more.
fn allocations(row: &Row) -> f64 {
    let count = |records| {
        let work = (row.prepare)(records);
        let region = Region::new(ALLOCATOR);
        counted_work(work);
        let change = region.change();
        (change.allocations + change.reallocations) as f64
    };
    // What is made once, at the first use, is no record's.
    count(row.start);
    (count(row.start + MORE) - count(row.start)) / MORE as f64
}

fn instructions(row: &Row) -> anyhow::Result<f64> {
    let (few, many) = (
        callgrind(row, row.start)?,
        callgrind(row, row.start + MORE)?,
    );
    Ok((many - few) / MORE as f64)
}

fn callgrind(row: &Row, records: usize) -> anyhow::Result<f64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=*counted_work*")
        .arg(std::env::current_exe()?)
        .args(["run", row.name, &records.to_string()])
        .output()
        .context("valgrind does not start")?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "`{}` failed under valgrind: {text}",
        row.name
    );
    let collected = text.lines().find_map(|line| line.split_once("Collected :"));
    match collected.and_then(|(_, number)| number.trim().parse().ok()) {
        Some(number) if number > 0.0 => Ok(number),
        _ => bail!("valgrind counted nothing of `{}`: {text}", row.name),
    }
}

fn has_valgrind() -> bool {
    let version = Command::new("valgrind").arg("--version").output();
    version.is_ok_and(|output| output.status.success())
}

/// What callgrind counts: it finds the function by its name.
#[inline(never)]
fn counted_work(work: Work) {
    work();
}
