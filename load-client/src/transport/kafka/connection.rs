//! The two clients joined to one transport.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::expectations::Expectations;
use super::own_topic::{OwnTopic, SetupGuard};
use super::producer::RequestProducer;
use super::replies::ReplyConsumer;
use super::{KafkaSettings, KafkaTransportError};
use crate::scenario::Request;
use crate::transport::{Pending, Transport};

/// A connected transport: topics checked, reply consumer assigned and positioned.
pub struct KafkaTransport {
    producer: RequestProducer,
    /// `None` when only publishing. Dropping it stops its thread.
    consumer: Option<ReplyConsumer>,
    pending: Pending,
    expectations: Expectations,
    /// Deleted when dropped. The last field, so that nobody reads from it any more by then.
    _own_topic: Option<OwnTopic>,
}

impl KafkaTransport {
    /// Blocks; a run that is given up meanwhile creates nothing.
    pub(super) fn connect_unless(
        guard: &SetupGuard,
        settings: &KafkaSettings,
    ) -> Result<Self, KafkaTransportError> {
        let pending = Pending::default();
        let wire = &settings.service.wire;
        let expectations = Expectations::new(wire.expect_status.clone(), settings.timeout);
        let producer = RequestProducer::connect(settings, pending.clone())?;
        let (mut consumer, mut own_topic) = (None, None);
        if !settings.publish_only {
            if !guard.begin() {
                return Err(KafkaTransportError::Interrupted);
            }
            own_topic = OwnTopic::create(settings)?;
            let (pending, expectations) = (pending.clone(), expectations.clone());
            consumer = Some(ReplyConsumer::connect(settings, pending, expectations)?);
        }
        Ok(Self {
            producer,
            consumer,
            pending,
            expectations,
            _own_topic: own_topic,
        })
    }

    /// Connects, checks the topics and positions the reply consumer. Waits for up to ten seconds, on a thread of
    /// its own, so that signals are seen meanwhile.
    ///
    /// # Errors
    ///
    /// When a setting is refused, no broker answers, or a topic cannot be used; the error names
    /// the flag to change.
    pub async fn connect_in_background(
        settings: Arc<KafkaSettings>,
    ) -> Result<Self, KafkaTransportError> {
        let (done, connected) = oneshot::channel();
        let creates = settings.service.own_reply_topic.is_some();
        let guard = SetupGuard::default();
        // Dropped with this future: by whoever stops the run before it has begun.
        let _waits = WaitsForDeletion(creates.then(|| guard.clone()));
        std::thread::spawn(move || {
            let connected = Self::connect_unless(&guard, &settings);
            // What nobody listens for any more is dropped here, and its topic deleted.
            drop(done.send(connected));
            guard.end();
        });
        connected
            .await
            .unwrap_or(Err(KafkaTransportError::Interrupted))
    }

    /// Replies that nobody waited for: late, or of somebody else.
    #[must_use]
    pub(crate) fn unmatched_replies(&self) -> u64 {
        self.consumer.as_ref().map_or(0, ReplyConsumer::unmatched)
    }

    /// Requests handed over to librdkafka and not yet acknowledged by a broker, at this moment.
    #[must_use]
    pub(crate) fn producer_queue(&self) -> usize {
        self.producer.in_flight()
    }
}

/// Keeps the program from ending before a topic is deleted that it has created.
struct WaitsForDeletion(Option<SetupGuard>);

impl Drop for WaitsForDeletion {
    fn drop(&mut self) {
        if let Some(guard) = &self.0 {
            guard.abandon();
        }
    }
}

impl Transport for KafkaTransport {
    fn pending(&self) -> &Pending {
        &self.pending
    }

    fn send(&self, request: &Request) {
        if let (Some(expect), Some(_)) = (&request.expect, &self.consumer) {
            let expect = Arc::clone(expect);
            self.expectations.enter(request.id, expect, Instant::now());
        }
        self.producer.send(request);
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;

    use super::super::ServiceSettings;
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_queue_holds_what_no_broker_has_acknowledged() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("createOrder", 1, 1).unwrap();
        let settings = KafkaSettings {
            brokers: cluster.bootstrap_servers(),
            topic: "createOrder".to_owned(),
            reply_topic: "createOrder.reply".to_owned(),
            body: bytes::Bytes::new(),
            headers: Vec::new(),
            timeout: Duration::from_secs(60),
            publish_only: true,
            properties: Vec::new(),
            run_id: "test".to_owned(),
            service: ServiceSettings::default(),
        };
        let transport = KafkaTransport::connect_unless(&SetupGuard::default(), &settings).unwrap();
        assert_eq!(transport.producer_queue(), 0);
        // From here on no acknowledgement arrives before the test is over.
        cluster
            .broker_round_trip_time(1, Duration::from_secs(600))
            .unwrap();
        (0..3).for_each(|_| transport.send(&Request::new(0)));
        assert_eq!(transport.producer_queue(), 3);
    }
}
