//! Which HTTP method, path and query a topic stands for.

mod error;
mod openapi;
pub(crate) mod path;
pub(crate) mod pattern;
mod target;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Uri};

pub use self::error::OperationError;
use crate::http::problem::Problem;
use crate::operation::pattern::TopicPattern;
use crate::operation::target::Target;
use crate::settings::Handling;
use crate::{Dispatch, Headers};

/// Maps a topic to an HTTP operation: records of the topic become requests of that method and path.
///
/// A path may have parameters. Each is filled by the record header of its own name, or by the one
/// that [`Operation::path_parameter`] names; a record without a usable value is answered with
/// status 400. Values are percent-encoded, so that none reaches beyond its place.
///
/// # Examples
///
/// ```
/// use http::Method;
/// use kafka_bridge::Operation;
///
/// let create = Operation::post("createOrder", "/orders")?;
/// let update = Operation::new("updateOrder", Method::PUT, "/orders/{id}")?
///     .path_parameter("id", "order-id")?
///     .query_parameter("dry-run", "x-dry-run");
/// assert_eq!((create.topic(), update.topic()), ("createOrder", "updateOrder"));
/// # Ok::<(), kafka_bridge::OperationError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Operation {
    /// The pattern's text where there is one.
    topic: Arc<str>,
    pattern: Option<TopicPattern>,
    method: Method,
    target: Target,
    time_limit: Option<Duration>,
    dispatch: Option<Dispatch>,
    max_in_flight: Option<usize>,
    reply_topic: Option<Arc<str>>,
}

impl Operation {
    /// Maps `topic` to a method and an absolute path, which may have parameters: `/orders/{id}`.
    ///
    /// # Errors
    ///
    /// Fails if Kafka would refuse the topic's name, if the path is not absolute, and if its braces
    /// are not those of parameters.
    pub fn new(topic: &str, method: Method, path: &str) -> Result<Self, OperationError> {
        if !is_legal_topic(topic) {
            return Err(OperationError::Topic(topic.to_owned()));
        }
        let target = Target::parse(path).map_err(|reason| match reason {
            None => OperationError::Path(path.to_owned(), topic.to_owned()),
            Some(reason) => OperationError::Template {
                path: path.to_owned(),
                topic: topic.to_owned(),
                reason,
            },
        })?;
        Ok(Self {
            topic: topic.into(),
            pattern: None,
            method,
            target,
            time_limit: None,
            dispatch: None,
            max_in_flight: None,
            reply_topic: None,
        })
    }

    /// Maps all topics whose whole name matches a pattern. New topics are found within
    /// `topic.metadata.refresh.interval.ms`, 10 s unless set.
    ///
    /// A pattern has characters of topic names, `.` for any one, `\.` for a dot, brackets, groups, `|`, `*`, `+`, `?`.
    ///
    /// It never matches internal topics (`__*`), the dead-letter topic, and topics that replies may go to by the allow
    /// list: `<topic>.reply` and `<topic>.reply.*` by default, whatever `<topic>` is. An operation of a topic's own goes
    /// first, then the first operation whose pattern matches. Patterns need `group.protocol=classic`, the default.
    ///
    /// # Errors
    ///
    /// Fails with [`OperationError::Pattern`] on a pattern with anything else, and as [`Operation::new`] on the path.
    ///
    /// # Examples
    ///
    /// ```
    /// use http::Method;
    /// use kafka_bridge::Operation;
    ///
    /// let orders = Operation::pattern(r"orders\.[a-z]+", Method::POST, "/orders")?;
    /// # Ok::<(), kafka_bridge::OperationError>(())
    /// ```
    pub fn pattern(pattern: &str, method: Method, path: &str) -> Result<Self, OperationError> {
        let parsed = TopicPattern::parse(pattern).map_err(|reason| OperationError::Pattern {
            pattern: pattern.to_owned(),
            reason,
        })?;
        // The topic is for messages only here.
        let operation = Self::new("pattern", method, path)?;
        Ok(Self {
            topic: parsed.subscription().into(),
            pattern: Some(parsed),
            ..operation
        })
    }

    /// Maps `topic` to `POST path`, the usual case.
    ///
    /// # Errors
    ///
    /// As [`Operation::new`].
    pub fn post(topic: &str, path: &str) -> Result<Self, OperationError> {
        Self::new(topic, Method::POST, path)
    }

    /// Fills a path parameter from the record header of another name than its own.
    ///
    /// # Errors
    ///
    /// Fails if the path has no such parameter.
    pub fn path_parameter(mut self, parameter: &str, header: &str) -> Result<Self, OperationError> {
        if self.target.fill_from(parameter, header) {
            return Ok(self);
        }
        Err(OperationError::UnknownParameter {
            parameter: parameter.to_owned(),
            topic: self.topic.to_string(),
        })
    }

    /// Adds `parameter=value` to the query for each record header of that name; none adds nothing.
    #[must_use]
    pub fn query_parameter(mut self, parameter: &str, header: &str) -> Self {
        self.target.add_query(parameter, header);
        self
    }

    /// Takes the query, as it is and without a question mark, from a record header; a record
    /// without it has none. What is no legal query is answered with status 400.
    #[must_use]
    pub fn query_header(mut self, header: &str) -> Self {
        self.target.take_query(header);
        self
    }

    /// Sets how long the application may take for a request of this operation before the requester gets 504; by default
    /// what [`crate::Builder::request_timeout`] says. It may be longer than that. Zero is refused when the bridge is built.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use kafka_bridge::Operation;
    ///
    /// let report = Operation::post("makeReport", "/reports")?.timeout(Duration::from_secs(300));
    /// # Ok::<(), kafka_bridge::OperationError>(())
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.time_limit = Some(timeout);
        self
    }

    /// Sets the dispatch mode of this operation's records; by default they share that of [`crate::Builder::dispatch`], and
    /// in `serial` also its one record at a time.
    ///
    /// Records of other operations then neither wait for this one's nor are in any order with them.
    ///
    /// # Examples
    ///
    /// ```
    /// use kafka_bridge::{Dispatch, Operation};
    ///
    /// let charge = Operation::post("charge", "/charges")?.dispatch(Dispatch::Keyed);
    /// let report = Operation::post("makeReport", "/reports")?.dispatch(Dispatch::Tasks).max_in_flight(4);
    /// # Ok::<(), kafka_bridge::OperationError>(())
    /// ```
    #[must_use]
    pub fn dispatch(mut self, dispatch: Dispatch) -> Self {
        self.dispatch = Some(dispatch);
        self
    }

    /// Sets how many records of this operation may be begun and not finished; by default there is no bound but that of
    /// all operations together, [`crate::Limits::max_in_flight`], which holds in any case. `serial` begins one at a time.
    ///
    /// At the bound, some records more are taken and wait. Then the topic's partitions are paused, and the other
    /// operations go on. What waits counts as in flight, and all operations with such a bound leave at least half of
    /// the room above their bounds to the others. Where the bounds together make up [`crate::Limits::max_in_flight`],
    /// there is no such room. librdkafka drops what it has fetched of a paused partition and fetches it again, so a bound
    /// should leave some room. Zero is refused when the bridge is built.
    ///
    /// Two bounds are everyone's all the same: bytes, and [`crate::Limits::max_uncommitted`]. One record that does not end,
    /// while others of its partition do, closes intake for all operations once so many are finished behind it.
    #[must_use]
    pub fn max_in_flight(mut self, records: usize) -> Self {
        self.max_in_flight = Some(records);
        self
    }

    /// Sets the topic that replies go to whose requesters name none; by default there is no such topic, and
    /// [`crate::Builder::without_reply_to`] says what becomes of their records.
    ///
    /// A record that names a topic is answered there, or refused: the record's own word goes first. The topic is on the
    /// allow-list and counts as typed by the operator, so it has to exist: see [`crate::Builder::reply_topics`]. The
    /// reply's headers are those of the first profile whose correlation header is in the record. If there is none, it
    /// is the first profile.
    ///
    /// # Errors
    ///
    /// Fails with [`OperationError::Topic`] if Kafka would refuse the topic's name. That it is consumed here, internal or
    /// the dead-letter topic is found when the bridge is built: [`crate::Error::ReplyTopic`].
    pub fn reply_topic(mut self, topic: &str) -> Result<Self, OperationError> {
        if !is_legal_topic(topic) {
            return Err(OperationError::Topic(topic.to_owned()));
        }
        self.reply_topic = Some(topic.into());
        Ok(self)
    }

    /// Returns the topic of replies to records that name none.
    pub(crate) fn default_reply_topic(&self) -> Option<&Arc<str>> {
        self.reply_topic.as_ref()
    }

    /// Returns what is set of how this operation's records are handled.
    pub(crate) fn handling(&self) -> Handling {
        Handling {
            topic: Arc::clone(&self.topic),
            pattern: self.pattern.clone(),
            dispatch: self.dispatch,
            max_in_flight: self.max_in_flight,
        }
    }

    pub(crate) fn time_limit(&self) -> Option<Duration> {
        self.time_limit
    }

    pub(crate) fn topic_pattern(&self) -> Option<&TopicPattern> {
        self.pattern.as_ref()
    }

    /// Returns the topic's name, or the pattern as librdkafka is given it: `^(orders\.[a-z]+)$`.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    /// Makes the request's target of a record's headers.
    pub(crate) fn uri(&self, headers: &Headers) -> Result<Uri, Problem> {
        self.target.uri(headers)
    }
}

/// Returns whether Kafka accepts the name (`org.apache.kafka.common.internals.Topic`).
pub(crate) fn is_legal_topic(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !name.is_empty() && name.len() <= 249 && name != "." && name != ".." && name.bytes().all(legal)
}
