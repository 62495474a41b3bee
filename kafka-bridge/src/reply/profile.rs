//! Describes what one kind of requester expects of a reply, as plain data: header names and encodings.
//!
//! `address` chooses a profile for a record, and `response` makes a reply.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

/// Says how a requester writes the partition for its reply.
///
/// The bytes alone distinguish the two encodings, and requesters of both kinds use one header name, so every profile
/// reads both. Four bytes of which the first is zero are a big-endian number, and ASCII digits are a decimal one.
/// Big-endian numbers of 16,777,216 and more are therefore unreadable, but no topic has that many partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartitionEncoding {
    /// Four bytes, the most significant first.
    BigEndian,
    /// ASCII digits.
    Decimal,
}

/// Describes what one kind of requester writes into a request and expects in its reply.
///
/// Several profiles may be active, see [`crate::Builder::profiles`]. Neither an application nor an echoed header can
/// set a header whose name a profile uses.
///
/// # Examples
///
/// Clients with other header names get their own profile:
///
/// ```
/// use kafka_bridge::ReplyProfile;
///
/// let renamed = ReplyProfile {
///     name: "billing".to_owned(),
///     correlation: Some("billing-correlation".to_owned()),
///     ..ReplyProfile::spring()
/// };
/// assert_eq!(renamed.reply_topic, "kafka_replyTopic");
/// assert_eq!("nest".parse(), Ok(ReplyProfile::nest()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyProfile {
    /// The name of the profile in logs and on a command line.
    pub name: String,
    /// The request header that names the topic of the reply.
    pub reply_topic: String,
    /// The request header that names the partition of the reply.
    pub reply_partition: Option<String>,
    /// How this kind of requester writes the partition. It decides between profiles that share a reply topic header.
    /// Both encodings are always read.
    pub partition_encoding: PartitionEncoding,
    /// The request header that the reply repeats unchanged, as its last header. If it occurs several times, the first
    /// 16 are repeated in order. A null value stays null.
    pub correlation: Option<String>,
    /// The reply header with the HTTP status, in three digits. Always the first header.
    pub status: String,
    /// The reply header with a failure as JSON text.
    pub error: Option<String>,
    /// Headers that every reply carries.
    pub constants: Vec<(String, Bytes)>,
    /// Further names that must not be in a reply, because the requester would misread them.
    pub strip: Vec<String>,
    /// Whether a reply of status 204 has a null value instead of an empty one.
    pub null_for_no_content: bool,
    /// Whether failures with the media type `application/problem+json` are sent as `application/json`, which is also
    /// correct. For requesters that decode only that type. Also applies to the application's own failures.
    pub plain_json_failures: bool,
    /// The suffixes that requesters append to a request topic's name to get their reply topic. A trailing `*` matches
    /// any rest. They form the default allow-list of a bridge.
    pub reply_topic_suffixes: Vec<String>,
}

impl ReplyProfile {
    /// Returns the profile of the reference client: `reply-to` and `status-code`. For correlation the request asks for
    /// headers to be set.
    #[must_use]
    pub fn reference() -> Self {
        Self {
            name: "reference".to_owned(),
            reply_topic: "reply-to".to_owned(),
            reply_partition: None,
            partition_encoding: PartitionEncoding::BigEndian,
            correlation: None,
            status: "status-code".to_owned(),
            error: None,
            constants: Vec::new(),
            strip: Vec::new(),
            null_for_no_content: false,
            plain_json_failures: false,
            reply_topic_suffixes: vec![".reply".to_owned(), ".reply.*".to_owned()],
        }
    }

    /// Returns the profile of Spring's `ReplyingKafkaTemplate` with its usual names.
    #[must_use]
    pub fn spring() -> Self {
        Self {
            // Contains Java types for the request's headers, which do not apply to the reply.
            strip: vec!["spring_json_header_types".to_owned()],
            ..Self::named(
                "spring",
                "kafka_replyTopic",
                Some("kafka_replyPartition"),
                "kafka_correlationId",
            )
        }
    }

    /// Returns the profile of SmallRye's and Quarkus' `KafkaRequestReply` with its usual names.
    #[must_use]
    pub fn smallrye() -> Self {
        let mut profile = Self::named(
            "smallrye",
            "REPLY_TOPIC",
            Some("REPLY_PARTITION"),
            "REPLY_CORRELATION_ID",
        );
        profile.reply_topic_suffixes.push("-replies".to_owned());
        profile
    }

    /// Returns the profile of NestJS' `ClientKafka`.
    ///
    /// Its headers are a superset of those that Spring's clients read, and have the same names. `nest` before `spring`
    /// serves both completely.
    #[must_use]
    pub fn nest() -> Self {
        Self {
            partition_encoding: PartitionEncoding::Decimal,
            error: Some("kafka_nest-err".to_owned()),
            // A reply is a stream with one element. This header says that it is complete.
            constants: vec![(
                "kafka_nest-is-disposed".to_owned(),
                Bytes::from_static(&[0]),
            )],
            ..Self::named(
                "nest",
                "kafka_replyTopic",
                Some("kafka_replyPartition"),
                "kafka_correlationId",
            )
        }
    }

    /// Returns the profile of Zilla's `http-kafka` binding with its usual names.
    #[must_use]
    pub fn zilla() -> Self {
        Self {
            status: ":status".to_owned(),
            null_for_no_content: true,
            ..Self::named("zilla", "zilla:reply-to", None, "zilla:correlation-id")
        }
    }

    /// Returns the profile of FastStream's requests. Failures are `application/json`, because FastStream decodes no
    /// other type as JSON.
    #[must_use]
    pub fn faststream() -> Self {
        Self {
            plain_json_failures: true,
            ..Self::named("faststream", "reply_to", None, "correlation_id")
        }
    }

    /// Returns all built-in profiles.
    #[must_use]
    pub fn all() -> [Self; 6] {
        [
            Self::reference(),
            Self::spring(),
            Self::smallrye(),
            Self::nest(),
            Self::zilla(),
            Self::faststream(),
        ]
    }

    fn named(
        name: &str,
        reply_topic: &str,
        reply_partition: Option<&str>,
        correlation: &str,
    ) -> Self {
        Self {
            name: name.to_owned(),
            reply_topic: reply_topic.to_owned(),
            reply_partition: reply_partition.map(str::to_owned),
            correlation: Some(correlation.to_owned()),
            ..Self::reference()
        }
    }

    /// Returns whether only the bridge may write a reply header of that name.
    pub(crate) fn owns(&self, name: &str) -> bool {
        self.owned().any(|own| own.eq_ignore_ascii_case(name))
    }

    /// Iterates over the header names that the profile uses.
    pub(crate) fn owned(&self) -> impl Iterator<Item = &str> {
        let optional = [&self.reply_partition, &self.correlation, &self.error];
        [&self.reply_topic, &self.status]
            .into_iter()
            .chain(optional.into_iter().flatten())
            .chain(self.constants.iter().map(|(name, _)| name))
            .chain(&self.strip)
            .map(String::as_str)
    }
}

/// Says that a text is not the name of a profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a reply profile: reference, spring, smallrye, nest, zilla or faststream")]
pub struct ParseReplyProfileError(String);

impl FromStr for ReplyProfile {
    type Err = ParseReplyProfileError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::all().into_iter();
        all.find(|profile| profile.name == text)
            .ok_or_else(|| ParseReplyProfileError(text.to_owned()))
    }
}

impl fmt::Display for ReplyProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_refused() {
        for profile in ReplyProfile::all() {
            assert_eq!(profile.to_string().parse(), Ok(profile));
        }
        let error = "kafka".parse::<ReplyProfile>().unwrap_err().to_string();
        assert!(
            error.contains("`kafka`") && error.contains("faststream"),
            "{error}"
        );
        // The error's text lists all profiles.
        for profile in ReplyProfile::all() {
            assert!(error.contains(&profile.name), "{profile}");
        }
    }

    #[test]
    fn a_profile_owns_each_name_that_it_uses_in_any_case() {
        let nest = ReplyProfile::nest();
        for name in [
            "kafka_replytopic",
            "KAFKA_REPLYPARTITION",
            "kafka_correlationid",
            "kafka_nest-err",
            "kafka_nest-is-disposed",
            "Status-Code",
        ] {
            assert!(nest.owns(name), "{name}");
        }
        assert!(!nest.owns("x-request-id"));
        assert!(!ReplyProfile::reference().owns("correlation_id"));
    }
}
