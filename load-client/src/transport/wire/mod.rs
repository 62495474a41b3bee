//! How requests and replies find each other on Kafka: header names, encodings, what counts as good.
//! Pure; the records themselves are made and read elsewhere.
//!
//! Services differ only in these conventions, so that one of any make can be measured unchanged. A
//! [`Profile`] names the conventions of a framework; every part of a [`Wire`] can be set by itself.

mod correlation;
mod outgoing;
mod partition;
mod profile;
#[cfg(test)]
mod tests;

use serde::Serialize;

pub(crate) use correlation::{Correlation, IdFormat, ReplyCorrelation};
pub(crate) use partition::{PartitionEncoding, PartitionHeader};
pub(crate) use profile::Profile;

use crate::scenario::StatusSet;

/// The conventions that requests and replies follow. The default is [`Profile::Reference`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Wire {
    /// The request header that names the topic of the reply.
    pub(crate) reply_to_header: String,
    /// Where a request carries its id.
    pub(crate) correlation: Correlation,
    /// Where a reply carries the id of its request; `None` is the same place.
    pub(crate) reply_correlation: Option<ReplyCorrelation>,
    /// How the id is written.
    pub(crate) correlation_format: IdFormat,
    /// The request header that names the partition of the reply.
    pub(crate) reply_partition_header: Option<PartitionHeader>,
    /// The one partition that replies are asked to come on; `None` leaves it to the service.
    pub(crate) reply_partition: Option<i32>,
    /// The reply header that carries the status; with `None` any reply is good that has no error
    /// header.
    pub(crate) status_header: Option<String>,
    /// The statuses that are good, where a request does not say it by itself.
    #[serde(serialize_with = "as_text")]
    pub(crate) expect_status: StatusSet,
    /// Reply headers that tell a failure by being there.
    pub(crate) error_headers: Vec<String>,
}

impl Wire {
    /// Where a reply carries the id of its request.
    #[must_use]
    pub(crate) fn reply_correlation(&self) -> ReplyCorrelation {
        let same = || self.correlation.of_reply();
        self.reply_correlation.clone().unwrap_or_else(same)
    }

    /// Checks that the parts fit together.
    ///
    /// # Errors
    ///
    /// For parts that contradict each other; the message names the flags that set them.
    pub(crate) fn validated(self) -> Result<Self, String> {
        let bytes = self.correlation_format == IdFormat::UuidBytes;
        let as_text = matches!(
            self.correlation,
            Correlation::Echo(_) | Correlation::Payload(_)
        );
        let reply_as_text = matches!(self.reply_correlation(), ReplyCorrelation::Payload(_));
        if bytes && (as_text || reply_as_text) {
            return Err(
                "--correlation-format: uuid-bytes are no text, which echo and payload need; use uuid or hex"
                    .to_owned(),
            );
        }
        if self.reply_partition.is_some() && self.reply_partition_header.is_none() {
            return Err(
                "--reply-partition: this profile has no header for it; name one by --reply-partition-header"
                    .to_owned(),
            );
        }
        Ok(self)
    }

    /// The header that only the run itself may set under this name, if it is one.
    #[must_use]
    pub(crate) fn own_header(&self, name: &str) -> Option<&str> {
        let correlation = match &self.correlation {
            Correlation::Header(name) => Some(&**name),
            _ => None,
        };
        let partition = self.reply_partition_header.as_ref();
        let own = [
            Some(&*self.reply_to_header),
            correlation,
            partition.map(|header| &*header.name),
        ];
        let mut own = own.into_iter().flatten();
        own.find(|own| own.eq_ignore_ascii_case(name))
    }
}

impl Default for Wire {
    fn default() -> Self {
        Profile::Reference.wire()
    }
}

fn as_text<S: serde::Serializer>(
    value: &impl std::fmt::Display,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
