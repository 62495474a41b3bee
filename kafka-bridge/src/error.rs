//! What can end a bridge, or keep it from starting. Bad records do neither.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use kafka_cluster_url::{NeedsTls, UrlError};

/// Why a bridge could not be built or had to stop.
///
/// `Debug` is the sentence with its causes: that is what `fn main() -> Result<(), Box<dyn Error>>` prints.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No operation was mapped, so there is nothing to serve.
    #[error("no operation: map at least one topic with Builder::operation")]
    NoOperation,
    /// No reply profile was given, so no record has a return address.
    #[error("no reply profile: give Builder::profiles at least one, or leave it out")]
    NoProfile,
    /// Two operations share a topic.
    #[error("topic `{0}` is mapped twice")]
    DuplicateTopic(String),
    /// A bound of zero would never let a record through.
    #[error("{0} must be at least 1")]
    ZeroBound(&'static str),
    /// The dead-letter topic is consumed by this bridge, or Kafka would refuse its name.
    #[error("`{0}` cannot be the dead-letter topic: it is consumed here or no legal topic name")]
    DeadLetterTopic(String),
    /// An operation's reply topic is one that no reply may go to.
    #[error(
        "`{0}` cannot be an operation's reply topic: it is consumed here, internal or the dead-letter topic"
    )]
    ReplyTopic(String),
    /// An entry of `Builder::reply_topics` keeps for replies what is to be consumed beside a pattern of topics.
    #[error(
        "`{entry}` of the reply topics keeps `{consumed}` for replies, which a bridge with a pattern of topics would \
         consume: name the reply topics more narrowly"
    )]
    KeptForReplies {
        /// The entry, or the topic itself where a profile's suffix keeps it.
        entry: String,
        /// The operation's topic, or pattern.
        consumed: String,
    },
    /// Requests are to be tried again, and there is nowhere to put those that fail for good.
    #[error("retrying needs a dead-letter topic for the records that keep failing")]
    RetryWithoutDeadLetter,
    /// The broker URL is not understood; what is wrong with it is told, and nothing repeated that may
    /// be a password.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A URL or property asks for TLS or SCRAM, and librdkafka was built without OpenSSL.
    #[error(transparent)]
    WithoutTls(#[from] NeedsTls),
    /// A librdkafka property that the delivery guarantee rests on was overridden.
    #[error("property {name}={value} would break the delivery guarantee: it has to be {required}")]
    Property {
        /// The property's name.
        name: &'static str,
        /// The value that was asked for.
        value: String,
        /// The value that it has to have.
        required: &'static str,
    },
    /// A token source and the properties of SASL/OAUTHBEARER do not agree; what to change is told.
    #[error("token source: {0}")]
    TokenSource(&'static str),
    /// The Kafka client refused its configuration or failed for good.
    #[error("kafka client: {context}")]
    Kafka {
        /// What was being done.
        context: String,
        /// Whether the client refused what it was configured with.
        is_configuration: bool,
        /// The client's own error; its type is no part of this crate's interface.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The consumer, or a thread that it needs, ended early.
    #[error("the consumer's thread ended unexpectedly")]
    SourceGone,
    /// The last commit or the farewell to the group took too long.
    #[error("the consumer was not closed in time; the last offsets may not be committed")]
    CloseTimedOut,
    /// A partition that is taken away may be held longer than the group waits for its member.
    #[error(
        "revocation_timeout ({revocation:?}) must be at least {margin:?} below {property} ({limit:?})"
    )]
    RevocationTimeout {
        /// The revocation time-out that was asked for.
        revocation: Duration,
        /// How far it has to stay below.
        margin: Duration,
        /// The property that it has to stay below.
        property: &'static str,
        /// The property's value in effect.
        limit: Duration,
    },
    /// A record that is still being handled as it should counts as stuck: whoever starts the process
    /// anew then never lets it come to its end.
    #[error(
        "stuck_after ({stuck_after:?}) must be above what a record may take: {attempts} x \
         request_timeout ({request_timeout:?}) and the waits in between make {longest:?}; an operation's own \
         time-out counts if it is longer"
    )]
    StuckAfter {
        /// The age that was asked for.
        stuck_after: Duration,
        /// What a record may take.
        longest: Duration,
        /// How long one attempt may take.
        request_timeout: Duration,
        /// How many attempts there are.
        attempts: u32,
    },
    /// The first wait between attempts is cut to the longest one.
    #[error("first_backoff ({first:?}) must not be above max_backoff ({longest:?})")]
    Backoff {
        /// The first wait.
        first: Duration,
        /// The longest wait.
        longest: Duration,
    },
    /// Replies that the bridge allows are refused by its own producer.
    #[error("max_reply_bytes ({reply}) must be below message.max.bytes ({message})")]
    ReplyBytes {
        /// How large a reply's body may be.
        reply: usize,
        /// How large a record may be.
        message: usize,
    },
    /// A reply can no longer be produced at all.
    #[error("the producer failed for good: {0}")]
    Producer(String),
    /// A task that handled a record ended without a result.
    #[error("a record's task was lost: {0}")]
    TaskLost(String),
}

impl Error {
    /// Returns whether a setting is at fault, rather than the cluster or the network.
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
