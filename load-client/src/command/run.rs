//! `load-client run`: joins plan, transport, runner, recorder and outputs.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use load_client::export::{EndedBy, RequestsCsv, RunFacts, RunReport, write_whole};
use load_client::output::{live_table, run_end};
use load_client::plan::Plan;
use load_client::recorder::{Recorder, TallyView};
use load_client::runner::{self, Control};
use load_client::scenario::Fixed;
use load_client::transport::Transport;
use load_client::transport::kafka::{
    ClientSettings, KafkaSettings, KafkaTransport, KafkaTransportError,
};
use uuid::Uuid;

use crate::cli::RunArguments;
use crate::signals::{Signals, say};

/// How often the table is printed while the run goes on.
const TABLE_INTERVAL: Duration = Duration::from_secs(2);

/// Runs the load. False when a request failed.
///
/// # Errors
///
/// When the command line contradicts itself, the cluster or a topic cannot be used, or a file
/// cannot be written.
pub(crate) fn run(arguments: RunArguments) -> anyhow::Result<bool> {
    if arguments.web.web.is_some() {
        return super::web::serve(arguments);
    }
    let (plan, settings) = arguments.validated(Uuid::new_v4().to_string())?;
    let client_settings = settings.effective()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(
        arguments,
        plan,
        Arc::new(settings),
        client_settings,
    ))
}

async fn measure(
    arguments: RunArguments,
    plan: Plan,
    settings: Arc<KafkaSettings>,
    client_settings: ClientSettings,
) -> anyhow::Result<bool> {
    let mut signals = Signals::catch()?;
    let csv = match &arguments.requests_record_file {
        // Before anything is sent: a place that cannot be written must not cost a run.
        Some(path) => Some(RequestsCsv::create(path, &settings.topic)?),
        None => None,
    };
    let transport = match connect(&settings, &mut signals).await {
        Ok(transport) => Arc::new(transport),
        Err(error) => {
            if let Some(csv) = csv {
                csv.discard();
            }
            return Err(error.into());
        }
    };
    announce(&plan, &settings);
    let control = Control::default();
    let (recorder, samples) = Recorder::start(
        std::slice::from_ref(&settings.topic),
        csv,
        control.stop.clone(),
    )?;
    let helpers = [
        tokio::spawn(print_tables(recorder.view())),
        tokio::spawn(signals.control(control.clone())),
    ];
    let (started, clock) = (SystemTime::now(), Instant::now());
    let scenario = Arc::new(Fixed::new(settings.topic.clone(), settings.body.clone()));
    runner::run(
        plan.clone(),
        scenario,
        Arc::clone(&transport),
        samples,
        &control,
    )
    .await;
    let duration = clock.elapsed();
    helpers.iter().for_each(tokio::task::JoinHandle::abort);
    let (summary, recorded) = recorder.finish();
    print(&format!("\n{}", run_end(&summary)));
    let defunct = transport.defunct();
    let facts = RunFacts {
        started,
        duration,
        ended_by: ended_by(&plan, duration, defunct.is_some() || recorded.is_err()),
        unmatched_replies: transport.unmatched_replies(),
        client_settings,
    };
    let any_failure = summary.any_failure();
    if let Some(path) = &arguments.json {
        let report = RunReport::new(&plan, &settings, facts, summary);
        write_whole(path, &serde_json::to_vec_pretty(&report)?)?;
    }
    recorded?;
    match defunct {
        Some(cause) => Err(anyhow::anyhow!("the run ended early: {cause}")),
        None => Ok(!any_failure),
    }
}

async fn connect(
    settings: &Arc<KafkaSettings>,
    signals: &mut Signals,
) -> Result<KafkaTransport, KafkaTransportError> {
    tokio::select! {
        connected = KafkaTransport::connect_in_background(Arc::clone(settings)) => connected,
        () = signals.next() => Err(KafkaTransportError::Interrupted),
    }
}

fn ended_by(plan: &Plan, duration: Duration, failed: bool) -> EndedBy {
    match plan.run_time {
        _ if failed => EndedBy::Failure,
        Some(run_time) if duration >= run_time => EndedBy::RunTime,
        _ => EndedBy::Signal,
    }
}

fn announce(plan: &Plan, settings: &KafkaSettings) {
    let replies = if settings.publish_only {
        "publishing only".to_owned()
    } else {
        format!("replies from {}", settings.reply_topic)
    };
    say(&format!(
        "{} user(s), {} started per second, to {} at {}, {replies}",
        plan.users, plan.spawn_rate, settings.topic, settings.brokers
    ));
}

async fn print_tables(view: TallyView) {
    let first = tokio::time::Instant::now() + TABLE_INTERVAL;
    let mut interval = tokio::time::interval_at(first, TABLE_INTERVAL);
    loop {
        interval.tick().await;
        print(&format!(
            "\n{}",
            live_table(&view.summary(), Some(&view.moment(0, false)))
        ));
    }
}

fn print(text: &str) {
    // A reader that closed the pipe must not end the run.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
