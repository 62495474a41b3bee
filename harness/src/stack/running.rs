//! A started stack: the addresses and descriptions of its parts, and their stop.

mod meddling;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kafka_cluster_url::shown;
use rdkafka::util::get_rdkafka_version;
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::docker::{self, Compose};
use super::embedded::{self, EmbeddedBroker};
use super::native::NativeCluster;
use super::store::Store;
use super::{Description, SecureListener, StackKind, StackOptions, external, topics};

/// Cleaning up must not take long, because the user may want to stop.
const TIDY_LIMIT: Duration = Duration::from_secs(15);

#[derive(Debug)]
enum Broker {
    Embedded(EmbeddedBroker),
    Native(Box<NativeCluster>),
    Docker(Compose),
    External,
}

/// A running broker and store. Dropping it kills the programs that it started. [`Stack::stop`] stops them gracefully.
#[derive(Debug)]
pub struct Stack {
    kind: StackKind,
    kafka_url: String,
    properties: Vec<(String, String)>,
    broker: Broker,
    store: Store,
    /// The folder with the logs of broker and store.
    logs: PathBuf,
    stop: CancellationToken,
    /// The same folder, if the caller gave none.
    _temporary: Option<TempDir>,
}

impl Stack {
    /// Starts broker and store, and waits until both answer. After an error nothing is left running.
    ///
    /// Await it on a thread that lives as long as the stack should (see [`crate::process::Child::spawn`]).
    ///
    /// # Errors
    ///
    /// Fails if a part is missing on this machine, if its port is in use, or if it does not start. The message says
    /// what to install or set. Fails with [`crate::Interrupted`] if `options.stop` is cancelled meanwhile.
    pub async fn start(kind: StackKind, options: StackOptions) -> Result<Self> {
        refuse_ports(kind, &options)?;
        let (logs, temporary) = log_folder(options.logs.clone())?;
        let stop = &options.stop;
        let mut properties = options.properties.clone();
        // The store first, because it starts quickly, and a new machine often has none.
        let (store, broker, kafka_url) = match kind {
            StackKind::Embedded => {
                let store =
                    Store::start(options.store_port, options.durable_store, &logs, stop).await?;
                let broker = EmbeddedBroker::start(options.kafka_port).await?;
                let url = broker.url.clone();
                (store, Broker::Embedded(broker), url)
            }
            StackKind::Native => {
                let store =
                    Store::start(options.store_port, options.durable_store, &logs, stop).await?;
                let broker = NativeCluster::start(&options, &logs).await?;
                let url = broker.url.clone();
                (store, Broker::Native(Box::new(broker)), url)
            }
            StackKind::Docker => {
                let compose = Compose::start(&options.compose_file, stop).await?;
                (
                    compose.store().await?,
                    Broker::Docker(compose),
                    docker::KAFKA_URL.to_owned(),
                )
            }
            StackKind::External => {
                let url = options.kafka.as_deref();
                let url = url.context("--stack external needs --kafka")?;
                let store = options.store.as_deref();
                let store = store.context("--stack external needs --store")?;
                let url = external::connect(url, &mut properties, stop).await?;
                (Store::connect(store).await?, Broker::External, url)
            }
        };
        Ok(Self {
            kind,
            kafka_url,
            properties,
            broker,
            store,
            logs,
            stop: options.stop,
            _temporary: temporary,
        })
    }

    /// The kind of the stack.
    #[must_use]
    pub fn kind(&self) -> StackKind {
        self.kind
    }

    /// Whether broker and store ran before, and stay when this stack stops.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        match &self.broker {
            Broker::External => true,
            Broker::Docker(compose) => compose.is_shared(),
            Broker::Embedded(_) | Broker::Native(_) => false,
        }
    }

    /// `kafka://host:port`, for both programs. It never has a password: [`Stack::client_properties`] has that.
    #[must_use]
    pub fn kafka_url(&self) -> &str {
        &self.kafka_url
    }

    /// `host:port`, for librdkafka.
    #[must_use]
    pub fn bootstrap_servers(&self) -> &str {
        self.kafka_url
            .trim_start_matches("kafka://")
            .trim_end_matches('/')
    }

    /// The listener for passwords over TLS, if [`StackOptions::secure`] asked for one.
    #[must_use]
    pub fn secure(&self) -> Option<&SecureListener> {
        match &self.broker {
            Broker::Native(kafka) => kafka.secure.as_ref(),
            _ => None,
        }
    }

    /// `redis://host:port`, for the service.
    #[must_use]
    pub fn store_url(&self) -> &str {
        &self.store.url
    }

    /// librdkafka properties for every client of this stack (`-X key=value`): those that the broker needs, then those
    /// of the caller.
    #[must_use]
    pub fn client_properties(&self) -> Vec<(String, String)> {
        let needed: &[(&str, &str)] = match self.broker {
            Broker::Embedded(_) => &embedded::CLIENT_PROPERTIES,
            _ => &[],
        };
        let needed = needed
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        needed.chain(self.properties.iter().cloned()).collect()
    }

    /// The same properties as `key=value`, with secrets masked, for reports.
    #[must_use]
    pub fn shown_properties(&self) -> Vec<String> {
        let properties = self.client_properties();
        properties.iter().map(pair).collect()
    }

    /// Those of them that the caller gave.
    pub(crate) fn given_properties(&self) -> Vec<String> {
        self.properties.iter().map(pair).collect()
    }

    /// Names and versions, for reports.
    #[must_use]
    pub fn description(&self) -> Description {
        let (broker, java) = match &self.broker {
            Broker::Embedded(_) => (
                format!("librdkafka mock cluster {}", get_rdkafka_version().1),
                None,
            ),
            Broker::Native(kafka) => {
                let nodes = match kafka.count() {
                    1 => "one node".to_owned(),
                    count => format!("{count} nodes"),
                };
                let broker = format!("Apache Kafka {} (KRaft, {nodes})", kafka.version);
                (broker, Some(kafka.java.clone()))
            }
            Broker::Docker(compose) => (compose.broker.clone(), None),
            Broker::External => ("external broker".to_owned(), None),
        };
        let broker_is_mock = matches!(self.broker, Broker::Embedded(_));
        let brokers = match &self.broker {
            Broker::Native(kafka) => kafka.count(),
            _ => 1,
        };
        Description {
            stack: self.kind,
            brokers,
            broker,
            broker_is_mock,
            shared: self.is_shared(),
            store: self.store.version.clone(),
            java,
        }
    }

    /// Creates the topic, and waits until it has leaders. An existing topic stays as it is.
    ///
    /// # Errors
    ///
    /// Fails if the broker refuses it or does not answer.
    pub async fn create_topic(&self, name: &str, partitions: i32) -> Result<()> {
        match &self.broker {
            Broker::Embedded(broker) => broker.create_topic(name, partitions).await,
            _ => topics::create(self.bootstrap_servers(), &self.properties, name, partitions).await,
        }
    }

    /// The JSON in the store at `key`.
    ///
    /// # Errors
    ///
    /// Fails if there is none, or if the store does not answer.
    pub async fn stored(&self, key: &str) -> Result<String> {
        self.store.read(key).await
    }

    /// Cleans up after work on `topics`, and returns the outcome of the work. Removes the topics, on a shared broker
    /// also after a failure or an interruption. Removes the orders, unless the store is shared.
    ///
    /// # Errors
    ///
    /// Fails with the failure of the work, or else if broker or store refuse or do not answer in time.
    pub(crate) async fn tidy_after<T>(&self, outcome: Result<T>, topics: &[String]) -> Result<T> {
        if outcome.is_err() && !self.is_shared() {
            // The whole stack ends, so nothing needs to be removed.
            return outcome;
        }
        let tidied = timeout(TIDY_LIMIT, self.tidy(topics)).await;
        let tidied = tidied.unwrap_or_else(|_| bail!("no answer within {TIDY_LIMIT:?}"));
        match (outcome, tidied) {
            (outcome, Ok(())) => outcome,
            (Ok(_), Err(error)) => Err(error.context("cannot clean up")),
            (Err(cause), Err(error)) => {
                let topics = topics.join(", ");
                tracing::warn!("cannot clean up; topics may be left ({topics}): {error:#}");
                Err(cause)
            }
        }
    }

    async fn tidy(&self, topics: &[String]) -> Result<()> {
        // Without this, an hour of short runs would leave thousands of topics. The mock cluster cannot delete any.
        if !matches!(self.broker, Broker::Embedded(_)) {
            topics::delete(self.bootstrap_servers(), &self.properties, topics).await?;
        }
        if self.is_shared() {
            // The orders stay, because the store may have data that is not from this harness.
            return Ok(());
        }
        self.store.clear().await
    }

    /// Checks that no program of this stack has ended by itself.
    ///
    /// # Errors
    ///
    /// Fails if one has ended. The message has the end of its log.
    pub fn check(&mut self) -> Result<()> {
        let brokers = match &mut self.broker {
            Broker::Native(kafka) => Some(kafka.children()),
            _ => None,
        };
        for child in brokers.into_iter().flatten().chain(self.store.child()) {
            if let Some(status) = child.try_wait()? {
                bail!(
                    "{} ended by itself ({status}); {}",
                    child.name(),
                    child.log_tail()
                );
            }
        }
        Ok(())
    }

    /// Stops the programs that it started, the store first, because the broker takes longer.
    ///
    /// # Errors
    ///
    /// Fails if it cannot wait for a part. The other parts are stopped anyway.
    pub async fn stop(self) -> Result<()> {
        let store = self.store.stop().await;
        let broker = match self.broker {
            Broker::Native(kafka) => kafka.stop().await,
            Broker::Docker(compose) => compose.stop().await,
            Broker::Embedded(_) | Broker::External => Ok(()),
        };
        store.and(broker)
    }
}

/// Refuses options that the stack would ignore, because the user expects that they work.
fn refuse_ports(kind: StackKind, options: &StackOptions) -> Result<()> {
    let is_ours = matches!(kind, StackKind::Embedded | StackKind::Native);
    let fixed_kafka = !is_ours && options.kafka_port.is_some();
    let fixed_store = !is_ours && options.store_port.is_some();
    let broker_is_ours =
        options.secure || !options.advertise.is_empty() || !options.broker_properties.is_empty();
    if kind != StackKind::Native && broker_is_ours {
        bail!("further listeners and broker properties need stack native");
    }
    if kind != StackKind::Native && options.brokers != 1 {
        bail!(
            "--brokers {} needs --stack native, not {}",
            options.brokers,
            kind.name()
        );
    }
    if options.secure && options.brokers != 1 {
        bail!("the listener for passwords needs a stack with a single broker");
    }
    match (fixed_kafka, fixed_store) {
        (true, _) => bail!(
            "--kafka-port needs --stack embedded or native, not {}",
            kind.name()
        ),
        (_, true) => bail!(
            "--store-port needs --stack embedded or native, not {}",
            kind.name()
        ),
        _ => Ok(()),
    }
}

fn log_folder(wanted: Option<PathBuf>) -> Result<(PathBuf, Option<TempDir>)> {
    match wanted {
        Some(folder) => Ok((folder, None)),
        None => {
            let folder = TempDir::new().context("cannot create a folder for logs")?;
            Ok((folder.path().to_owned(), Some(folder)))
        }
    }
}

/// `key=value`, with a secret value masked.
fn pair((key, value): &(String, String)) -> String {
    format!("{key}={}", shown(key, value))
}
