//! Defines [`Error`]: what can end a bridge, or keep it from starting. Bad records do neither.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use kafka_cluster_url::{NeedsTls, UrlError};

/// Says why a bridge could not be built or had to stop.
///
/// `Debug` prints the message and its causes, because `fn main() -> Result<(), Box<dyn Error>>` prints `Debug`.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No operation was mapped, so there is nothing to serve.
    #[error("no operation: map at least one topic with Builder::operation")]
    NoOperation,
    /// No reply profile was given, so no record could have a return address.
    #[error("no reply profile: pass at least one to Builder::profiles, or do not call it")]
    NoProfile,
    /// Two operations share a topic.
    #[error("topic `{0}` is mapped twice")]
    DuplicateTopic(String),
    /// A limit is zero, so no record would ever pass.
    #[error("{0} must be at least 1")]
    ZeroBound(&'static str),
    /// The bridge consumes the dead-letter topic, or Kafka would refuse its name.
    #[error(
        "`{0}` cannot be the dead-letter topic: this bridge consumes it, or its name is not legal"
    )]
    DeadLetterTopic(String),
    /// No reply may go to an operation's reply topic.
    #[error(
        "`{0}` cannot be an operation's reply topic: it is consumed by this bridge, internal or the dead-letter topic"
    )]
    ReplyTopic(String),
    /// An entry of `Builder::reply_topics` reserves a topic for replies that a bridge with a topic pattern would
    /// consume.
    #[error(
        "`{entry}` in the reply topics reserves `{consumed}` for replies, but this bridge has a topic pattern and \
         would consume it: use narrower reply topics"
    )]
    KeptForReplies {
        /// The entry, or the topic itself if a profile's suffix reserves it.
        entry: String,
        /// The operation's topic or pattern.
        consumed: String,
    },
    /// Requests are to be retried, but no topic takes the records that keep failing.
    #[error("retrying needs a dead-letter topic for the records that keep failing")]
    RetryWithoutDeadLetter,
    /// The broker URL cannot be parsed. The error does not repeat anything that may be a password.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A URL or property needs TLS or SCRAM, but librdkafka was built without OpenSSL.
    #[error(transparent)]
    WithoutTls(#[from] NeedsTls),
    /// A librdkafka property that the delivery guarantee depends on was overridden.
    #[error("property {name}={value} would break the delivery guarantee: it has to be {required}")]
    Property {
        /// The property's name.
        name: &'static str,
        /// The value that was set.
        value: String,
        /// The value that it must have.
        required: &'static str,
    },
    /// A token source and the properties of SASL/OAUTHBEARER contradict each other. The text says what to change.
    #[error("token source: {0}")]
    TokenSource(&'static str),
    /// The Kafka client refused its configuration or failed permanently.
    #[error("kafka client: {context}")]
    Kafka {
        /// What the client was doing.
        context: String,
        /// Whether the client refused its configuration.
        is_configuration: bool,
        /// The client's own error. Its type is not part of this crate's public interface.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The consumer, or a thread that it needs, ended too early.
    #[error("the consumer's thread ended unexpectedly")]
    SourceGone,
    /// The last commit or leaving the group took too long.
    #[error("the consumer was not closed in time; the last offsets may not be committed")]
    CloseTimedOut,
    /// A revoked partition could be held longer than the group waits for its member.
    #[error(
        "revocation_timeout ({revocation:?}) must be at least {margin:?} below {property} ({limit:?})"
    )]
    RevocationTimeout {
        /// The revocation timeout that was set.
        revocation: Duration,
        /// How far the timeout has to stay below the property.
        margin: Duration,
        /// The name of the property.
        property: &'static str,
        /// The value of the property in effect.
        limit: Duration,
    },
    /// A record could count as stuck while its handling is still within its time. A restart of the process at that
    /// point would never let the record finish.
    #[error(
        "stuck_after ({stuck_after:?}) must be above {longest:?}, the longest time of a record: {attempts} x \
         request_timeout ({request_timeout:?}) and the waits in between (an operation's longer timeout replaces \
         request_timeout)"
    )]
    StuckAfter {
        /// The age that was set.
        stuck_after: Duration,
        /// The longest time that a record may take.
        longest: Duration,
        /// How long one attempt may take.
        request_timeout: Duration,
        /// How many attempts there are.
        attempts: u32,
    },
    /// The first wait between attempts is longer than the longest one.
    #[error("first_backoff ({first:?}) must not be above max_backoff ({longest:?})")]
    Backoff {
        /// The first wait.
        first: Duration,
        /// The longest wait.
        longest: Duration,
    },
    /// The bridge would allow replies that its own producer refuses.
    #[error("max_reply_bytes ({reply}) must be below message.max.bytes ({message})")]
    ReplyBytes {
        /// The maximum size of a reply's body, in bytes.
        reply: usize,
        /// The maximum size of a record, in bytes.
        message: usize,
    },
    /// Replies can no longer be produced at all.
    #[error("the producer failed for good: {0}")]
    Producer(String),
    /// A task that handled a record ended without a result.
    #[error("a record's task was lost: {0}")]
    TaskLost(String),
}

impl Error {
    /// Returns whether a setting is wrong, rather than the cluster or the network.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::NoOperation
            | Self::NoProfile
            | Self::DuplicateTopic(_)
            | Self::ZeroBound(_)
            | Self::DeadLetterTopic(_)
            | Self::ReplyTopic(_)
            | Self::KeptForReplies { .. }
            | Self::RetryWithoutDeadLetter
            | Self::Url(_)
            | Self::WithoutTls(_)
            | Self::RevocationTimeout { .. }
            | Self::StuckAfter { .. }
            | Self::Backoff { .. }
            | Self::ReplyBytes { .. }
            | Self::TokenSource(_)
            | Self::Property { .. } => true,
            Self::Kafka {
                is_configuration, ..
            } => *is_configuration,
            Self::CloseTimedOut | Self::SourceGone | Self::Producer(_) | Self::TaskLost(_) => false,
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut cause = self.source();
        while let Some(one) = cause {
            write!(f, ": {one}")?;
            cause = one.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_is_a_sentence_with_its_causes() {
        let told = format!("{:?}", Error::NoOperation);
        assert_eq!(told, Error::NoOperation.to_string());
        let error = Error::Kafka {
            context: "subscribing".to_owned(),
            is_configuration: false,
            source: "connection refused".into(),
        };
        let told = format!("{error:?}");
        assert_eq!(told, "kafka client: subscribing: connection refused");
    }
}
