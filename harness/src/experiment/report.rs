//! The comparison of an experiment's runs: for the terminal, as JSON, and as a page that opens offline.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use humantime::format_duration;
use load_client::compare::{Comparison, Names, Options, Verdict, compare, percent};
use load_client::report::html::{PageContext, Section, comparison_page};
use load_client::report::text::comparison_text;

use super::pairing::Sides;
use super::plan::Experiment;
use crate::environment::Provenance;
use crate::files;
use crate::run::Variant;

/// The page's file name.
pub const REPORT: &str = "report.html";

const DEBUG_NOTICE: &str =
    "The programs were built without --release: both variants are slower than they need be.";
const MOCK_NOTICE: &str = "The broker was a mock: librdkafka's in-process cluster, not Apache Kafka. \
    These figures compare the two variants; they say nothing about Kafka's own latency.";

const SHARED_NOTICE: &str = "Broker and store were there before: the topics of the runs (run-...) are removed, \
    their orders (keys order:<id>, one for each answered request, the rehearsal's and warm-up's too) are not.";

/// What the variants are called: the modes in which the service dispatches its records.
const DISPATCH: [&str; 2] = [Variant::Baseline.dispatch(), Variant::Tasks.dispatch()];
/// What the sides of a calibration are called, as their files are.
const SAME: [&str; 2] = ["first", "second"];

/// What an experiment found.
#[derive(Debug)]
pub struct Outcome {
    /// The comparison, for a terminal.
    pub text: String,
    /// The page.
    pub report: PathBuf,
}

/// Compares the sides and writes the page; without variants, the calibration is what is reported.
pub(super) fn write(
    plan: &Experiment,
    noise: Option<&Sides>,
    variants: Option<&Sides>,
    folder: &Path,
) -> Result<Outcome> {
    let compared = |sides: &Sides, names: [&str; 2]| -> Result<Comparison> {
        let options = Options {
            threshold: plan.threshold,
            names: Names::try_new(names[0], names[1])?,
            ..Options::default()
        };
        Ok(compare(&sides.baseline, &sides.changed, &options)?)
    };
    let noise = noise.map(|sides| compared(sides, SAME)).transpose()?;
    let variants = variants
        .map(|sides| compared(sides, DISPATCH))
        .transpose()?;
    let mut context = context(plan, variants.is_some());
    let comparison = match (&variants, &noise) {
        (Some(variants), Some(noise)) => {
            context.sections.insert(0, noise_floor(noise));
            context.notices.extend(unsteady(noise));
            files::write_json(&folder.join("calibration.json"), noise)?;
            variants
        }
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => bail!("there is nothing to compare"),
    };
    let report = folder.join(REPORT);
    files::write(&report, &comparison_page(comparison, &context))?;
    files::write_json(&folder.join("comparison.json"), comparison)?;
    let noise = noise.as_ref().filter(|_| variants.is_some());
    Ok(Outcome {
        text: text(comparison, noise, &context.notices),
        report,
    })
}

fn text(comparison: &Comparison, noise: Option<&Comparison>, notices: &[String]) -> String {
    let noise = noise.map(|noise| {
        format!(
            "\nnoise floor, the baseline against itself: {}\n",
            noise.conclusion
        )
    });
    let notices = notices.iter().map(|notice| format!("note: {notice}\n"));
    comparison_text(comparison) + &noise.unwrap_or_default() + &notices.collect::<String>()
}

/// How much the baseline differs from itself: smaller changes cannot be told from noise.
fn noise_floor(noise: &Comparison) -> Section {
    let effects = noise.blocks.iter().flat_map(|blocks| &blocks.effects);
    let rows = effects.map(|effect| {
        let [change, low, high] = [effect.change, effect.low, effect.high].map(percent);
        (
            effect.metric.name().to_owned(),
            format!("{change} ({low} to {high})"),
        )
    });
    Section {
        heading: "Noise floor: the baseline against itself".to_owned(),
        rows: rows.collect(),
    }
}

/// A baseline that differs from itself shows a machine that drifts, or blocks that are too few.
fn unsteady(noise: &Comparison) -> Option<String> {
    let verdict = noise.verdict?;
    matches!(verdict, Verdict::Faster | Verdict::Slower).then(|| {
        format!(
            "The baseline differs from itself ({}): this machine was not steady enough; use longer runs \
             and more blocks.",
            verdict.name()
        )
    })
}

fn notices(plan: &Experiment) -> Vec<String> {
    let mock = plan.stack.broker_is_mock.then_some(MOCK_NOTICE);
    let debug = (!plan.provenance.optimised).then_some(DEBUG_NOTICE);
    let shared = plan.stack.shared.then_some(SHARED_NOTICE);
    let notices = mock.into_iter().chain(debug).chain(shared);
    notices.map(str::to_owned).collect()
}

fn context(plan: &Experiment, variants: bool) -> PageContext {
    PageContext {
        title: format!(
            "{}, stack {}",
            if variants {
                "One task per record against one record at a time"
            } else {
                "Calibration: the baseline against itself"
            },
            plan.stack.stack.name()
        ),
        notices: notices(plan),
        sections: vec![design(plan, variants), load(plan), place(plan)],
    }
}

fn design(plan: &Experiment, variants: bool) -> Section {
    let order = plan
        .order
        .iter()
        .map(|[first, second]| format!("{} {}", first.dispatch(), second.dispatch()));
    let serial = "--dispatch serial: one record after the other".to_owned();
    let [old, new] = if variants {
        [
            (DISPATCH[0], serial),
            (
                DISPATCH[1],
                "--dispatch tasks: one task for each record".to_owned(),
            ),
        ]
    } else {
        [(SAME[0], serial), (SAME[1], "the same".to_owned())]
    };
    section(
        "Experiment",
        [
            old,
            new,
            (
                "blocks",
                format!("{}, each one run of either variant", plan.trials),
            ),
            ("order", order.collect::<Vec<_>>().join(" | ")),
            ("seed of the order", plan.seed.to_string()),
            ("to repeat it", command(plan, variants)),
            (
                "fresh for each run",
                "topics, consumer group, service and load client; broker and store stay up"
                    .to_owned(),
            ),
        ],
    )
}

/// What to type for the same experiment, but for the stack's address and the properties below.
fn command(plan: &Experiment, variants: bool) -> String {
    let settings = &plan.settings;
    let calibrate = match (plan.calibration, variants) {
        (None, _) => "",
        (Some(_), true) => " --calibrate",
        (Some(_), false) => " --calibrate=only",
    };
    format!(
        "harness experiment --stack {} --trials {} --seed {} --users {} --spawn-rate {} --run-time {} --warm-up {} \
         --rehearsal {} --partitions {} --max-in-flight {} --threshold {}%{calibrate}",
        plan.stack.stack.name(),
        plan.trials,
        plan.seed,
        settings.users,
        settings.spawn_rate,
        format_duration(settings.run_time),
        format_duration(settings.warm_up),
        format_duration(settings.rehearsal),
        settings.partitions,
        settings.max_in_flight,
        plan.threshold * 100.0
    )
}

fn load(plan: &Experiment) -> Section {
    let settings = &plan.settings;
    let properties = match plan.client_properties.as_slice() {
        [] => "none beyond the programs' own".to_owned(),
        properties => properties.join(", "),
    };
    section(
        "Load",
        [
            (
                "model",
                "closed loop: each user waits for its reply before it sends again".to_owned(),
            ),
            ("users", settings.users.to_string()),
            ("spawn rate", format!("{}/s", settings.spawn_rate)),
            ("run time", format_duration(settings.run_time).to_string()),
            ("warm-up", format_duration(settings.warm_up).to_string()),
            ("rehearsal", rehearsal(settings.rehearsal)),
            ("partitions", settings.partitions.to_string()),
            ("max in flight", settings.max_in_flight.to_string()),
            ("client properties", properties),
        ],
    )
}

fn rehearsal(time: Duration) -> String {
    match time {
        Duration::ZERO => "none".to_owned(),
        time => format!("{} of either variant, thrown away", format_duration(time)),
    }
}

fn place(plan: &Experiment) -> Section {
    let Provenance {
        date,
        machine,
        commit,
        rustc,
        librdkafka,
        ..
    } = &plan.provenance;
    let stack = &plan.stack;
    let memory = machine
        .memory_mib
        .map_or_else(|| "unknown".to_owned(), |size| format!("{size} MiB"));
    let commit = commit.as_ref().map_or_else(
        || "unknown".to_owned(),
        |commit| {
            format!(
                "{}{}",
                commit.id,
                if commit.dirty { ", with changes" } else { "" }
            )
        },
    );
    section(
        "Environment",
        [
            ("date", date.clone()),
            ("broker", stack.broker.clone()),
            ("store", stack.store.clone()),
            (
                "java",
                stack.java.clone().unwrap_or_else(|| "none".to_owned()),
            ),
            ("librdkafka", librdkafka.clone()),
            ("rustc", (*rustc).to_owned()),
            ("cpu", format!("{}, {} cores", machine.cpu, machine.cores)),
            ("memory", memory),
            (
                "system",
                format!("{}, kernel {}", machine.os, machine.kernel),
            ),
            ("commit", commit),
        ],
    )
}

fn section<const ROWS: usize>(heading: &str, rows: [(&str, String); ROWS]) -> Section {
    let rows = rows
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    Section {
        heading: heading.to_owned(),
        rows,
    }
}
