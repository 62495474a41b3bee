//! Sends requests at a steady rate, and measures their round trips in bounded memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::faults::{assign_all, producer, reading};
use crate::record_headers::record_headers;

const TICK: Duration = Duration::from_millis(10);
const KEYS: u64 = 64;

/// Requests without a reply yet, and the round trips of the others.
#[derive(Debug, Default)]
struct Book {
    open: HashMap<u64, Instant>,
    /// Round trips since they were last taken, in milliseconds.
    took: Vec<f64>,
    failed: u64,
}

/// Sends requests, and reads the replies on a separate task, until it is dropped.
pub(super) struct Load {
    producer: FutureProducer,
    topic: String,
    reply_topic: String,
    book: Arc<Mutex<Book>>,
    reader: JoinHandle<()>,
    sent: u64,
}

impl Load {
    pub(super) fn start(
        servers: &str,
        topic: &str,
        reply_topic: &str,
        reply_partitions: i32,
    ) -> Result<Self> {
        let consumer: StreamConsumer = reading(servers, "soak").create()?;
        consumer.assign(&assign_all(reply_topic, reply_partitions)?)?;
        let book = Arc::new(Mutex::new(Book::default()));
        let reader = tokio::spawn(read(consumer, Arc::clone(&book)));
        Ok(Self {
            producer: producer(servers)?,
            topic: topic.to_owned(),
            reply_topic: reply_topic.to_owned(),
            book,
            reader,
            sent: 0,
        })
    }

    /// Sends at that rate until `stop`.
    pub(super) async fn send(&mut self, rate: u32, stop: &CancellationToken) -> Result<()> {
        let (begin, before) = (Instant::now(), self.sent);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while !stop.is_cancelled() {
            ticks.tick().await;
            let due = (begin.elapsed().as_secs_f64() * f64::from(rate)) as u64;
            while self.sent - before < due {
                self.send_one()?;
            }
        }
        Ok(())
    }

    /// Sends this number at once. Returns how many were answered per second; `None` if some were not answered within
    /// the limit.
    pub(super) async fn burst(&mut self, count: u64, limit: Duration) -> Result<Option<f64>> {
        let begin = Instant::now();
        for _ in 0..count {
            self.send_one()?;
        }
        let all = self.until_answered(limit).await;
        Ok(all.then(|| count as f64 / begin.elapsed().as_secs_f64()))
    }

    fn send_one(&mut self) -> Result<()> {
        let number = self.sent;
        self.sent += 1;
        let echo = format!("x-request-id:{number}");
        let headers = [
            ("reply-to", self.reply_topic.as_str()),
            ("x-reply-set-header", &echo),
        ];
        let headers = record_headers(&headers);
        let key = format!("key-{}", number % KEYS);
        let record = FutureRecord::to(&self.topic)
            .key(&key)
            .payload(r#"{"items":[{"sku":"soak","count":1}]}"#)
            .headers(headers);
        lock(&self.book).open.insert(number, Instant::now());
        // A failed delivery counts later, as a request without a reply.
        let queued = self.producer.send_result(record).map(drop);
        queued.map_err(|(error, _)| error).context("cannot send")
    }

    /// Whether all requests were answered within the limit.
    pub(super) async fn until_answered(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while !lock(&self.book).open.is_empty() {
            if Instant::now() > deadline {
                return false;
            }
            sleep(TICK).await;
        }
        true
    }

    /// A handle to the results.
    pub(super) fn results(&self) -> Results {
        Results(Arc::clone(&self.book))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// The results of the load.
#[derive(Debug, Clone)]
pub(super) struct Results(Arc<Mutex<Book>>);

impl Results {
    /// Round trips since the last call, in milliseconds.
    pub(super) fn take(&self) -> Vec<f64> {
        std::mem::take(&mut lock(&self.0).took)
    }

    /// The number of requests without a reply, and of replies that are no success.
    pub(super) fn unanswered_and_failed(&self) -> (usize, u64) {
        let book = lock(&self.0);
        (book.open.len(), book.failed)
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn read(consumer: StreamConsumer, book: Arc<Mutex<Book>>) {
    loop {
        let Ok(message) = consumer.recv().await else {
            sleep(TICK).await;
            continue;
        };
        let now = Instant::now();
        let header = |name: &str| {
            let mut headers = message.headers()?.iter();
            let header = headers.find(|header| header.key == name)?;
            std::str::from_utf8(header.value?).ok().map(str::to_owned)
        };
        let number = header("x-request-id").and_then(|id| id.parse().ok());
        let mut book = lock(&book);
        // A repeated reply does not count again.
        if let Some(sent) = number.and_then(|number: u64| book.open.remove(&number)) {
            book.took.push((now - sent).as_secs_f64() * 1000.0);
            book.failed += u64::from(header("status-code").as_deref() != Some("200"));
        }
    }
}
