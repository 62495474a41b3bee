//! Defines the settings of a bridge: plain data with defaults, checked when the bridge is built.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use crate::operation::pattern::TopicPattern;
use crate::{DEFAULT_ECHO_HEADER, Error, FailurePolicy, HeaderFilter, ReplyProfile};

/// Decides in what order records are handled, and how many at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dispatch {
    /// One record at a time: its reply is acknowledged before the next record starts. The default.
    #[default]
    Serial,
    /// One spawned task per record, as many as the in-flight limit allows, in no order.
    Tasks,
    /// Like `Tasks`, but records of the same topic, partition and key keep their order: each starts when the reply to
    /// the one before it is acknowledged. Records without a key have no order.
    ///
    /// Waiting records are in flight. Only the in-flight limit restricts the waiting records of one hot key, so that
    /// key can take all room of the operations that share the limit. [`crate::Operation::max_in_flight`] restricts one
    /// operation.
    Keyed,
    /// Like `Keyed`, for all records of a topic's partition, whatever their keys: one record of each assigned partition
    /// at a time.
    ///
    /// Waiting records are in flight. librdkafka returns a partition's fetched records one after the other, so the
    /// backlog of one partition may take all room while the other partitions wait. If many partitions have a backlog,
    /// set `fetch.message.max.bytes` to the size of a few records, or the in-flight limit above the records of a fetch.
    /// [`crate::Operation::max_in_flight`] keeps the backlog of one operation from taking the room of the others.
    Partition,
}

/// Says that a text is not the name of a dispatch mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a dispatch mode: serial, tasks, keyed or partition")]
pub struct ParseDispatchError(String);

impl FromStr for Dispatch {
    type Err = ParseDispatchError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "serial" => Ok(Self::Serial),
            "tasks" => Ok(Self::Tasks),
            "keyed" => Ok(Self::Keyed),
            "partition" => Ok(Self::Partition),
            other => Err(ParseDispatchError(other.to_owned())),
        }
    }
}

impl fmt::Display for Dispatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Serial => "serial",
            Self::Tasks => "tasks",
            Self::Keyed => "keyed",
            Self::Partition => "partition",
        })
    }
}

/// How the records of one topic are handled, if not like those of other topics.
#[derive(Clone, Debug)]
pub(crate) struct Handling {
    pub(crate) topic: Arc<str>,
    /// The pattern, if this applies to all matching topics.
    pub(crate) pattern: Option<TopicPattern>,
    pub(crate) dispatch: Option<Dispatch>,
    pub(crate) max_in_flight: Option<usize>,
}

/// Decides what happens to a record without a return address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WithoutReplyTo {
    /// Does not call the application. The record goes to the dead-letter topic if there is one, because it cannot be
    /// answered. Otherwise it is counted and logged. The default.
    #[default]
    Skip,
    /// Calls the application and drops its answer.
    Process,
}

/// Limits what one record, or all records in flight, may hold.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The maximum number of records delivered and not finished, of all operations together, 1,024 by default.
    /// [`crate::Operation::max_in_flight`] limits one operation.
    pub max_in_flight: usize,
    /// The maximum size in bytes of the records delivered and not finished, and of the replies that wait for the
    /// broker, 64 MiB by default. One record alone may exceed it. Replies that are still to be made count with the mean
    /// size of the latest replies, and the first ones with `max_reply_bytes`. librdkafka holds a copy of each waiting
    /// reply.
    pub max_in_flight_bytes: usize,
    /// The maximum number of delivered records whose commit waits for an unfinished record, 100,000 by default. It
    /// limits how far the others may run ahead of a record that hangs. A crash does not repeat the finished ones for
    /// which a commit has room.
    pub max_uncommitted: usize,
    /// The maximum size of a record's value in bytes, 1 MiB by default. Above it the requester gets a status of 413.
    pub max_request_bytes: usize,
    /// The maximum number of a record's headers, 256 by default. Above it the requester gets a status of 400, if its
    /// return address is within the limit.
    pub max_headers: usize,
    /// The maximum size of a record's headers in bytes, 64 KiB by default. Above it the requester gets a status of 400.
    pub max_header_bytes: usize,
    /// The maximum size of a response's body in bytes, 900 KiB by default. Above it the requester gets a status of 500.
    pub max_reply_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_in_flight: 1024,
            max_in_flight_bytes: 64 << 20,
            max_uncommitted: 100_000,
            // A broker accepts records of about 1 MiB by default (`message.max.bytes`). A reply stays well below that,
            // to leave room for its headers.
            max_request_bytes: 1 << 20,
            max_headers: 256,
            max_header_bytes: 64 << 10,
            max_reply_bytes: 900 << 10,
        }
    }
}

/// Holds the settings of a bridge. Set them one by one with [`crate::Builder`], or all at once with
/// [`crate::Builder::settings`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use kafka_bridge::{Dispatch, Settings};
///
/// let mut settings = Settings::default();
/// settings.dispatch = Dispatch::Keyed;
/// settings.request_timeout = Duration::from_secs(5);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The bridge's name in its metrics, see [`crate::Builder::name`]. `None` by default.
    pub name: Option<String>,
    /// The dispatch mode, `serial` by default.
    pub dispatch: Dispatch,
    /// The limits on memory.
    pub limits: Limits,
    /// How long the application may take for one request before the requester gets a 504, 30 s by default.
    /// [`crate::Operation::timeout`] replaces it for one operation.
    pub request_timeout: Duration,
    /// How long a graceful stop waits for the records in flight, 10 s by default.
    pub drain_timeout: Duration,
    /// How long a revoked partition waits for its records in flight, 3 s by default. Meanwhile the bridge takes no
    /// record of any partition, and the other members of the group wait too.
    pub revocation_timeout: Duration,
    /// How often finished offsets are committed, 200 ms by default.
    pub commit_interval: Duration,
    /// What happens to records without a return address.
    pub without_reply_to: WithoutReplyTo,
    /// Whether a reply has its request's key, `true` by default.
    pub reply_key: bool,
    /// The request header that names headers to set on the reply, for failures that the bridge itself answers.
    /// [`crate::DEFAULT_ECHO_HEADER`] by default; `None` reads no header.
    pub echo_header: Option<HeaderName>,
    /// The topic for records that cannot be answered. It has to exist. Without a topic, the default, such records are
    /// only counted and logged.
    pub dead_letter_topic: Option<String>,
    /// What happens to requests that fail on the service's side. By default the failure is the answer.
    pub on_failure: FailurePolicy,
    /// How long the lowest record of a partition may be unfinished before the bridge counts as unhealthy. With `None`,
    /// the default, it is the time of all attempts with the longest timeout of an operation, plus the waits in between,
    /// plus that timeout or 30 s, whichever is longer.
    pub stuck_after: Option<Duration>,
    /// The kinds of requesters. The first profile whose reply topic header is on a record decides.
    /// [`ReplyProfile::reference`] alone by default.
    pub profiles: Vec<ReplyProfile>,
    /// Which record headers become request headers.
    pub request_headers: HeaderFilter,
    /// The record header in which a requester says how long it waits, in milliseconds from the record's timestamp.
    /// `None` by default.
    pub deadline_header: Option<HeaderName>,
    /// The `host` header of each request, `localhost` by default. A record's own `host` header never passes.
    pub host: HeaderValue,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: None,
            dispatch: Dispatch::default(),
            limits: Limits::default(),
            request_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            revocation_timeout: Duration::from_secs(3),
            commit_interval: Duration::from_millis(200),
            without_reply_to: WithoutReplyTo::default(),
            reply_key: true,
            echo_header: Some(DEFAULT_ECHO_HEADER),
            dead_letter_topic: None,
            on_failure: FailurePolicy::default(),
            stuck_after: None,
            profiles: vec![ReplyProfile::reference()],
            request_headers: HeaderFilter::default(),
            deadline_header: None,
            host: HeaderValue::from_static("localhost"),
        }
    }
}

/// The minimum difference between the derived `stuck_after` and the time that a record may take.
const STUCK_MARGIN: Duration = Duration::from_secs(30);

impl Settings {
    /// Returns how long the handling of a record may normally take: all attempts with their timeouts, and the longest
    /// waits in between.
    fn longest_handling_of(&self, request_timeout: Duration) -> Duration {
        match self.on_failure {
            FailurePolicy::Reply => request_timeout,
            FailurePolicy::Retry(retry) => retry.longest(request_timeout),
        }
    }

    /// Returns the age at which a record counts as stuck. `request_timeout` is the longest of all operations. The
    /// derived age has room for one more request: when a partition comes back, a request of the same key may still be
    /// running.
    pub(crate) fn stuck_after(&self, request_timeout: Duration) -> Duration {
        let margin = request_timeout.max(STUCK_MARGIN);
        let derived = self
            .longest_handling_of(request_timeout)
            .saturating_add(margin);
        self.stuck_after.unwrap_or(derived)
    }

    /// Refuses settings that contradict one another. `request_timeout` is the longest of all operations.
    pub(crate) fn check(&self, request_timeout: Duration) -> Result<(), Error> {
        let limits = &self.limits;
        let bounds = [
            ("max_in_flight", limits.max_in_flight),
            ("max_in_flight_bytes", limits.max_in_flight_bytes),
            ("max_uncommitted", limits.max_uncommitted),
            ("max_headers", limits.max_headers),
            ("max_header_bytes", limits.max_header_bytes),
        ];
        if let Some((name, _)) = bounds.iter().find(|(_, bound)| *bound == 0) {
            return Err(Error::ZeroBound(name));
        }
        let times = [
            ("request_timeout", self.request_timeout),
            ("commit_interval", self.commit_interval),
        ];
        if let Some((name, _)) = times.iter().find(|(_, time)| time.is_zero()) {
            return Err(Error::ZeroBound(name));
        }
        if let FailurePolicy::Retry(retry) = self.on_failure {
            if retry.max_attempts == 0 {
                return Err(Error::ZeroBound("max_attempts"));
            }
            if self.dead_letter_topic.is_none() {
                return Err(Error::RetryWithoutDeadLetter);
            }
            let (first, longest) = (retry.first_backoff, retry.max_backoff);
            if first > longest {
                return Err(Error::Backoff { first, longest });
            }
        }
        let longest = self.longest_handling_of(request_timeout);
        if let Some(stuck_after) = self.stuck_after
            && stuck_after <= longest
            // The longest duration cannot be exceeded, so it is allowed.
            && stuck_after < Duration::MAX
        {
            return Err(Error::StuckAfter {
                stuck_after,
                longest,
                request_timeout,
                attempts: match self.on_failure {
                    FailurePolicy::Reply => 1,
                    FailurePolicy::Retry(retry) => retry.max_attempts,
                },
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_keep_their_order_unless_a_user_asks_for_another() {
        assert_eq!(Dispatch::default(), Dispatch::Serial);
    }

    #[test]
    fn names_round_trip_and_others_are_refused() {
        for name in ["serial", "tasks", "keyed", "partition"] {
            assert_eq!(name.parse::<Dispatch>().unwrap().to_string(), name);
        }
        let error = "parallel".parse::<Dispatch>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`parallel` is not a dispatch mode: serial, tasks, keyed or partition"
        );
    }
}
