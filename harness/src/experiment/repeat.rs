//! The file that repeats an experiment: all that was given and drawn, as `--file` takes it. Pure.

use std::fmt::Write as _;

use humantime::format_duration;

use super::plan::{Calibration, Experiment, Length};
use crate::cli::typed;
use crate::run::Variant;
use crate::stack::StackKind;

/// Its name in the experiment's folder.
pub(super) const FILE: &str = "experiment.toml";

/// The file's text. Values that may be secrets are masked: they are to be filled in.
pub(super) fn text(plan: &Experiment) -> String {
    let settings = &plan.settings;
    let time = |time| quoted(&format_duration(time).to_string().replace(' ', ""));
    let mut lines = vec![
        ("title", quoted(&plan.title)),
        ("topic", quoted(&settings.topic)),
        ("stack", quoted(plan.stack.stack.name())),
        ("brokers", plan.stack.brokers.to_string()),
        ("users", settings.users.to_string()),
        ("spawn-rate", settings.spawn_rate.to_string()),
        ("run-time", time(settings.run_time)),
        ("warm-up", time(settings.warm_up)),
        ("rehearsal", time(settings.rehearsal)),
        ("ready-timeout", time(settings.ready_timeout)),
        ("partitions", settings.partitions.to_string()),
        (
            "threshold",
            quoted(&format!("{}%", typed::percentage(plan.threshold))),
        ),
        ("seed", plan.seed.to_string()),
    ];
    if !settings.load_flags.is_empty() {
        let words = settings.load_flags.iter().map(String::as_str);
        let words = shlex::try_join(words).unwrap_or_default();
        lines.push(("load", quoted(&words)));
    }
    if settings.is_duet {
        lines.push(("duet", time(settings.turn)));
    }
    match plan.length {
        Length::Fixed { trials } => lines.push(("trials", trials.to_string())),
        Length::UntilDecided {
            min_trials,
            max_trials,
        } => {
            lines.push(("min-trials", min_trials.to_string()));
            lines.push(("max-trials", max_trials.to_string()));
        }
    }
    let calibrate = match plan.calibration {
        None => None,
        Some(Calibration::First) => Some("first"),
        Some(Calibration::Only) => Some("only"),
    };
    lines.extend(calibrate.map(|when| ("calibrate", quoted(when))));
    if plan.stack.stack == StackKind::External {
        lines.retain(|(key, _)| !matches!(*key, "stack" | "brokers"));
    }
    let mut text = format!(
        "# harness experiment --file {FILE}\n# {}\n",
        plan.provenance.line()
    );
    for (key, value) in lines {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{key} = {value}");
    }
    for variant in &plan.variants {
        text += &table(&variant.shown());
    }
    text
}

fn table(variant: &Variant) -> String {
    let mut lines = vec![
        ("name", quoted(&variant.name)),
        ("about", quoted(&variant.about)),
        ("command", quoted(&variant.command)),
        ("ready", quoted(&String::from(variant.ready.clone()))),
    ];
    let folder = variant.folder.as_ref();
    lines.extend(folder.map(|folder| ("folder", quoted(&folder.display().to_string()))));
    let own = variant.environment.iter();
    let own: Vec<String> = own
        .map(|(name, value)| format!("{} = {}", quoted(name), quoted(value)))
        .collect();
    if !own.is_empty() {
        lines.push(("environment", format!("{{ {} }}", own.join(", "))));
    }
    let lines = lines
        .into_iter()
        .map(|(key, value)| format!("{key} = {value}\n"));
    format!("\n[[variants]]\n{}", lines.collect::<String>())
}

/// A basic string of TOML: JSON's escapes are among its own.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text)
        .to_string()
        .replace('\u{7f}', "\\u007F")
}
