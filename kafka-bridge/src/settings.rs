//! What a user may set: plain data with defaults, checked when the bridge is built.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use crate::operation::pattern::TopicPattern;
use crate::{DEFAULT_ECHO_HEADER, Error, FailurePolicy, HeaderFilter, ReplyProfile};

/// In what order, and how many at a time, records are handled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dispatch {
    /// One record at a time: its reply is acknowledged before the next record starts. The default.
    #[default]
    Serial,
    /// One spawned task per record, as many as the in-flight bound allows, in no order.
    Tasks,
    /// As `Tasks`, but records of the same topic, partition and key keep their order: each starts
    /// when the reply to the one before it is acknowledged. Records without a key have no order.
    ///
    /// What waits is in flight. Nothing but the in-flight bound holds what one hot key may have waiting, so it can take
    /// all room of the operations that share that bound. [`crate::Operation::max_in_flight`] keeps it to its own.
    Keyed,
    /// As `Keyed`, for all records of a topic's partition, whatever their keys: one record of each assigned
    /// partition at a time. What waits is in flight. librdkafka gives a partition's fetched records one after the
    /// other, so the backlog of one partition may take all room while the others wait. Where many partitions are
    /// behind, set `fetch.message.max.bytes` to what some records take, or the in-flight bound above what a fetch brings.
    /// [`crate::Operation::max_in_flight`] keeps the backlog of one operation from the room of the others.
    Partition,
}

/// The text names no dispatch mode.
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

/// How the records of one topic are handled where that differs from the other topics.
#[derive(Clone, Debug)]
pub(crate) struct Handling {
    pub(crate) topic: Arc<str>,
    /// Where it stands for all topics that match.
    pub(crate) pattern: Option<TopicPattern>,
    pub(crate) dispatch: Option<Dispatch>,
    pub(crate) max_in_flight: Option<usize>,
}

/// What happens to a record that has no return address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WithoutReplyTo {
    /// The application is not called. The record goes to the dead-letter topic if there is one, for it
    /// cannot be answered; else it is counted and logged.
    #[default]
    Skip,
    /// The application is called and its answer dropped.
    Process,
}

/// Bounds on what one record, or all records in flight, may hold.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Records delivered and not finished, of all operations together; [`crate::Operation::max_in_flight`] bounds one.
    pub max_in_flight: usize,
    /// Bytes of the records delivered and not finished, and of the replies that wait for the broker;
    /// one record may pass it alone. Replies that are still to be made count with the mean of the
    /// latest ones, and the first with `max_reply_bytes`. librdkafka holds a copy of each reply that waits.
    pub max_in_flight_bytes: usize,
    /// Records that may be finished behind an unfinished one: how far the others may run ahead of a record that
    /// hangs. A crash does not repeat them as far as a commit has room to name them.
    pub max_uncommitted: usize,
    /// Bytes of a record's value; above it the requester gets status 413.
    pub max_request_bytes: usize,
    /// Headers of a record; above it the requester gets status 400, if its return address is among
    /// the first so many.
    pub max_headers: usize,
    /// Bytes of a record's headers; above it the requester gets status 400.
    pub max_header_bytes: usize,
    /// Bytes of a response's body; above it the requester gets status 500.
    pub max_reply_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_in_flight: 1024,
            max_in_flight_bytes: 64 << 20,
            max_uncommitted: 100_000,
            // A broker accepts records of about 1 MiB by default (`message.max.bytes`). A reply
            // stays well below it, so that its headers find room too.
            max_request_bytes: 1 << 20,
            max_headers: 256,
            max_header_bytes: 64 << 10,
            max_reply_bytes: 900 << 10,
        }
    }
}

/// How a bridge works; set one by one through [`crate::Builder`], or all at once by [`crate::Builder::settings`].
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
    /// What the bridge is called in its metrics; see [`crate::Builder::name`]. `None`, the default, for no name.
    pub name: Option<String>,
    /// The dispatch mode.
    pub dispatch: Dispatch,
    /// Bounds on memory.
    pub limits: Limits,
    /// How long the application may take for one request of an operation without a time-out of its own; after it the
    /// requester gets 504.
    pub request_timeout: Duration,
    /// How long a graceful stop waits for the records in flight.
    pub drain_timeout: Duration,
    /// How long a partition that is taken away waits for its records in flight. Meanwhile no record
    /// comes from any partition, and the other members of the group wait too.
    pub revocation_timeout: Duration,
    /// How often finished offsets are committed.
    pub commit_interval: Duration,
    /// What happens without a return address.
    pub without_reply_to: WithoutReplyTo,
    /// Whether a reply carries its request's key.
    pub reply_key: bool,
    /// The request header whose wishes the bridge's own failure answers honour; `None` for none.
    pub echo_header: Option<HeaderName>,
    /// Where records go that cannot be answered; without it they are counted and logged only. It has to
    /// exist.
    pub dead_letter_topic: Option<String>,
    /// What becomes of requests that fail on the service's side.
    pub on_failure: FailurePolicy,
    /// How long the lowest record of a partition may be unfinished before the bridge counts as
    /// unhealthy; `None` for all attempts up to the longest time-out of an operation, the waits in between, and
    /// the longer of that time-out and 30 s.
    pub stuck_after: Option<Duration>,
    /// What requesters there are; the first whose reply topic header a record has is answered.
    pub profiles: Vec<ReplyProfile>,
    /// Which record headers become request headers.
    pub request_headers: HeaderFilter,
    /// The record header that tells, in milliseconds from the record's timestamp, how long its requester waits; `None`,
    /// the default, for none.
    pub deadline_header: Option<HeaderName>,
    /// The `host` header of each request; `localhost` by default. A record's own header of that name never passes.
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

/// How much longer than a record may take the derived `stuck_after` is, at the least.
const STUCK_MARGIN: Duration = Duration::from_secs(30);

impl Settings {
    /// Returns how long the handling of a record may take without anything being wrong: all attempts
    /// up to their time-outs, and the longest waits in between.
    fn longest_handling_of(&self, request_timeout: Duration) -> Duration {
        match self.on_failure {
            FailurePolicy::Reply => request_timeout,
            FailurePolicy::Retry(retry) => retry.longest(request_timeout),
        }
    }

    /// Returns the age at which a record counts as stuck; `request_timeout` is the longest of all operations. The derived
    /// age has room for one request more. A partition that comes back may still have a request of the same key under way.
    pub(crate) fn stuck_after(&self, request_timeout: Duration) -> Duration {
        let margin = request_timeout.max(STUCK_MARGIN);
        let derived = self
            .longest_handling_of(request_timeout)
            .saturating_add(margin);
        self.stuck_after.unwrap_or(derived)
    }

    /// Refuses settings that defeat one another, where the longest time-out of all operations is given.
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
            // Longer than for ever is nothing.
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
