//! `harness limits`: all subjects under all loads in turns, round after round.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use load_client::stats::SplitMix64;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::busy::BusyLoops;
use super::cell::{Bench, Setup};
use super::client::Course;
use super::figures::{Cell, half_rate};
use super::footprint;
use super::load::{Load, Pressure};
use super::report::{self, Report};
use super::subject::{Programs, Subject};
use crate::cli::LimitsArguments;
use crate::environment::Provenance;
use crate::experiment::new_folder;
use crate::stack::Stack;

/// Length of the first run, which warms up the broker.
const REHEARSAL: Duration = Duration::from_secs(10);

/// Runs everything, writes the files, and returns the text to print.
///
/// # Errors
///
/// Fails if a program is missing, if a part fails, and after an interruption.
pub async fn limits(
    stack: &mut Stack,
    arguments: &LimitsArguments,
    seed: u64,
    stop: &CancellationToken,
) -> Result<String> {
    let programs = Programs::find(
        &arguments.only,
        arguments.programs.order_service.as_deref(),
        arguments.programs.load_client.as_deref(),
    )?;
    let provenance = Provenance::now();
    let name = format!("limits-{}", stack.kind().name());
    let folder = new_folder(&arguments.results, &provenance.date, &name)?;
    let logs = folder.join("logs");
    fs::create_dir_all(&logs).with_context(|| format!("cannot create {}", logs.display()))?;
    let mut bench = Bench {
        stack,
        programs: &programs,
        logs: &logs,
        stop,
    };
    let busy = BusyLoops::start(arguments.busy_loops, &logs)?;
    let cells = rounds(&mut bench, arguments, seed).await;
    let cells = busy.stop().await.and(cells)?;
    let footprints = match arguments.skip_footprint {
        true => Vec::new(),
        false => footprint::measure(&mut bench).await?,
    };
    let report = Report::new(stack, arguments, provenance, seed, cells, footprints);
    // This takes a while, and signals must work meanwhile.
    spawn_blocking(move || report::write(&report, &folder)).await?
}

async fn rounds(
    bench: &mut Bench<'_>,
    arguments: &LimitsArguments,
    seed: u64,
) -> Result<Vec<Cell>> {
    let mut generator = SplitMix64::new(seed);
    let mut cells = Vec::new();
    rehearse(bench, arguments).await?;
    for round in 1..=arguments.rounds {
        for load in loads(arguments) {
            for subject in shuffled(subjects(arguments, bench.programs), &mut generator) {
                let rate = match load.pressure {
                    Pressure::HalfOfSlowest => {
                        half_rate(&of_round(&cells, 1), subject.floor(), load)
                    }
                    Pressure::Users(_) => None,
                };
                let setup = setup(arguments, subject, load, rate);
                let cell = bench.cell(round, &setup).await?;
                tell(&cell, arguments.rounds);
                cells.push(cell);
            }
        }
    }
    Ok(cells)
}

/// The cells that decide the rate of the open loop. It is the same in all rounds, so that they can be compared.
fn of_round(cells: &[Cell], round: u32) -> Vec<Cell> {
    let own = cells.iter().filter(|cell| cell.round == round);
    own.cloned().collect()
}

/// One run of the busiest load, whose figures are thrown away, because a JVM is slow at first.
async fn rehearse(bench: &mut Bench<'_>, arguments: &LimitsArguments) -> Result<()> {
    if bench.stack.description().broker_is_mock {
        return Ok(());
    }
    tracing::info!("rehearsal, {REHEARSAL:?}");
    let users = arguments.users.iter().copied().max().unwrap_or(1).min(100);
    let mut setup = setup(arguments, Subject::EchoPipelined, Load::users(users), None);
    setup.course.run_time = REHEARSAL;
    bench.cell(0, &setup).await.map(drop)
}

fn setup(arguments: &LimitsArguments, subject: Subject, load: Load, rate: Option<u32>) -> Setup {
    Setup {
        subject,
        course: Course {
            load,
            rate,
            run_time: arguments.run_time,
            warm_up: arguments.warm_up,
        },
        work: Duration::ZERO,
    }
}

/// Closed loops first, because they decide the rate of the open loop.
fn loads(arguments: &LimitsArguments) -> Vec<Load> {
    let closed = arguments.users.iter().map(|users| Pressure::Users(*users));
    let open = (!arguments.skip_open_loop).then_some(Pressure::HalfOfSlowest);
    let pressures: Vec<Pressure> = closed.chain(open).collect();
    let mut loads = Vec::new();
    for (partitions, instances) in arguments.spreads() {
        loads.extend(pressures.iter().map(|pressure| Load {
            pressure: *pressure,
            partitions,
            instances,
        }));
    }
    loads
}

/// The chosen subjects and their floors, without those that are not built.
fn subjects(arguments: &LimitsArguments, programs: &Programs) -> Vec<Subject> {
    let only = &arguments.only;
    let wanted = |subject: Subject| {
        let is_floor = |asked: &Subject| *asked == subject || asked.floor() == subject;
        only.is_empty() || only.iter().any(is_floor)
    };
    let all = Subject::ALL.into_iter();
    let built = |subject: Subject| subject != Subject::FranzGo || programs.franz_go.is_some();
    all.filter(|subject| wanted(*subject) && built(*subject))
        .collect()
}

/// The shuffle of Fisher and Yates.
fn shuffled(mut subjects: Vec<Subject>, generator: &mut SplitMix64) -> Vec<Subject> {
    for last in (1..subjects.len()).rev() {
        subjects.swap(last, generator.below(last + 1));
    }
    subjects
}

fn tell(cell: &Cell, rounds: u32) {
    let failed = match cell.failures {
        0 => String::new(),
        count => format!(", {count} failed"),
    };
    let bound = match (cell.valid, cell.is_overloaded()) {
        (false, _) => ", client-bound",
        (true, true) => ", overloaded",
        (true, false) => "",
    };
    let time = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2} ms"));
    tracing::info!(
        "round {} of {rounds}, {}, {}: {:.0}/s, p50 {}, p99 {}{failed}{bound}",
        cell.round,
        cell.load.name(),
        cell.subject.name(),
        cell.throughput,
        time(cell.p50_ms),
        time(cell.p99_ms)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_of_chance_and_nothing_is_left_out() {
        let orders = |seed| {
            let mut generator = SplitMix64::new(seed);
            [(); 3].map(|()| shuffled(Subject::ALL.to_vec(), &mut generator))
        };
        assert_eq!(orders(7), orders(7), "the same seed, the same order");
        let [first, second, _] = orders(7);
        assert_ne!(first, second);
        let mut sorted = first;
        sorted.sort();
        assert_eq!(sorted, Subject::ALL);
    }
}
