//! The steps of a simulation: the baseline's median, then for each change its true effect and its experiments.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use load_client::compare::{Comparison, Detail, Options, compare, percent};
use load_client::stats::quantile;
use tokio_util::sync::CancellationToken;

use super::change::{Change, Measured};
use super::judge::{Answer, Part, Trial, median};
use super::report::Report;
use crate::cli::{SimulateArguments, rehearsal};
use crate::environment::Provenance;
use crate::experiment::{Blocks, Length, Progress, Side, Sides, Subject, new_folder, order};
use crate::programs;
use crate::run::{Settings, Variant, rehearse};
use crate::stack::{Stack, StackKind};

/// The spawn rate is this number times the users, so that all users have started after 0.1 s.
const SPAWN_RATE_PER_USER: f64 = 10.0;
/// The service of the experiments, an example program.
const SLOWED: &str = "slowed";
/// The program that it replaces.
const ORDER_SERVICE: &str = "{programs}/order-service";

/// Runs everything. Returns the text to print, also after an early end, and how it ended.
///
/// # Errors
///
/// Fails if it ends before the first experiment: a program is missing, or a run does not take place.
pub async fn simulate(
    stack: &mut Stack,
    arguments: &SimulateArguments,
    seed: u64,
    stop: &CancellationToken,
) -> Result<(String, Result<()>)> {
    let program = programs::example(SLOWED)?;
    programs::own(
        "load-client",
        "--load-client",
        arguments.load_client.as_deref(),
    )?;
    let provenance = Provenance::now();
    let name = format!("simulate-{}", stack.kind().name());
    let folder = new_folder(&arguments.results, &provenance.date, &name)?;
    let orders = Subject::built_in()?;
    let settings = settings(arguments, stack.kind(), &orders.topic);
    let slowed = Slowed {
        orders: orders.variant("baseline")?.clone(),
        program,
    };
    let baseline = slowed.by(Duration::ZERO);
    rehearse(stack, &settings, &[baseline], &folder, stop).await?;
    let progress = Progress::of_experiments(runs(arguments));
    let mut course = Course {
        stack,
        arguments,
        settings,
        slowed,
        folder,
        progress,
        stop,
        seed,
    };
    let median_ms = course.baseline_median().await?;
    let mut report = Report::new(course.stack, arguments, seed, provenance, median_ms);
    let ended = course.parts(&mut report, median_ms).await;
    let files = format!("\nfiles: {}\n", course.folder.display());
    Ok((report.text() + &files, ended))
}

fn settings(arguments: &SimulateArguments, kind: StackKind, topic: &str) -> Settings {
    Settings {
        users: arguments.users,
        spawn_rate: f64::from(arguments.users) * SPAWN_RATE_PER_USER,
        run_time: arguments.run_time,
        warm_up: arguments.warm_up,
        rehearsal: arguments.rehearsal.unwrap_or_else(|| rehearsal(kind)),
        partitions: 1,
        topic: topic.to_owned(),
        load_flags: Vec::new(),
        ready_timeout: Duration::from_secs(60),
        load_client: arguments.load_client.clone(),
    }
}

/// The number of runs, for the progress.
fn runs(arguments: &SimulateArguments) -> u64 {
    let blocks = arguments.only.iter().map(|change| match change.is_none() {
        true => arguments.experiments * arguments.trials,
        false => arguments.truth_trials + arguments.changed * arguments.trials,
    });
    2 * blocks.chain([arguments.trials]).map(u64::from).sum::<u64>()
}

/// The orders service with a slower handler.
struct Slowed {
    orders: Variant,
    program: PathBuf,
}

impl Slowed {
    /// The service with a busy loop of this length in each request.
    fn by(&self, spin: Duration) -> Variant {
        let own = self.program.display().to_string();
        let own = self.orders.command.replace(ORDER_SERVICE, &own);
        Variant {
            name: if spin.is_zero() { "baseline" } else { SLOWED }.to_owned(),
            command: format!("{own} --spin {}", spin.as_nanos()),
            ..self.orders.clone()
        }
    }
}

struct Course<'a> {
    stack: &'a mut Stack,
    arguments: &'a SimulateArguments,
    settings: Settings,
    slowed: Slowed,
    folder: PathBuf,
    progress: Progress,
    stop: &'a CancellationToken,
    /// Seed of the next blocks.
    seed: u64,
}

impl Course<'_> {
    /// The median round trip of the unchanged service under this load. It is the median of the runs' medians, because
    /// the broker may still warm up during the first runs.
    async fn baseline_median(&mut self) -> Result<f64> {
        let folder = self.folder.join("median");
        let (long, blocks) = (self.long_runs(), self.arguments.trials);
        let sides = self.blocks(&folder, &long, Duration::ZERO, blocks).await?;
        let runs = sides.iter().flat_map(|side| &side.runs);
        let medians = runs.map(|run| quantile(&run.latencies_ms, 0.5));
        let median = medians.collect::<Option<Vec<f64>>>();
        let median = median.and_then(|medians| quantile(&medians, 0.5));
        let median =
            median.context("a run had no good reply: raise --truth-time, or see its files")?;
        self.progress
            .tell(&format!("baseline: median {median:.3} ms"));
        Ok(median)
    }

    /// Runs all parts. Writes the report and its files after each experiment.
    async fn parts(&mut self, report: &mut Report, median_ms: f64) -> Result<()> {
        let arguments = self.arguments;
        for change in &arguments.only {
            let spin = change.spin(median_ms, arguments.users);
            let part = Part {
                change: *change,
                spin_us: spin.as_secs_f64() * 1e6,
                truth: self.truth(*change, spin).await?,
                planned: match change.is_none() {
                    true => arguments.experiments,
                    false => arguments.changed,
                },
                trials: Vec::new(),
            };
            let planned = part.planned;
            report.findings.parts.push(part);
            report.write(&self.folder)?;
            for number in 1..=planned {
                let trial = self.trial(*change, spin, number).await?;
                let part = report.findings.parts.last_mut();
                let part = part.context("the part was just put there")?;
                part.trials.push(trial);
                let folder = self.trial_folder(*change, number);
                self.conclude(part, &folder)?;
                report.write(&self.folder)?;
            }
        }
        Ok(())
    }

    /// The true effect of the busy loop, measured by more and longer runs than in an experiment.
    async fn truth(&mut self, change: Change, spin: Duration) -> Result<Measured> {
        if change.is_none() {
            return Ok(Measured::NO_CHANGE);
        }
        let folder = self.folder.join(format!("truth-{}", change.typed()));
        let long = self.long_runs();
        let blocks = self.arguments.truth_trials;
        let sides = self.blocks(&folder, &long, spin, blocks).await?;
        let comparison = self.compared(&sides)?;
        let truth = median(&comparison).context("a run had no good reply: see its files")?;
        self.progress.tell(&format!(
            "{}: a busy loop of {:.1} µs truly changes the median by {} ({} to {})",
            change.name(),
            spin.as_secs_f64() * 1e6,
            percent(truth.change),
            percent(truth.low),
            percent(truth.high),
        ));
        Ok(truth)
    }

    async fn trial(&mut self, change: Change, spin: Duration, number: u32) -> Result<Trial> {
        let folder = self.trial_folder(change, number);
        let settings = self.settings.clone();
        let seed = self.seed;
        let blocks = self.arguments.trials;
        let sides = self.blocks(&folder, &settings, spin, blocks).await?;
        let comparison = self.compared(&sides)?;
        Ok(Trial::new(seed, &comparison))
    }

    /// Shows the last verdict of a part. Removes its runs, unless the verdict is wrong or missing.
    fn conclude(&self, part: &Part, folder: &Path) -> Result<()> {
        let trial = part.trials.last().context("an experiment was made")?;
        let threshold = self.arguments.threshold;
        let is_wrong = part.is_wrong(trial.answer, threshold);
        let so_far = Answer::ALL.map(|(answer, name)| format!("{name} {}", part.count(answer)));
        self.progress.tell(&format!(
            "{}, {} of {}: {}{}\n    so far: {}, wrong {}",
            part.change.name(),
            part.trials.len(),
            part.planned,
            if is_wrong { "WRONG: " } else { "" },
            trial.conclusion,
            so_far.join(", "),
            part.wrong(threshold),
        ));
        if self.arguments.keep_runs || part.is_striking(trial.answer, threshold) {
            return Ok(());
        }
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))
    }

    /// Runs blocks of the baseline and of the service with that busy loop. Without one, both sides are the baseline.
    async fn blocks(
        &mut self,
        folder: &Path,
        settings: &Settings,
        spin: Duration,
        count: u32,
    ) -> Result<[Side; 2]> {
        let order = order(Length::Fixed { trials: count }, 2, self.seed);
        self.seed = self.seed.wrapping_add(1);
        let side = |name: &str, spin| (name.to_owned(), self.slowed.by(spin));
        let sides = Sides {
            word: "block",
            sides: vec![side("baseline", Duration::ZERO), side("changed", spin)],
            repeats_invalid: false,
        };
        let mut runs = Blocks {
            stack: self.stack,
            settings,
            folder,
            progress: &self.progress,
            stop: self.stop,
        };
        let runs = runs.run(&sides, &order, |_| Ok(false)).await?;
        <[_; 2]>::try_from(runs.sides)
            .ok()
            .context("there are two sides")
    }

    fn compared(&self, sides: &[Side; 2]) -> Result<Comparison> {
        let options = Options {
            threshold: self.arguments.threshold,
            detail: Detail::Verdict,
            ..Options::default()
        };
        Ok(compare(&sides[0].runs, &sides[1].runs, &options)?)
    }

    fn long_runs(&self) -> Settings {
        Settings {
            run_time: self.arguments.truth_time,
            ..self.settings.clone()
        }
    }

    fn trial_folder(&self, change: Change, number: u32) -> PathBuf {
        self.folder.join(format!("{}-{number}", change.typed()))
    }
}
