//! Defines [`Operation`]: the HTTP method, path and query that a topic stands for.

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
/// A path may have parameters. The record header with the parameter's name fills it, or the header that
/// [`Operation::path_parameter`] sets. A record without a usable value gets a status of 400. Values are
/// percent-encoded, so that none can leave its place.
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
    /// The text of the pattern, if there is one.
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
    /// Returns an error if Kafka would refuse the topic's name, if the path is not absolute, or if its braces are not
    /// those of parameters.
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

    /// Maps all topics whose whole name matches a pattern. The bridge finds new topics within
    /// `topic.metadata.refresh.interval.ms`, 10 s by default.
    ///
    /// A pattern may contain the characters of topic names, `.` for any character, `\.` for a dot, brackets, groups,
    /// `|`, `*`, `+` and `?`.
    ///
    /// It never matches internal topics (`__*`), the dead-letter topic, or topics to which the allow list permits
    /// replies: `<topic>.reply` and `<topic>.reply.*` by default, whatever `<topic>` is. An operation with the exact
    /// topic goes first, then the first operation whose pattern matches. Patterns need `group.protocol=classic`, the
    /// default.
    ///
    /// # Errors
    ///
    /// Returns [`OperationError::Pattern`] if the pattern contains anything else, and the errors of [`Operation::new`]
    /// for the path.
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
        // The topic appears only in messages here.
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
    /// Returns the errors of [`Operation::new`].
    pub fn post(topic: &str, path: &str) -> Result<Self, OperationError> {
        Self::new(topic, Method::POST, path)
    }

    /// Fills a path parameter from the record header with this name instead of the parameter's name.
    ///
    /// # Errors
    ///
    /// Returns an error if the path has no such parameter.
    pub fn path_parameter(mut self, parameter: &str, header: &str) -> Result<Self, OperationError> {
        if self.target.fill_from(parameter, header) {
            return Ok(self);
        }
        Err(OperationError::UnknownParameter {
            parameter: parameter.to_owned(),
            topic: self.topic.to_string(),
        })
    }

    /// Adds `parameter=value` to the query for each record header of that name. Without such a header it adds nothing.
    #[must_use]
    pub fn query_parameter(mut self, parameter: &str, header: &str) -> Self {
        self.target.add_query(parameter, header);
        self
    }

    /// Takes the whole query, without a question mark, from a record header. A record without the header has no query.
    /// A value that is not a legal query gets a status of 400.
    #[must_use]
    pub fn query_header(mut self, header: &str) -> Self {
        self.target.take_query(header);
        self
    }

    /// Sets how long the application may take for a request of this operation before the requester gets a 504. By
    /// default [`crate::Builder::request_timeout`] applies, and this timeout may be longer. The builder refuses zero.
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

    /// Sets the dispatch mode of this operation's records. By default they share the mode of
    /// [`crate::Builder::dispatch`], and with `serial` its one record at a time.
    ///
    /// With its own mode, records of other operations do not wait for those of this operation, and have no order with
    /// them.
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

    /// Sets how many records of this operation may be started and unfinished. By default only the limit of all
    /// operations together applies, [`crate::Limits::max_in_flight`], which always holds. `serial` starts one record at
    /// a time.
    ///
    /// At the limit, some more records are taken and wait. Then the topic's partitions are paused, and the other
    /// operations continue. Waiting records count as in flight. All operations with such a limit together leave at
    /// least half of the room above their limits to the others. If the limits add up to
    /// [`crate::Limits::max_in_flight`], there is no such room. librdkafka drops the fetched records of a paused
    /// partition and fetches them again, so a limit should leave some room. The builder refuses zero.
    ///
    /// All operations still share two limits: bytes, and [`crate::Limits::max_uncommitted`]. One record that does not
    /// end closes intake for all operations once that many records of its partition are finished after it.
    #[must_use]
    pub fn max_in_flight(mut self, records: usize) -> Self {
        self.max_in_flight = Some(records);
        self
    }

    /// Sets the topic for replies to records without a return address. By default there is no such topic, and
    /// [`crate::Builder::without_reply_to`] decides about those records.
    ///
    /// A record's own return address goes first: the reply goes there, or it is refused. The topic is on the allow-list
    /// and counts as typed by the operator, so it has to exist: see [`crate::Builder::reply_topics`]. The reply has the
    /// headers of the first profile whose correlation header is in the record, or of the first profile.
    ///
    /// # Errors
    ///
    /// Returns [`OperationError::Topic`] if Kafka would refuse the topic's name. The builder refuses a topic that is
    /// consumed, internal or the dead-letter topic: [`crate::Error::ReplyTopic`].
    pub fn reply_topic(mut self, topic: &str) -> Result<Self, OperationError> {
        if !is_legal_topic(topic) {
            return Err(OperationError::Topic(topic.to_owned()));
        }
        self.reply_topic = Some(topic.into());
        Ok(self)
    }

    /// Returns the topic for replies to records without a return address.
    pub(crate) fn default_reply_topic(&self) -> Option<&Arc<str>> {
        self.reply_topic.as_ref()
    }

    /// Returns this operation's own settings.
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

    /// Returns the topic's name, or the pattern as librdkafka gets it: `^(orders\.[a-z]+)$`.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    /// Makes the request's target from a record's headers.
    pub(crate) fn uri(&self, headers: &Headers) -> Result<Uri, Problem> {
        self.target.uri(headers)
    }
}

/// Returns whether Kafka accepts the name (`org.apache.kafka.common.internals.Topic`).
pub(crate) fn is_legal_topic(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !name.is_empty() && name.len() <= 249 && name != "." && name != ".." && name.bytes().all(legal)
}
