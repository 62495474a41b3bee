//! `load-client --web`: serves the live page, and owns the runs that it asks for.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use program_shell::http;
use program_shell::signals::Signals;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::args::{RunArguments, parse};
use crate::load::Arrivals;
use crate::load::plan::{Model, OpenLoop, Pause, Plan};
use crate::load::shape::show_rate;
use crate::program::live_runs::LiveRuns;
use crate::scenario::{Mix, Scenario};
use crate::session::signals::{INTERRUPTED, say};
use crate::transport::kafka::KafkaSettings;
use crate::web::{AllowedHosts, Defaults, Refusal, RunController, StartOrder, router};

/// How long a browser that reads nothing may hold up the end.
const SERVER_STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves the page until a signal, or until the run that was started by itself is over. Answers the exit code
/// of the last run, which is that of the same run without the page, or 1 when the run could not be done; 0
/// without any run.
///
/// # Errors
///
/// When the command line contradicts itself, or the address cannot be listened at.
pub(crate) fn serve(arguments: RunArguments) -> anyhow::Result<u8> {
    // What is wrong with the settings is told here and now, not at the first run.
    let (_, mut settings) = arguments.validated(Uuid::new_v4().to_string())?;
    let seed = arguments.load.seed();
    let scenario = arguments.service.apply(&mut settings, seed)?;
    arguments
        .output
        .validated(scenario.kinds(), &arguments.load.until)?;
    settings.effective()?;
    let address = arguments.web.address()?;
    let address = address.context("--web is needed to serve the page")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let code = runtime.block_on(listen(arguments, address));
    // What does not end in time ends with the process.
    runtime.shutdown_background();
    code
}

async fn listen(arguments: RunArguments, address: SocketAddr) -> anyhow::Result<u8> {
    let mut signals = Signals::catch()?;
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("--web {address} cannot be listened at; give another address or port")
    })?;
    let address = listener.local_addr()?;
    let (autostart, autoquit) = (arguments.web.autostart, arguments.web.autoquit);
    let hosts = AllowedHosts::new(address, &arguments.web.web_name);
    let runs = Arc::new(LiveRuns::new(arguments)?);
    let closed = CancellationToken::new();
    let page = router(Arc::clone(&runs), hosts, closed.clone());
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

// How the page comes to its end: by a signal, or some time after the run that it began with.

/// Waits for the end of the run and then that long; for ever without a time.
pub(super) async fn after_the_run(runs: &LiveRuns, autoquit: Option<Duration>) {
    match autoquit {
        Some(pause) => loop {
            runs.idle().await;
            tokio::time::sleep(pause).await;
            // Somebody may have started another one.
            if runs.is_idle() {
                return;
            }
        },
        None => std::future::pending().await,
    }
}

/// Stops the run that goes on, and takes no further one. A further signal does not wait for requests
/// in flight, and one more does not wait for files either, which is a break.
pub(super) async fn end(runs: &LiveRuns, signals: &mut Signals) -> ControlFlow<()> {
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

// What the page asks for, as plan and settings; what the command line proposes, as a form.

/// Whether a new run may have a rate.
pub(super) const RATE_OFFERED: bool = true;

/// The form as the command line fills it.
pub(super) fn defaults(arguments: &RunArguments, plan: &Plan) -> Defaults {
    let run_time = plan.run_time.map(humantime::format_duration);
    Defaults {
        users: arguments.users,
        spawn_rate: plan.spawn_rate,
        run_time: run_time.map_or_else(String::new, |time| time.to_string().replace(' ', "")),
        rate: arguments.load.rate.map_or_else(String::new, show_rate),
    }
}

/// Plan, settings and requests of an order: what it does not name is as on the command line.
pub(super) fn ordered(
    arguments: &RunArguments,
    order: &StartOrder,
    run_id: String,
) -> Result<(Plan, KafkaSettings, Mix), Refusal> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let invalid = |field: &str| {
        let field = field.to_owned();
        move |reason: String| Refusal::Invalid(format!("{field}: {reason}"))
    };
    let run_time = given(&order.run_time).map(|text| parse::duration(text.trim()));
    let run_time = run_time.transpose().map_err(invalid("run_time"))?;
    let rate = given(&order.rate).map(|text| parse::rate(text.trim()));
    let rate = rate.transpose().map_err(invalid("rate"))?;
    let refused = |error: String| Refusal::Invalid(error);
    let (plan, mut settings) = arguments
        .validated(run_id)
        .map_err(|error| refused(error.to_string()))?;
    let seed = arguments.load.seed();
    let scenario = arguments.service.apply(&mut settings, seed);
    let scenario = scenario.map_err(|error| refused(error.to_string()))?;
    let plan = match plan.stages.is_empty() {
        true => unstaged(plan, order, run_time, rate, arguments),
        false => arguments
            .load
            .staged_as(plan, (order.users, order.spawn_rate), run_time, rate)
            .map_err(|error| refused(error.to_string()))?,
    };
    let plan = plan
        .validated()
        .map_err(|error| refused(error.to_string()))?;
    Ok((plan, settings, scenario))
}

/// The load of the order, which is one.
fn unstaged(
    plan: Plan,
    order: &StartOrder,
    run_time: Option<Duration>,
    rate: Option<f64>,
    arguments: &RunArguments,
) -> Plan {
    let model = model(plan.model, rate, arguments);
    let is_open = matches!(model, Model::Open(_));
    Plan {
        users: if is_open { 0 } else { order.users },
        spawn_rate: order.spawn_rate,
        run_time,
        model,
        ..plan
    }
}

/// An open loop with a rate, users without one.
fn model(typed: Model, rate: Option<f64>, arguments: &RunArguments) -> Model {
    match (rate, typed) {
        (Some(rate), Model::Open(open)) => Model::Open(OpenLoop { rate, ..open }),
        (Some(rate), Model::Closed(_)) => Model::Open(OpenLoop {
            rate,
            arrivals: Arrivals::Constant,
            max_in_flight: arguments.load.max_in_flight(),
        }),
        (None, Model::Closed(pause)) => Model::Closed(pause),
        (None, Model::Open(_)) => Model::Closed(Pause::None),
    }
}
