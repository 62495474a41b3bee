//! Handles one record: calls the service, produces the reply, and ends in exactly one outcome.

use std::future::poll_fn;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;

use futures_util::FutureExt;
use tokio::select;
use tokio::time::{Instant, timeout};
use tracing::{Instrument, Span, error, info, info_span, warn};

use super::Answer;
use super::shared::Shared;
use crate::dispatch::dead_letter;
use crate::ports::{ProduceError, ReplySink};
use crate::telemetry::labels::BridgeLabel;
use crate::telemetry::meters::{Meters, TopicMeters};
use crate::telemetry::trace_context;
use crate::{
    Coordinates, FailurePolicy, OutboundRecord, Outcome, Record, Retry, Settings, SkipReason,
};

/// How a record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    Replied,
    /// Written to the dead-letter topic, for this reason.
    DeadLettered(&'static str),
    /// Only counted and logged, for this reason.
    Skipped(&'static str),
    /// Dropped because its partition has gone, and not counted: the next owner, if any, handles it.
    Left,
}

impl Settled {
    /// Returns the outcome and the reason for metrics; `None` if another member counts the record.
    fn labels(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Replied => Some(("replied", "")),
            Self::DeadLettered(reason) => Some(("dead_lettered", reason)),
            Self::Skipped(reason) => Some(("skipped", reason)),
            Self::Left => None,
        }
    }
}

/// The result of a job: its record, and how the record ended or why the producer failed.
#[derive(Debug)]
pub(crate) struct Done {
    pub(super) coordinates: Coordinates,
    pub(super) size: usize,
    pub(super) settled: Result<Settled, String>,
}

/// Whether the service of a job was found ready and may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IsReady {
    Yes,
    No,
}

/// Makes a job of each record.
#[derive(Debug)]
pub(crate) struct JobFactory<K> {
    worker: Worker<K>,
    meters: Meters,
}

/// What each job gets a clone of.
#[derive(Clone, Debug)]
struct Worker<K> {
    sink: K,
    dead_letter_topic: Option<Arc<str>>,
    on_failure: FailurePolicy,
    shared: Shared,
}

impl<K: ReplySink> JobFactory<K> {
    pub(crate) fn new(sink: K, settings: &Settings) -> Self {
        let dead_letter_topic = settings.dead_letter_topic.as_deref();
        Self {
            worker: Worker {
                sink,
                dead_letter_topic: dead_letter_topic.map(Into::into),
                on_failure: settings.on_failure,
                shared: Shared::new(settings.limits.max_reply_bytes),
            },
            meters: Meters::new(BridgeLabel::of(settings)),
        }
    }

    /// Returns what the jobs share with the loop.
    pub(crate) fn shared(&self) -> Shared {
        self.worker.shared.clone()
    }

    /// Handles the record. The future never panics, and resolves only when the record is settled.
    pub(crate) fn job<V: Answer>(
        &mut self,
        record: Record,
        arrived: Instant,
        (service, is_ready): (V, IsReady),
    ) -> impl Future<Output = Done> + Send + use<V, K> {
        let (coordinates, size) = (record.coordinates.clone(), record.size());
        let span = span(&record);
        let meters = self.meters.of(&coordinates.topic_partition.topic);
        let worker = self.worker.clone();
        let seen = worker.shared.departures.count();
        let job = async move {
            let work = AssertUnwindSafe(worker.settle((service, is_ready), record, seen, &meters))
                .catch_unwind();
            // A panic of the application ends in a reply. A panic that arrives here is a bug of the bridge: the record
            // must stay unfinished, so it counts as a permanent failure.
            let settled = work
                .await
                .unwrap_or_else(|_| Err("producing a reply panicked".into()));
            if let Ok(Some((outcome, reason))) = settled.as_ref().map(|settled| settled.labels()) {
                meters.time_to_reply().record(arrived.elapsed());
                meters.count_record(outcome, reason);
            }
            Done {
                coordinates,
                size,
                settled,
            }
        };
        job.instrument(span)
    }
}

impl<K: ReplySink> Worker<K> {
    /// Settles the record. `seen` is the number of departures when the record came.
    async fn settle<V: Answer>(
        self,
        (mut service, ready): (V, IsReady),
        record: Record,
        seen: u64,
        meters: &TopicMeters,
    ) -> Result<Settled, String> {
        let Self {
            sink,
            dead_letter_topic,
            on_failure,
            shared,
        } = self;
        let departures = &*shared.departures;
        if departures.has_gone(&record.coordinates.topic_partition, seen)
            || ready == IsReady::No && !is_ready(&mut service, &shared, &record, seen).await
        {
            return Ok(Settled::Left);
        }
        // Cloned only if a dead letter is possible: most bridges never write one.
        let dead_letter_topic = dead_letter_topic.map(|topic| (topic, record.clone()));
        let coordinates = record.coordinates.clone();
        let answer = match on_failure {
            FailurePolicy::Reply => Ok(Some(service.answer(record).await)),
            // Boxed, because hardly any record needs retries and they would enlarge each job.
            FailurePolicy::Retry(retry) => {
                Box::pin(attempts(service, retry, record, (&shared, seen), meters)).await
            }
        };
        let replying = shared.replying.enter(&coordinates);
        let partition = (&coordinates.topic_partition, seen);
        if !matches!(answer, Ok(None | Some(Outcome::Reply { .. }))) {
            shared.replies.none();
        }
        let cause = match answer {
            Err(exhausted) => exhausted,
            Ok(None) => return Ok(Settled::Left),
            Ok(Some(Outcome::Reply { record, status, .. })) => {
                let _held = shared.replies.hold(record.size());
                let replied = reply(&sink, record);
                match replying.unless_moved(replied, departures, partition).await {
                    None => return Ok(Settled::Left),
                    Some(Ok(None)) => {
                        meters.count_reply(status.as_u16());
                        return Ok(Settled::Replied);
                    }
                    Some(Ok(Some(refused))) => refused,
                    Some(Err(failure)) => return Err(failure),
                }
            }
            Ok(Some(Outcome::Skip(reason)))
                if is_as_wanted(&reason, dead_letter_topic.is_some()) =>
            {
                info!(record = %coordinates, %reason, "record skipped");
                return Ok(Settled::Skipped(reason.label()));
            }
            Ok(Some(Outcome::Skip(reason))) => Cause {
                label: reason.label(),
                text: reason.to_string(),
            },
        };
        // The next owner, if any, writes the letter.
        if departures.has_moved(&coordinates.topic_partition, seen) {
            return Ok(Settled::Left);
        }
        let given_up = give_up(&sink, dead_letter_topic, &coordinates, cause);
        let given_up = replying.unless_moved(given_up, departures, partition).await;
        given_up.unwrap_or(Ok(Settled::Left))
    }
}

/// Returns whether the record needs no dead letter: nobody wanted its answer, or the application was not called and
/// there is no dead-letter topic.
fn is_as_wanted(reason: &SkipReason, has_dead_letters: bool) -> bool {
    match reason {
        SkipReason::ReplyDropped => true,
        SkipReason::NoReplyTo(_) => !has_dead_letters,
        _ => false,
    }
}

/// Waits until the application is ready, which it usually is at once; `false` when the record's partition has gone
/// before. No timeout runs meanwhile, because the application has not been called.
async fn is_ready<V: Answer>(service: &mut V, shared: &Shared, record: &Record, seen: u64) -> bool {
    let ready = poll_fn(|context| Poll::Ready(service.poll_ready(context)));
    if ready.await.is_ready() {
        return true;
    }
    let wait = async {
        let _awaits = shared.awaiting.enter();
        let partition = &record.coordinates.topic_partition;
        select! { biased;
            () = shared.departures.gone(partition, seen) => false,
            () = poll_fn(|context| service.poll_ready(context)) => true,
        }
    };
    // Boxed for the same reason as the retries.
    Box::pin(wait).await
}

/// Retries the call after a failure, as the policy says. `Err` means that no attempt is left, `None` that the partition
/// has gone and its next owner starts over.
async fn attempts<V: Answer>(
    mut service: V,
    retry: Retry,
    record: Record,
    (shared, seen): (&Shared, u64),
    meters: &TopicMeters,
) -> Result<Option<Outcome>, Cause> {
    let departures = &*shared.departures;
    let partition = &record.coordinates.topic_partition;
    for attempt in 1_u32.. {
        // The same value that is ready must answer.
        let next = service.clone();
        let outcome = std::mem::replace(&mut service, next)
            .answer(record.clone())
            .await;
        let Some(status) = outcome.failure() else {
            return Ok(Some(outcome));
        };
        if departures.has_gone(partition, seen) {
            return Ok(None);
        }
        if attempt >= retry.max_attempts {
            let text = format!("failed {attempt} times, the last time with status {status}");
            let label = "attempts_exhausted";
            return Err(Cause { label, text });
        }
        let wait = retry.backoff(attempt, spread(&record.coordinates, attempt));
        warn!(record = %record.coordinates, %status, attempt, ?wait, "request failed, trying again");
        meters.count_retry();
        if timeout(wait, departures.gone(partition, seen))
            .await
            .is_ok()
            || !is_ready(&mut service, shared, &record, seen).await
        {
            return Ok(None);
        }
    }
    unreachable!("the last attempt returns")
}

/// Adds the record and its trace to all log lines about it, under the attribute names of OpenTelemetry's messaging
/// conventions where there is one.
fn span(record: &Record) -> Span {
    let at = &record.coordinates;
    info_span!(
        "record",
        messaging.system = "kafka",
        messaging.operation.type = "process",
        messaging.destination.name = record.topic(),
        // The convention wants a string.
        messaging.destination.partition.id = display(at.topic_partition.partition),
        messaging.kafka.offset = at.offset,
        traceparent = trace_context::of(&record.headers),
    )
}

/// Returns a number that differs between records and attempts, without a source of randomness.
fn spread(coordinates: &Coordinates, attempt: u32) -> u64 {
    let mut hasher = DefaultHasher::new();
    (coordinates, attempt).hash(&mut hasher);
    hasher.finish()
}

/// Why there was no reply: a label for metrics, and a text for people.
struct Cause {
    label: &'static str,
    text: String,
}

/// Produces a reply; `Some` says why it was refused.
async fn reply<K: ReplySink>(sink: &K, reply: OutboundRecord) -> Result<Option<Cause>, String> {
    let topic = Arc::clone(&reply.topic);
    match sink.produce(reply).await {
        Ok(()) => Ok(None),
        Err(ProduceError::Refused(cause)) => {
            let text = format!("reply to `{topic}` refused: {cause}");
            Ok(Some(Cause {
                label: "reply_refused",
                text,
            }))
        }
        Err(ProduceError::Fatal(cause)) => Err(cause),
    }
}

/// Writes the dead letter if there is a topic for it. Otherwise only counts and logs the record.
async fn give_up<K: ReplySink>(
    sink: &K,
    dead_letter_topic: Option<(Arc<str>, Record)>,
    coordinates: &Coordinates,
    Cause { label, text: cause }: Cause,
) -> Result<Settled, String> {
    let Some((topic, original)) = dead_letter_topic else {
        warn!(record = %coordinates, cause, "record skipped");
        return Ok(Settled::Skipped(label));
    };
    let letter = dead_letter::letter(&original, Arc::clone(&topic), &cause);
    let mut produced = sink.produce(letter).await;
    if let Err(ProduceError::Refused(refused)) = &produced
        && let Some(letter) = dead_letter::shortened(&original, Arc::clone(&topic), &cause)
    {
        warn!(record = %coordinates, %topic, refused, "dead letter refused, trying without its value");
        produced = sink.produce(letter).await;
    }
    match produced {
        Ok(()) => {
            warn!(record = %coordinates, cause, "record dead-lettered");
            Ok(Settled::DeadLettered(label))
        }
        // Skip it: a failure here would let one record that is too large for a letter stop the service at each start.
        Err(ProduceError::Refused(refused)) => {
            error!(record = %coordinates, cause, %topic, refused, "dead letter refused, record skipped");
            Ok(Settled::Skipped("dead_letter_refused"))
        }
        Err(ProduceError::Fatal(failure)) => Err(failure),
    }
}
