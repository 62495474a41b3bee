//! `load-client run`: one session, seen by a terminal.

use std::sync::Arc;

use program_shell::signals::Signals;
use uuid::Uuid;

use crate::args::RunArguments;
use crate::load::plan::Plan;
use crate::load::runner::Control;
use crate::session::signals::{self, say};
use crate::session::{Audience, Session};
use crate::transport::kafka::KafkaSettings;

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
        return super::web::serve(arguments);
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
