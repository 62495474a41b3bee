//! A service on librdkafka's mock cluster. A function of the test makes its answers.

use std::collections::HashMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::support::client;

const PARTITIONS: i32 = 3;

/// A record that the service has received.
pub(crate) struct Received {
    pub(crate) topic: String,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Vec<u8>,
    pub(crate) headers: HashMap<String, Vec<u8>>,
}

impl Received {
    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        let header = self.headers.get(name);
        header
            .unwrap_or_else(|| panic!("no header {name}: {:?}", self.headers))
            .clone()
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap()
    }
}

/// A record that the service sends.
#[derive(Default)]
pub(crate) struct Reply {
    pub(crate) topic: String,
    pub(crate) partition: Option<i32>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Vec<u8>,
    pub(crate) headers: Vec<(&'static str, Vec<u8>)>,
}

pub(crate) struct Responder {
    pub(crate) cluster: MockCluster<'static, DefaultProducerContext>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Responder {
    /// Starts a service on some topics. The cluster has more topics for the replies.
    pub(crate) fn start(
        topics: &[&'static str],
        reply_topics: &[&str],
        answer: impl Fn(&Received) -> Vec<Reply> + Send + 'static,
    ) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        for topic in topics.iter().chain(reply_topics) {
            cluster.create_topic(topic, PARTITIONS, 1).unwrap();
        }
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let (brokers, stop) = (cluster.bootstrap_servers(), Arc::clone(&stop));
            let topics = topics.to_vec();
            std::thread::spawn(move || serve(&brokers, &topics, answer, &stop))
        };
        Self {
            cluster,
            stop,
            thread: Some(thread),
        }
    }

    /// Makes a command that sends to this service, ready for further arguments.
    pub(crate) fn client(&self) -> Command {
        let mut command = client();
        let host = format!("kafka://{}", self.cluster.bootstrap_servers());
        // The mock answers a fetch only when its wait ends.
        let fast = ["-X", "fetch.wait.max.ms=1"];
        command
            .args(["run", "--headless", "--host", &host])
            .args(fast);
        command
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().unwrap().join();
        // If the test itself has failed, its failure is reported, not this one.
        assert!(
            ended.is_ok() || std::thread::panicking(),
            "the service panicked"
        );
    }
}

fn serve(
    brokers: &str,
    topics: &[&str],
    answer: impl Fn(&Received) -> Vec<Reply>,
    stop: &AtomicBool,
) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    let producer: BaseProducer = config.clone().set("linger.ms", "0").create().unwrap();
    let consumer: BaseConsumer = config
        .set("group.id", "service")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "1")
        .create()
        .unwrap();
    let mut assignment = TopicPartitionList::new();
    for topic in topics {
        for partition in 0..PARTITIONS {
            let added = assignment.add_partition_offset(topic, partition, Offset::Offset(0));
            added.unwrap();
        }
    }
    consumer.assign(&assignment).unwrap();
    while !stop.load(Ordering::Relaxed) {
        producer.poll(Duration::ZERO);
        let Some(Ok(request)) = consumer.poll(Duration::from_millis(10)) else {
            continue;
        };
        let headers = request.headers().into_iter().flat_map(Headers::iter);
        let received = Received {
            topic: request.topic().to_owned(),
            key: request.key().map(<[u8]>::to_vec),
            payload: request.payload().unwrap_or_default().to_vec(),
            headers: headers
                .map(|header| {
                    (
                        header.key.to_owned(),
                        header.value.unwrap_or_default().to_vec(),
                    )
                })
                .collect(),
        };
        for reply in answer(&received) {
            send(&producer, &reply);
        }
    }
    let _ = producer.flush(Duration::from_secs(1));
}

fn send(producer: &BaseProducer, reply: &Reply) {
    let mut headers = OwnedHeaders::new();
    for (key, value) in &reply.headers {
        let value = Some(value);
        headers = headers.insert(Header { key, value });
    }
    let mut record = BaseRecord::<[u8], [u8]>::to(&reply.topic)
        .payload(&*reply.payload)
        .headers(headers);
    record.partition = reply.partition;
    record.key = reply.key.as_deref();
    producer.send(record).map_err(|(error, _)| error).unwrap();
}
