//! The load client as a child process.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use humantime::format_duration;

use super::{Identity, Planned, RunFiles, Settings};
use crate::process::Child;
use crate::stack::Stack;
use crate::{hand_over, programs};

/// A reply that takes longer is a failure. This is the article's value.
const REPLY_LIMIT: Duration = Duration::from_secs(30);

/// Flags of the load client that the harness sets.
const OF_THE_HARNESS: [&str; 11] = [
    "--fail-on",
    "--host",
    "--topic",
    "--reply-topic",
    "--users",
    "--spawn-rate",
    "--run-time",
    "--warm-up",
    "--requests-record-file",
    "--json",
    "--config",
];

/// Their short forms.
const SHORT: [&str; 4] = ["-u", "-r", "-t", "-X"];
/// A header with one of these words in its name has a secret value.
const SECRET_HEADERS: [&str; 5] = ["authorization", "cookie", "password", "token", "key"];

/// Flags that decide what and how much is sent. All variants must have the same, or they could not be compared.
const OF_ALL: [&str; 7] = [
    "--rate",
    "--shape",
    "--preset",
    "--scenario",
    "--think-time",
    "--pace",
    "--name",
];

/// Refuses flags of one variant that all variants must share, or have already.
pub(crate) fn check_own_flags(own: &[String], shared: &[String]) -> Result<(), String> {
    check_load_flags(own)?;
    let name = |word: &String| word.split('=').next().unwrap_or_default().to_owned();
    let mut flags = own.iter().map(name).filter(|flag| flag.starts_with("--"));
    let shared: Vec<String> = shared.iter().map(name).collect();
    let wrong = |flag: &String| {
        let is_twice = shared.contains(flag) && flag != "--header";
        OF_ALL.contains(&flag.as_str()) || is_twice
    };
    match flags.find(wrong) {
        Some(flag) if OF_ALL.contains(&flag.as_str()) => {
            Err(format!("{flag} is for all variants: give it in --load"))
        }
        Some(flag) => Err(format!("{flag} is also given for all variants")),
        None => Ok(()),
    }
}

/// Refuses further flags of the load client that the harness sets itself, or that would show a secret.
pub(crate) fn check_load_flags(given: &[String]) -> Result<(), String> {
    let is_own = |word: &&String| {
        let flag = word.split('=').next().unwrap_or_default();
        let is_short = !word.starts_with("--");
        OF_THE_HARNESS.contains(&flag) || is_short && SHORT.iter().any(|own| word.starts_with(own))
    };
    if let Some(flag) = given.iter().find(is_own) {
        return Err(format!("{flag} is the harness's own flag: leave it out"));
    }
    // A value may be in the same word as its flag.
    let is_secret = |word: &String| {
        let name = word.trim_start_matches("--header=");
        let name = name.split('=').next().unwrap_or_default();
        let name = name.to_ascii_lowercase();
        SECRET_HEADERS.iter().any(|own| name.contains(own)) && !name.starts_with("--")
    };
    let has_header = given.iter().any(|word| word.starts_with("--header"));
    if has_header && given.iter().any(is_secret) {
        return Err(
            "every user of the machine can read a command line; give a secret header in LOAD_CLIENT_HEADER".to_owned(),
        );
    }
    Ok(())
}

/// How to start the load client: its command line, program first, and variables for secrets.
#[derive(Debug)]
pub(super) struct LoadCommand {
    pub(super) line: Vec<String>,
    variables: Vec<(String, String)>,
    /// How long a request may wait for its reply.
    pub(super) reply_limit: Duration,
}

impl LoadCommand {
    pub(super) fn spawn(&self, log: &Path) -> Result<Child> {
        let program = Path::new(&self.line[0]);
        Child::spawn_with(
            "load-client",
            program,
            &self.line[1..],
            (&*self.variables).into(),
            log,
        )
    }
}

/// How long a request may wait for its reply.
fn reply_limit(flags: &[&String]) -> Duration {
    let mut flags = flags.iter();
    let given = flags.find_map(|flag| match flag.strip_prefix("--timeout=") {
        Some(time) => Some(time.to_owned()),
        None if *flag == "--timeout" => Some(String::new()),
        None => None,
    });
    let given = match given.as_deref() {
        Some("") => flags.next().map(|time| (*time).clone()),
        _ => given,
    };
    let given = given.and_then(|time| humantime::parse_duration(&time).ok());
    given.unwrap_or(REPLY_LIMIT)
}

/// The flags of each run, unless further flags set them.
fn own_flags(
    stack: &Stack,
    settings: &Settings,
    identity: &Identity,
    files: &RunFiles,
) -> Vec<(&'static str, String)> {
    vec![
        ("--host", stack.kafka_url().to_owned()),
        ("--topic", identity.topic()),
        ("--reply-topic", identity.reply_topic()),
        ("--users", settings.users.to_string()),
        ("--spawn-rate", settings.spawn_rate.to_string()),
        ("--run-time", format_duration(settings.run_time).to_string()),
        ("--warm-up", format_duration(settings.warm_up).to_string()),
        ("--timeout", format_duration(REPLY_LIMIT).to_string()),
        (
            "--requests-record-file",
            files.requests.display().to_string(),
        ),
        ("--json", files.summary.display().to_string()),
    ]
}

/// The load client's start for one run.
pub(super) fn command(
    stack: &Stack,
    settings: &Settings,
    planned: &Planned<'_>,
) -> Result<LoadCommand> {
    let Planned {
        identity,
        files,
        variant,
    } = planned;
    let program = programs::own(
        "load-client",
        "--load-client",
        settings.load_client.as_deref(),
    )?;
    let own = variant.load_flags()?;
    let further: Vec<&String> = settings.load_flags.iter().chain(&own).collect();
    let is_given = |flag: &str| {
        let with_value = format!("{flag}=");
        let mut given = further.iter();
        given.any(|own| *own == flag || own.starts_with(&with_value))
    };
    let mut flags = own_flags(stack, settings, identity, files);
    if !is_given("--scenario") {
        // Each run has another topic, but the requests need the same name, so that they can be compared.
        flags.push(("--name", settings.topic.clone()));
    }
    let (properties, variables) =
        hand_over::properties(&stack.client_properties(), "LOAD_CLIENT_X");
    let mut line = vec![
        program.display().to_string(),
        "run".to_owned(),
        "--headless".to_owned(),
    ];
    let is_open = is_given("--rate");
    let has_stages = is_given("--shape");
    let fits = |flag: &str| match flag {
        "--users" | "--spawn-rate" => !is_open && !has_stages,
        "--run-time" => !has_stages,
        _ => true,
    };
    let own = flags
        .into_iter()
        .filter(|(flag, _)| !is_given(flag) && fits(flag));
    line.extend(own.flat_map(|(flag, value)| [flag.to_owned(), value]));
    line.extend(further.iter().map(|flag| (*flag).clone()));
    line.extend(properties);
    Ok(LoadCommand {
        line,
        variables,
        reply_limit: reply_limit(&further),
    })
}
