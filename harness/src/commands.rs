//! The sub-commands. Most of them start a stack, use it, and stop it again, also after a failure.

use std::borrow::Cow;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::CommandFactory;
use load_client::report::is_standard_output;
use program_shell::manual;
use program_shell::signals::Signals;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::cli::{
    BenchArguments, Cli, Command, DemoArguments, ExperimentArguments, LimitsArguments,
    SimulateArguments, UpArguments,
};
use crate::environment::Provenance;
use crate::experiment::{self, Design, Experiment, Subject, experiment};
use crate::run::{Identity, Planned, RunEnd, RunFiles, rehearse, run};
use crate::stack::{Stack, StackKind, StackOptions, preferred_port};
use crate::{CutShort, Interrupted, demo, distributed, faults, files, limits, simulate, soak};

/// The ports of `harness up` if they are free: the defaults of `order-service`.
const KAFKA_PORT: u16 = 9092;
const STORE_PORT: u16 = 6666;
const CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// Runs the sub-command. The first Ctrl-C, SIGTERM or SIGHUP stops everything in order, the second one at once.
///
/// # Errors
///
/// Fails with the error of the command, with [`crate::Interrupted`] after a signal, and with [`CutShort`] after a
/// second one.
pub async fn execute(cli: Cli) -> Result<()> {
    let stop = CancellationToken::new();
    let mut signals = Signals::catch().context("cannot listen for signals")?;
    let mut work = Box::pin(command(cli, &stop));
    tokio::select! {
        done = &mut work => return done,
        _ = signals.next() => stop.cancel(),
    }
    tracing::info!("stopping in order; a second Ctrl-C stops at once");
    tokio::select! {
        done = work => done,
        // Dropping the work kills its child processes.
        _ = signals.next() => Err(CutShort.into()),
    }
}

async fn command(cli: Cli, stop: &CancellationToken) -> Result<()> {
    match cli.command {
        Command::Up(arguments) => up(arguments, stop).await,
        Command::Demo(arguments) => show_demo(arguments, stop).await,
        Command::Bench(arguments) => bench(arguments, stop).await,
        Command::Experiment(arguments) => compare_variants(*arguments, stop).await,
        Command::Faults(arguments) => {
            let seed = arguments.seed.unwrap_or_else(seed_of_now);
            let aside = takes_standard_output(arguments.json.as_deref());
            conclude(faults::faults(arguments, seed, stop).await?, aside)
        }
        Command::Distributed(arguments) => {
            conclude(distributed::distributed(arguments, stop).await?, false)
        }
        Command::Simulate(arguments) => simulate_experiments(arguments, stop).await,
        Command::Limits(arguments) => measure_limits(arguments, stop).await,
        Command::Soak(arguments) => {
            let aside = takes_standard_output(arguments.json.as_deref());
            conclude(soak::soak(arguments, stop).await?, aside)
        }
        Command::Completions { shell } => print_bytes(&manual::completions(Cli::command(), shell)),
        Command::Man { folder } => {
            let written = manual::write_man_pages(Cli::command(), &folder);
            written.with_context(|| folder.display().to_string())
        }
    }
}

/// Whether `--json -` takes standard output, so that text has to go elsewhere.
fn takes_standard_output(json: Option<&Path>) -> bool {
    json.is_some_and(is_standard_output)
}

/// Prints a report, on standard error if `aside`. Fails if the report has a broken promise.
fn conclude((report, is_clean): (String, bool), aside: bool) -> Result<()> {
    if aside {
        // Not through the log, because a filter may hide it.
        write(std::io::stderr().lock(), report.as_bytes())
            .context("cannot write to standard error")?;
    } else {
        print(&report)?;
    }
    if !is_clean {
        bail!("a promise was broken: see below the table");
    }
    Ok(())
}

async fn up(arguments: UpArguments, stop: &CancellationToken) -> Result<()> {
    let kind = arguments.stack.stack.unwrap_or(StackKind::Embedded);
    let mut options = arguments.stack.options(stop);
    if matches!(kind, StackKind::Embedded | StackKind::Native) {
        let (kafka, store) = (options.kafka_port, options.store_port);
        options.kafka_port = Some(kafka.map_or_else(|| preferred_port(KAFKA_PORT), Ok)?);
        options.store_port = Some(store.map_or_else(|| preferred_port(STORE_PORT), Ok)?);
    }
    let mut stack = start(kind, options).await?;
    let outcome = match create(&stack, &arguments.topics).await {
        Ok(()) => serve(&mut stack, stop).await,
        Err(error) => Err(error),
    };
    after_stop(outcome, stack.stop().await)
}

async fn create(stack: &Stack, topics: &[(String, i32)]) -> Result<()> {
    for (name, partitions) in topics {
        stack.create_topic(name, *partitions).await?;
        tracing::info!("topic {name}, {partitions} partition(s)");
    }
    Ok(())
}

/// Prints the URLs and commands that use them. Then waits until the user stops it, or a part of the stack fails.
async fn serve(stack: &mut Stack, stop: &CancellationToken) -> Result<()> {
    print(&format!("{}{}", variables(stack), to_paste(stack)))?;
    tracing::info!("up until Ctrl-C");
    while stop
        .run_until_cancelled(sleep(CHECK_INTERVAL))
        .await
        .is_some()
    {
        stack.check()?;
    }
    Ok(())
}

/// Variables for a shell, so that the service and the load client find this stack without flags.
fn variables(stack: &Stack) -> String {
    let (kafka, store) = (stack.kafka_url(), stack.store_url());
    let mut text = format!(
        "KAFKA_URL={kafka}\nSTORE_URL={store}\nexport LOAD_CLIENT_HOST=$KAFKA_URL \
         ORDER_SERVICE_KAFKA=$KAFKA_URL ORDER_SERVICE_STORE=$STORE_URL\n"
    );
    // The variables have one property a line.
    let properties = stack.client_properties();
    let properties = properties
        .iter()
        .map(|(key, value)| format!("{key}={value}"));
    let properties: Vec<_> = properties.collect();
    if properties.is_empty() {
        // The shell may have read those of another stack.
        text += "unset LOAD_CLIENT_X ORDER_SERVICE_PROPERTIES\n";
    } else {
        let value = shlex::try_quote(&properties.join("\n")).map(Cow::into_owned);
        let value = value.unwrap_or_default();
        text += &format!("export LOAD_CLIENT_X={value} ORDER_SERVICE_PROPERTIES={value}\n");
    }
    text
}

/// Commands for this stack. They are comments, because a shell reads this text for the variables.
fn to_paste(stack: &Stack) -> String {
    let brokers = stack.bootstrap_servers();
    let folder = std::env::current_exe().ok();
    let folder = folder.as_deref().and_then(Path::parent);
    let program = |name: &str| {
        let file = folder.map_or_else(|| name.into(), |folder| folder.join(name));
        // Relative to the current folder, so that it is short.
        let here = std::env::current_dir().ok();
        let short = here.and_then(|here| Some(file.strip_prefix(here).ok()?.to_owned()));
        short.unwrap_or(file).display().to_string()
    };
    let (service, client) = (program("order-service"), program("load-client"));
    format!(
        r#"# the service, load, one order, and all replies so far:
#   {service} --dispatch tasks --http 127.0.0.1:8000
#   {client} -u 10 -r 10 -t 10s
#   echo '{{"items":[{{"sku":"id-1234","count":1}}]}}' | kcat -P -b {brokers} -t createOrder -H reply-to=createOrder.reply
#   kcat -C -b {brokers} -t createOrder.reply -e -f '%h %s\n'
"#
    )
}

async fn show_demo(arguments: DemoArguments, stop: &CancellationToken) -> Result<()> {
    let stack = start(arguments.target.kind(), arguments.target.options(stop)).await?;
    let shown = demo::demo(&stack, arguments.order_service, stop).await;
    let stopped = stack.stop().await;
    if let Ok(shown) = &shown {
        print(shown)?;
    }
    after_stop(shown, stopped).map(drop)
}

async fn bench(arguments: BenchArguments, stop: &CancellationToken) -> Result<()> {
    let subject = Subject::of(&arguments.subject)?;
    let variant = subject.variant(&arguments.variant)?;
    let settings = arguments
        .load
        .settings(arguments.target.kind(), &subject.topic);
    settings.require_load_client()?;
    for variant in &subject.variants {
        variant.require_program()?;
        variant.check_flags(&settings.load_flags)?;
    }
    let files = RunFiles::beside(&arguments.out);
    // Before the stack starts: a wrong path must not cost a rehearsal.
    files.prepare().context("--out")?;
    let options = StackOptions {
        logs: Some(files.logs.clone()),
        ..arguments.target.options(stop)
    };
    let mut stack = start(arguments.target.kind(), options).await?;
    let ran = async {
        rehearse(&mut stack, &settings, &subject.variants, &files.logs, stop).await?;
        let planned = Planned {
            variant,
            identity: Identity::alone_on(&stack, &subject.topic),
            files: files.clone(),
        };
        run(&mut stack, &settings, &planned, stop).await
    };
    let ran = ran.await;
    let ran = after_stop(ran, stack.stop().await)?;
    print(&format!("{}\n", files.requests.display()))?;
    match ran.end {
        RunEnd::Clean => Ok(()),
        RunEnd::WithFailures => bail!("some requests failed: see {}", files.summary.display()),
        // The run took place, and its files say why nobody should compare it.
        RunEnd::Invalid => bail!(
            "the load client was the bottleneck; do not use these figures: see {}",
            files.summary.display()
        ),
    }
}

async fn compare_variants(arguments: ExperimentArguments, stop: &CancellationToken) -> Result<()> {
    let mut subject = Subject::of_experiment(&arguments)?;
    let kind = arguments.target.kind();
    let settings = arguments.load.settings(kind, &subject.topic);
    settings.require_load_client()?;
    let markdown = arguments.markdown.as_deref().map(files::prepare);
    let markdown = markdown.transpose().context("--markdown")?;
    let provenance = Provenance::now();
    let folder = experiment::new_folder(&arguments.results, &provenance.date, kind.name())?;
    // Kept until the end, because the commands run in the work trees.
    let _work_trees = experiment::check_out(&mut subject, &folder, stop).await?;
    for variant in &subject.variants {
        variant.require_program()?;
        variant.check_flags(&settings.load_flags)?;
    }
    let mut stack = start(kind, arguments.target.options(stop)).await?;
    let design = Design {
        length: arguments.length(),
        calibration: arguments.calibrate,
        seed: arguments.seed.unwrap_or_else(seed_of_now),
        threshold: arguments.threshold,
    };
    let plan = Experiment::plan(&stack, subject, settings, design, provenance);
    let outcome = experiment(&mut stack, &plan, &arguments.results, &folder, stop).await;
    if outcome.is_err() {
        // `load-client compare --sequential` can still read them.
        tracing::info!("the runs so far are in {}", folder.display());
    }
    let outcome = after_stop(outcome, stack.stop().await)?;
    if let Some(markdown) = markdown {
        markdown.write_whole(outcome.markdown.as_bytes())?;
    }
    let latest = arguments
        .results
        .join(experiment::LATEST)
        .join(experiment::REPORT);
    print(&format!(
        "{}\nreport: {} -> {}\n",
        outcome.text,
        latest.display(),
        outcome.report.display()
    ))?;
    experiment::hold(arguments.fail_on, &outcome.changes)
}

async fn simulate_experiments(
    arguments: SimulateArguments,
    stop: &CancellationToken,
) -> Result<()> {
    if !arguments.join.is_empty() {
        return print(&simulate::join(&arguments.join)?);
    }
    let kind = arguments.target.kind();
    let mut stack = start(kind, arguments.target.options(stop)).await?;
    let seed = arguments.seed.unwrap_or_else(seed_of_now);
    let outcome = simulate::simulate(&mut stack, &arguments, seed, stop).await;
    let stopped = stack.stop().await;
    // Printed after an interruption or a failure too.
    if let Ok((text, _)) = &outcome {
        print(text)?;
    }
    after_stop(outcome.and_then(|(_, ended)| ended), stopped)
}

async fn measure_limits(arguments: LimitsArguments, stop: &CancellationToken) -> Result<()> {
    let mut stack = start(arguments.target.kind(), arguments.target.options(stop)).await?;
    let seed = arguments.seed.unwrap_or_else(seed_of_now);
    let outcome = limits::limits(&mut stack, &arguments, seed, stop).await;
    print(&after_stop(outcome, stack.stop().await)?)
}

async fn start(kind: StackKind, options: StackOptions) -> Result<Stack> {
    tracing::info!("starting stack {}", kind.name());
    let stack = Stack::start(kind, options).await?;
    let parts = stack.description();
    tracing::info!("{} at {}, {}", parts.broker, stack.kafka_url(), parts.store);
    if parts.shared {
        tracing::info!(
            "both ran before: this command removes its topics, but its orders stay in the store"
        );
    }
    Ok(stack)
}

/// Chooses the failure to show, of the work and of the stack's stop after it. A failed stop replaces an interruption,
/// because that promises that everything is stopped. Any other failure of the work is probably its cause, and is shown.
fn after_stop<T>(outcome: Result<T>, stopped: Result<()>) -> Result<T> {
    match (outcome, stopped) {
        (outcome, Ok(())) => outcome,
        (Err(cause), Err(error)) if !cause.is::<Interrupted>() => {
            tracing::error!("{error:#}");
            Err(cause)
        }
        (_, Err(error)) => Err(error),
    }
}

fn seed_of_now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    since.as_secs()
}

fn print(text: &str) -> Result<()> {
    print_bytes(text.as_bytes())
}

fn print_bytes(bytes: &[u8]) -> Result<()> {
    write(std::io::stdout().lock(), bytes).context("cannot write to standard output")
}

fn write(mut output: impl Write, bytes: &[u8]) -> std::io::Result<()> {
    output.write_all(bytes)?;
    output.flush()
}
