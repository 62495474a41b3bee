//! `load-client run`: joins plan, transport, runner, recorder and outputs.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::export::RequestsCsv;
use crate::plan::Plan;
use crate::recorder::Recorder;
use crate::runner::{self, Control};
use crate::scenario::{Mix, Scenario};
use crate::transport::Transport;
use crate::transport::kafka::{ClientSettings, KafkaSettings, KafkaTransport, KafkaTransportError};
use program_shell::signals::Signals;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::beside::Beside;
use super::outputs::{Course, Outputs};
use super::stillness::Stillness;
use crate::args::RunArguments;
use crate::commands::signals::{self, say};

/// Runs the load; answers the exit code.
///
/// # Errors
///
/// When the command line contradicts itself, the cluster or a topic cannot be used, or a file
/// cannot be written.
pub(crate) fn run(arguments: RunArguments) -> anyhow::Result<u8> {
    let (plan, mut settings) = arguments.validated(Uuid::new_v4().to_string())?;
    arguments.refuse_collisions(&plan)?;
    if arguments.web.web.is_some() {
        return super::web::serve(arguments);
    }
    let scenario = arguments
        .service
        .apply(&mut settings, arguments.load.seed())?;
    let client_settings = settings.effective()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(
        arguments,
        plan,
        scenario,
        Arc::new(settings),
        client_settings,
    ))
}

async fn measure(
    arguments: RunArguments,
    plan: Plan,
    scenario: Mix,
    settings: Arc<KafkaSettings>,
    client_settings: ClientSettings,
) -> anyhow::Result<u8> {
    let mut signals = Signals::catch()?;
    let outputs = Outputs::prepare(&arguments, &plan, scenario.kinds())?;
    // Before anything is sent: a place that cannot be written must not cost a run.
    let csv = arguments.requests_record_file.as_deref();
    let create = |path| RequestsCsv::create(path, scenario.kinds());
    let csv = csv.map(create).transpose()?;
    let transport = Arc::new(connect(&settings, &mut signals).await?);
    announce(&plan, &settings);
    let control = Control::default();
    let (recorder, samples) = Recorder::start(scenario.kinds(), &plan, csv, &control)?;
    let producer = Arc::clone(&transport);
    let queue = Box::new(move || producer.producer_queue() as u64);
    let keyed = control.clone();
    let on_key = Box::new(move |more| keyed.add_users(more));
    let outputs = outputs.watch(recorder.view(), &plan, &control, queue, Some(on_key))?;
    let is_over = CancellationToken::new();
    let (own, over) = (control.clone(), is_over.clone());
    tokio::spawn(signals::control(signals, own, over, outputs.restore()));
    let beside = Beside::start(&arguments.load, recorder.view(), &control);
    let stillness = Stillness::watch()?;
    let (started, clock) = (SystemTime::now(), Instant::now());
    runner::run(
        plan.clone(),
        Arc::new(scenario),
        Arc::clone(&transport),
        samples,
        &control,
    )
    .await;
    let duration = clock.elapsed();
    is_over.cancel();
    let stalled = stillness.stop(&plan, &control);
    let active = control.active();
    let outputs = outputs.stop();
    let view = recorder.view();
    let (_, recorded) = recorder.finish();
    let course = Course {
        started,
        duration,
        active,
        limit_broke: beside.limit_broke(),
        stalled,
        findings: beside.finish(&view),
        lag: control.lag(),
        defunct: transport.pending().defunct(),
        recording_failed: recorded.is_err(),
        interrupted_twice: control.abort.is_cancelled(),
        unmatched_replies: transport.unmatched_replies(),
        client_settings,
    };
    let concluded = outputs.conclude(course, &plan, &settings);
    if let (Err(_), Err(error)) = (&recorded, &concluded) {
        // Only one error can be the program's last word.
        say(&format!("error: {error:#}"));
    }
    recorded?;
    concluded
}

async fn connect(
    settings: &Arc<KafkaSettings>,
    signals: &mut Signals,
) -> Result<KafkaTransport, KafkaTransportError> {
    tokio::select! {
        connected = KafkaTransport::connect_in_background(Arc::clone(settings)) => connected,
        _ = signals.next() => Err(KafkaTransportError::Interrupted),
    }
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
