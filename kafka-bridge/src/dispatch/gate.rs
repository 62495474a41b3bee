//! Where a record waits until the application is ready for it. Meanwhile no other record is taken.
//!
//! The record comes first and readiness is asked for afterwards, so that a permit of the application's is never kept
//! while there is nothing to use it for: see `docs/adr/0019-backpressure.md`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;

use super::Answer;
use super::pools::Place;
use crate::{Coordinates, Record};

/// The service that jobs are given, and the record that waits for it.
#[derive(Debug)]
pub(super) struct Gate<V> {
    /// The next job's. It may have a place in a queue of the application's, which a clone has not.
    service: V,
    in_hand: Option<InHand>,
    /// Whether the service may have a place in a queue. Whoever has one must go on asking: what it is given there, the
    /// others wait for.
    has_asked: bool,
}

/// A record whose job begins as soon as the application is ready.
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

    /// Returns the record that waits.
    pub(super) fn waiting(&self) -> Option<&Coordinates> {
        let in_hand = self.in_hand.as_ref();
        in_hand.map(|own| &own.record.coordinates)
    }

    /// Returns since when a record waits.
    pub(super) fn since(&self) -> Option<Instant> {
        self.in_hand.as_ref().map(|own| own.arrived)
    }

    pub(super) fn put(&mut self, in_hand: InHand) {
        self.in_hand = Some(in_hand);
    }

    /// Returns whether it is to be asked if the application is ready, where `is_awaited` says that jobs wait for that. They
    /// go first, unless the record was here before them.
    pub(super) fn may_ask(&self, is_awaited: bool) -> bool {
        self.is_waiting() && (self.has_asked || !is_awaited)
    }

    /// Returns the service if it is ready at once, which it mostly is.
    pub(super) fn ready(&mut self) -> Option<V> {
        // Who finds it not ready asks again, and is woken then.
        let mut context = Context::from_waker(Waker::noop());
        let is_ready = self.poll_ready(&mut context).is_ready();
        is_ready.then(|| self.replace())
    }

    pub(super) fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.has_asked = true;
        self.service.poll_ready(context)
    }

    /// Takes the record out, and the very service that was ready.
    pub(super) fn take(&mut self) -> Option<(InHand, V)> {
        let in_hand = self.in_hand.take()?;
        Some((in_hand, self.replace()))
    }

    /// Returns a service for a job that does not begin at once. It is not ready.
    pub(super) fn unready(&self) -> V {
        self.service.clone()
    }

    /// Takes the record out if it is to be left, and gives up its place in the application's queue.
    pub(super) fn leave(&mut self, is_left: impl Fn(&Coordinates) -> bool) -> Option<InHand> {
        let left = self
            .in_hand
            .take_if(|own| is_left(&own.record.coordinates))?;
        let service = self.replace();
        // The application's own panic must not end the loop.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(service)));
        Some(left)
    }

    fn replace(&mut self) -> V {
        let next = self.service.clone();
        self.has_asked = false;
        std::mem::replace(&mut self.service, next)
    }
}
