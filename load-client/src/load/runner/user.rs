//! One user of a closed loop: sends a request, waits for its end, pauses, sends the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::engine::Engine;
use super::now;
use super::wait_time::WaitTime;
use crate::load::plan::{Model, Pause};
use crate::measure::sample::Status;
use crate::transport::{Ending, InFlight, Listener, Transport};

/// Pause of a user whose request could not even be sent: without it a broken broker would be
/// hammered, and the CSV filled with thousands of equal failures a second.
const PAUSE_AFTER_BROKEN_TRANSPORT: Duration = Duration::from_millis(100);
/// Pause of a user while the recorder is too far behind.
const PAUSE_FOR_RECORDER: Duration = Duration::from_millis(10);

/// Wakes the user when its request has ended.
struct Turn<T> {
    engine: Arc<Engine<T>>,
    ended: Notify,
    transport_is_broken: AtomicBool,
}

impl<T: Transport> Listener for Turn<T> {
    fn ended(&self, flight: &InFlight, ending: Ending) {
        let status = self.engine.take(flight, ending);
        let is_broken = matches!(status, Status::SendError | Status::ConsumerFailure);
        self.transport_is_broken.store(is_broken, Ordering::Relaxed);
        self.ended.notify_one();
    }
}

/// Runs a user until it is not wanted any more; answers its number. `dismissed` wakes it from a pause to look
/// whether it is.
pub(super) async fn closed_loop<T: Transport>(
    user: u32,
    engine: Arc<Engine<T>>,
    dismissed: Arc<Notify>,
) -> u32 {
    let pause = async |until| engine.pause(until, user, &dismissed).await;
    let mut wait_time = WaitTime::new(
        match &engine.plan.model {
            Model::Closed(pause) => pause,
            Model::Open(_) => &Pause::None,
        },
        user,
    );
    let turn = Arc::new(Turn {
        engine: Arc::clone(&engine),
        ended: Notify::new(),
        transport_is_broken: AtomicBool::new(false),
    });
    let (mut planned, mut is_held_back) = (None, false);
    while engine.control.wants(user) {
        if !engine.samples.has_room() {
            if !std::mem::replace(&mut is_held_back, true) {
                engine.control.request_waits_for_recorder();
            }
            pause(now() + PAUSE_FOR_RECORDER).await;
            continue;
        }
        is_held_back = false;
        let sent = engine.send(user, planned, Arc::<Turn<T>>::clone(&turn));
        if wait_time.is_paced() && !engine.is_warm_up(planned.unwrap_or(sent)) {
            let lag = planned.map_or(Duration::ZERO, |planned| sent - planned);
            engine.control.request_was_late(lag, false);
        }
        planned = None;
        turn.ended.notified().await;
        // A transport that ends requests at once must not keep this thread for itself.
        tokio::task::consume_budget().await;
        if turn.transport_is_broken.load(Ordering::Relaxed) {
            pause(now() + PAUSE_AFTER_BROKEN_TRANSPORT).await;
        } else if let Some(next) = wait_time.next(sent, now()) {
            pause(next).await;
            planned = wait_time.planned(next, now());
        }
    }
    user
}

impl<T: Transport> Engine<T> {
    /// Waits until then, or until the run stops or this user is not wanted any more.
    async fn pause(&self, until: Instant, user: u32, dismissed: &Notify) {
        while until > now() && self.control.wants(user) {
            tokio::select! {
                biased;
                () = self.control.stop.cancelled() => {}
                () = dismissed.notified() => {}
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
    }
}
