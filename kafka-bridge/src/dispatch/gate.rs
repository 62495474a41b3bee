//! Holds a record until the application is ready for it. Meanwhile the bridge takes no other record.
//!
//! The bridge takes the record first and asks for readiness afterwards, so that it never holds the application's permit
//! without a use for it: see `docs/adr/0019-backpressure.md`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;

use super::Answer;
use super::pools::Place;
use crate::{Coordinates, Record};

/// The service for the next job, and the record that waits for it.
#[derive(Debug)]
pub(super) struct Gate<V> {
    /// Serves the next job. It may have a place in the application's queue, and a clone does not.
    service: V,
    in_hand: Option<InHand>,
    /// Whether the service may have a place in a queue. A service that has one must keep asking: others wait behind it.
    has_asked: bool,
}

/// A record whose job starts as soon as the application is ready.
#[derive(Debug)]
pub(super) struct InHand {
    pub(super) record: Record,
    pub(super) place: Place,
    pub(super) arrived: Instant,
}

impl<V: Answer> Gate<V> {
    pub(super) fn new(service: V) -> Self {
        Self {
            service,
            in_hand: None,
            has_asked: false,
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.in_hand.is_some()
    }

    /// Returns the waiting record.
    pub(super) fn waiting(&self) -> Option<&Coordinates> {
        let in_hand = self.in_hand.as_ref();
        in_hand.map(|own| &own.record.coordinates)
    }

    /// Returns since when the record has been waiting.
    pub(super) fn since(&self) -> Option<Instant> {
        self.in_hand.as_ref().map(|own| own.arrived)
    }

    pub(super) fn put(&mut self, in_hand: InHand) {
        self.in_hand = Some(in_hand);
    }

    /// Returns whether to ask if the application is ready. `is_awaited` says that jobs wait for it. Those jobs go
    /// first, unless the gate has asked before them.
    pub(super) fn may_ask(&self, is_awaited: bool) -> bool {
        self.is_waiting() && (self.has_asked || !is_awaited)
    }

    /// Returns the service if it is ready now, which is the usual case.
    pub(super) fn ready(&mut self) -> Option<V> {
        // No wake-up is needed: if the service is not ready, the loop asks again with its own waker.
        let mut context = Context::from_waker(Waker::noop());
        let is_ready = self.poll_ready(&mut context).is_ready();
        is_ready.then(|| self.replace())
    }

    pub(super) fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.has_asked = true;
        self.service.poll_ready(context)
    }

    /// Takes out the record, and the same service value that was ready.
    pub(super) fn take(&mut self) -> Option<(InHand, V)> {
        let in_hand = self.in_hand.take()?;
        Some((in_hand, self.replace()))
    }

    /// Returns a service for a job that starts later. It is not ready.
    pub(super) fn unready(&self) -> V {
        self.service.clone()
    }

    /// Takes out the record if `is_left` selects it, and gives up its place in the application's queue.
    pub(super) fn leave(&mut self, is_left: impl Fn(&Coordinates) -> bool) -> Option<InHand> {
        let left = self
            .in_hand
            .take_if(|own| is_left(&own.record.coordinates))?;
        let service = self.replace();
        // A panic in the application's drop must not end the loop.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(service)));
        Some(left)
    }

    fn replace(&mut self) -> V {
        let next = self.service.clone();
        self.has_asked = false;
        std::mem::replace(&mut self.service, next)
    }
}
