//! The table of requests in flight. Each request ends exactly once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hashlink::LinkedHashMap;
use uuid::Uuid;

use super::{Ending, Failure, InFlight, Listener, replied};
use crate::scenario::{BodyChecks, Request, StatusSet};

/// Time within which a client that still fails reports that again.
const REPEATED_WITHIN: Duration = Duration::from_secs(1);

/// How long an outage may be the cause of time-outs. The client reports an outage once. Without this limit, a service
/// that died during the outage would never be blamed.
const LONGEST_OUTAGE: Duration = Duration::from_secs(60);

/// Requests that wait for their reply, by correlation id. Clones share one table.
#[derive(Clone, Default)]
pub struct Pending {
    table: Arc<Mutex<Table>>,
}

#[derive(Default)]
struct Table {
    /// Requests in the order of their hand-over, which is the order of their deadlines, because a run has one time-out.
    /// The request that times out next is in front, so no request needs its own timer.
    waiting: LinkedHashMap<Uuid, Waiting>,
    /// Why replies can no longer arrive.
    defunct: Option<String>,
    is_cut: bool,
    trouble: Option<Trouble>,
}

/// Why replies may not have arrived.
struct Trouble {
    cause: String,
    told: Instant,
    /// Whether it is an outage, which lasts until a reply arrives or [`LONGEST_OUTAGE`] is over. Any other cause lasts
    /// until a second has passed without a report of it.
    lasts: bool,
}

impl Trouble {
    /// Returns whether the trouble fell into the time in which a request waited.
    fn explains(&self, flight: &InFlight) -> bool {
        let lasts = match self.lasts {
            true => LONGEST_OUTAGE,
            false => REPEATED_WITHIN,
        };
        self.told <= flight.deadline && flight.sent <= self.told + lasts
    }
}

/// A request in the table.
pub(super) struct Waiting {
    pub(super) flight: InFlight,
    /// The statuses of a good reply; `None` for those of the run.
    pub(super) expect: Option<Arc<StatusSet>>,
    /// The checks of the reply's body; `None` for those of the run.
    pub(super) expect_body: Option<Arc<BodyChecks>>,
    listener: Arc<dyn Listener>,
}

impl Waiting {
    fn end(&self, ending: Ending) {
        self.listener.ended(&self.flight, ending);
    }
}

impl Pending {
    /// Enters a request before it is sent. Returns false when it must not be sent, because no reply could arrive or the
    /// run was cut short. The listener then knows already.
    pub(crate) fn register(
        &self,
        request: &Request,
        flight: InFlight,
        listener: Arc<dyn Listener>,
    ) -> bool {
        let id = request.id;
        let entry = Waiting {
            flight,
            expect: request.expect.clone(),
            expect_body: request.expect_body.clone(),
            listener,
        };
        let mut table = self.lock();
        let defunct = table.defunct.clone().map(Failure::Consumer);
        if let Some(failure) = table.is_cut.then_some(Failure::Cut).or(defunct) {
            drop(table);
            entry.end(Err(failure));
            return false;
        }
        let displaced = table.waiting.insert(id, entry);
        drop(table);
        if let Some(displaced) = displaced {
            let reason = format!("another request took the id {id}");
            displaced.end(Err(Failure::Send(reason)));
        }
        true
    }

    /// Notes when the broker acknowledged a request. A request that has already ended is not changed.
    pub(crate) fn acknowledge(&self, id: &Uuid, acked: Instant) {
        if let Some(entry) = self.lock().waiting.get_mut(id) {
            entry.flight.acked.get_or_insert(acked);
        }
    }

    /// Ends a request. Returns false when the request is unknown or has already ended. A reply after the deadline, good
    /// or not, is a time-out.
    pub fn complete(&self, id: &Uuid, ending: Ending) -> bool {
        self.complete_with(id, replied(&ending), |_| ending)
    }

    /// Ends a request with the judgement of its reply. A reply that is late, or has no waiting request, is not judged.
    pub(super) fn complete_with(
        &self,
        id: &Uuid,
        replied: Option<Instant>,
        judge: impl FnOnce(&Waiting) -> Ending,
    ) -> bool {
        // A separate statement, so that the listener is not called under the lock.
        let Some(entry) = self.lock().waiting.remove(id) else {
            return false;
        };
        // The time stamp of the reply decides, not the present time.
        let is_late = replied.is_some_and(|replied| replied > entry.flight.deadline);
        entry.end(match is_late {
            true => Err(Failure::TimeOut),
            false => judge(&entry),
        });
        true
    }

    /// Ends the requests whose deadline has passed, and returns the next deadline. If a request waited during a
    /// trouble, the trouble is the cause.
    pub(crate) fn time_out(&self, now: Instant) -> Option<Instant> {
        loop {
            let mut table = self.lock();
            let next = table.waiting.front()?.1.flight.deadline;
            if next > now {
                return Some(next);
            }
            let (_, entry) = table.waiting.pop_front()?;
            let trouble = table.trouble.as_ref();
            let trouble = trouble.filter(|own| own.explains(&entry.flight));
            let cause = trouble.map(|own| Failure::Consumer(own.cause.clone()));
            drop(table);
            entry.end(Err(cause.unwrap_or(Failure::TimeOut)));
        }
    }

    /// Notes why replies may not arrive at present. Requests that time out fail with this cause; others may still
    /// succeed. If it `lasts`, it ends with [`Self::calm`] or after a minute, otherwise when it is not reported again
    /// for a second.
    pub(crate) fn trouble(&self, cause: &str, now: Instant, lasts: bool) {
        let mut table = self.lock();
        let lasts = lasts || table.trouble.as_ref().is_some_and(|old| old.lasts);
        table.trouble = Some(Trouble {
            cause: cause.to_owned(),
            told: now,
            lasts,
        });
    }

    /// Notes that a reply arrived, which ends a lasting trouble.
    pub(crate) fn calm(&self) {
        if let Some(trouble) = &mut self.lock().trouble {
            trouble.lasts = false;
        }
    }

    /// Ends all requests in flight, and every later one at once, because replies can no longer arrive.
    pub(crate) fn close(&self, cause: &str) {
        self.lock().defunct.get_or_insert_with(|| cause.to_owned());
        self.end_all(&Failure::Consumer(cause.to_owned()));
    }

    /// Ends all requests in flight, and every later one at once, because the run is cut short.
    pub(crate) fn cut(&self) {
        self.lock().is_cut = true;
        self.end_all(&Failure::Cut);
    }

    /// Returns why the table was closed. A run that was cut may also have lost its replies.
    pub(crate) fn defunct(&self) -> Option<String> {
        self.lock().defunct.clone()
    }

    fn end_all(&self, failure: &Failure) {
        let waiting = std::mem::take(&mut self.lock().waiting);
        for (_, entry) in waiting {
            entry.end(Err(failure.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // No code panics while it holds the lock, and the table is consistent between statements.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::transport::{Answer, Refusal};

    type Told = Mutex<Vec<(InFlight, Ending)>>;

    impl Listener for Told {
        fn ended(&self, flight: &InFlight, ending: Ending) {
            self.lock().unwrap().push((*flight, ending));
        }
    }

    struct Desk {
        pending: Pending,
        told: Arc<Told>,
        start: Instant,
    }

    impl Desk {
        fn new() -> Self {
            Self {
                pending: Pending::default(),
                told: Arc::default(),
                start: Instant::now(),
            }
        }

        /// Registers request `user`, handed over `seconds` after the start, for 30 seconds.
        fn register(&self, user: u32, seconds: u64) -> Uuid {
            let mut request = Request::new(0);
            request.id = Uuid::from_u128(user.into());
            let sent = self.at(seconds);
            let flight = InFlight {
                kind: 0,
                user,
                intended: sent,
                sent,
                deadline: sent + Duration::from_secs(30),
                acked: None,
            };
            self.pending.register(&request, flight, self.told.clone());
            request.id
        }

        fn at(&self, seconds: u64) -> Instant {
            self.start + Duration::from_secs(seconds)
        }

        fn answer(&self, seconds: u64) -> Answer {
            Answer {
                replied: self.at(seconds),
                bytes: 7,
            }
        }

        fn told(&self) -> Vec<(u32, Ending)> {
            let told = std::mem::take(&mut *self.told.lock().unwrap());
            let told = told.into_iter();
            told.map(|(flight, ending)| (flight.user, ending)).collect()
        }
    }

    #[test]
    fn a_request_ends_once_and_keeps_its_first_acknowledgement() {
        let desk = Desk::new();
        let id = desk.register(1, 0);
        desk.pending.acknowledge(&id, desk.at(1));
        desk.pending.acknowledge(&id, desk.at(2));
        assert!(desk.pending.complete(&id, Ok(desk.answer(3))));
        assert!(!desk.pending.complete(&id, Err(Failure::Cut)));
        desk.pending.acknowledge(&id, desk.at(4));
        assert_eq!(desk.pending.time_out(desk.at(100)), None);
        assert_eq!(desk.told.lock().unwrap()[0].0.acked, Some(desk.at(1)));
        assert_eq!(desk.told(), [(1, Ok(desk.answer(3)))]);
    }

    #[test]
    fn a_reply_that_is_late_or_not_waited_for_is_not_judged() {
        let desk = Desk::new();
        let never = |_: &Waiting| panic!("it was judged");
        let at = |seconds| Some(desk.at(seconds));
        assert!(!desk.pending.complete_with(&Uuid::nil(), at(1), never));
        let id = desk.register(1, 0);
        assert!(desk.pending.complete_with(&id, at(100), never));
        assert_eq!(desk.told(), [(1, Err(Failure::TimeOut))]);
    }

    #[test]
    fn time_outs_are_found_in_order_and_leave_nothing() {
        let desk = Desk::new();
        let first = desk.register(1, 0);
        desk.register(2, 5);
        desk.register(3, 10);
        assert_eq!(desk.pending.time_out(desk.at(29)), Some(desk.at(30)));
        assert_eq!(desk.pending.time_out(desk.at(35)), Some(desk.at(40)));
        let timed_out = [1, 2].map(|user| (user, Err(Failure::TimeOut)));
        assert_eq!(desk.told(), timed_out);
        assert!(!desk.pending.complete(&first, Ok(desk.answer(36))));
        assert_eq!(desk.pending.lock().waiting.len(), 1);
    }

    #[test]
    fn the_stamp_decides_about_a_time_out() {
        let desk = Desk::new();
        for (seconds, is_late) in [(30, false), (31, true)] {
            let answer = desk.answer(seconds);
            let refusal = Refusal {
                reason: "500".to_owned(),
                answer,
                body: None,
            };
            let refused = [Failure::Status(refusal.clone()), Failure::Check(refusal)];
            for ending in refused.map(Err).into_iter().chain([Ok(answer)]) {
                let id = desk.register(1, 0);
                desk.pending.complete(&id, ending.clone());
                let late = Err(Failure::TimeOut);
                let expected = if is_late { late } else { ending };
                assert_eq!(desk.told(), [(1, expected)]);
            }
        }
    }

    #[test]
    fn a_table_that_is_over_ends_what_waits_and_what_comes() {
        let (close, cut): (fn(&Pending), _) = (|own| own.close("fenced"), Pending::cut);
        let dead = || Failure::Consumer("fenced".to_owned());
        for (first, then, told, defunct) in [
            (close, |own| own.close("later"), [dead(), dead()], true),
            (close, cut, [dead(), Failure::Cut], true),
            (cut, close, [Failure::Cut, Failure::Cut], true),
            (cut, cut, [Failure::Cut, Failure::Cut], false),
        ] as [(_, fn(&Pending), _, _); 4]
        {
            let desk = Desk::new();
            desk.register(1, 0);
            first(&desk.pending);
            then(&desk.pending);
            desk.register(2, 0);
            let [one, two] = told.map(Err);
            assert_eq!(desk.told(), [(1, one), (2, two)]);
            assert_eq!(desk.pending.defunct(), defunct.then(|| "fenced".to_owned()));
        }
    }

    #[test]
    fn what_waits_in_trouble_may_succeed_and_times_out_by_its_cause() {
        let desk = Desk::new();
        let failure = |user| (user, Err(Failure::Consumer("down".to_owned())));
        let (before, during) = (desk.register(1, 0), desk.register(2, 0));
        desk.pending.trouble("down", desk.at(10), true);
        assert!(desk.told().is_empty(), "a reset heals");
        assert!(desk.pending.complete(&before, Ok(desk.answer(12))));
        desk.pending.time_out(desk.at(30));
        assert_eq!(desk.told(), [(1, Ok(desk.answer(12))), failure(2)]);
        assert!(!desk.pending.complete(&during, Ok(desk.answer(31))));
        // The outage lasts until a reply arrives.
        desk.register(3, 40);
        desk.pending.time_out(desk.at(70));
        desk.pending.calm();
        desk.register(4, 71);
        desk.pending.time_out(desk.at(101));
        assert_eq!(desk.told(), [failure(3), (4, Err(Failure::TimeOut))]);
    }

    #[test]
    fn an_outage_lasts_a_minute_and_other_trouble_a_second() {
        for (is_outage, last) in [(true, 70), (false, 11)] {
            let desk = Desk::new();
            desk.pending.trouble("down", desk.at(10), is_outage);
            for (user, at) in [(1, 5), (2, last), (3, last + 1)] {
                desk.register(user, at);
            }
            desk.pending.time_out(desk.at(last + 31));
            let failure = |user| (user, Err(Failure::Consumer("down".to_owned())));
            let timed_out = |user| (user, Err(Failure::TimeOut));
            assert_eq!(desk.told(), [failure(1), failure(2), timed_out(3)]);
            // The trouble cannot be the cause for a request that ended before it.
            desk.register(4, 101);
            desk.pending.trouble("down", desk.at(140), is_outage);
            desk.pending.time_out(desk.at(140));
            assert_eq!(desk.told(), [timed_out(4)]);
        }
    }

    #[test]
    fn a_displaced_request_is_not_lost() {
        let desk = Desk::new();
        desk.register(1, 0);
        let id = desk.register(1, 1);
        assert!(matches!(desk.told()[..], [(1, Err(Failure::Send(_)))]));
        assert!(desk.pending.complete(&id, Ok(desk.answer(2))));
    }
}
