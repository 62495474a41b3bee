//! The file that repeats an experiment, in the form of `--file`. It has all settings, and the seed. The user has to
//! give the addresses of an external stack and the secrets again. Pure.

use std::fmt::Write as _;

use super::plan::{Calibration, Experiment, Length};
use super::subject::Revisions;
use crate::cli::typed;
use crate::run::Variant;

/// Its name in the experiment's folder.
pub(super) const FILE: &str = "experiment.toml";

/// A flag's long name, and its value in TOML.
type Line = (&'static str, String);

/// The file's text. Values that may be secrets are masked, and have to be filled in.
pub(super) fn text(plan: &Experiment) -> String {
    let mut text = format!(
        "# harness experiment --file {FILE}\n# {}\n",
        plan.provenance.line()
    );
    for (key, value) in flags(plan).into_iter().chain(design(plan)) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{key} = {value}");
    }
    if plan.revisions.is_none() {
        for variant in &plan.variants {
            text += &table(&variant.shown());
        }
    }
    text
}

/// The settings of all runs.
fn flags(plan: &Experiment) -> Vec<Line> {
    let settings = &plan.settings;
    let time = |time| quoted(&typed::duration(time));
    let mut lines = vec![
        ("topic", quoted(&settings.topic)),
        ("stack", quoted(plan.stack.stack.name())),
        ("brokers", plan.stack.brokers.to_string()),
        ("users", settings.users.to_string()),
        ("spawn-rate", quoted(&settings.spawn_rate.to_string())),
        ("run-time", time(settings.run_time)),
        ("warm-up", time(settings.warm_up)),
        ("rehearsal", time(settings.rehearsal)),
        ("ready-timeout", time(settings.ready_timeout)),
        ("partitions", settings.partitions.to_string()),
    ];
    if !settings.load_flags.is_empty() {
        let words = settings.load_flags.iter().map(String::as_str);
        let words = shlex::try_join(words).unwrap_or_default();
        lines.push(("load", quoted(&words)));
    }
    if !plan.given_properties.is_empty() {
        let own = plan.given_properties.iter().map(|pair| quoted(pair));
        lines.push(("X", format!("[{}]", own.collect::<Vec<_>>().join(", "))));
    }
    lines
}

/// The settings of the blocks and the verdict.
fn design(plan: &Experiment) -> Vec<Line> {
    let threshold = format!("{}%", typed::percentage(plan.threshold));
    let mut lines = vec![
        ("title", quoted(&plan.title)),
        ("threshold", quoted(&threshold)),
        // As text, because it may exceed TOML's largest number.
        ("seed", quoted(&plan.seed.to_string())),
    ];
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
    let calibrate = plan.calibration.map(|when| match when {
        Calibration::First => "first",
        Calibration::Only => "only",
    });
    lines.extend(calibrate.map(|when| ("calibrate", quoted(when))));
    if let Some(revisions) = &plan.revisions {
        lines.extend(of_revisions(revisions, &plan.variants[0].shown()));
    }
    lines
}

/// The flags of an experiment with two revisions. Both variants have the same command.
fn of_revisions(revisions: &Revisions, variant: &Variant) -> Vec<Line> {
    let [old, new] = &revisions.commits;
    let mut lines = vec![("baseline-rev", quoted(old)), ("changed-rev", quoted(new))];
    let build = revisions.build.as_ref();
    lines.extend(build.map(|build| ("build", quoted(build))));
    lines.push(("run", quoted(&variant.command)));
    lines.push(("ready", quoted(&String::from(variant.ready.clone()))));
    let own = variant.environment.iter();
    let own: Vec<String> = own
        .map(|(name, value)| quoted(&format!("{name}={value}")))
        .collect();
    if !own.is_empty() {
        lines.push(("env", format!("[{}]", own.join(", "))));
    }
    lines
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
    if !variant.load.is_empty() {
        lines.push(("load", quoted(&variant.load)));
    }
    let against = variant.against.as_ref();
    lines.extend(against.map(|name| ("against", quoted(name))));
    let lines = lines
        .into_iter()
        .map(|(key, value)| format!("{key} = {value}\n"));
    format!("\n[[variants]]\n{}", lines.collect::<String>())
}

/// A basic string of TOML. JSON's escapes are valid there.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text)
        .to_string()
        .replace('\u{7f}', "\\u007F")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Command, ExperimentArguments, parse};
    use crate::environment::Provenance;
    use crate::experiment::{Design, Subject};
    use crate::stack::{Description, StackKind};

    /// An experiment with values that could get lost easily.
    fn plan() -> Experiment {
        let line = "harness experiment --users 7 --spawn-rate 2.5";
        let load = "--load=--header 'a=b c' --rate 5/s";
        let words = line.split(' ').map(str::to_owned).chain([load.to_owned()]);
        let arguments = experiment(words.collect());
        let mut subject = Subject::built_in().unwrap();
        subject.title = "a \"title\"\u{7f}\twith \\ signs".to_owned();
        subject.variants[1].folder = Some(std::env::temp_dir());
        subject.variants[1].against = Some("serial".to_owned());
        subject.variants[1].load = "--profile spring --header 'a=b c'".to_owned();
        let design = Design {
            length: Length::Fixed { trials: 7 },
            calibration: Some(Calibration::First),
            seed: u64::MAX,
            threshold: 0.07,
        };
        let settings = arguments.load.settings(StackKind::Native, "requests");
        let stack = Description {
            stack: StackKind::Native,
            brokers: 3,
            broker: "Kafka".to_owned(),
            broker_is_mock: false,
            shared: false,
            store: "redis".to_owned(),
            java: None,
        };
        let mut plan = Experiment::of(stack, subject, settings, design, Provenance::now());
        plan.given_properties = vec!["linger.ms=0".to_owned(), "client.id=a b".to_owned()];
        plan
    }

    fn experiment(words: Vec<String>) -> ExperimentArguments {
        let (cli, _) = parse(words).unwrap();
        let Command::Experiment(arguments) = cli.command else {
            panic!("no experiment")
        };
        *arguments
    }

    fn read(text: &str) -> ExperimentArguments {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, text).unwrap();
        let file = file.path().display().to_string();
        let words = ["harness", "experiment", "--file", &file].map(str::to_owned);
        let arguments = experiment(words.into());
        assert_eq!(
            arguments
                .subject
                .file
                .as_ref()
                .unwrap()
                .display()
                .to_string(),
            file
        );
        arguments
    }

    #[test]
    fn the_file_says_all_that_was_given_and_drawn() {
        let plan = plan();
        let text = text(&plan);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, &text).unwrap();
        let words = ["harness", "experiment", "--file"].map(str::to_owned);
        let file = file.path().display().to_string();
        let arguments = experiment(words.into_iter().chain([file]).collect());
        let subject = Subject::of_experiment(&arguments).unwrap();
        assert_eq!(
            (&subject.title, &subject.variants),
            (&plan.title, &plan.variants)
        );
        let settings = arguments
            .load
            .settings(arguments.target.kind(), &subject.topic);
        let [found, expected] =
            [&settings, &plan.settings].map(|own| serde_json::to_value(own).unwrap());
        assert_eq!(found, expected);
        assert_eq!(arguments.target.start.brokers, 3);
        assert_eq!(arguments.target.properties.len(), 2);
        assert_eq!(
            (arguments.seed, arguments.threshold),
            (Some(plan.seed), 0.07)
        );
        assert_eq!(
            (arguments.length(), arguments.calibrate),
            (plan.length, plan.calibration)
        );
    }

    #[test]
    fn revisions_are_named_by_their_commits() {
        let mut plan = plan();
        plan.length = Length::UntilDecided {
            min_trials: 5,
            max_trials: 9,
        };
        plan.revisions = Some(Revisions {
            commits: ["abc".to_owned(), "def".to_owned()],
            build: Some("make 'a b'".to_owned()),
        });
        plan.variants[0]
            .environment
            .insert("DB_PASSWORD".to_owned(), "p".to_owned());
        let arguments = read(&text(&plan));
        assert_eq!(arguments.baseline_rev.as_deref(), Some("abc"));
        assert_eq!(arguments.changed_rev.as_deref(), Some("def"));
        assert_eq!(arguments.build.as_deref(), Some("make 'a b'"));
        assert_eq!(arguments.run.as_ref(), Some(&plan.variants[0].command));
        assert_eq!(arguments.ready.as_ref(), Some(&plan.variants[0].ready));
        assert_eq!(arguments.length(), plan.length);
        let masked = ("DB_PASSWORD".to_owned(), "***".to_owned());
        assert!(arguments.environment.contains(&masked));
        let told = format!("{:#}", Subject::of_experiment(&arguments).unwrap_err());
        assert!(told.contains("DB_PASSWORD is masked"), "{told}");
    }
}
