//! What a request in flight expects of its reply, where that is not what the run expects.
//!
//! The table of requests in flight is not told, since it serves other transports as well. Most
//! runs never enter anything here, and then no lock is taken.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::scenario::{BodyChecks, Request, StatusSet};

/// What a good reply is.
#[derive(Debug, Clone, Default)]
pub(super) struct Expected {
    pub(super) statuses: Arc<StatusSet>,
    pub(super) body: Arc<BodyChecks>,
}

/// Expectations by correlation id. Clones share one table.
#[derive(Debug, Clone)]
pub(super) struct Expectations {
    usual: Expected,
    /// After this time nobody waits for the reply any more.
    patience: Duration,
    in_use: Arc<AtomicBool>,
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    special: HashMap<Uuid, Expected>,
    /// In the order in which they were entered, to forget those that never got a reply.
    entered: VecDeque<(Instant, Uuid)>,
}

impl Expectations {
    pub(super) fn new(usual: Expected, patience: Duration) -> Self {
        Self {
            usual,
            patience,
            in_use: Arc::default(),
            table: Arc::default(),
        }
    }

    /// Enters what a request expects, before it is sent; nothing if that is what all expect.
    pub(super) fn enter(&self, request: &Request, now: Instant) {
        if request.expect.is_none() && request.expect_body.is_none() {
            return;
        }
        let (own, usual) = (request, &self.usual);
        let special = Expected {
            statuses: Arc::clone(own.expect.as_ref().unwrap_or(&usual.statuses)),
            body: Arc::clone(own.expect_body.as_ref().unwrap_or(&usual.body)),
        };
        let mut table = self.lock();
        while let Some((entered, old)) = table.entered.front().copied() {
            if now.saturating_duration_since(entered) <= self.patience {
                break;
            }
            table.entered.pop_front();
            table.special.remove(&old);
        }
        table.special.insert(request.id, special);
        table.entered.push_back((now, request.id));
        drop(table);
        self.in_use.store(true, Ordering::Release);
    }

    /// What the request of a reply expects.
    pub(super) fn take(&self, id: &Uuid) -> Expected {
        let special = if self.in_use.load(Ordering::Acquire) {
            self.lock().special.remove(id)
        } else {
            None
        };
        special.unwrap_or_else(|| self.usual.clone())
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

    fn expecting(statuses: &str) -> Request {
        Request {
            expect: Some(Arc::new(statuses.parse().unwrap())),
            ..Request::new(0)
        }
    }

    #[test]
    fn a_reply_takes_what_its_request_expects_and_others_what_is_usual() {
        let usual = Expected {
            body: Arc::new(BodyChecks(vec!["text:usual".parse().unwrap()])),
            ..Expected::default()
        };
        let expectations = Expectations::new(usual, REPLY_TIMEOUT);
        let request = expecting("404");
        let accepts = |id: &Uuid, status: u16| expectations.take(id).statuses.contains(status);
        assert!(accepts(&request.id, 200));
        expectations.enter(&request, Instant::now());
        expectations.enter(&Request::new(0), Instant::now());
        assert!(accepts(&Uuid::from_u128(2), 200));
        let taken = expectations.take(&request.id);
        assert!(taken.statuses.contains(404));
        // What it does not say by itself is as usual.
        assert_eq!(taken.body.0[0].to_string(), "text:usual");
        assert!(!accepts(&request.id, 404), "taken once");
    }

    #[test]
    fn time_outs_do_not_fill_memory() {
        let expectations = Expectations::new(Expected::default(), REPLY_TIMEOUT);
        let start = Instant::now();
        for second in 0..1000 {
            expectations.enter(&expecting("404"), start + Duration::from_secs(second));
        }
        let table = expectations.lock();
        assert_eq!((table.special.len(), table.entered.len()), (31, 31));
    }
}
