//! Which statuses a request in flight expects, where that is not what the run expects.
//!
//! The table of requests in flight is not told, since it serves other transports as well. Most
//! runs never enter anything here, and then no lock is taken.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::scenario::StatusSet;

/// Expectations by correlation id. Clones share one table.
#[derive(Debug, Clone)]
pub(super) struct Expectations {
    usual: Arc<StatusSet>,
    /// After this time nobody waits for the reply any more.
    patience: Duration,
    in_use: Arc<AtomicBool>,
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    special: HashMap<Uuid, Arc<StatusSet>>,
    /// In the order in which they were entered, to forget those that never got a reply.
    entered: VecDeque<(Instant, Uuid)>,
}

impl Expectations {
    pub(super) fn new(usual: StatusSet, patience: Duration) -> Self {
        Self {
            usual: Arc::new(usual),
            patience,
            in_use: Arc::default(),
            table: Arc::default(),
        }
    }

    /// Enters what a request expects, before it is sent.
    pub(super) fn enter(&self, id: Uuid, special: Arc<StatusSet>, now: Instant) {
        let mut table = self.lock();
        while let Some((entered, old)) = table.entered.front().copied() {
            if now.saturating_duration_since(entered) <= self.patience {
                break;
            }
            table.entered.pop_front();
            table.special.remove(&old);
        }
        table.special.insert(id, special);
        table.entered.push_back((now, id));
        drop(table);
        self.in_use.store(true, Ordering::Release);
    }

    /// What the request of a reply expects.
    pub(super) fn take(&self, id: &Uuid) -> Arc<StatusSet> {
        let special = if self.in_use.load(Ordering::Acquire) {
            self.lock().special.remove(id)
        } else {
            None
        };
        special.unwrap_or_else(|| Arc::clone(&self.usual))
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // No code panics while it holds the lock, and the table is whole between statements.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

    #[test]
    fn a_reply_takes_what_its_request_expects_and_others_what_is_usual() {
        let expectations = Expectations::new(StatusSet::default(), REPLY_TIMEOUT);
        let (id, special) = (Uuid::from_u128(1), Arc::new("404".parse().unwrap()));
        assert!(expectations.take(&id).contains(200));
        expectations.enter(id, special, Instant::now());
        assert!(expectations.take(&Uuid::from_u128(2)).contains(200));
        assert!(expectations.take(&id).contains(404));
        assert!(!expectations.take(&id).contains(404), "taken once");
    }

    #[test]
    fn time_outs_do_not_fill_memory() {
        let expectations = Expectations::new(StatusSet::default(), REPLY_TIMEOUT);
        let special: Arc<StatusSet> = Arc::new("404".parse().unwrap());
        let start = Instant::now();
        for second in 0..1000 {
            let now = start + Duration::from_secs(second);
            let id = Uuid::from_u128(second.into());
            expectations.enter(id, Arc::clone(&special), now);
        }
        let table = expectations.lock();
        assert_eq!((table.special.len(), table.entered.len()), (31, 31));
    }
}
