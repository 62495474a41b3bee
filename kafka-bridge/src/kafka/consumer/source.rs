//! Consumes requests with librdkafka, whose queue wakes the bridge's task.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use tokio::sync::{mpsc, oneshot};
use tokio::task::coop::consume_budget;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{debug, info, trace, warn};

use super::events::ConsumerEvents;
use super::fetch_watch::FetchWatch;
use super::guard::Guard;
use super::last_commit::commit_last;
use super::pauses::Pause;
use super::polling::{Events, Look, PAUSE_AFTER, Polling};
use crate::Error;
use crate::health::obstacles::Obstacles;
use crate::kafka::client_config::max_poll_interval;
use crate::kafka::refusal;
use crate::kafka::token::Tokens;
use crate::offsets::Position;
use crate::ports::{Intake, RecordSource, SourceEvent};

/// How long to wait for an assignment before a log line says so.
const LONG_WAIT: Duration = Duration::from_secs(5);

/// Consumes as a member of a group. Dropping it leaves the group without a last commit.
pub struct KafkaSource {
    polling: Arc<Polling>,
    events: Events,
    held_back: Pause,
    /// Wakes the task for a due pause and for the group's poll limit, which wake nobody. `None` before the first wait,
    /// because only then there has to be a runtime.
    tick: Option<Interval>,
    /// When the group was asked for partitions; `None` once the log says that it takes long.
    asked: Option<Instant>,
    stop: Arc<AtomicBool>,
    /// Taken when there is a first token, or none in time.
    awaited: Option<Tokens>,
    /// Taken when the source is closed.
    guard: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for KafkaSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaSource").finish_non_exhaustive()
    }
}

impl KafkaSource {
    pub(in crate::kafka) fn start(
        config: &ClientConfig,
        topics: &[&str],
        revocation_timeout: Duration,
        max_headers: usize,
        obstacles: Obstacles,
        tokens: Option<Tokens>,
    ) -> Result<Self, Error> {
        let failed = |context: &'static str| move |error| refusal::failed(context, error);
        let (tell, events) = mpsc::unbounded_channel();
        let watch = FetchWatch::new(obstacles, config.get("group.id").unwrap_or_default());
        let context = ConsumerEvents::new(tell, revocation_timeout, watch, tokens.clone());
        let consumer: BaseConsumer<ConsumerEvents> = config
            .create_with_context(context)
            .map_err(failed("creating the consumer"))?;
        let polling = Arc::new(Polling::new(consumer, max_headers));
        let stop = Arc::new(AtomicBool::new(false));
        let guard = Guard::new(
            Arc::clone(&polling),
            Arc::clone(&stop),
            max_poll_interval(config),
        );
        let thread = thread::Builder::new().name("kafka-guard".to_owned());
        let guard = thread
            .spawn(|| guard.run())
            .map_err(|_| Error::SourceGone)?;
        let context = polling.consumer.context();
        context.set_guard(guard.thread().clone());
        let source = Self {
            polling,
            events,
            held_back: Pause::NOTHING,
            tick: None,
            asked: Some(Instant::now()),
            stop,
            awaited: tokens,
            guard: Some(guard),
        };
        let group = config.get("group.id").unwrap_or_default();
        info!(group, ?topics, "joining the consumer group");
        let subscribed = source.polling.consumer.subscribe(topics);
        subscribed.map_err(failed("subscribing"))?;
        Ok(source)
    }

    /// Logs once if the group takes long to assign partitions.
    fn tell_wait(&mut self) {
        let has_waited = |asked: &mut Instant| asked.elapsed() >= LONG_WAIT;
        if self.polling.consumer.context().generation() == 0
            && self.asked.take_if(has_waited).is_some()
        {
            info!(
                "still waiting for an assignment: no broker answers, or the group waits for a member that disappeared \
                 without leaving, for up to its session.timeout.ms (45 s by default)"
            );
        }
    }

    /// Ends the guard and returns the consumer. The positions are final from here.
    fn end(&mut self, positions: Vec<Position>) -> Option<Member> {
        let guard = self.guard.take()?;
        let polling = Arc::clone(&self.polling);
        polling.consumer.context().close(positions);
        self.stop.store(true, Ordering::Release);
        guard.thread().unpark();
        Some(Member { polling, guard })
    }
}

/// A consumer that is about to leave its group, and its guard.
struct Member {
    polling: Arc<Polling>,
    guard: JoinHandle<()>,
}

impl Member {
    /// Commits the positions and leaves the group, on its own thread. All of this blocks, and long if the broker has
    /// gone. A stop must be able to continue without it.
    fn leave(self, done: oneshot::Sender<Result<(), Error>>) -> Result<(), Error> {
        let leave = move || {
            let Self { polling, guard } = self;
            let _ = guard.join();
            let consumer = &polling.consumer;
            consumer.context().leave(consumer);
            let committed = commit_last(consumer);
            // The last reference: dropping it leaves the group.
            drop(polling);
            let _ = done.send(committed);
        };
        let thread = thread::Builder::new().name("kafka-close".to_owned());
        thread.spawn(leave).map_err(|_| Error::SourceGone)?;
        Ok(())
    }
}

impl RecordSource for KafkaSource {
    async fn next(&mut self, intake: Intake) -> Result<SourceEvent, Error> {
        if let Some(tokens) = &self.awaited {
            tokens.first().await;
            self.awaited = None;
        }
        if intake == Intake::Open {
            // A steady stream of records would keep this worker thread from other tasks.
            consume_budget().await;
        }
        loop {
            let looked = self.polling.look(&mut self.events, intake, &self.held_back);
            match looked {
                Look::Event(event) => return event,
                Look::Again => continue,
                Look::Nothing => {}
            }
            let tick = self.tick.get_or_insert_with(|| {
                let mut tick = interval(PAUSE_AFTER);
                tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
                tick
            });
            tokio::select! { biased;
                event = self.events.recv() => return event.unwrap_or(Err(Error::SourceGone)),
                () = self.polling.arrived.notified() => {}
                _ = tick.tick() => self.tell_wait(),
            }
        }
    }

    fn hold_back(&mut self, topics: &[Arc<str>]) {
        debug!(?topics, "topics held back");
        self.polling.consumer.context().hold_topics_back(topics);
        self.held_back = Pause::Topics(topics.to_vec());
    }

    fn commit(&mut self, positions: &[Position]) {
        trace!(?positions, "commit");
        let consumer = &self.polling.consumer;
        let list = consumer.context().to_list(positions);
        if list.count() == 0 {
            return;
        }
        if let Err(error) = consumer.commit(&list, CommitMode::Async) {
            warn!(%error, "commit not started");
            let partitions = positions
                .iter()
                .map(|position| position.topic_partition.clone());
            let failed = SourceEvent::CommitFailed(partitions.collect());
            consumer.context().tell(Ok(failed));
        }
    }

    async fn close(mut self, positions: Vec<Position>) -> Result<(), Error> {
        let member = self.end(positions).ok_or(Error::SourceGone)?;
        drop(self);
        let (done, closed) = oneshot::channel();
        member.leave(done)?;
        closed.await.unwrap_or(Err(Error::SourceGone))
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        // Nobody is left to release partitions, so nothing may wait for that. Without a member this is the end of
        // `close`.
        if let Some(member) = self.end(Vec::new()) {
            let _ = member.leave(oneshot::channel().0);
        }
    }
}

#[cfg(test)]
mod tests;
