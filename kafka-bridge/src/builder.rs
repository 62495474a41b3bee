//! Collects the settings of a bridge, checks them, and joins them with an application and ports.

mod checks;

#[cfg(feature = "kafka")]
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use kafka_cluster_url::Properties;

use crate::health::obstacles::Obstacles;
use crate::http::service::RecordService;
#[cfg(feature = "kafka")]
use crate::kafka::{self, GivenSource, KafkaSink, KafkaSource, TokenSource};
use crate::telemetry::labels::BridgeLabel;
use crate::{
    Bridge, Dispatch, Error, FailurePolicy, Limits, Operation, ReplyProfile, Settings, Status,
    WithoutReplyTo,
};

/// Collects the settings of a bridge. [`Bridge::builder`] creates it.
#[derive(Clone, Debug)]
pub struct Builder<A> {
    app: A,
    operations: Vec<Operation>,
    reply_topics: Option<Vec<String>>,
    properties: Properties,
    settings: Settings,
    #[cfg(feature = "kafka")]
    token_source: GivenSource,
}

impl<A> Builder<A> {
    pub(crate) fn new(app: A) -> Self {
        Self {
            app,
            operations: Vec::new(),
            reply_topics: None,
            properties: Properties::default(),
            settings: Settings::default(),
            #[cfg(feature = "kafka")]
            token_source: GivenSource::default(),
        }
    }

    /// Adds an operation, and with it a topic to serve.
    #[must_use]
    pub fn operation(mut self, operation: Operation) -> Self {
        self.operations.push(operation);
        self
    }

    /// Replaces all settings, including those that other methods of the builder have set before. It keeps all that is
    /// not part of [`Settings`]: operations, reply topics and properties.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Names the bridge in its metrics: each metric gets the label `bridge` with this value. By default there is no
    /// such label.
    ///
    /// Give two bridges in one process different names. Without names both set the same gauges and add to the same
    /// counters, so each bridge overwrites the other's gauges.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = Some(name.into());
        self
    }

    /// Sets the dispatch mode; see [`Dispatch`]. [`Operation::dispatch`] sets it for one operation.
    #[must_use]
    pub fn dispatch(mut self, dispatch: Dispatch) -> Self {
        self.settings.dispatch = dispatch;
        self
    }

    /// Sets all limits on memory.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Sets how many records of all operations may be in flight, 1,024 by default. At this limit the bridge takes no
    /// further record. [`Operation::max_in_flight`] limits one operation.
    #[must_use]
    pub fn max_in_flight(mut self, records: usize) -> Self {
        self.settings.limits.max_in_flight = records;
        self
    }

    /// Sets how long the application may take for one request before the requester gets a 504, 30 s by default.
    /// [`Operation::timeout`] sets it for one operation. The wait for the application's `poll_ready` does not count:
    /// while the application is not ready, the bridge takes no record.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.settings.request_timeout = timeout;
        self
    }

    /// Sets how long a stop waits for records in flight, 10 s by default.
    #[must_use]
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.settings.drain_timeout = timeout;
        self
    }

    /// Sets how long a revoked partition waits for its records in flight, 3 s by default.
    ///
    /// Records that are not finished by then are not committed. The partition's next owner gets them again. During the
    /// wait the bridge takes no record of any partition, and the whole group waits too. Set it to little more than a
    /// request usually takes.
    #[must_use]
    pub fn revocation_timeout(mut self, timeout: Duration) -> Self {
        self.settings.revocation_timeout = timeout;
        self
    }

    /// Sets how often finished offsets are committed, 200 ms by default.
    #[must_use]
    pub fn commit_interval(mut self, interval: Duration) -> Self {
        self.settings.commit_interval = interval;
        self
    }

    /// Sets what happens to records without a return address. Skipped records go to the dead-letter topic if there is
    /// one.
    #[must_use]
    pub fn without_reply_to(mut self, without: WithoutReplyTo) -> Self {
        self.settings.without_reply_to = without;
        self
    }

    /// Sets whether a reply has the key of its request, `true` by default.
    #[must_use]
    pub fn reply_key(mut self, carry: bool) -> Self {
        self.settings.reply_key = carry;
        self
    }

    /// Sets the request header that names headers to set on the reply, for failures that the bridge itself answers.
    ///
    /// For the application's own answers, use [`crate::EchoSetHeaderLayer`].
    #[must_use]
    pub fn echo_header(mut self, header: Option<HeaderName>) -> Self {
        self.settings.echo_header = header;
        self
    }

    /// Allows replies to these topics only: exact names, or prefixes that end in `*`.
    ///
    /// The bridge expects a topic with an exact name to exist and to accept replies. While it does not, its replies
    /// wait, and [`crate::Status::obstacles`] lists it. A topic that only a prefix allows is up to the requester: while
    /// it does not accept replies, they are refused.
    ///
    /// By default `<topic>.reply` and `<topic>.reply.*` of each operation's topic are allowed, and the suffixes that
    /// the profiles add with [`ReplyProfile::reply_topic_suffixes`].
    #[must_use]
    pub fn reply_topics<T: Into<String>>(mut self, topics: impl IntoIterator<Item = T>) -> Self {
        self.reply_topics = Some(topics.into_iter().map(Into::into).collect());
        self
    }

    /// Sends records that cannot be answered to a topic, with the cause in their headers. These are records whose reply
    /// is refused, skipped records without a return address, and records that keep failing. A dead letter that is too
    /// large is sent without its value, and the header `dead-letter-value` says so.
    ///
    /// The topic has to exist. The bridge checks that at the start. While the topic is missing, or refuses all dead
    /// letters, [`crate::Status::obstacles`] lists it, and the records that should go there wait.
    ///
    /// The start does not detect a topic that the client may see but not write to, because the client can only ask
    /// whether the topic exists. The first dead letter detects it.
    #[must_use]
    pub fn dead_letter_topic(mut self, topic: impl Into<String>) -> Self {
        self.settings.dead_letter_topic = Some(topic.into());
        self
    }

    /// Sets what happens to requests that fail on the service's side. By default the failure is the answer.
    /// [`FailurePolicy::Retry`] needs a dead-letter topic.
    #[must_use]
    pub fn on_failure(mut self, policy: FailurePolicy) -> Self {
        self.settings.on_failure = policy;
        self
    }

    /// Sets how long a record may be unfinished, or an obstacle may last, before [`crate::Status::health`] reports it.
    /// A record whose reply waits for a broker does not count.
    ///
    /// It has to be longer than a record may take: all attempts with their timeouts, and the waits between them. By
    /// default it is longer by one request timeout, or by 30 s if that is more.
    #[must_use]
    pub fn stuck_after(mut self, age: Duration) -> Self {
        self.settings.stuck_after = Some(age);
        self
    }

    /// Sets a librdkafka property of both clients. It overrides all other settings.
    #[must_use]
    pub fn property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.push(name, value);
        self
    }

    /// Logs in to the brokers with tokens (SASL/OAUTHBEARER) from this source: see [`TokenSource`]. By default there is
    /// none.
    ///
    /// It needs the cargo feature `tls` and the properties `sasl.mechanism=OAUTHBEARER` and
    /// `security.protocol=sasl_ssl`. [`Error::TokenSource`] says which one is missing.
    #[cfg(feature = "kafka")]
    #[must_use]
    pub fn token_source(mut self, source: impl TokenSource) -> Self {
        self.token_source = GivenSource(Some(Arc::new(source)));
        self
    }

    /// Adds several operations, for example those of [`Operation::from_openapi`].
    #[must_use]
    pub fn operations(mut self, operations: impl IntoIterator<Item = Operation>) -> Self {
        self.operations.extend(operations);
        self
    }

    /// Sets the kinds of requesters, [`ReplyProfile::reference`] alone by default.
    ///
    /// The first profile whose reply topic header is on the record decides how the record is answered. If several
    /// profiles share that header, the first one whose partition format matches the record decides.
    #[must_use]
    pub fn profiles(mut self, profiles: impl IntoIterator<Item = ReplyProfile>) -> Self {
        self.settings.profiles = profiles.into_iter().collect();
        self
    }

    /// Passes record headers of a name, or of a prefix that ends in `*`, to the application as request headers.
    ///
    /// Headers that an HTTP front end would set or check are denied by default, see [`crate::HeaderFilter`]. Allow such
    /// a name only if the broker controls who may write to the request topic. Headers that concern a connection or
    /// framing never pass.
    #[must_use]
    pub fn allow_request_header(mut self, pattern: &str) -> Self {
        self.settings.request_headers = self.settings.request_headers.allow(pattern);
        self
    }

    /// Hides record headers of a name, or of a prefix that ends in `*`, from the application.
    #[must_use]
    pub fn deny_request_header(mut self, pattern: &str) -> Self {
        self.settings.request_headers = self.settings.request_headers.deny(pattern);
        self
    }

    /// Sets the record header in which a requester says how long it waits, for example
    /// [`crate::DEFAULT_DEADLINE_HEADER`]. There is none by default, because an application may give any header its own
    /// meaning.
    ///
    /// Its value is a number of milliseconds, in digits, counted from the record's timestamp. It shortens the timeout
    /// of that request and never lengthens it. A request whose deadline has passed is not run, and not retried: its
    /// requester gets a 504, and `kafka_bridge_deadlines_passed_total` counts it. A value that is not such a number is
    /// ignored, and so is the header of a record without a timestamp.
    ///
    /// The timestamp comes from the requester's clock, or from the broker's clock if the topic has
    /// `message.timestamp.type=LogAppendTime`. That clock and the bridge's clock have to agree.
    #[must_use]
    pub fn deadline_header(mut self, header: HeaderName) -> Self {
        self.settings.deadline_header = Some(header);
        self
    }

    /// Sets the `host` header of each request, `localhost` by default. Applications build absolute URLs from it.
    ///
    /// A record's own `host` header never passes.
    #[must_use]
    pub fn host(mut self, host: HeaderValue) -> Self {
        self.settings.host = host;
        self
    }

    /// Connects the bridge to a Kafka cluster by its URL, see [`kafka::Cluster::new`].
    ///
    /// The clients connect in the background, and keep trying while no broker answers. Needs the feature `kafka`.
    ///
    /// # Errors
    ///
    /// Returns an error if settings contradict one another, or if librdkafka refuses one.
    #[cfg(feature = "kafka")]
    pub fn connect(
        self,
        url: &str,
        group_id: &str,
    ) -> Result<Bridge<A, KafkaSource, KafkaSink>, Error> {
        self.check()?;
        if cfg!(panic = "abort") {
            tracing::warn!(
                "built with panic = \"abort\": the process ends if a handler panics, or if a record's header name is \
                 not UTF-8"
            );
        }
        let topics: Vec<&str> = self.operations.iter().map(Operation::topic).collect();
        let label = BridgeLabel::of(&self.settings);
        let cluster = kafka::Cluster::new(url, &self.properties)?.labelled(label);
        let cluster = cluster.authenticated(self.token_source.clone())?;
        cluster.check_reply_size(self.settings.limits.max_reply_bytes)?;
        let policy = self.policy();
        let cluster = cluster.passing_over(policy.kept())?;
        let source = cluster.source(
            group_id,
            &topics,
            self.settings.revocation_timeout,
            self.settings.limits.max_headers,
        )?;
        let dead_letter_topic = self.settings.dead_letter_topic.as_deref();
        let sink = cluster.sink(policy.exact(), dead_letter_topic)?;
        self.join(source, sink, cluster.obstacles())
    }

    /// Connects the bridge to any ports, such as those of [`crate::testing`].
    ///
    /// # Errors
    ///
    /// Returns an error if settings contradict one another.
    pub fn with_ports<Source, Sink>(
        self,
        source: Source,
        sink: Sink,
    ) -> Result<Bridge<A, Source, Sink>, Error> {
        let obstacles = Obstacles::new(BridgeLabel::of(&self.settings));
        self.join(source, sink, obstacles)
    }

    fn join<Source, Sink>(
        self,
        source: Source,
        sink: Sink,
        obstacles: Obstacles,
    ) -> Result<Bridge<A, Source, Sink>, Error> {
        self.check()?;
        let policy = self.policy();
        let stuck_after = self.settings.stuck_after(self.longest_timeout());
        let status = Status::new(stuck_after, obstacles);
        let handling = self.operations.iter().map(Operation::handling).collect();
        let service = RecordService::new(self.app, self.operations, policy, self.settings.clone());
        let ports = (source, sink);
        Ok(Bridge::new(service, ports, self.settings, handling, status))
    }
}
