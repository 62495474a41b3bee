//! `load-client --web`: serves the live page, and owns the runs that it asks for.

mod end;
mod order;
mod run;
mod runs;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use program_shell::http;
use program_shell::signals::Signals;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::runs::LiveRuns;
use crate::args::RunArguments;
use crate::scenario::Scenario;
use crate::session::signals::{INTERRUPTED, say};
use crate::web::{AllowedHosts, RunController, router};

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
        () = end::after_the_run(&runs, autoquit.filter(|_| autostart)) => {}
    }
    if end::end(&runs, &mut signals).await.is_break() {
        return Ok(INTERRUPTED);
    }
    closed.cancel();
    let _ = tokio::time::timeout(SERVER_STOP_TIMEOUT, server).await;
    runs.print_figures();
    Ok(runs.exit_code())
}
