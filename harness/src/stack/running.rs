//! A started stack: where its parts answer, what they are, and how they end.

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

/// Tidying up must not keep a user waiting who wants to stop.
const TIDY_LIMIT: Duration = Duration::from_secs(15);

#[derive(Debug)]
enum Broker {
    Embedded(EmbeddedBroker),
    Native(Box<NativeCluster>),
    Docker(Compose),
    External,
}

/// A broker and a store that answer. Dropping it kills what it started; [`Stack::stop`] is gentler.
#[derive(Debug)]
pub struct Stack {
    kind: StackKind,
    kafka_url: String,
    properties: Vec<(String, String)>,
    broker: Broker,
    store: Store,
    /// Where broker and store log.
    logs: PathBuf,
    stop: CancellationToken,
    /// The same, if the caller named no folder.
    _temporary: Option<TempDir>,
}

impl Stack {
    /// Starts broker and store and waits until both answer; on an error nothing is left running.
    ///
    /// Await it on a thread that lives as long as the stack shall (see [`crate::process::Child::spawn`]).
    ///
    /// # Errors
    ///
    /// When a part is missing on this machine, its port is in use, or it does not start; the message says
    /// what to install or set. [`crate::Interrupted`] when `options.stop` is cancelled meanwhile.
    pub async fn start(kind: StackKind, options: StackOptions) -> Result<Self> {
        refuse_ports(kind, &options)?;
        let (logs, temporary) = log_folder(options.logs.clone())?;
        let stop = &options.stop;
        let mut properties = options.properties.clone();
        // The store goes first: it starts in a moment, and is what a bare machine lacks.
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

    /// Which stack it is.
    #[must_use]
    pub fn kind(&self) -> StackKind {
        self.kind
    }

    /// Whether broker and store were there before and stay when this stack stops.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        match &self.broker {
            Broker::External => true,
            Broker::Docker(compose) => compose.is_shared(),
            Broker::Embedded(_) | Broker::Native(_) => false,
        }
    }

    /// `kafka://host:port`, as both programs take it; it never holds a password, which is among
    /// [`Stack::client_properties`] if there is one.
    #[must_use]
    pub fn kafka_url(&self) -> &str {
        &self.kafka_url
    }

    /// `host:port`, as librdkafka takes it.
    #[must_use]
    pub fn bootstrap_servers(&self) -> &str {
        self.kafka_url
            .trim_start_matches("kafka://")
            .trim_end_matches('/')
    }

    /// The listener for passwords over TLS, where [`StackOptions::secure`] asked for one.
    #[must_use]
    pub fn secure(&self) -> Option<&SecureListener> {
        match &self.broker {
            Broker::Native(kafka) => kafka.secure.as_ref(),
            _ => None,
        }
    }

    /// `redis://host:port`, as the service takes it.
    #[must_use]
    pub fn store_url(&self) -> &str {
        &self.store.url
    }

    /// librdkafka properties that every client of this stack should set (`-X key=value`): those that the
    /// broker needs, then those that the caller gave.
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

    /// The same as `key=value`, with secrets masked, for reports.
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

    /// Creates the topic and waits until it has leaders; one that exists already is left as it is.
    ///
    /// # Errors
    ///
    /// When the broker refuses it or does not answer.
    pub async fn create_topic(&self, name: &str, partitions: i32) -> Result<()> {
        match &self.broker {
            Broker::Embedded(broker) => broker.create_topic(name, partitions).await,
            _ => topics::create(self.bootstrap_servers(), &self.properties, name, partitions).await,
        }
    }

    /// The JSON that the store holds at `key`.
    ///
    /// # Errors
    ///
    /// When there is none or the store does not answer.
    pub async fn stored(&self, key: &str) -> Result<String> {
        self.store.read(key).await
    }

    /// Removes what work on `topics` left behind, and passes its outcome on: the topics, where the broker is
    /// shared also after a failure or an interruption, and the orders where the store is not shared.
    ///
    /// # Errors
    ///
    /// The failure of the work; else that broker or store refuses, or does not answer in time.
    pub(crate) async fn tidy_after<T>(&self, outcome: Result<T>, topics: &[String]) -> Result<T> {
        if outcome.is_err() && !self.is_shared() {
            // It ends as a whole.
            return outcome;
        }
        let tidied = timeout(TIDY_LIMIT, self.tidy(topics)).await;
        let tidied = tidied.unwrap_or_else(|_| bail!("over {TIDY_LIMIT:?}"));
        match (outcome, tidied) {
            (outcome, Ok(())) => outcome,
            (Ok(_), Err(error)) => Err(error.context("cannot tidy up")),
            (Err(cause), Err(error)) => {
                let topics = topics.join(", ");
                tracing::warn!("cannot tidy up, topics may be left ({topics}): {error:#}");
                Err(cause)
            }
        }
    }

    async fn tidy(&self, topics: &[String]) -> Result<()> {
        // The mock cluster deletes none. The other brokers would gather thousands in an hour of short runs.
        if !matches!(self.broker, Broker::Embedded(_)) {
            topics::delete(self.bootstrap_servers(), &self.properties, topics).await?;
        }
        if self.is_shared() {
            // Its orders stay: the store may hold more than this harness put there.
            return Ok(());
        }
        self.store.clear().await
    }

    /// Fails if a child of this stack has ended by itself, with the end of its log.
    ///
    /// # Errors
    ///
    /// When one has ended.
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

    /// Stops what it started, store first: it has no clients any more, and the broker takes longer.
    ///
    /// # Errors
    ///
    /// When a part cannot be waited for; the others are stopped all the same.
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

/// A port that the stack would silently ignore is an error of the user's, who thinks it is in use.
fn refuse_ports(kind: StackKind, options: &StackOptions) -> Result<()> {
    let is_ours = matches!(kind, StackKind::Embedded | StackKind::Native);
    let fixed_kafka = !is_ours && options.kafka_port.is_some();
    let fixed_store = !is_ours && options.store_port.is_some();
    let broker_is_ours =
        options.secure || !options.advertise.is_empty() || !options.broker_properties.is_empty();
    if kind != StackKind::Native && broker_is_ours {
        bail!("further listeners and broker properties go with stack native");
    }
    if kind != StackKind::Native && options.brokers != 1 {
        bail!(
            "--brokers {} goes with --stack native, not with {}",
            options.brokers,
            kind.name()
        );
    }
    if options.secure && options.brokers != 1 {
        bail!("the listener for passwords is for a single broker");
    }
    match (fixed_kafka, fixed_store) {
        (true, _) => bail!(
            "--kafka-port goes with --stack embedded or native, not with {}",
            kind.name()
        ),
        (_, true) => bail!(
            "--store-port goes with --stack embedded or native, not with {}",
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

/// `key=value`, fit to be shown.
fn pair((key, value): &(String, String)) -> String {
    format!("{key}={}", shown(key, value))
}
