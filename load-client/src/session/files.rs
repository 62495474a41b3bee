//! What a run leaves behind: where the files of each run go, the words of its report, and the text for people.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use humantime::{format_duration, format_rfc3339_seconds};
use rustix::termios::tcgetwinsize;

use crate::args::Files;
use crate::load::plan::Plan;
use crate::measure::history::{Bin, Moment};
use crate::measure::selfcheck::{Validity, available_cores};
use crate::measure::summary::Summary;
use crate::report::html::{RunPage, Section};
use crate::report::text::repeat_command;
use crate::report::{Destination, EndedBy, RunFacts, is_standard_output};
use crate::session::signals::say;
use crate::transport::kafka::{KafkaSettings, librdkafka_version};

/// Extensions before which the run's number is inserted, as in `run.2.csv`. Any other part after a dot belongs to the name.
const EXTENSIONS: [&str; 11] = [
    "csv", "gz", "htm", "html", "json", "jsonl", "log", "md", "tsv", "txt", "xml",
];

/// Where the files of run `number` go. All files of a later run share one number, chosen so that no file is
/// overwritten; a message says so if it differs from the run's.
pub(crate) fn of_run(given: &Files, number: u32) -> Files {
    let named = |number: u32| {
        let single = |path: &Option<PathBuf>| path.as_deref().map(|path| numbered(path, number));
        Files {
            csv: given
                .csv
                .as_deref()
                .map(|prefix| numbered_prefix(prefix, number)),
            requests: single(&given.requests),
            json: single(&given.json),
            html: single(&given.html),
            junit: single(&given.junit),
            hdr: single(&given.hdr),
        }
    };
    let first = given.all();
    // What keeps its name takes all runs.
    let is_taken = |own: &(_, PathBuf)| !first.contains(own) && own.1.is_file();
    let is_free = |number: &u32| !named(*number).all().iter().any(is_taken);
    let free = (number..=u32::MAX).find(is_free).unwrap_or(number);
    if free != number {
        say(&format!(
            "the files of run #{number} are numbered {free}: there are files with the numbers before"
        ));
    }
    named(free)
}

/// The file of run `number`: the first has the name that was given, later ones their number before the
/// extension (`run.2.csv`), so that no run writes over another. Standard output, devices and pipes take all.
fn numbered(path: &Path, number: u32) -> PathBuf {
    let is_no_file = path.exists() && !path.is_file();
    if number <= 1 || is_standard_output(path) || is_no_file {
        return path.to_owned();
    }
    let extension = path.extension().and_then(OsStr::to_str);
    let is_known = |own: &&str| {
        let mut known = EXTENSIONS.iter();
        known.any(|known| own.eq_ignore_ascii_case(known))
    };
    match extension.filter(is_known) {
        Some(extension) => path.with_extension(format!("{number}.{extension}")),
        None => numbered_prefix(path, number),
    }
}

/// The beginning of the files' names of run `number`, as with [`numbered`].
fn numbered_prefix(prefix: &Path, number: u32) -> PathBuf {
    let mut named = prefix.as_os_str().to_owned();
    if number > 1 {
        named.push(format!(".{number}"));
    }
    named.into()
}

pub(super) fn page<'a>(
    plan: &Plan,
    kafka: &KafkaSettings,
    facts: &'a RunFacts,
    summary: &'a Summary,
    moments: &'a [Moment],
    bins: &'a [Bin],
) -> RunPage<'a> {
    let ended = facts.started + facts.duration;
    // Nanoseconds of a run's length tell nothing.
    let duration = facts.duration;
    let took = Duration::new(duration.as_secs(), duration.subsec_millis() * 1_000_000);
    let took = format_duration(took);
    let mut sections = vec![target(kafka), load(plan, facts.ended_by)];
    sections.extend(circumstances(facts));
    RunPage {
        title: format!("Load on {}", kafka.topic),
        during: format!(
            "{} to {} ({took}), run {}",
            format_rfc3339_seconds(facts.started),
            format_rfc3339_seconds(ended),
            kafka.run_id
        ),
        summary,
        moments,
        warm_up_seconds: plan.warm_up.as_secs_f64(),
        bins,
        validity: &facts.validity,
        thresholds: &facts.thresholds,
        sections,
        command: &facts.command,
    }
}

/// The command of this process, secrets masked.
pub(crate) fn command() -> String {
    let arguments: Vec<String> = std::env::args_os()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
    let variables: Vec<_> = std::env::vars_os()
        .map(|(name, value)| (text(name), text(value)))
        .collect();
    repeat_command(&arguments, &variables)
}

/// Writes what was asked for, whole.
pub(super) fn write(
    place: Option<Destination>,
    content: impl FnOnce() -> anyhow::Result<Vec<u8>>,
) -> anyhow::Result<()> {
    match place {
        Some(place) => Ok(place.write_whole(&content()?)?),
        None => Ok(()),
    }
}

/// Why no figure of a run must be used; `None` when they may be. Without `validity`, whether the load client kept
/// up does not count.
pub(super) fn spoiled(
    defunct: Option<&str>,
    recording_failed: bool,
    interrupted_twice: bool,
    validity: Option<&Validity>,
) -> Option<String> {
    if let Some(cause) = defunct {
        return Some(format!("the run ended early: {cause}"));
    }
    if recording_failed {
        return Some("not all requests could be recorded".to_owned());
    }
    if interrupted_twice {
        return Some(
            "the run was interrupted, and what was in flight was not waited for".to_owned(),
        );
    }
    let invalid = validity.filter(|own| own.is_invalid());
    invalid.map(|own| own.lines().join("; "))
}

fn section(heading: &str, rows: Vec<(&str, String)>) -> Section {
    let owned = |(name, value): (&str, String)| (name.to_owned(), value);
    Section {
        heading: heading.to_owned(),
        rows: rows.into_iter().map(owned).collect(),
    }
}

fn target(kafka: &KafkaSettings) -> Section {
    let replies = if kafka.publish_only {
        "none: publishing only, to the broker's acknowledgement".to_owned()
    } else {
        kafka.reply_topic.clone()
    };
    section(
        "Target",
        vec![
            ("brokers", kafka.brokers.clone()),
            ("topic", kafka.topic.clone()),
            ("replies", replies),
            ("body", format!("{} bytes", kafka.body.len())),
        ],
    )
}

fn load(plan: &Plan, ended_by: EndedBy) -> Section {
    let run_time = plan.run_time.map_or_else(
        || "until it is stopped".to_owned(),
        |time| format_duration(time).to_string(),
    );
    let ended_by = match ended_by {
        EndedBy::RunTime => "the run time",
        EndedBy::Signal => "a signal",
        EndedBy::Threshold => "a threshold that was broken",
        EndedBy::Limit => "a stage that broke a limit",
        EndedBy::Search => "the end of the search",
        EndedBy::Exhausted => "the last row of a feeder",
        EndedBy::Failure => "a failure",
    };
    section(
        "Load",
        vec![
            ("model", plan.load_model()),
            ("target", plan.target_in_words()),
            ("stages", plan.stages.len().to_string()),
            ("run time", run_time),
            ("warm-up", format_duration(plan.warm_up).to_string()),
            ("time-out", format_duration(plan.timeout).to_string()),
            ("ended by", ended_by.to_owned()),
        ],
    )
}

fn circumstances(facts: &RunFacts) -> Vec<Section> {
    let settings = |heading: &str, of: &std::collections::BTreeMap<String, String>| Section {
        heading: heading.to_owned(),
        rows: of.clone().into_iter().collect(),
    };
    let mut sections = vec![settings(
        "Producer's settings in effect",
        &facts.client_settings.producer,
    )];
    if !facts.client_settings.consumer.is_empty() {
        let consumer = &facts.client_settings.consumer;
        sections.push(settings("Reply consumer's settings in effect", consumer));
    }
    let system = format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH);
    sections.push(section(
        "Environment",
        vec![
            ("load-client", env!("CARGO_PKG_VERSION").to_owned()),
            ("librdkafka", librdkafka_version()),
            ("system", system),
            ("cores for the load client", available_cores().to_string()),
            (
                "replies that nobody waited for",
                facts.unmatched_replies.to_string(),
            ),
        ],
    ));
    sections
}

/// Where the text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    Output,
    /// Standard output takes a file.
    Error,
}

/// The tables and verdicts of a run, to be printed later.
pub(crate) struct HeldText {
    pub(super) place: Text,
    pub(super) text: String,
}

impl HeldText {
    pub(crate) fn print(&self) {
        self.place.print(&self.text);
    }
}

impl Text {
    /// Beside outputs at these paths.
    pub(crate) fn beside<'a>(outputs: impl IntoIterator<Item = &'a Path>) -> Self {
        match outputs.into_iter().any(is_standard_output) {
            true => Self::Error,
            false => Self::Output,
        }
    }

    pub(crate) fn print(self, text: &str) {
        // A reader that closed the pipe must not end the run; the files are still due.
        let _ = match self {
            Self::Output => std::io::stdout().lock().write_all(text.as_bytes()),
            Self::Error => std::io::stderr().lock().write_all(text.as_bytes()),
        };
    }

    /// The width of the terminal; `None` for anything else.
    pub(crate) fn columns(self) -> Option<usize> {
        match self {
            Self::Output => terminal_columns(std::io::stdout()),
            Self::Error => terminal_columns(std::io::stderr()),
        }
    }
}

/// The width of a terminal; `None` for anything else.
pub(crate) fn terminal_columns(stream: impl std::os::fd::AsFd) -> Option<usize> {
    let columns = tcgetwinsize(stream).ok()?.ws_col;
    // Some terminals do not tell.
    (columns > 0).then_some(usize::from(columns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_spoiled_by_whatever_ended_the_run_before_its_time() {
        let told = |defunct, recording, twice| spoiled(defunct, recording, twice, None);
        assert_eq!(told(None, false, false), None);
        assert!(told(Some("no broker"), false, false).is_some_and(|own| own.contains("no broker")));
        assert!(told(None, true, false).is_some_and(|own| own.contains("recorded")));
        assert!(told(None, false, true).is_some_and(|own| own.contains("interrupted")));
        let valid = spoiled(None, false, false, Some(&Validity::Valid));
        assert_eq!(valid, None);
    }

    #[test]
    fn no_run_writes_over_another() {
        let path = Path::new("results/run.csv");
        assert_eq!(numbered(path, 1), path);
        assert_eq!(numbered(path, 2), Path::new("results/run.2.csv"));
        assert_eq!(numbered(Path::new("run"), 3), Path::new("run.3"));
        assert_eq!(numbered(Path::new("v1.5"), 2), Path::new("v1.5.2"));
        assert_eq!(numbered(Path::new("v1.HTML"), 2), Path::new("v1.2.HTML"));
        let prefix = Path::new("results/v1.5");
        assert_eq!(numbered_prefix(prefix, 1), prefix);
        assert_eq!(numbered_prefix(prefix, 2), Path::new("results/v1.5.2"));
        for stream in ["-", "/dev/null"] {
            assert_eq!(numbered(Path::new(stream), 3), Path::new(stream));
        }
    }

    #[test]
    fn a_later_run_takes_the_next_number_that_is_free_for_all_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| Some(folder.path().join(name));
        let given = Files {
            csv: at("run"),
            requests: at("run.csv"),
            json: Some("-".into()),
            html: None,
            junit: None,
            hdr: None,
        };
        for name in ["run.csv", "run.2.csv", "run.3_failures.csv"] {
            std::fs::write(folder.path().join(name), "kept").unwrap();
        }
        assert_eq!(of_run(&given, 1), given, "the first replaces");
        let expected = Files {
            csv: at("run.4"),
            requests: at("run.4.csv"),
            ..given.clone()
        };
        assert_eq!(of_run(&given, 2), expected);
        assert_eq!(of_run(&given, 4), expected);
    }
}
