//! The program behind `main`: parses the command line, runs the command, picks the exit code.

mod compare;
mod live_runs;
mod look;
mod merge;
mod whole;
mod worker;

use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use flags_and_variables::wrong_use;
use program_shell::http;
use program_shell::manual::{self, Shell};
use program_shell::signals::Signals;
use program_shell::terminal::shows_colours;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use uuid::Uuid;

use self::live_runs::LiveRuns;
use crate::args::{self, Amount, Command, Misuse, RunArguments, values};
use crate::load::Control;
use crate::load::plan::{Plan, PlanError};
use crate::load::shape::show_rate;
use crate::report::Collision;
use crate::scenario::{Mix, Scenario};
use crate::session::terminal::{INTERRUPTED, say};
use crate::session::{Audience, Observer, Session};
use crate::transport::kafka::{KafkaSettings, KafkaTransportError, quiet_unreadable_headers};
use crate::web::{AllowedHosts, Exporter, Refusal, StartOrder, router};

pub(crate) use compare::compare;
pub(crate) use look::{report, watch};
pub(crate) use merge::merge;
pub(crate) use worker::worker;

/// Exit code: the command could not be done.
const FAILURE: u8 = 1;
/// Exit code: the command line is wrong.
const USAGE: u8 = 2;

/// Does what the command line asks for.
#[must_use]
pub fn main() -> ExitCode {
    let (cli, origins) = match args::read(std::env::args_os()) {
        Ok(read) => read,
        Err(error) if error.use_stderr() => return fail(USAGE, &wrong_use(&error)),
        Err(help) => {
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_env("LOAD_CLIENT_LOG").unwrap_or_else(|_| EnvFilter::new("warn")),
        )
        // It prints them to standard error. If standard error is closed, that would panic.
        .log_internal_errors(false)
        .with_ansi(shows_colours(&std::io::stderr()))
        .with_writer(std::io::stderr)
        .init();
    quiet_unreadable_headers();
    let done = match cli.command {
        Command::Run(arguments) => run(*arguments),
        Command::Compare(arguments) => compare(&arguments),
        Command::Merge(arguments) => merge(&arguments),
        Command::Worker(arguments) => worker(&arguments),
        Command::Watch(arguments) => watch(&arguments),
        Command::Report(arguments) => report(&arguments),
        Command::Completions { shell } => completions(shell),
        Command::Man { folder } => man(&folder),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) if is_usage(&error) => fail(USAGE, &origins.name(&format!("{error:#}"))),
        Err(error) => fail(FAILURE, &origins.name(&format!("{error:#}"))),
    }
}

fn completions(shell: Shell) -> anyhow::Result<u8> {
    match std::io::stdout().write_all(&manual::completions(args::completed(), shell)) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(0),
    }
}

fn man(folder: &Path) -> anyhow::Result<u8> {
    let written = manual::write_man_pages(args::command(), folder);
    written.with_context(|| folder.display().to_string())?;
    Ok(0)
}

fn fail(code: u8, message: &str) -> ExitCode {
    // If standard error is closed, there is no other place to report it.
    let _ = writeln!(std::io::stderr().lock(), "error: {message}");
    ExitCode::from(code)
}

/// Returns whether an error is the fault of the command line.
pub(crate) fn is_usage(error: &anyhow::Error) -> bool {
    let by_setting = error.downcast_ref::<KafkaTransportError>();
    error.is::<PlanError>()
        || error.is::<Collision>()
        || error.is::<Misuse>()
        || by_setting.is_some_and(KafkaTransportError::is_usage)
}

/// Runs the load and returns the exit code. Fails when the command line contradicts itself, the cluster or a topic
/// cannot be used, or a file cannot be written.
pub(crate) fn run(arguments: RunArguments) -> anyhow::Result<u8> {
    let (arguments, _folder) = look::resumed(arguments)?;
    if arguments.web.web.is_some() {
        return serve(arguments);
    }
    let prepared = prepared(&arguments)?;
    let arguments = Arc::new(arguments);
    runtime()?.block_on(async {
        let signals = Signals::catch()?;
        let exporter = export(&arguments).await?;
        let session = Session::prepare(arguments, 1, prepared)?;
        measure(session, signals, exporter).await
    })
}

fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

/// The load, the settings and the requests of a run.
type Prepared = (Plan, KafkaSettings, Mix);

/// Prepares the run of the command line, and checks it before anything begins.
fn prepared(arguments: &RunArguments) -> anyhow::Result<Prepared> {
    let prepared = arguments.prepared(Uuid::new_v4().to_string())?;
    prepared.1.effective()?;
    Ok(prepared)
}

async fn measure(
    session: Session,
    mut signals: Signals,
    exporter: Option<Exporter>,
) -> anyhow::Result<u8> {
    let given_up = async {
        signals.next().await;
    };
    let sender = session.connect(given_up).await?;
    session.announce();
    let (control, observer) = (Control::default(), exporter.map(observer));
    let started = session.start(sender, control, Audience::Terminal, observer)?;
    started.obey(signals);
    let concluded = started.run(|control| control.abort.is_cancelled()).await?;
    concluded.done
}

/// Serves live metrics if `--prometheus` asks for them.
async fn export(arguments: &RunArguments) -> anyhow::Result<Option<Exporter>> {
    let Some(address) = arguments.output.prometheus else {
        return Ok(None);
    };
    // The token is never cancelled: the exporter ends with the program.
    let (exporter, address) = Exporter::listen(address, CancellationToken::new()).await?;
    say(&format!("metrics: http://{address}/metrics"));
    Ok(Some(exporter))
}

/// Returns an observer that passes the figures of a run on to an exporter.
fn observer(exporter: Exporter) -> Observer {
    Box::new(move |moment, summary, _| exporter.observe(moment, summary))
}

/// How long a browser that does not read may delay the end of the program.
const SERVER_STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves the page until a signal, or until the time of `--autoquit` has passed. Returns the exit code of the last run:
/// the code that the run would have without the page, 1 if the run could not be done, or 0 without a run. Fails when
/// the command line contradicts itself, or the program cannot listen at the address.
pub(crate) fn serve(arguments: RunArguments) -> anyhow::Result<u8> {
    // Report wrong settings now, not at the first run.
    let (plan, settings, scenario) = prepared(&arguments)?;
    arguments
        .output
        .validated(scenario.kinds(), &arguments.load.until)?;
    let address = arguments.web.address()?;
    let address = address.context("--web is needed to serve the page")?;
    let runtime = runtime()?;
    let code = runtime.block_on(listen(arguments, (&plan, settings), address));
    // Tasks that do not end in time end with the process.
    runtime.shutdown_background();
    code
}

async fn listen(
    arguments: RunArguments,
    proposed: (&Plan, KafkaSettings),
    address: SocketAddr,
) -> anyhow::Result<u8> {
    let mut signals = Signals::catch()?;
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("--web: cannot listen at {address}; give another address or port")
    })?;
    let address = listener.local_addr()?;
    let (autostart, autoquit) = (arguments.web.autostart, arguments.web.autoquit);
    let hosts = AllowedHosts::new(address, &arguments.web.web_name);
    let exporter = export(&arguments).await?;
    let runs = LiveRuns::new(arguments, proposed, exporter);
    let closed = CancellationToken::new();
    let page = router(Arc::new(runs.clone()), hosts, closed.clone());
    let server = tokio::spawn(http::serve(
        listener,
        page,
        http::Bounds::default(),
        closed.clone(),
    ));
    say(&format!("live page: http://{address} (Ctrl-C ends)"));
    if autostart {
        runs.start(runs.proposed()).await?;
    }
    tokio::select! {
        _ = signals.next() => {}
        () = after_the_run(&runs, autoquit.filter(|_| autostart)) => {}
    }
    if end(&runs, &mut signals).await.is_break() {
        return Ok(INTERRUPTED);
    }
    closed.cancel();
    let _ = tokio::time::timeout(SERVER_STOP_TIMEOUT, server).await;
    runs.print_figures();
    Ok(runs.exit_code())
}

/// Waits for the end of the run and then for the time of `--autoquit`. Waits for ever without that flag.
async fn after_the_run(runs: &LiveRuns, autoquit: Option<Duration>) {
    let Some(pause) = autoquit else {
        return std::future::pending().await;
    };
    loop {
        runs.idle().await;
        tokio::time::sleep(pause).await;
        // Somebody may have started another run in the meantime.
        if runs.is_idle() {
            return;
        }
    }
}

/// Stops the run that goes on, and accepts no further run. After another signal it does not wait for requests in
/// flight. After one more it does not wait for files either, and returns a break.
async fn end(runs: &LiveRuns, signals: &mut Signals) -> ControlFlow<()> {
    runs.close().await;
    if runs.is_idle() {
        return ControlFlow::Continue(());
    }
    say("stopping: waiting for the requests in flight; Ctrl-C again stops at once");
    tokio::select! {
        () = runs.idle() => return ControlFlow::Continue(()),
        _ = signals.next() => {}
    }
    say("stopping at once: requests in flight are recorded as censored");
    runs.abort().await;
    tokio::select! {
        () = runs.idle() => ControlFlow::Continue(()),
        _ = signals.next() => {
            say("ended at once: files that were not written yet are missing");
            ControlFlow::Break(())
        }
    }
}

/// Returns the form as the command line fills it.
fn defaults(arguments: &RunArguments, plan: &Plan) -> StartOrder {
    // Several loads have their own run times. The flag is for the loads without stages.
    let run_time = match plan.loads.is_empty() {
        true => plan.run_time,
        false => arguments.run_time,
    };
    let run_time = run_time.map(humantime::format_duration);
    let run_time = run_time.map(|time| time.to_string().replace(' ', ""));
    // A missing value is an empty field of the form.
    StartOrder {
        users: arguments.amount().users,
        spawn_rate: plan.spawn_rate,
        run_time: Some(run_time.unwrap_or_default()),
        rate: Some(arguments.load.rate.map(show_rate).unwrap_or_default()),
    }
}

/// Returns the plan, settings and requests of an order. Values that the order lacks come from the command line.
fn ordered(
    arguments: &RunArguments,
    order: &StartOrder,
    run_id: String,
) -> Result<Prepared, Refusal> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let invalid = |field: &str| {
        let field = field.to_owned();
        move |reason: String| Refusal::invalid(format!("{field}: {reason}"))
    };
    let run_time = given(&order.run_time).map(|text| values::duration(text.trim()));
    let run_time = run_time.transpose().map_err(invalid("run_time"))?;
    let rate = given(&order.rate).map(|text| values::rate(text.trim()));
    let rate = rate.transpose().map_err(invalid("rate"))?;
    let amount = Amount {
        users: order.users,
        spawn_rate: order.spawn_rate,
        run_time,
        rate,
    };
    let prepared = arguments.prepared_for(run_id, &amount);
    let prepared = prepared.map_err(|error| Refusal::invalid(format!("{error:#}")))?;
    if rate.is_some() && !prepared.0.loads.is_empty() {
        let reason = "each load of the scenario has its own".to_owned();
        return Err(invalid("rate")(reason));
    }
    Ok(prepared)
}
