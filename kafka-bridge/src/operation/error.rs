//! What keeps a topic from being mapped to an operation.

/// Why an operation cannot be mapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OperationError {
    /// The path is no URI path.
    #[error("operation path `{0}` of topic `{1}` is not an absolute path such as /orders")]
    Path(String, String),
    /// The topic has a name that Kafka refuses.
    #[error("`{0}` is not a legal topic name: 1 to 249 of a-z A-Z 0-9 . _ -, not `.` or `..`")]
    Topic(String),
    /// The pattern of topics has something that is not supported.
    #[error("pattern of topics `{pattern}`: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The path is no template.
    #[error("operation path `{path}` of topic `{topic}`: {reason}")]
    Template {
        /// The path.
        path: String,
        /// The operation's topic.
        topic: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A header was named for a parameter that the path does not have.
    #[error("the path of topic `{topic}` has no parameter `{{{parameter}}}`")]
    UnknownParameter {
        /// The parameter.
        parameter: String,
        /// The operation's topic.
        topic: String,
    },
    /// An `OpenAPI` document says something that cannot be mapped.
    #[error("openapi document, {place}: {reason}")]
    Document {
        /// Where in the document.
        place: String,
        /// What is wrong there.
        reason: String,
    },
}
