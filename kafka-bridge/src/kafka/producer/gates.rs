//! Holds records for topics that accept none at present. Of all records that wait for a topic, only one tries. The
//! others wait for it, so that a refusing broker gets few requests and not one from each of a thousand records.
//!
//! Records whose attempts get no answer in time do not wait for one another. They are counted here because they are the
//! same obstacle.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};

use crate::health::obstacles::{Blocked, Obstacles};

/// The first wait between two attempts. It doubles up to the last, whichever record tries.
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(100);
pub(super) const LAST_WAIT: Duration = Duration::from_secs(5);

/// The topics that records wait for. Each is an obstacle as long as a record waits.
#[derive(Debug, Default)]
pub(super) struct Gates {
    held: Mutex<Held>,
    obstacles: Obstacles,
}

#[derive(Debug, Default)]
struct Held {
    closed: HashMap<Arc<str>, Closed>,
    /// How many records of a topic have been tried for long without an answer in time.
    late: HashMap<Arc<str>, usize>,
}

#[derive(Debug)]
struct Closed {
    gate: Arc<Gate>,
    waiting: usize,
}

#[derive(Debug)]
struct Gate {
    /// Held by the record that tries. Contains the wait before its next attempt.
    turn: Arc<tokio::sync::Mutex<Duration>>,
    is_open: AtomicBool,
}

/// A record that has been tried for long. The last one of its topic clears the obstacle.
pub(super) struct Late {
    gates: Arc<Gates>,
    topic: Arc<str>,
}

/// A record that waits for a topic.
struct Place {
    gates: Arc<Gates>,
    topic: Arc<str>,
    gate: Arc<Gate>,
}

/// The right, and the duty, to try.
pub(super) struct Turn {
    wait: OwnedMutexGuard<Duration>,
    place: Place,
}

impl Gates {
    pub(super) fn new(obstacles: Obstacles) -> Self {
        let held = Mutex::default();
        Self { held, obstacles }
    }

    /// Waits until the topic is open or it is this record's turn. Returns at once if nobody waits for the topic.
    pub(super) async fn pass(self: &Arc<Self>, topic: &Arc<str>) -> Option<Turn> {
        let place = self.place(topic, None)?;
        place.queue().await
    }

    /// Notes why a topic accepts nothing, then waits like [`Gates::pass`].
    pub(super) async fn wait(
        self: &Arc<Self>,
        turn: Option<Turn>,
        topic: &Arc<str>,
        cause: String,
    ) -> Option<Turn> {
        if let Some(mut turn) = turn {
            warn!(%topic, cause, "the topic still accepts no records");
            self.raise(topic, cause);
            turn.pause().await;
            return Some(turn);
        }
        let place = self.place(topic, Some(cause))?;
        place.queue().await
    }

    /// Joins the records that wait for a topic; `None` if there are none and there is no cause.
    fn place(self: &Arc<Self>, topic: &Arc<str>, cause: Option<String>) -> Option<Place> {
        let mut held = self.held();
        let closed = &mut held.closed;
        if let Some(cause) = cause {
            if !closed.contains_key(topic) {
                error!(%topic, cause, "the topic accepts no records, they wait");
                let turn = Arc::new(tokio::sync::Mutex::new(FIRST_WAIT));
                let is_open = AtomicBool::new(false);
                let gate = Arc::new(Gate { turn, is_open });
                closed.insert(Arc::clone(topic), Closed { gate, waiting: 0 });
            }
            // Raised before anyone can open the gate, or the obstacle would outlive it.
            self.raise(topic, cause);
        }
        let own = closed.get_mut(topic)?;
        own.waiting += 1;
        Some(Place {
            gates: Arc::clone(self),
            topic: Arc::clone(topic),
            gate: Arc::clone(&own.gate),
        })
    }

    /// Notes that a record has been tried for long and is tried again, because no broker has answered in time.
    pub(super) fn late(
        self: &Arc<Self>,
        late: Option<Late>,
        topic: &Arc<str>,
        cause: &str,
    ) -> Late {
        let mut held = self.held();
        // The refusal of a closed topic says more.
        if !held.closed.contains_key(topic) {
            let blocked = Blocked::Produce(Arc::clone(topic));
            let now = Instant::now();
            self.obstacles.raise_awaited(blocked, cause.to_owned(), now);
        }
        late.unwrap_or_else(|| {
            *held.late.entry(Arc::clone(topic)).or_default() += 1;
            Late {
                gates: Arc::clone(self),
                topic: Arc::clone(topic),
            }
        })
    }

    fn raise(&self, topic: &Arc<str>, cause: String) {
        let blocked = Blocked::Produce(Arc::clone(topic));
        self.obstacles.raise(blocked, cause, Instant::now());
    }

    fn remove(&self, held: &mut Held, topic: &Arc<str>) {
        held.closed.remove(topic);
        self.clear(held, topic);
    }

    fn clear(&self, held: &Held, topic: &Arc<str>) {
        if !held.closed.contains_key(topic) && !held.late.contains_key(topic) {
            self.obstacles.clear(&Blocked::Produce(Arc::clone(topic)));
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    async fn queue(self) -> Option<Turn> {
        let wait = Arc::clone(&self.gate.turn).lock_owned().await;
        if self.gate.is_open.load(Ordering::Acquire) {
            return None;
        }
        let mut turn = Turn { wait, place: self };
        turn.pause().await;
        Some(turn)
    }
}

impl Drop for Place {
    /// The last waiting record clears the obstacle: nothing is held up any more.
    fn drop(&mut self) {
        let mut held = self.gates.held();
        if let Some(own) = held.closed.get_mut(&self.topic)
            && Arc::ptr_eq(&own.gate, &self.gate)
        {
            own.waiting -= 1;
            if own.waiting == 0 {
                self.gates.remove(&mut held, &self.topic);
            }
        }
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        let mut held = self.gates.held();
        if let Some(count) = held.late.get_mut(&self.topic) {
            *count -= 1;
            if *count == 0 {
                held.late.remove(&self.topic);
                self.gates.clear(&held, &self.topic);
            }
        }
    }
}

impl Turn {
    async fn pause(&mut self) {
        sleep(*self.wait).await;
        *self.wait = (*self.wait * 2).min(LAST_WAIT);
    }

    /// Notes that the topic accepts records again, which lets all waiting records continue.
    pub(super) fn open(self) {
        let Place { gates, topic, gate } = &self.place;
        info!(%topic, "the topic accepts records again");
        gate.is_open.store(true, Ordering::Release);
        gates.remove(&mut gates.held(), topic);
    }
}
