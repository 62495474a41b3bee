//! The report of an experiment: for the terminal, as JSON, and as a page that opens offline.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use humantime::format_duration;
use load_client::compare::{Comparison, Names, Options, Verdict, compare, percent};
use load_client::report::html::{PageContext, Section, comparison_page};
use load_client::report::text::{comparison_markdown, comparison_text};

use super::blocks::{Made, Side};
use super::figures::{self, Figures, figures};
use super::plan::{Experiment, Length};
use super::repeat;
use super::trials::{Runs, SAME, compared};
use crate::environment::Provenance;
use crate::files;
use crate::run::Variant;

/// The page's file name.
pub const REPORT: &str = "report.html";

const DEBUG_NOTICE: &str =
    "The programs of this workspace were built without --release: they are slower than necessary.";
const MOCK_NOTICE: &str = "The broker was a mock: librdkafka's in-process cluster, not Apache Kafka. \
    These figures compare the variants. They say nothing about Kafka's own latency.";

const SHARED_NOTICE: &str = "Broker and store ran before the experiment. It has removed its topics (run-...), but not \
    the data of the services: the orders service stores one order per answered request, also in the warm-up.";

/// The result of an experiment.
#[derive(Debug)]
pub struct Outcome {
    /// The comparisons, for a terminal.
    pub text: String,
    /// The same as Markdown.
    pub markdown: String,
    /// The page. With more than two variants, that of the first change.
    pub report: PathBuf,
    /// The comparison of each change, with its name.
    pub changes: Vec<(String, Comparison)>,
}

/// Compares the sides and writes the pages. Without variants, it reports the calibration.
pub(super) fn write(plan: &Experiment, runs: &Runs, folder: &Path) -> Result<Outcome> {
    let noise = runs.noise.as_ref();
    let noise = noise.map(|made| against_itself(plan, &made.sides));
    let noise = noise.transpose()?;
    let mut sections = vec![
        design(plan, runs.variants.as_ref()),
        load(plan),
        place(plan),
    ];
    let mut notices = notices(plan);
    let mut comparisons = Vec::new();
    let mut table = String::new();
    if let Some(Made { sides, .. }) = &runs.variants {
        for side in 1..plan.variants.len() {
            let comparison = compared(plan, sides, side, Options::default().detail)?;
            comparisons.push((plan.variants[side].name.clone(), comparison));
        }
        let all = figures(plan, sides);
        sections.insert(0, each_variant(&all));
        files::write_json(&folder.join(figures::FILE), &all)?;
        if all.len() > 2 {
            table = figures::markdown(&all) + "\n";
        }
        if let Some(noise) = &noise {
            sections.insert(0, noise_floor(noise));
            notices.extend(unsteady(noise));
            files::write_json(&folder.join("calibration.json"), noise)?;
        }
    } else if let Some(noise) = noise.clone() {
        comparisons.push((SAME[1].to_owned(), noise));
    }
    if comparisons.len() > 1 {
        sections.insert(0, conclusions(&comparisons));
    }
    let title = match runs.variants {
        Some(_) => plan.title.as_str(),
        None => "Calibration: the baseline against itself",
    };
    let context = PageContext {
        title: format!("{title}, stack {}", plan.stack.stack.name()),
        notices,
        sections,
    };
    for (index, (name, comparison)) in comparisons.iter().enumerate() {
        let file = |stem: &str, end: &str| match index {
            0 => folder.join(format!("{stem}.{end}")),
            _ => folder.join(format!("{stem}-{name}.{end}")),
        };
        let page = comparison_page(comparison, &context);
        files::write(&file("report", "html"), &page)?;
        files::write_json(&file("comparison", "json"), comparison)?;
    }
    let noise = noise.as_ref().filter(|_| runs.variants.is_some());
    Ok(Outcome {
        text: table.clone() + &text(&comparisons, noise, &context.notices),
        markdown: table + &markdown(&comparisons),
        report: folder.join(REPORT),
        changes: comparisons,
    })
}

/// Compares the baseline's runs with each other. The verdict always comes once, at the end.
fn against_itself(plan: &Experiment, noise: &[Side]) -> Result<Comparison> {
    let options = Options {
        threshold: plan.threshold,
        names: Names::try_new(SAME[0], SAME[1])?,
        ..Options::default()
    };
    Ok(compare(&noise[0].runs, &noise[1].runs, &options)?)
}

fn text(
    comparisons: &[(String, Comparison)],
    noise: Option<&Comparison>,
    notices: &[String],
) -> String {
    let each = comparisons
        .iter()
        .map(|(name, comparison)| match comparisons.len() {
            1 => comparison_text(comparison),
            _ => format!("{name}\n{}\n", comparison_text(comparison)),
        });
    let noise = noise.map(|noise| {
        format!(
            "\nnoise floor, the baseline against itself: {}\n",
            noise.conclusion
        )
    });
    let notices = notices.iter().map(|notice| format!("note: {notice}\n"));
    each.chain(noise).chain(notices).collect()
}

fn markdown(comparisons: &[(String, Comparison)]) -> String {
    let each = comparisons
        .iter()
        .map(|(name, comparison)| match comparisons.len() {
            1 => comparison_markdown(comparison),
            _ => format!("### {name}\n\n{}\n", comparison_markdown(comparison)),
        });
    each.collect()
}

/// The conclusions of all changes, for the page of each.
fn conclusions(comparisons: &[(String, Comparison)]) -> Section {
    let rows = comparisons.iter();
    let rows = rows.map(|(name, comparison)| (name.clone(), comparison.conclusion.clone()));
    Section {
        heading: "All changes".to_owned(),
        rows: rows.collect(),
    }
}

/// The figures of each variant.
fn each_variant(all: &[Figures]) -> Section {
    let rows = all.iter().map(|one| (one.name.clone(), one.line()));
    Section {
        heading: "Each variant: medians over its runs, failures of all".to_owned(),
        rows: rows.collect(),
    }
}

/// How much the baseline differs from itself. Smaller changes cannot be distinguished from noise.
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

/// Warns if the baseline differs from itself: the machine drifts, or there are too few blocks.
fn unsteady(noise: &Comparison) -> Option<String> {
    let verdict = noise.verdict?;
    matches!(verdict, Verdict::Faster | Verdict::Slower).then(|| {
        format!(
            "The baseline differs from itself ({}): this machine was not steady enough. Use longer runs \
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

fn design(plan: &Experiment, variants: Option<&Made>) -> Section {
    let told = |variant: &Variant| {
        let command = match variant.about.as_str() {
            "" => variant.command.clone(),
            about => format!("{about}: {}", variant.command),
        };
        match variant.load.as_str() {
            "" => command,
            load => format!("{command}; its load client: {load}"),
        }
    };
    let mut rows: Vec<(String, String)> = match variants {
        Some(_) => {
            let all = plan.variants.iter();
            all.map(|variant| (variant.name.clone(), told(variant)))
                .collect()
        }
        None => vec![
            (SAME[0].to_owned(), told(&plan.variants[0])),
            (SAME[1].to_owned(), "the same".to_owned()),
        ],
    };
    let own = [
        ("blocks", blocks(plan, variants.is_some())),
        ("order", order(plan, variants)),
        ("seed of the order", plan.seed.to_string()),
        (
            "to repeat it",
            format!(
                "harness experiment --file {}, beside this page",
                repeat::FILE
            ),
        ),
        (
            "new in each run",
            "topics, consumer group, service and load client; not broker and store".to_owned(),
        ),
    ];
    rows.extend(own.map(|(name, value)| (name.to_owned(), value)));
    let dropped = variants.map_or(&[][..], |made| &made.dropped);
    let dropped = dropped
        .iter()
        .map(|why| ("does not count".to_owned(), format!("block {why}")));
    rows.extend(dropped);
    Section {
        heading: "Experiment".to_owned(),
        rows,
    }
}

fn blocks(plan: &Experiment, of_variants: bool) -> String {
    match plan.length {
        _ if !of_variants => format!("{}, with one verdict at the end", plan.calibration_blocks()),
        Length::Fixed { trials } => format!("{trials}, each one run of each variant"),
        Length::UntilDecided {
            min_trials,
            max_trials,
        } => format!(
            "{min_trials} to {max_trials}, each one run of each variant, with a look after each until it was decided"
        ),
    }
}

/// The order of the blocks that ran.
fn order(plan: &Experiment, variants: Option<&Made>) -> String {
    let (order, made) = match variants {
        Some(made) => (plan.order.clone(), made.blocks),
        None => (plan.calibration_order(), usize::MAX),
    };
    let name = |side: &usize| match variants {
        Some(_) => plan.variants[*side].name.as_str(),
        None => SAME[*side],
    };
    let blocks = order.iter().take(made).map(|block| {
        let names: Vec<&str> = block.iter().map(name).collect();
        names.join(" ")
    });
    blocks.collect::<Vec<_>>().join(" | ")
}

fn load(plan: &Experiment) -> Section {
    let settings = &plan.settings;
    let properties = or_none(&plan.client_properties, ", ");
    section(
        "Load",
        [
            (
                "model",
                "closed loop: each user waits for the reply before the next request".to_owned(),
            ),
            ("users", settings.users.to_string()),
            ("spawn rate", format!("{}/s", settings.spawn_rate)),
            ("run time", format_duration(settings.run_time).to_string()),
            ("warm-up", format_duration(settings.warm_up).to_string()),
            ("rehearsal", rehearsal(settings.rehearsal)),
            ("partitions", settings.partitions.to_string()),
            ("further flags", or_none(&settings.load_flags, " ")),
            ("client properties", properties),
        ],
    )
}

fn or_none(items: &[String], between: &str) -> String {
    match items {
        [] => "none beyond the programs' own".to_owned(),
        items => items.join(between),
    }
}

fn rehearsal(time: Duration) -> String {
    match time {
        Duration::ZERO => "none".to_owned(),
        time => format!("{} of each variant, thrown away", format_duration(time)),
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
