//! Drives the load of a run through a transport. Knows neither Kafka nor files nor terminals.

mod closed;
mod control;
mod course;
mod engine;
mod open;
mod pacer;
mod user;
mod wait_time;

use std::sync::Arc;
use std::time::Instant;

pub use control::Control;
pub(crate) use pacer::Pacer;

use self::engine::Engine;
use crate::load::plan::{Model, Plan};
use crate::measure::recorder::Samples;
use crate::scenario::Scenario;
use crate::transport::Transport;

/// Runs a plan to its end: every request ends in exactly one sample.
///
/// Returns when the last request has ended. No sample waits for the recorder: one that falls behind holds
/// back new requests, and never delays a stamp.
pub async fn run<T: Transport>(
    plan: Plan,
    scenario: Arc<dyn Scenario>,
    transport: Arc<T>,
    samples: Samples,
    control: &Control,
) {
    run_paced_by(Pacer::Thread, plan, scenario, transport, samples, control).await;
}

/// As [`run`], with a choice of what an open loop waits with.
pub(crate) async fn run_paced_by<T: Transport>(
    pacer: Pacer,
    plan: Plan,
    scenario: Arc<dyn Scenario>,
    transport: Arc<T>,
    samples: Samples,
    control: &Control,
) {
    control.begin(plan.first_target(), plan.warm_up);
    let engine = Arc::new(Engine {
        plan,
        scenario,
        transport,
        samples,
        control: control.clone(),
        start: now(),
    });
    let helpers = [
        tokio::spawn(Arc::clone(&engine).time_out()),
        tokio::spawn(Arc::clone(&engine).cut_on_abort()),
    ];
    match engine.plan.model {
        Model::Closed(_) => closed::drive(&engine).await,
        Model::Open(_) => open::drive(&engine, pacer).await,
    }
    control.stop.cancel();
    engine.drained().await;
    for helper in helpers {
        helper.abort();
        // Until it is gone it holds on to the samples' channel, whose end the recorder waits for.
        let _ = helper.await;
    }
}

/// The present, on the clock that tests pause.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests;
