//! Which HTTP method and path a topic stands for.

use std::sync::Arc;

use http::{Method, Uri};

/// Maps a topic to an HTTP operation: records of the topic become requests of that method and path.
///
/// # Examples
///
/// ```
/// use kafka_bridge::Operation;
///
/// let operation = Operation::post("createOrder", "/orders")?;
/// assert_eq!(operation.topic(), "createOrder");
/// # Ok::<(), kafka_bridge::OperationError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Operation {
    topic: Arc<str>,
    method: Method,
    path: Uri,
}

/// Why an operation cannot be mapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperationError {
    /// The path is no URI path.
    #[error("operation path `{0}` of topic `{1}` is not an absolute path such as /orders")]
    Path(String, String),
    /// The topic has a name that Kafka refuses.
    #[error("`{0}` is not a legal topic name: 1 to 249 of a-z A-Z 0-9 . _ -, not `.` or `..`")]
    Topic(String),
}

impl Operation {
    /// Maps `topic` to a method and an absolute path.
    ///
    /// # Errors
    ///
    /// Fails if Kafka would refuse the topic's name or if the path is not absolute.
    pub fn new(topic: &str, method: Method, path: &str) -> Result<Self, OperationError> {
        if !is_legal_topic(topic) {
            return Err(OperationError::Topic(topic.to_owned()));
        }
        let uri = path
            .starts_with('/')
            .then(|| path.parse::<Uri>().ok())
            .flatten();
        let path = uri.ok_or_else(|| OperationError::Path(path.to_owned(), topic.to_owned()))?;
        Ok(Self {
            topic: topic.into(),
            method,
            path,
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

    /// Returns the topic's name.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    pub(crate) fn path(&self) -> &Uri {
        &self.path
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
        for path in ["orders", "", "http://elsewhere/orders", "/or ders"] {
            assert!(
                matches!(Operation::post("t", path), Err(OperationError::Path(..))),
                "{path}"
            );
        }
    }
}
