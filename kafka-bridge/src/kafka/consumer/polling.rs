//! Polls the consumer from one thread at a time: usually the bridge's task, and the guard while that task is blocked.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use tokio::sync::{Notify, mpsc};
use tracing::{debug, warn};

use super::events::ConsumerEvents;
use super::message::to_record;
use super::pauses::{Pause, Pauses};
use crate::kafka::refusal::failed;
use crate::ports::{Intake, SourceEvent};
use crate::telemetry::metric_names;
use crate::{Error, Record};

/// How long there may be no room before partitions are paused. Pausing costs a new fetch, so a busy moment should not
/// cause it. Has to stay far below `max.poll.interval.ms`.
pub(super) const PAUSE_AFTER: Duration = Duration::from_millis(500);

/// A consumer, and the turn to poll it.
pub(super) struct Polling {
    pub(super) consumer: BaseConsumer<ConsumerEvents>,
    /// Notified when the consumer has something, or when the turn is free again.
    pub(super) arrived: Arc<Notify>,
    turn: Mutex<Turn>,
    /// Whether the bridge's task waits for the turn.
    is_awaited: AtomicBool,
    max_headers: usize,
}

/// The state of polling. The thread that holds it polls.
pub(super) struct Turn {
    /// Polled records that were not handed over yet.
    backlog: VecDeque<Record>,
    pauses: Pauses,
    /// Since when there has been no room for records.
    closed: Option<Instant>,
    /// When the bridge's task last polled.
    polled: Instant,
}

/// The result of a look at the consumer.
pub(super) enum Look {
    Event(Result<SourceEvent, Error>),
    /// Something came. The next look returns it.
    Again,
    Nothing,
}

/// The events of the consumer's context.
pub(super) type Events = mpsc::UnboundedReceiver<Result<SourceEvent, Error>>;

impl Polling {
    pub(super) fn new(mut consumer: BaseConsumer<ConsumerEvents>, max_headers: usize) -> Self {
        let arrived = Arc::new(Notify::new());
        let wake = Arc::clone(&arrived);
        consumer.set_nonempty_callback(move || wake.notify_one());
        Self {
            consumer,
            arrived,
            turn: Mutex::new(Turn {
                backlog: VecDeque::new(),
                pauses: Pauses::default(),
                closed: None,
                polled: Instant::now(),
            }),
            is_awaited: AtomicBool::new(false),
            max_headers,
        }
    }

    /// Looks for an event, or a record if there is room for one, without waiting. `held_back` selects the topics
    /// without room while intake is open. For the bridge's task.
    pub(super) fn look(&self, events: &mut Events, intake: Intake, held_back: &Pause) -> Look {
        let mut turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // The guard notifies the task when it is done.
            Err(TryLockError::WouldBlock) => {
                self.is_awaited.store(true, Ordering::SeqCst);
                match self.turn.try_lock() {
                    Ok(turn) => turn,
                    Err(_) => return Look::Nothing,
                }
            }
        };
        turn.polled = Instant::now();
        let context = self.consumer.context();
        // Checked before the events: finished offsets have to arrive before their partition's records.
        let first = turn.backlog.front();
        let waits = first.is_some_and(|first| context.waits(&first.coordinates));
        // Events come before the records that were polled after them. Nobody else polls now.
        if let Ok(event) = events.try_recv() {
            return Look::Event(event);
        }
        match intake {
            Intake::Open => {
                turn.closed = None;
                if waits {
                    context.hold_back();
                    return Look::Nothing;
                }
                if let Some(record) = turn.backlog.pop_front() {
                    return Look::Event(Ok(SourceEvent::Record(record)));
                }
                if turn.pauses.set(&self.consumer, held_back) {
                    context.label.count(metric_names::PAUSES, []);
                }
            }
            Intake::Closed => {
                let now = turn.polled;
                let since = *turn.closed.get_or_insert(now);
                if !turn.pauses.is_all() && now - since < PAUSE_AFTER {
                    return Look::Nothing;
                }
                if self.pause(&mut turn) {
                    context.label.count(metric_names::PAUSES, []);
                }
            }
        }
        if self.poll(&mut turn, Duration::ZERO) {
            Look::Again
        } else {
            Look::Nothing
        }
    }

    /// Polls with paused partitions if the bridge's task has not polled for `silence`. Returns whether it did. For the
    /// guard.
    pub(super) fn stand_in(&self, silence: Duration, wait: Duration) -> bool {
        let mut turn = self.take_turn();
        if turn.polled.elapsed() < silence {
            return false;
        }
        if !turn.pauses.is_all() {
            warn!(
                ?silence,
                "the bridge's task is blocked: the guard thread polls the consumer and pauses it"
            );
        }
        self.pause(&mut turn);
        self.poll(&mut turn, wait);
        true
    }

    /// Runs `work` while nobody polls, so that no record comes between its steps. For the guard.
    pub(super) fn alone<T>(&self, work: impl FnOnce() -> T) -> T {
        let turn = self.take_turn();
        let done = work();
        drop(turn);
        self.hand_back();
        done
    }

    /// Returns whether polled records were not handed over.
    #[cfg(test)]
    pub(super) fn has_backlog(&self) -> bool {
        !self.take_turn().backlog.is_empty()
    }

    fn take_turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the bridge's task if it waits for the turn, which is free again. Returns whether it did.
    pub(super) fn hand_back(&self) -> bool {
        let is_awaited = self.is_awaited.swap(false, Ordering::SeqCst);
        if is_awaited {
            self.arrived.notify_one();
        }
        is_awaited
    }

    /// Pauses all assigned partitions. Returns whether that is new.
    fn pause(&self, turn: &mut Turn) -> bool {
        self.consumer.context().hold_back();
        turn.pauses.set(&self.consumer, &Pause::All)
    }

    /// Polls once. Returns whether there was something.
    fn poll(&self, turn: &mut Turn, wait: Duration) -> bool {
        let context = self.consumer.context();
        let heard = context.heard();
        match self.consumer.poll(wait) {
            // A notification of the context is not a message, and more may follow.
            None => return context.heard() != heard,
            Some(Ok(message)) => {
                let record = to_record(&message, context, self.max_headers);
                turn.backlog.push_back(record);
            }
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => {
                let fatal = failed("consuming", error);
                self.consumer.context().tell(Err(fatal));
            }
            Some(Err(KafkaError::MessageConsumption(Code::PollExceeded))) => {
                warn!("polled too late, the group continues without this member until it rejoins");
                context.max_poll_exceeded();
            }
            // The context got this error before, with its reason.
            Some(Err(error)) => debug!(%error, "consumer"),
        }
        true
    }
}
