//! The table of requests in flight. It lets each of them end exactly once.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::sync::oneshot;
use uuid::Uuid;

use super::Failure;

type Ending = Result<Instant, Failure>;

/// Requests that wait for their reply, by correlation id. Clones share one table.
#[derive(Debug, Clone, Default)]
pub struct Pending {
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    waiting: HashMap<Uuid, oneshot::Sender<Ending>>,
    defunct: Option<String>,
}

impl Pending {
    /// Enters a request, before it is sent. Dropping the returned reply takes it out again, so
    /// that a reply after the time-out finds nobody.
    #[must_use]
    pub fn register(&self, id: Uuid) -> PendingReply {
        let (sender, receiver) = oneshot::channel();
        let mut table = self.lock();
        if let Some(cause) = &table.defunct {
            // The receiver is at hand below, so this cannot fail.
            let _ = sender.send(Err(Failure::Consumer(cause.clone())));
        } else if let Some(displaced) = table.waiting.insert(id, sender) {
            let _ = displaced.send(Err(Failure::Send(format!(
                "another request took the id {id}"
            ))));
        }
        drop(table);
        PendingReply {
            id,
            receiver,
            pending: self.clone(),
        }
    }

    /// Ends a request. False when nobody waits for it: it is unknown, timed out or has ended.
    pub fn complete(&self, id: &Uuid, ending: Ending) -> bool {
        let sender = self.lock().waiting.remove(id);
        sender.is_some_and(|sender| sender.send(ending).is_ok())
    }

    /// Ends all requests in flight with a consumer failure. Later ones may still succeed.
    pub fn fail_all(&self, cause: &str) {
        let waiting = std::mem::take(&mut self.lock().waiting);
        for sender in waiting.into_values() {
            // A receiver that is gone has timed out in this instant; it has its outcome.
            let _ = sender.send(Err(Failure::Consumer(cause.to_owned())));
        }
    }

    /// Ends all requests in flight, and every later one at once: no reply can arrive any more.
    pub fn close(&self, cause: &str) {
        self.lock().defunct.get_or_insert_with(|| cause.to_owned());
        self.fail_all(cause);
    }

    /// Why the table was closed.
    #[must_use]
    pub fn defunct(&self) -> Option<String> {
        self.lock().defunct.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // No code panics while it holds the lock, and the table is whole between statements.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reply to come of one request. Owned by the user that waits; dropping it gives up.
#[derive(Debug)]
pub struct PendingReply {
    id: Uuid,
    receiver: oneshot::Receiver<Ending>,
    pending: Pending,
}

impl PendingReply {
    /// The correlation id that the reply must carry.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }
}

impl Future for PendingReply {
    type Output = Ending;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ending> {
        let received = std::task::ready!(Pin::new(&mut self.receiver).poll(context));
        Poll::Ready(
            received
                .unwrap_or_else(|_| Err(Failure::Consumer("the transport was stopped".to_owned()))),
        )
    }
}

impl Drop for PendingReply {
    fn drop(&mut self) {
        self.pending.lock().waiting.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_ends_once() {
        let (pending, id, now) = (Pending::default(), Uuid::from_u128(1), Instant::now());
        let reply = pending.register(id);
        assert!(pending.complete(&id, Ok(now)));
        assert!(!pending.complete(&id, Err(Failure::Send("late".to_owned()))));
        assert_eq!(reply.await, Ok(now));
    }

    #[test]
    fn a_reply_after_giving_up_finds_nobody() {
        let (pending, id) = (Pending::default(), Uuid::from_u128(1));
        drop(pending.register(id));
        assert!(
            pending.lock().waiting.is_empty(),
            "time-outs do not fill memory"
        );
        assert!(!pending.complete(&id, Ok(Instant::now())));
    }

    #[tokio::test]
    async fn a_dead_consumer_fails_what_waits_and_what_comes() {
        let pending = Pending::default();
        let before = pending.register(Uuid::from_u128(1));
        pending.close("fenced");
        pending.close("a later cause");
        let after = pending.register(Uuid::from_u128(2));
        assert_eq!(before.await, Err(Failure::Consumer("fenced".to_owned())));
        assert_eq!(after.await, Err(Failure::Consumer("fenced".to_owned())));
        assert_eq!(pending.defunct().as_deref(), Some("fenced"));
    }

    #[tokio::test]
    async fn a_passing_fault_fails_only_what_waits() {
        let pending = Pending::default();
        let before = pending.register(Uuid::from_u128(1));
        pending.fail_all("all brokers down");
        assert!(before.await.is_err());
        let after = pending.register(Uuid::from_u128(2));
        assert!(pending.complete(&Uuid::from_u128(2), Ok(Instant::now())));
        assert!(after.await.is_ok());
    }

    #[tokio::test]
    async fn a_displaced_request_is_not_lost() {
        let (pending, id) = (Pending::default(), Uuid::from_u128(1));
        let displaced = pending.register(id);
        let _displacing = pending.register(id);
        assert!(matches!(displaced.await, Err(Failure::Send(_))));
    }
}
