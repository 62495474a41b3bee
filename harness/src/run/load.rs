//! The load client as a child process.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use humantime::format_duration;

use super::{Planned, Settings};
use crate::cli::typed;
use crate::process::Child;
use crate::stack::Stack;
use crate::{hand_over, programs};

/// A reply that takes longer is a failure; the article's value.
const REPLY_LIMIT: Duration = Duration::from_secs(30);

/// How to start the load client: the command line, program first, and what must not stand there.
#[derive(Debug)]
pub(super) struct LoadCommand {
    pub(super) line: Vec<String>,
    variables: Vec<(String, String)>,
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
pub(super) fn reply_limit(settings: &Settings) -> Duration {
    let mut flags = settings.load_flags.iter();
    let given = flags.find_map(|flag| match flag.strip_prefix("--timeout=") {
        Some(time) => Some(time.to_owned()),
        None if flag == "--timeout" => Some(String::new()),
        None => None,
    });
    let given = match given.as_deref() {
        Some("") => flags.next().cloned(),
        _ => given,
    };
    let given = given.and_then(|time| humantime::parse_duration(&time).ok());
    given.unwrap_or(REPLY_LIMIT)
}

/// The load client's start for one run, which is one of several at once if it has a turn.
pub(super) fn command(
    stack: &Stack,
    settings: &Settings,
    planned: &Planned<'_>,
    turn: Option<(usize, usize)>,
) -> Result<LoadCommand> {
    let Planned {
        identity, files, ..
    } = planned;
    let program = programs::own(
        "load-client",
        "--load-client",
        settings.load_client.as_deref(),
    )?;
    let flags = [
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
    ];
    let further = &settings.load_flags;
    let is_given = |flag: &str| {
        let with_value = format!("{flag}=");
        let mut given = further.iter();
        given.any(|own| own == flag || own.starts_with(&with_value))
    };
    let mut flags = flags.to_vec();
    if let Some((place, of)) = turn {
        let time = typed::duration(settings.turn);
        flags.push(("--turns", format!("{place}/{of}@{time}")));
    }
    if !is_given("--scenario") {
        // The topic is another one in each run, and the requests are the same.
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
    line.extend(further.iter().cloned());
    line.extend(properties);
    Ok(LoadCommand { line, variables })
}
