//! The table of requests in flight. It lets each of them end exactly once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hashlink::LinkedHashMap;
use uuid::Uuid;

use super::{Ending, Failure, InFlight, Listener, unless_late};

/// How soon a client that goes on failing tells of it again.
const REPEATED_WITHIN: Duration = Duration::from_secs(1);

/// How long an outage may be the cause of time-outs. It is told once, and a service that died in it would
/// otherwise never be named.
const LONGEST_OUTAGE: Duration = Duration::from_secs(60);

/// Requests that wait for their reply, by correlation id. Clones share one table.
#[derive(Clone, Default)]
pub struct Pending {
    table: Arc<Mutex<Table>>,
}

#[derive(Default)]
struct Table {
    /// In the order of their hand-over, which is that of their deadlines: a run has one time-out. So
    /// the request that times out next is in front, and no request needs a timer of its own.
    waiting: LinkedHashMap<Uuid, Entry>,
    defunct: Option<String>,
    trouble: Option<Trouble>,
    is_cut: bool,
}

/// Why replies may not have arrived.
struct Trouble {
    cause: String,
    told: Instant,
    /// Whether it is an outage, which lasts until a reply arrives or [`LONGEST_OUTAGE`] is over. Any other cause lasts until
    /// it has not been told for a second.
    lasts: bool,
}

impl Trouble {
    /// Whether it fell into the time in which a request waited.
    fn explains(&self, flight: &InFlight) -> bool {
        let lasts = if self.lasts {
            LONGEST_OUTAGE
        } else {
            REPEATED_WITHIN
        };
        self.told <= flight.deadline && flight.sent <= self.told + lasts
    }
}

struct Entry {
    flight: InFlight,
    listener: Arc<dyn Listener>,
}

impl Entry {
    fn end(self, ending: Ending) {
        // The stamp decides, not the moment when somebody looks.
        let ending = unless_late(ending, self.flight.deadline);
        self.listener.ended(&self.flight, ending);
    }
}

impl Pending {
    /// Enters a request, before it is sent. False when it must not be sent, because no reply could
    /// arrive or the run was cut short; the listener was told then.
    pub(crate) fn register(&self, id: Uuid, flight: InFlight, listener: Arc<dyn Listener>) -> bool {
        let entry = Entry { flight, listener };
        let mut table = self.lock();
        let refused = match &table.defunct {
            _ if table.is_cut => Some(Failure::Cut),
            Some(cause) => Some(Failure::Consumer(cause.clone())),
            None => None,
        };
        if let Some(failure) = refused {
            drop(table);
            entry.end(Err(failure));
            return false;
        }
        let displaced = table.waiting.insert(id, entry);
        drop(table);
        if let Some(displaced) = displaced {
            displaced.end(Err(Failure::Send(format!(
                "another request took the id {id}"
            ))));
        }
        true
    }

    /// Notes when the broker acknowledged a request. One that has ended already stays as it is.
    pub(crate) fn acknowledge(&self, id: &Uuid, acked: Instant) {
        if let Some(entry) = self.lock().waiting.get_mut(id) {
            entry.flight.acked.get_or_insert(acked);
        }
    }

    /// Ends a request. False when nobody waits for it: it is unknown, timed out or has ended.
    pub fn complete(&self, id: &Uuid, ending: Ending) -> bool {
        // A statement of its own, so that the listener is not told under the lock.
        let entry = self.lock().waiting.remove(id);
        entry.map(|entry| entry.end(ending)).is_some()
    }

    /// Ends a request with what its reply is judged to be. One that is late, or not waited for, costs no judgement.
    pub(crate) fn complete_with(
        &self,
        id: &Uuid,
        replied: Instant,
        judge: impl FnOnce(&InFlight) -> Ending,
    ) -> bool {
        let entry = self.lock().waiting.remove(id);
        let ended = entry.map(|entry| {
            let judged = (replied <= entry.flight.deadline).then(|| judge(&entry.flight));
            entry.end(judged.unwrap_or(Err(Failure::TimeOut)));
        });
        ended.is_some()
    }

    /// Ends the requests whose deadline has come; answers the next deadline. Of those that waited in a time of
    /// trouble, it is the cause.
    pub(crate) fn time_out(&self, now: Instant) -> Option<Instant> {
        loop {
            let mut table = self.lock();
            let next = table.waiting.front()?.1.flight.deadline;
            if next > now {
                return Some(next);
            }
            let (_, entry) = table.waiting.pop_front()?;
            let trouble = table.trouble.as_ref();
            let trouble = trouble.filter(|trouble| trouble.explains(&entry.flight));
            let failure = trouble.map_or(Failure::TimeOut, |trouble| {
                Failure::Consumer(trouble.cause.clone())
            });
            drop(table);
            entry.end(Err(failure));
        }
    }

    /// Notes why replies may not arrive at present: requests that time out fail by this cause, and others may
    /// still succeed. It lasts until [`Self::calm`], at most a minute, or unless it is told again within a second.
    pub(crate) fn trouble(&self, cause: &str, now: Instant, lasts: bool) {
        let mut table = self.lock();
        let lasts = lasts || table.trouble.as_ref().is_some_and(|old| old.lasts);
        table.trouble = Some(Trouble {
            cause: cause.to_owned(),
            told: now,
            lasts,
        });
    }

    /// Notes that a reply arrived: what lasted is over.
    pub(crate) fn calm(&self) {
        if let Some(trouble) = &mut self.lock().trouble {
            trouble.lasts = false;
        }
    }

    /// Ends all requests in flight, and every later one at once: no reply can arrive any more.
    pub(crate) fn close(&self, cause: &str) {
        self.lock().defunct.get_or_insert_with(|| cause.to_owned());
        self.end_all(&Failure::Consumer(cause.to_owned()));
    }

    /// Ends all requests in flight, and every later one at once: the run is cut short.
    pub(crate) fn cut(&self) {
        self.lock().is_cut = true;
        self.end_all(&Failure::Cut);
    }

    /// Why the table was closed.
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
        // No code panics while it holds the lock, and the table is whole between statements.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::transport::Answer;

    /// Keeps what it is told.
    #[derive(Default)]
    struct Told(Mutex<Vec<(u32, Option<Instant>, Ending)>>);

    impl Listener for Told {
        fn ended(&self, flight: &InFlight, ending: Ending) {
            let told = (flight.user, flight.acked, ending);
            self.0.lock().unwrap().push(told);
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

        /// Registers request `user`, handed over that many seconds after the start, for 30 seconds.
        fn register(&self, user: u32, seconds: u64) -> Uuid {
            let (id, sent) = (Uuid::from_u128(user.into()), self.at(seconds));
            let flight = InFlight {
                kind: 0,
                user,
                intended: sent,
                sent,
                deadline: sent + Duration::from_secs(30),
                acked: None,
            };
            self.pending
                .register(id, flight, Arc::<Told>::clone(&self.told));
            id
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
            let told = std::mem::take(&mut *self.told.0.lock().unwrap());
            told.into_iter()
                .map(|(user, _, ending)| (user, ending))
                .collect()
        }
    }

    #[test]
    fn a_request_ends_once() {
        let desk = Desk::new();
        let id = desk.register(1, 0);
        assert!(desk.pending.complete(&id, Ok(desk.answer(1))));
        assert!(!desk.pending.complete(&id, Err(Failure::Cut)));
        desk.pending.acknowledge(&id, desk.at(2));
        assert_eq!(desk.pending.time_out(desk.at(100)), None);
        assert_eq!(desk.told(), [(1, Ok(desk.answer(1)))]);
    }

    #[test]
    fn a_reply_that_is_late_or_not_waited_for_is_not_judged() {
        let desk = Desk::new();
        let never = |_: &InFlight| panic!("it was judged");
        assert!(!desk.pending.complete_with(&Uuid::nil(), desk.at(1), never));
        let id = desk.register(1, 0);
        assert!(desk.pending.complete_with(&id, desk.at(100), never));
        assert_eq!(desk.told(), [(1, Err(Failure::TimeOut))]);
    }

    #[test]
    fn the_first_acknowledgement_is_kept() {
        let desk = Desk::new();
        let id = desk.register(1, 0);
        desk.pending.acknowledge(&id, desk.at(1));
        desk.pending.acknowledge(&id, desk.at(2));
        desk.pending.complete(&id, Ok(desk.answer(3)));
        assert_eq!(desk.told.0.lock().unwrap()[0].1, Some(desk.at(1)));
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
        for (user, seconds, ending) in
            [(1, 30, Ok(desk.answer(30))), (2, 31, Err(Failure::TimeOut))]
        {
            let id = desk.register(user, 0);
            desk.pending.complete(&id, Ok(desk.answer(seconds)));
            assert_eq!(desk.told(), [(user, ending)]);
        }
    }

    #[test]
    fn a_dead_consumer_fails_what_waits_and_what_comes() {
        let desk = Desk::new();
        desk.register(1, 0);
        desk.pending.close("fenced");
        desk.pending.close("a later cause");
        desk.register(2, 0);
        let failure = || Err(Failure::Consumer("fenced".to_owned()));
        assert_eq!(desk.told(), [(1, failure()), (2, failure())]);
        assert_eq!(desk.pending.defunct().as_deref(), Some("fenced"));
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
        // It lasts until a reply comes.
        desk.register(3, 40);
        desk.pending.time_out(desk.at(70));
        desk.pending.calm();
        desk.register(4, 71);
        desk.pending.time_out(desk.at(101));
        assert_eq!(desk.told(), [failure(3), (4, Err(Failure::TimeOut))]);
    }

    #[test]
    fn an_outage_without_an_end_is_not_the_cause_of_all_that_follows() {
        let desk = Desk::new();
        desk.pending.trouble("down", desk.at(10), true);
        for (user, at) in [(1, 70), (2, 71)] {
            desk.register(user, at);
        }
        desk.pending.time_out(desk.at(101));
        let down = Err(Failure::Consumer("down".to_owned()));
        assert_eq!(desk.told(), [(1, down), (2, Err(Failure::TimeOut))]);
    }

    #[test]
    fn trouble_that_is_not_told_again_is_over() {
        let desk = Desk::new();
        desk.pending.trouble("codec", desk.at(10), false);
        for (user, at) in [(1, 5), (2, 11), (3, 12)] {
            desk.register(user, at);
        }
        desk.pending.time_out(desk.at(50));
        let failure = |user| (user, Err(Failure::Consumer("codec".to_owned())));
        let expected = [failure(1), failure(2), (3, Err(Failure::TimeOut))];
        assert_eq!(desk.told(), expected);
        // One that ended before cannot have been kept from its reply.
        desk.register(4, 51);
        desk.pending.trouble("codec", desk.at(90), false);
        desk.pending.time_out(desk.at(90));
        assert_eq!(desk.told(), [(4, Err(Failure::TimeOut))]);
    }

    #[test]
    fn a_cut_ends_what_waits_and_what_comes() {
        let desk = Desk::new();
        desk.register(1, 0);
        desk.pending.cut();
        desk.register(2, 0);
        let cut = || Err(Failure::Cut);
        assert_eq!(desk.told(), [(1, cut()), (2, cut())]);
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
