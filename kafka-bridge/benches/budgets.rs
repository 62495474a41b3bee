//! Checks the cost of a record, in allocations and instructions, against `budget.toml`: `make budgets`.
//!
//! Neither count depends on other load on the machine, so a regression shows even if times are too noisy. The global
//! allocator counts allocations. valgrind's callgrind counts instructions: this program starts itself under it. Each
//! row runs twice, with more records the second time. The difference is the cost of the records, without start and end.
//!
//! Arguments: names of rows, all by default; or `run ROW RECORDS`, which is the counted run.

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
    // `cargo bench` adds this flag.
    arguments.retain(|argument| argument != "--bench");
    match &arguments[..] {
        [run, name, records] if run == "run" => {
            let count = records.parse().context("RECORDS must be a number")?;
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
        format!("no row `{name}`, the rows are {}", names.join(", "))
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

/// Returns the allocations per record. An allocation that grows in place or moves counts once more.
fn allocations(row: &Row) -> f64 {
    let count = |records| {
        let work = (row.prepare)(records);
        let region = Region::new(ALLOCATOR);
        counted_work(work);
        let change = region.change();
        (change.allocations + change.reallocations) as f64
    };
    // Allocations at the first use do not belong to a record.
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
        .context("valgrind failed to start")?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "`{}` failed under valgrind: {text}",
        row.name
    );
    let collected = text.lines().find_map(|line| line.split_once("Collected :"));
    match collected.and_then(|(_, number)| number.trim().parse().ok()) {
        Some(number) if number > 0.0 => Ok(number),
        _ => bail!("valgrind counted no instructions of `{}`: {text}", row.name),
    }
}

fn has_valgrind() -> bool {
    let version = Command::new("valgrind").arg("--version").output();
    version.is_ok_and(|output| output.status.success())
}

/// callgrind counts this function, which it finds by its name.
#[inline(never)]
fn counted_work(work: Work) {
    work();
}
