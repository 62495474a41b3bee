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

/// Collects what a bridge needs; made by [`Bridge::builder`].
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

    /// Serves one more topic.
    #[must_use]
    pub fn operation(mut self, operation: Operation) -> Self {
        self.operations.push(operation);
        self
    }

    /// Replaces all settings, those that were set before by the builder's other methods among them. What is no part of
    /// [`Settings`] stays: operations, reply topics, properties.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Names the bridge in its metrics: each gets the label `bridge` with this value. By default there is no such label.
    ///
    /// Two bridges in one process need names of their own. Without them both set the same gauges, so that each
    /// overwrites what the other has told, and both add to the same counters.
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

    /// Sets all bounds on memory.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Sets how many records of all operations may be in flight, 1,024 by default; at the bound, intake pauses.
    /// [`Operation::max_in_flight`] bounds one operation.
    #[must_use]
    pub fn max_in_flight(mut self, records: usize) -> Self {
        self.settings.limits.max_in_flight = records;
        self
    }

    /// Sets how long the application may take for one request before the requester gets 504; 30 s by default.
    /// [`Operation::timeout`] sets it for one operation. The wait for the application's `poll_ready` is no part of it: while
    /// the application is not ready, no record is taken.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.settings.request_timeout = timeout;
        self
    }

    /// Sets how long a stop waits for records in flight.
    #[must_use]
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.settings.drain_timeout = timeout;
        self
    }

    /// Sets how long a partition that is taken away waits for its records in flight; 3 s by default.
    ///
    /// What is not finished by then is not committed, and comes again at the partition's next owner.
    /// While it waits no record comes from any partition, and the whole group waits too, so it should
    /// be little more than what a request takes as a rule.
    #[must_use]
    pub fn revocation_timeout(mut self, timeout: Duration) -> Self {
        self.settings.revocation_timeout = timeout;
        self
    }

    /// Sets how often finished offsets are committed.
    #[must_use]
    pub fn commit_interval(mut self, interval: Duration) -> Self {
        self.settings.commit_interval = interval;
        self
    }

    /// Sets what happens to records without a return address. Those that are skipped go to the
    /// dead-letter topic if there is one.
    #[must_use]
    pub fn without_reply_to(mut self, without: WithoutReplyTo) -> Self {
        self.settings.without_reply_to = without;
        self
    }

    /// Sets whether a reply carries its request's key; it does by default.
    #[must_use]
    pub fn reply_key(mut self, carry: bool) -> Self {
        self.settings.reply_key = carry;
        self
    }

    /// Sets the request header whose wishes the bridge's own failure answers honour.
    ///
    /// The application's answers are the business of [`crate::EchoSetHeaderLayer`].
    #[must_use]
    pub fn echo_header(mut self, header: Option<HeaderName>) -> Self {
        self.settings.echo_header = header;
        self
    }

    /// Allows replies to these topics only: exact names, or prefixes that end in `*`.
    ///
    /// A topic of an exact name is expected to exist and to take replies: while it does not, what is to go
    /// there waits, and [`crate::Status::obstacles`] has it. A name that only a prefix allows is its
    /// requester's business: while it takes nothing, replies to it are refused.
    ///
    /// By default `<topic>.reply` and `<topic>.reply.*` of each operation's topic are allowed, and
    /// what else the profiles have in [`ReplyProfile::reply_topic_suffixes`].
    #[must_use]
    pub fn reply_topics<T: Into<String>>(mut self, topics: impl IntoIterator<Item = T>) -> Self {
        self.reply_topics = Some(topics.into_iter().map(Into::into).collect());
        self
    }

    /// Sends records that cannot be answered to a topic, with the cause in their headers: those whose
    /// reply is refused, those without a return address that are skipped, and those that keep failing.
    /// A letter that is too large is sent without its value, which the header `dead-letter-value` tells.
    ///
    /// The topic has to exist and is looked for at the start. While it is missing, or refuses all
    /// letters, [`crate::Status::obstacles`] has it, and the records whose letters it is to take wait.
    ///
    /// That a topic may be seen and not written is not found at the start: the client can only ask whether
    /// a topic exists. The first letter finds it.
    #[must_use]
    pub fn dead_letter_topic(mut self, topic: impl Into<String>) -> Self {
        self.settings.dead_letter_topic = Some(topic.into());
        self
    }

    /// Sets what becomes of requests that fail on the service's side; by default the failure is the
    /// answer. [`FailurePolicy::Retry`] needs a dead-letter topic.
    #[must_use]
    pub fn on_failure(mut self, policy: FailurePolicy) -> Self {
        self.settings.on_failure = policy;
        self
    }

    /// Sets how long a record may be unfinished, or an obstacle be there, before
    /// [`crate::Status::health`] tells. A record whose reply waits for a broker does not count.
    ///
    /// It has to be above what a record may take: all attempts up to their time-outs, and the waits
    /// between them. By default it is longer than that by a request time-out, or 30 s if that is more.
    #[must_use]
    pub fn stuck_after(mut self, age: Duration) -> Self {
        self.settings.stuck_after = Some(age);
        self
    }

    /// Sets a librdkafka property of both clients, after all others.
    #[must_use]
    pub fn property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.push(name, value);
        self
    }

    /// Logs in to the brokers by tokens, SASL/OAUTHBEARER, that a source brings: see [`TokenSource`]. None by default.
    ///
    /// Needs the cargo feature `tls`, and the properties `sasl.mechanism=OAUTHBEARER` and `security.protocol=sasl_ssl`:
    /// [`Error::TokenSource`] tells when one is missing.
    #[cfg(feature = "kafka")]
    #[must_use]
    pub fn token_source(mut self, source: impl TokenSource) -> Self {
        self.token_source = GivenSource(Some(Arc::new(source)));
        self
    }

    /// Serves several topics more, say those of [`Operation::from_openapi`].
    #[must_use]
    pub fn operations(mut self, operations: impl IntoIterator<Item = Operation>) -> Self {
        self.operations.extend(operations);
        self
    }

    /// Sets what requesters there are; [`ReplyProfile::reference`] alone by default.
    ///
    /// The first profile whose reply topic header a record has decides how it is answered. Of
    /// profiles that share that header, it is the first whose way to write a partition is the
    /// record's.
    #[must_use]
    pub fn profiles(mut self, profiles: impl IntoIterator<Item = ReplyProfile>) -> Self {
        self.settings.profiles = profiles.into_iter().collect();
        self
    }

    /// Lets record headers of a name, or of a prefix that ends in `*`, become request headers.
    ///
    /// Denied by default is what an HTTP front would set or check, see [`crate::HeaderFilter`].
    /// Allow such a name only where the broker decides who may write to the request topic. What
    /// speaks of a connection or of framing never passes.
    #[must_use]
    pub fn allow_request_header(mut self, pattern: &str) -> Self {
        self.settings.request_headers = self.settings.request_headers.allow(pattern);
        self
    }

    /// Keeps record headers of a name, or of a prefix that ends in `*`, from the application.
    #[must_use]
    pub fn deny_request_header(mut self, pattern: &str) -> Self {
        self.settings.request_headers = self.settings.request_headers.deny(pattern);
        self
    }

    /// Sets the record header by which a requester tells how long it waits, say [`crate::DEFAULT_DEADLINE_HEADER`]; none
    /// by default, because an application may have a meaning of its own for any header.
    ///
    /// Its value is a number of milliseconds, in digits, from the record's timestamp on. It shortens the time-out of that
    /// request and never lengthens it. A request whose time is over is not run: its requester gets 504, and
    /// `kafka_bridge_deadlines_passed_total` counts it. It is not tried again either. What is no such number, and records
    /// without a timestamp, are served as if there were no header.
    ///
    /// The timestamp is by the requester's clock, or by the broker's where the topic has
    /// `message.timestamp.type=LogAppendTime`; the clock of the bridge has to agree with it.
    #[must_use]
    pub fn deadline_header(mut self, header: HeaderName) -> Self {
        self.settings.deadline_header = Some(header);
        self
    }

    /// Sets the `host` header of each request, `localhost` by default: what an application makes absolute URLs with.
    ///
    /// A record's own header of that name never passes.
    #[must_use]
    pub fn host(mut self, host: HeaderValue) -> Self {
        self.settings.host = host;
        self
    }

    /// Joins the bridge to a Kafka cluster, by a URL as [`kafka::Cluster::new`] takes it.
    ///
    /// The clients connect in the background, and go on trying while no broker answers. Needs the feature `kafka`.
    ///
    /// # Errors
    ///
    /// Fails on settings that contradict one another, and on what librdkafka refuses.
    #[cfg(feature = "kafka")]
    pub fn connect(
        self,
        url: &str,
        group_id: &str,
    ) -> Result<Bridge<A, KafkaSource, KafkaSink>, Error> {
        self.check()?;
        if cfg!(panic = "abort") {
            tracing::warn!(
                "built with panic = \"abort\": a panic of a handler, or a record with a header name that is not UTF-8, ends the process"
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

    /// Joins the bridge to any ports, such as those of [`crate::testing`].
    ///
    /// # Errors
    ///
    /// Fails on settings that contradict one another.
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
