//! What requesters of one kind expect of a reply, as plain data: header names and encodings.
//!
//! Not how a profile is chosen for a record (`address`), nor how a reply is made (`response`).

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

/// How a requester writes the partition that it wants its reply on.
///
/// The two can be told apart by the bytes alone, and requesters of both kinds use one header name,
/// so every profile reads either: four bytes of which the first is zero are a big-endian number,
/// ASCII digits are a decimal one. Big-endian numbers of 16,777,216 and more are so not readable;
/// no topic has as many partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartitionEncoding {
    /// Four bytes, the most significant first.
    BigEndian,
    /// ASCII digits.
    Decimal,
}

/// What requesters of one kind write into a request and look for in its reply.
///
/// Several may be active, see [`crate::Builder::profiles`]. Of a name that a profile uses, no
/// application and no echoed header can set the value.
///
/// # Examples
///
/// Clients that were configured to use other names get a profile of their own:
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
    /// What the profile is called in logs and on a command line.
    pub name: String,
    /// The request header that names the topic of the reply.
    pub reply_topic: String,
    /// The request header that names the partition of the reply.
    pub reply_partition: Option<String>,
    /// How requesters of this kind write the partition. It decides between profiles that share a
    /// reply topic header; reading accepts either encoding.
    pub partition_encoding: PartitionEncoding,
    /// The request header that the reply repeats, byte by byte, as its last one. Of repeated ones
    /// the first 16 are repeated, in order, and a null stays a null.
    pub correlation: Option<String>,
    /// The reply header that tells the HTTP status, three digits; always the first.
    pub status: String,
    /// The reply header that tells a failure as JSON text.
    pub error: Option<String>,
    /// Headers that every reply carries.
    pub constants: Vec<(String, Bytes)>,
    /// Names, beside those above, that must not be in a reply: the requester would misread them.
    pub strip: Vec<String>,
    /// Whether a reply of status 204 has a null value instead of an empty one.
    pub null_for_no_content: bool,
    /// Whether failures whose media type is `application/problem+json` are told as `application/json`, which they are as
    /// well: for requesters that decode no other. Those of the application are meant too.
    pub plain_json_failures: bool,
    /// What the reply topics end in that requesters derive from a request topic's name; a trailing
    /// `*` matches any rest. The allow-list of a bridge that is given none is made of them.
    pub reply_topic_suffixes: Vec<String>,
}

impl ReplyProfile {
    /// Returns the profile of the reference client: `reply-to` and `status-code`; correlation is
    /// left to headers that the request asks to be set.
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
            // Tells Java types of the request's headers, which the reply's are not.
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
    /// Its headers are a superset of those that Spring's clients look for, and share their names:
    /// with `nest` before `spring`, both are served in full.
    #[must_use]
    pub fn nest() -> Self {
        Self {
            partition_encoding: PartitionEncoding::Decimal,
            error: Some("kafka_nest-err".to_owned()),
            // A reply is a stream of one: this tells that it is complete.
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

    /// Returns the profile of FastStream's requests. Failures are `application/json`: FastStream decodes no other type
    /// as JSON.
    #[must_use]
    pub fn faststream() -> Self {
        Self {
            plain_json_failures: true,
            ..Self::named("faststream", "reply_to", None, "correlation_id")
        }
    }

    /// Returns every profile that has a name of its own.
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

    /// Iterates over the names that the profile gives a meaning.
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

/// The text names no profile.
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
        // The list in the error's text is the list of profiles.
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
