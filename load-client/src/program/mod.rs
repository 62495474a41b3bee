//! The program behind `main`: parses the command line, runs the command, picks the exit code.

mod compare;
mod live_runs;
mod web;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use flags_and_variables::one_line;
use program_shell::signals::Signals;
use tracing_subscriber::EnvFilter;
use uuid::Uuid;

use self::compare::GivenTwice;
use crate::args::{self, Command, NotAllowed, OutputError, RunArguments, ServiceError};
use crate::load::Control;
use crate::load::plan::{Plan, PlanError};
use crate::report::Collision;
use crate::session::signals::{self, say};
use crate::session::{Audience, Session};
use crate::transport::kafka::{KafkaSettings, KafkaTransportError, quiet_unreadable_headers};

pub(crate) use compare::compare;

/// The command could not be done.
const FAILURE: u8 = 1;
/// The command line is wrong.
const USAGE: u8 = 2;

/// Does what the command line asks for.
#[must_use]
pub fn main() -> ExitCode {
    let (cli, origins) = match args::read(std::env::args_os()) {
        Ok(read) => read,
        Err(error) if error.use_stderr() => return fail(USAGE, &one_line(&error)),
        Err(help) => {
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_env("LOAD_CLIENT_LOG").unwrap_or_else(|_| EnvFilter::new("warn")),
        )
        // It would print them to standard error, which may be what is gone, and panic.
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .init();
    quiet_unreadable_headers();
    let done = match cli.command {
        Command::Run(arguments) => run(*arguments),
        Command::Compare(arguments) => compare(&arguments),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) if is_usage(&error) => fail(USAGE, &origins.name(&format!("{error:#}"))),
        Err(error) => fail(FAILURE, &origins.name(&format!("{error:#}"))),
    }
}

fn fail(code: u8, message: &str) -> ExitCode {
    // Nowhere is left to report a standard error that is closed.
    let _ = writeln!(std::io::stderr().lock(), "error: {message}");
    ExitCode::from(code)
}

// The two commands. Each answers its exit code.

/// Whether the command line is at fault, rather than the world.
pub(crate) fn is_usage(error: &anyhow::Error) -> bool {
    let by_setting = error.downcast_ref::<KafkaTransportError>();
    error.is::<PlanError>()
        || error.is::<GivenTwice>()
        || error.is::<Collision>()
        || error.is::<ServiceError>()
        || error.is::<OutputError>()
        || error.is::<NotAllowed>()
        || by_setting.is_some_and(KafkaTransportError::is_usage)
}

// `load-client run`: one session, seen by a terminal.

/// Runs the load; answers the exit code.
///
/// # Errors
///
/// When the command line contradicts itself, the cluster or a topic cannot be used, or a file
/// cannot be written.
pub(crate) fn run(arguments: RunArguments) -> anyhow::Result<u8> {
    let (plan, mut settings) = arguments.validated(Uuid::new_v4().to_string())?;
    arguments.refuse_collisions(&arguments.files(&plan))?;
    if arguments.web.web.is_some() {
        return web::serve(arguments);
    }
    let seed = arguments.load.seed();
    let scenario = Arc::new(arguments.service.apply(&mut settings, seed)?);
    settings.effective()?;
    let (arguments, settings) = (Arc::new(arguments), Arc::new(settings));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let signals = Signals::catch()?;
        let shown = (plan.clone(), Arc::clone(&settings));
        let session = Session::prepare(arguments, 1, plan, settings, scenario)?;
        measure(session, signals, &shown.0, &shown.1).await
    })
}

async fn measure(
    session: Session,
    mut signals: Signals,
    plan: &Plan,
    settings: &KafkaSettings,
) -> anyhow::Result<u8> {
    let given_up = async {
        signals.next().await;
    };
    let transport = session.connect(given_up).await?;
    announce(plan, settings);
    let control = Control::default();
    let keyed = control.clone();
    let started = session.start(transport, control.clone(), |_| Audience::Terminal {
        on_key: Box::new(move |more| keyed.add_users(more)),
    })?;
    let (is_over, terminal) = (started.is_over(), started.restore());
    tokio::spawn(signals::control(signals, control, is_over, terminal));
    let concluded = started.run(|control| control.abort.is_cancelled()).await?;
    concluded.done
}

fn announce(plan: &Plan, settings: &KafkaSettings) {
    let replies = if settings.publish_only {
        "publishing only".to_owned()
    } else {
        format!("replies from {}", settings.reply_topic)
    };
    let load = if plan.users > 0 {
        format!(
            "{} user(s), {} started per second",
            plan.users, plan.spawn_rate
        )
    } else {
        plan.load_model()
    };
    say(&format!(
        "{load}, to {} at {}, {replies}",
        settings.topic, settings.brokers
    ));
}
