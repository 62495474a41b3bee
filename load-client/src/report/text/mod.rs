//! What the terminal shows. Reads data and writes text; knows nothing of how a run is driven.

mod comparison;
mod run;

use std::time::Duration;

use kafka_cluster_url::{MASK, shown, without_credentials};

use crate::measure::summary::Summary;
use crate::measure::tally::AGGREGATED;

pub use comparison::comparison_text;

pub(crate) use comparison::comparison_markdown;
pub(crate) use run::{live_table, run_end, run_verdicts};

// The command that repeats a run, fit to be shown: values that may be secrets are masked.

const PREFIX: &str = "LOAD_CLIENT_";
/// Words that make the value of a header a secret, beside those that make one of a client property.
const SECRETS: [&str; 5] = ["passwd", "oauthbearer", "authorization", "cookie", "key"];

/// Joins arguments, program first, and the variables that stand for flags, quoted for a shell.
#[must_use]
pub(crate) fn repeat_command(arguments: &[String], variables: &[(String, String)]) -> String {
    let mut words: Vec<String> = variables
        .iter()
        .filter(|(name, _)| name.starts_with(PREFIX))
        .map(|(name, value)| format!("{name}={}", quoted(&masked_variable(name, value))))
        .collect();
    let mut own = arguments.iter();
    // The path of the program says where somebody keeps it, and nothing else.
    words.extend(own.next().map(|_| "load-client".to_owned()));
    let mut flag = String::new();
    for argument in own {
        words.push(quoted(&masked(&flag, argument)));
        flag = argument.clone();
    }
    words.join(" ")
}

/// An argument, given the one before it.
fn masked(before: &str, argument: &str) -> String {
    match before {
        "-X" | "--header" => return masked_pair(argument),
        _ => {}
    }
    for flag in ["--header=", "-X=", "-X"] {
        if let Some(pair) = argument.strip_prefix(flag)
            && !pair.is_empty()
        {
            return format!("{flag}{}", masked_pair(pair));
        }
    }
    without_credentials(argument)
}

fn masked_variable(name: &str, value: &str) -> String {
    let own = name.trim_start_matches(PREFIX);
    match own {
        "X" | "HEADER" => value
            .lines()
            .map(masked_pair)
            .collect::<Vec<_>>()
            .join("\n"),
        _ if is_secret(own) => MASK.to_owned(),
        _ => without_credentials(value),
    }
}

fn masked_pair(pair: &str) -> String {
    match pair.split_once('=') {
        Some((key, _)) if is_secret(key) => format!("{key}={MASK}"),
        _ => pair.to_owned(),
    }
}

fn is_secret(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    shown(key, "") == MASK || SECRETS.iter().any(|word| lower.contains(word))
}

fn quoted(word: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "-_./:=,%@+".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

// The status line of a run on a terminal: `00:12 of 01:00, 10 users, 1,234 req/s`.

/// What the line tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Progress {
    /// Since the start of the run.
    pub elapsed: Duration,
    /// What the run takes; `None` goes on until it is stopped.
    pub run_time: Option<Duration>,
    /// Users that are active.
    pub users: u32,
    /// Requests per second at the moment.
    pub rate: f64,
    /// Requests that failed so far.
    pub failures: u64,
    /// Whether the warm-up is still on.
    pub warm_up: bool,
}

/// The line, cut to a terminal of `columns`.
#[must_use]
pub(crate) fn progress_line(progress: &Progress, columns: usize) -> String {
    let mut line = clock(progress.elapsed);
    if let Some(run_time) = progress.run_time {
        line += &format!(" of {}", clock(run_time));
    }
    if progress.warm_up {
        line += " (warm-up)";
    }
    let users = grouped(u64::from(progress.users));
    let plural = if progress.users == 1 { "" } else { "s" };
    let rate = grouped(progress.rate.round() as u64);
    line += &format!(", {users} user{plural}, {rate} req/s");
    if progress.failures > 0 {
        line += &format!(", {} failed", grouped(progress.failures));
    }
    line.chars().take(columns.saturating_sub(1)).collect()
}

fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes:02}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

// Fits the names of request kinds into a terminal, as Locust does: the figures keep their room, the names
// take what is left.

/// Longer names are cut whatever the room, as in Locust.
const WIDEST: usize = 80;

/// The width of the name column in a terminal of `columns`, of which the figures take `taken`; without a
/// terminal, names are whole.
fn name_width(summary: &Summary, columns: Option<usize>, taken: usize) -> usize {
    let names = summary.kinds.iter().map(|row| row.name.chars().count());
    let wanted = names.max().unwrap_or(0).max(AGGREGATED.len());
    match columns {
        None => wanted,
        Some(columns) => {
            let room = columns.saturating_sub(taken);
            wanted.min(room.clamp(AGGREGATED.len(), WIDEST))
        }
    }
}

/// The name, cut where it is too long.
fn fitted(name: &str, width: usize) -> String {
    if name.chars().count() <= width {
        return name.to_owned();
    }
    let mut cut: String = name.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tally::Tally;

    fn command(arguments: &[&str], variables: &[(&str, &str)]) -> String {
        let own = |text: &&str| (*text).to_owned();
        let arguments: Vec<_> = arguments.iter().map(own).collect();
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variables: Vec<_> = variables.iter().map(pair).collect();
        repeat_command(&arguments, &variables)
    }

    #[test]
    fn a_command_can_be_pasted_into_a_shell() {
        assert_eq!(
            command(
                &[
                    "/opt/x/load-client",
                    "run",
                    "--host",
                    "kafka://a:1",
                    "--fail-on",
                    "p95<20ms",
                    "--body",
                    "it's",
                    ""
                ],
                &[("PATH", "/bin"), ("LOAD_CLIENT_USERS", "10")]
            ),
            "LOAD_CLIENT_USERS=10 load-client run --host kafka://a:1 --fail-on 'p95<20ms' --body 'it'\\''s' ''"
        );
    }

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        for arguments in [
            &["x", "-X", "sasl.password=hunter2"][..],
            &["x", "-Xsasl.password=hunter2"],
            &["x", "-X=sasl.password=hunter2"],
            &["x", "--header", "Authorization=Bearer hunter2"],
            &["x", "--header=x-api-key=hunter2"],
            &["x", "--host=kafka+sasl://me:hunter2@a:1"],
            &["x", "--host", "kafka+sasl://me:hunter2@a:1"],
        ] {
            let told = command(arguments, &[]);
            assert!(told.contains(MASK) && !told.contains("hunter2"), "{told}");
        }
        for (name, value) in [
            ("LOAD_CLIENT_X", "linger.ms=0\nsasl.password=hunter2"),
            ("LOAD_CLIENT_HEADER", "cookie=hunter2"),
            ("LOAD_CLIENT_HOST", "kafka+sasl://me:hunter2@a:1"),
            ("LOAD_CLIENT_WEB_PASSWORD", "hunter2"),
        ] {
            let told = command(&["x"], &[(name, value)]);
            assert!(told.contains(MASK) && !told.contains("hunter2"), "{told}");
        }
        assert!(command(&["x", "-X", "linger.ms=0"], &[]).ends_with("-X linger.ms=0"));
    }

    #[test]
    fn tells_time_users_rate_and_failures() {
        let mut progress = Progress {
            elapsed: Duration::from_millis(12_900),
            run_time: Some(Duration::from_secs(60)),
            users: 10,
            rate: 1234.4,
            failures: 0,
            warm_up: false,
        };
        assert_eq!(
            progress_line(&progress, 80),
            "00:12 of 01:00, 10 users, 1,234 req/s"
        );
        progress.warm_up = true;
        progress.failures = 1_000_000;
        progress.users = 1;
        progress.run_time = None;
        progress.elapsed = Duration::from_secs(3725);
        assert_eq!(
            progress_line(&progress, 80),
            "1:02:05 (warm-up), 1 user, 1,234 req/s, 1,000,000 failed"
        );
        assert_eq!(progress_line(&progress, 8), "1:02:05");
    }

    #[test]
    fn names_take_what_the_figures_leave() {
        let summary = |length: usize| Tally::new(&["x".repeat(length)]).summary();
        for (length, columns, width) in [
            (3, None, 10),
            (200, None, 200),
            (200, Some(40), 10),
            (200, Some(140), 37),
            (200, Some(1000), 80),
            (20, Some(1000), 20),
        ] {
            assert_eq!(name_width(&summary(length), columns, 103), width);
        }
        assert_eq!(fitted("häuser", 6), "häuser");
        assert_eq!(fitted("häuser", 4), "häu…");
    }
}
