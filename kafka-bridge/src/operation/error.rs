//! Defines [`OperationError`]: why a topic cannot be mapped to an operation.

/// Says why an operation cannot be mapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OperationError {
    /// The path is not an absolute URI path.
    #[error("operation path `{0}` of topic `{1}` is not an absolute path such as /orders")]
    Path(String, String),
    /// Kafka would refuse the topic's name.
    #[error("`{0}` is not a legal topic name: 1 to 249 of a-z A-Z 0-9 . _ -, not `.` or `..`")]
    Topic(String),
    /// The topic pattern contains something that is not supported.
    #[error("topic pattern `{pattern}`: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The path's braces do not form parameters.
    #[error("operation path `{path}` of topic `{topic}`: {reason}")]
    Template {
        /// The path.
        path: String,
        /// The operation's topic.
        topic: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The path does not have the parameter.
    #[error("the path of topic `{topic}` has no parameter `{{{parameter}}}`")]
    UnknownParameter {
        /// The parameter.
        parameter: String,
        /// The operation's topic.
        topic: String,
    },
    /// An `OpenAPI` document contains something that cannot be mapped.
    #[error("openapi document, {place}: {reason}")]
    Document {
        /// The place in the document.
        place: String,
        /// What is wrong there.
        reason: String,
    },
}
