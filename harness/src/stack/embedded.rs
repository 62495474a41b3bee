//! The embedded broker: librdkafka's mock cluster, hosted on a thread of this process.
//!
//! - It listens on 127.0.0.1, on a port that it chooses itself. With `--kafka-port` a second port leads to it.
//! - It has no CreateTopics request: this process creates topics.
//! - It answers a fetch only at the end of the fetch's wait.
//! - It keeps the last 5 MB or 100,000 batches of a partition, and nothing after its end.

use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result, anyhow};
use rdkafka::mocking::MockCluster;
use tokio::sync::oneshot;

use super::forward::Forwarded;
use super::ports;

/// Client settings. Without them, a round trip takes 500 ms, because the mock keeps each fetch until its wait ends.
pub(super) const CLIENT_PROPERTIES: [(&str, &str); 1] = [("fetch.wait.max.ms", "1")];

/// A topic to create, and the channel for the answer.
type Request = (String, i32, oneshot::Sender<Result<()>>);

/// The mock cluster. Its handle cannot change threads, so a thread owns it. Dropping the sender ends both.
#[derive(Debug)]
pub(super) struct EmbeddedBroker {
    pub(super) url: String,
    /// The second port, of `--kafka-port`.
    _forwarded: Option<Forwarded>,
    requests: Option<mpsc::Sender<Request>>,
    host: Option<thread::JoinHandle<()>>,
}

impl EmbeddedBroker {
    pub(super) async fn start(port: Option<u16>) -> Result<Self> {
        let port = port.map(|port| ports::choose("--kafka-port", Some(port)));
        let port = port.transpose()?;
        let (requests, inbox) = mpsc::channel();
        let (started, address) = oneshot::channel();
        let host = thread::Builder::new()
            .name("mock-broker".to_owned())
            .spawn(move || serve(started, &inbox))
            .context("cannot start the mock broker's thread")?;
        let address = address.await.context("the mock broker's thread ended")??;
        let (url, forwarded) = match port {
            None => (format!("kafka://{address}"), None),
            Some(port) => (
                format!("kafka://127.0.0.1:{port}"),
                Some(Forwarded::start(port, address).await?),
            ),
        };
        Ok(Self {
            url,
            _forwarded: forwarded,
            requests: Some(requests),
            host: Some(host),
        })
    }

    pub(super) async fn create_topic(&self, name: &str, partitions: i32) -> Result<()> {
        let (answer, created) = oneshot::channel();
        let gone = || anyhow!("the mock broker has stopped");
        let requests = self.requests.as_ref().ok_or_else(gone)?;
        requests
            .send((name.to_owned(), partitions, answer))
            .map_err(|_| gone())?;
        created.await.map_err(|_| gone())?
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(host) = self.host.take() {
            // A panic of the host thread has printed its message already.
            let _ = host.join();
        }
    }
}

fn serve(started: oneshot::Sender<Result<String>>, inbox: &mpsc::Receiver<Request>) {
    let cluster = match MockCluster::new(1).context("cannot start the mock broker") {
        Ok(cluster) => cluster,
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    // If nobody waits for this answer any more, go on anyway.
    let _ = started.send(Ok(cluster.bootstrap_servers()));
    for (name, partitions, answer) in inbox {
        let created = cluster
            .create_topic(&name, partitions, 1)
            .with_context(|| format!("cannot create topic {name} on the mock broker"));
        let _ = answer.send(created);
    }
}
