//! Which HTTP method, path and query a topic stands for.

mod error;
mod openapi;
pub(crate) mod path;
pub(crate) mod pattern;
mod target;

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Uri};

pub use self::error::OperationError;
use crate::Headers;
use crate::http::problem::Problem;
use crate::operation::pattern::TopicPattern;
use crate::operation::target::Target;

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

#[cfg(test)]
mod tests {
    use super::*;

    fn put() -> Operation {
        Operation::new("updateOrder", Method::PUT, "/orders/{id}").unwrap()
    }

    fn uri(operation: &Operation, headers: &[(&str, &str)]) -> Result<String, Problem> {
        let headers: Headers = headers
            .iter()
            .map(|(name, value)| (*name, value.as_bytes().to_vec()))
            .collect();
        operation.uri(&headers).map(|uri| uri.to_string())
    }

    #[test]
    fn refuses_what_kafka_refuses() {
        for name in ["", ".", "..", "a/b", "a b", "é", &"x".repeat(250)] {
            assert_eq!(
                Operation::post(name, "/").map(|_| ()),
                Err(OperationError::Topic(name.to_owned()))
            );
        }
        assert!(is_legal_topic(&"x".repeat(249)));
        assert!(is_legal_topic("a.b_c-D9"));
    }

    #[test]
    fn refuses_a_path_that_is_not_absolute() {
        for path in [
            "orders",
            "",
            "http://elsewhere/orders",
            "/or ders",
            "/orders#x",
            "/orders?{id}",
        ] {
            assert!(
                matches!(Operation::post("t", path), Err(OperationError::Path(..))),
                "{path}"
            );
        }
    }

    #[test]
    fn refuses_broken_templates_and_unknown_parameters() {
        let error = Operation::post("t", "/orders/{id").unwrap_err().to_string();
        assert!(error.contains("`/orders/{id` of topic `t`"), "{error}");
        let error = put().path_parameter("number", "x").unwrap_err().to_string();
        assert_eq!(
            error,
            "the path of topic `updateOrder` has no parameter `{number}`"
        );
    }

    #[test]
    fn a_parameter_is_filled_by_its_own_name_or_by_the_named_header() {
        assert_eq!(uri(&put(), &[("id", "7")]).unwrap(), "/orders/7");
        assert_eq!(uri(&put(), &[("ID", "7")]).unwrap(), "/orders/7");
        let named = put().path_parameter("id", "order-id").unwrap();
        assert_eq!(
            uri(&named, &[("id", "8"), ("order-id", "7")]).unwrap(),
            "/orders/7"
        );
        assert_eq!(uri(&named, &[("id", "8")]).unwrap_err().status, 400);
    }

    #[test]
    fn a_path_value_that_cannot_be_used_is_told_with_the_headers_name() {
        let operation = put().path_parameter("id", "order-id").unwrap();
        let refused = |headers: &Headers, why: &str| {
            let problem = operation.uri(headers).unwrap_err();
            assert_eq!(problem.status, 400);
            assert!(problem.detail.contains("`order-id`"), "{}", problem.detail);
            assert!(problem.detail.contains(why), "{why}: {}", problem.detail);
        };
        let one =
            |value: &[u8]| -> Headers { [("order-id", value.to_vec())].into_iter().collect() };
        refused(&Headers::default(), "missing");
        let mut null = Headers::default();
        null.push_nullable("order-id", None);
        refused(&null, "missing");
        null.push("order-id", "7");
        refused(&null, "missing");
        let twice = [("order-id", "7"), ("Order-Id", "7")];
        refused(&twice.into_iter().collect(), "more than once");
        refused(&one(b""), "empty");
        refused(&one(b"."), "`.`");
        refused(&one(b".."), "`..`");
        refused(&one(b"\xff"), "UTF-8");
    }

    #[test]
    fn query_parameters_are_there_when_their_headers_are() {
        let operation = Operation::new("listOrders", Method::GET, "/orders?v=1")
            .unwrap()
            .query_parameter("limit", "x-limit")
            .query_parameter("a&b", "x-text");
        let uri = |headers: &[(&str, &str)]| uri(&operation, headers).unwrap();
        assert_eq!(uri(&[]), "/orders?v=1");
        assert_eq!(uri(&[("X-Limit", "5")]), "/orders?v=1&limit=5");
        assert_eq!(
            uri(&[
                ("x-text", "x&limit=9#\r\n"),
                ("x-limit", "1"),
                ("x-limit", "")
            ]),
            "/orders?v=1&limit=1&limit=&a%26b=x%26limit%3D9%23%0D%0A"
        );
        let binary: Headers = [("x-limit", vec![0xff_u8])].into_iter().collect();
        let problem = operation.uri(&binary).unwrap_err();
        assert_eq!(problem.status, 400);
        assert!(problem.detail.contains("`x-limit`"));
    }

    #[test]
    fn a_raw_query_is_taken_as_it_is_when_it_is_legal() {
        let operation = put().query_header("x-query");
        let with = |query| uri(&operation, &[("id", "7"), ("x-query", query)]);
        assert_eq!(with("a=b%20c&d").unwrap(), "/orders/7?a=b%20c&d");
        assert_eq!(uri(&operation, &[("id", "7")]).unwrap(), "/orders/7");
        for illegal in ["a b", "a#b", "%zz", "a\r\nHost: x", "\u{e9}"] {
            let problem = with(illegal).unwrap_err();
            assert_eq!(problem.status, 400, "{illegal}");
            assert!(problem.detail.contains("`x-query`"), "{}", problem.detail);
        }
        let twice = uri(
            &operation,
            &[("id", "7"), ("x-query", "a"), ("x-query", "b")],
        );
        assert_eq!(twice.unwrap_err().status, 400);
    }

    #[test]
    fn a_target_that_is_too_long_is_told() {
        let problem = uri(&put(), &[("id", &"x".repeat(70_000))]).unwrap_err();
        assert_eq!(problem.status, 414);
    }
}
