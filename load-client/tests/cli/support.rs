//! A service in memory: librdkafka's mock cluster, and a thread that answers requests on it.

use std::ffi::OsStr;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};

pub(crate) const TOPIC: &str = "createOrder";
pub(crate) const REPLY_TOPIC: &str = "createOrder.reply";

/// The behaviour of the service.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Behaviour {
    Answer(&'static str),
    AnswerWithoutStatus,
    /// Works on each request for this time, and answers one in sixteen with status 503.
    Work(Duration),
    Ignore,
    /// Answers after a foreign record whose header name is not UTF-8.
    PrecededByHostileRecord,
}

/// A request as the service saw it.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Vec<u8>,
    pub(crate) headers: Vec<(String, String)>,
}

pub(crate) struct Service {
    pub(crate) cluster: MockCluster<'static, DefaultProducerContext>,
    /// Each request, as soon as the service has handled it.
    pub(crate) seen: Receiver<Seen>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    pub(crate) fn start(behaviour: Behaviour) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        for topic in [TOPIC, REPLY_TOPIC] {
            cluster.create_topic(topic, 3, 1).unwrap();
        }
        let (sender, seen) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let (brokers, stop) = (cluster.bootstrap_servers(), Arc::clone(&stop));
            std::thread::spawn(move || serve(&brokers, behaviour, &sender, &stop))
        };
        Self {
            cluster,
            seen,
            stop,
            thread: Some(thread),
        }
    }

    /// Makes a command that sends to this service, ready for further arguments.
    pub(crate) fn client(&self) -> Command {
        let mut command = client();
        let host = format!("kafka://{}", self.cluster.bootstrap_servers());
        // The mock answers a fetch only when its wait ends.
        command.args([
            "run",
            "--headless",
            "-X",
            "fetch.wait.max.ms=1",
            "--host",
            &host,
        ]);
        command
    }

    /// Returns the next request that the service has handled. The patience only ends a failed test.
    pub(crate) fn next_seen(&self) -> Seen {
        self.seen.recv_timeout(Duration::from_secs(60)).unwrap()
    }

    /// Writes one record with a header given as bytes.
    pub(crate) fn produce_with_kcat(&self, topic: &str, header: &[u8]) {
        let brokers = self.cluster.bootstrap_servers();
        let mut child = Command::new("kcat")
            .args(["-P", "-b", &brokers, "-t", topic, "-H"])
            .arg(OsStr::from_bytes(header))
            .stdin(Stdio::piped())
            .spawn()
            .expect("kcat on PATH: install kcat, or skip this test by name");
        child.stdin.take().unwrap().write_all(b"{}\n").unwrap();
        assert!(child.wait().unwrap().success());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Makes a command for the built program, without the variables of the caller.
pub(crate) fn client() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("load-client"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LOAD_CLIENT_")) {
        command.env_remove(name);
    }
    // A machine that is busy with other tests makes the client the bottleneck. That is not the subject of these tests.
    command.env("LOAD_CLIENT_EXIT_CODE_ON_INVALID", "0");
    command
}

/// Makes a named pipe.
pub(crate) fn mkfifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Opens a pseudo-terminal: the person's side and the program's side.
pub(crate) fn terminal() -> (OwnedFd, OwnedFd) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let person = openpt(flags).unwrap();
    grantpt(&person).unwrap();
    unlockpt(&person).unwrap();
    let program = ioctl_tiocgptpeer(&person, flags).unwrap();
    (person, program)
}

/// Returns the lines of a requests CSV without its header, split at the commas.
pub(crate) fn rows(path: &Path) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let records = reader.records().map(Result::unwrap);
    records
        .map(|record| record.iter().map(str::to_owned).collect())
        .collect()
}

fn serve(brokers: &str, behaviour: Behaviour, seen: &Sender<Seen>, stop: &AtomicBool) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "service")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "1")
        .create()
        .unwrap();
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("linger.ms", "0")
        .create()
        .unwrap();
    let mut assignment = TopicPartitionList::new();
    for partition in 0..3 {
        assignment
            .add_partition_offset(TOPIC, partition, Offset::Offset(0))
            .unwrap();
    }
    consumer.assign(&assignment).unwrap();
    while !stop.load(Ordering::Relaxed) {
        producer.poll(Duration::ZERO);
        let Some(Ok(request)) = consumer.poll(Duration::from_millis(10)) else {
            continue;
        };
        let headers = headers_of(&request);
        answer(&producer, behaviour, &headers);
        // The test may have ended already.
        let _ = seen.send(Seen {
            key: request.key().map(<[u8]>::to_vec),
            payload: request.payload().unwrap_or_default().to_vec(),
            headers,
        });
    }
    let _ = producer.flush(Duration::from_secs(1));
}

fn headers_of(
    request: &impl Message<Headers = rdkafka::message::BorrowedHeaders>,
) -> Vec<(String, String)> {
    let headers = request.headers().into_iter().flat_map(Headers::iter);
    headers
        .map(|header| {
            let value = String::from_utf8(header.value.unwrap_or_default().to_vec()).unwrap();
            (header.key.to_owned(), value)
        })
        .collect()
}

fn answer(producer: &BaseProducer, behaviour: Behaviour, request: &[(String, String)]) {
    let find = |name: &str| {
        request
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let (Some(reply_to), Some(echo)) = (find("reply-to"), find("x-reply-set-header")) else {
        return;
    };
    let (name, value) = echo.split_once(':').unwrap();
    let status = match behaviour {
        Behaviour::Ignore => return,
        Behaviour::Answer(status) => Some(status),
        Behaviour::AnswerWithoutStatus => None,
        Behaviour::Work(time) => {
            std::thread::sleep(time);
            // The ids are random, so the last digit selects one in sixteen.
            Some(if value.ends_with('7') { "503" } else { "200" })
        }
        Behaviour::PrecededByHostileRecord => {
            send_hostile_record(producer, reply_to);
            Some("200")
        }
    };
    let mut headers = OwnedHeaders::new();
    if let Some(status) = status {
        headers = headers.insert(Header {
            key: "status-code",
            value: Some(status),
        });
    }
    headers = headers.insert(Header {
        key: name,
        value: Some(value),
    });
    let record = BaseRecord::<(), str>::to(reply_to)
        .payload("{}")
        .headers(headers);
    producer.send(record).map_err(|(error, _)| error).unwrap();
}

/// Sends a reply record of a foreign request: it has foreign headers and no correlation id.
fn send_hostile_record(producer: &BaseProducer, topic: &str) {
    let headers = OwnedHeaders::new()
        .insert(Header::<&[u8]> {
            key: "x-request-id",
            value: Some(&[0xff, 0xfe]),
        })
        .insert(Header::<&[u8]> {
            key: "status-code",
            value: None,
        });
    let record = BaseRecord::<(), ()>::to(topic).headers(headers);
    producer.send(record).map_err(|(error, _)| error).unwrap();
}
