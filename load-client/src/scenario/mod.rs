//! What is sent: the requests of a run, one after the other.

mod expect;
mod feeder;
mod file;
mod mix;
mod records;
mod template;
mod wheel;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use serde::de::{DeserializeOwned, IntoDeserializer};
use uuid::Uuid;

use self::feeder::Row;
use crate::load::Share;
use crate::stats::SplitMix64;

pub use expect::{BodyCheck, BodyChecks, StatusSet};

// internal: for the program
pub(crate) use expect::clipped;
pub(crate) use feeder::{Feeder, FeederOrder};
pub(crate) use file::{LoadTable, named_files, parse_name, parse_tag, read_scenario};
pub(crate) use mix::{Body, Kind, Mix};
pub(crate) use records::{Format, Records};
pub(crate) use template::Template;

/// A request, ready to be sent. What is the same for all requests of a run (the return address, for
/// one) is the transport's to add.
///
/// ```
/// use std::sync::Arc;
///
/// use load_client::scenario::Request;
///
/// // Asks for what does not exist, and is answered well by a 404.
/// let request = Request {
///     topic: Some("findOrder".into()),
///     expect: Some(Arc::new("404".parse()?)),
///     ..Request::new(1)
/// };
/// assert_eq!(request.kind, 1);
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which of [`Scenario::kinds`] it is, counted from 0.
    pub kind: u16,
    /// What its reply is told by; never the same twice.
    pub id: Uuid,
    /// The record's key.
    pub key: Option<Bytes>,
    /// Headers of its own.
    pub headers: Vec<(String, Bytes)>,
    /// The body; `None` is a record without a value.
    pub body: Option<Bytes>,
    /// Where it goes; `None` is the run's topic.
    pub topic: Option<Arc<str>>,
    /// Where its reply is to go; `None` is the run's reply topic.
    pub reply_topic: Option<Arc<str>>,
    /// The statuses that answer it well; `None` is what the run expects.
    pub expect: Option<Arc<StatusSet>>,
    /// What the body of its reply must say; `None` is what the run expects.
    pub expect_body: Option<Arc<BodyChecks>>,
}

impl Request {
    /// A request of a kind with an id of its own, and nothing else set.
    #[must_use]
    pub fn new(kind: u16) -> Self {
        Self {
            kind,
            id: Uuid::new_v4(),
            key: None,
            headers: Vec::new(),
            body: None,
            topic: None,
            reply_topic: None,
            expect: None,
            expect_body: None,
        }
    }
}

/// Makes the requests of a run. Asked by every user, so it must be cheap, and may be shared.
///
/// A scenario in code is this trait; the example of the [crate] has one.
pub trait Scenario: Send + Sync + 'static {
    /// The names of the request kinds, by which results are told apart; at least one.
    fn kinds(&self) -> &[String];

    /// The next request of a user, counted from 0; `None` ends the run, because nothing is left to send.
    fn next(&self, user: u32) -> Option<Request>;
}

/// Reads a value of an enum by the name that serde has for it. The error lists all names.
pub(crate) fn by_name<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    T::deserialize(text.into_deserializer()).map_err(|UnknownName(takes)| takes)
}

/// Says which names there are, where serde's own errors repeat the text.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UnknownName(String);

impl serde::de::Error for UnknownName {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    fn unknown_variant(_text: &str, names: &'static [&'static str]) -> Self {
        let (last, others) = names.split_last().unwrap_or((&"nothing", &[]));
        Self(format!("takes {} or {last}", others.join(", ")))
    }
}

/// Says that a file cannot be read which a scenario or the command line names.
fn unreadable(path: &Path, error: &std::io::Error) -> String {
    format!("{} cannot be read: {error}", path.display())
}

/// What all requests of a run draw from. Lock-free, so that users do not wait for each other.
#[derive(Debug)]
struct Values {
    /// Other clients draw the rest of what is numbered.
    share: Share,
    made: AtomicU64,
    /// The state of a [`SplitMix64`]. It is a sum, so that an atomic addition is enough.
    random: AtomicU64,
}

/// What the placeholders of one request stand for.
#[derive(Debug, Clone, Copy)]
struct Draw<'a> {
    values: &'a Values,
    /// The number of the request among those of all clients, counted from 1.
    counter: u64,
    user: u32,
    id: Uuid,
    now: SystemTime,
    /// The row of a feeder that the request has.
    row: Option<Row<'a>>,
}

impl Values {
    fn new(seed: u64, share: Share) -> Self {
        // The first part of several draws what the only client would, and the others something else.
        let apart = match share.index() {
            0 => 0,
            index => SplitMix64::new(u64::from(index)).draw(),
        };
        Self {
            share,
            made: AtomicU64::new(0),
            random: AtomicU64::new(seed.wrapping_add(apart)),
        }
    }

    /// What the next request draws.
    fn draw<'a>(&'a self, user: u32, row: Option<Row<'a>>) -> Draw<'a> {
        Draw {
            values: self,
            counter: self.next_of(&self.made) + 1,
            user,
            id: Uuid::new_v4(),
            now: SystemTime::now(),
            row,
        }
    }

    /// Takes the next of what is numbered from 0, of this client's share.
    fn next_of(&self, taken: &AtomicU64) -> u64 {
        self.share.number_of(taken.fetch_add(1, Ordering::Relaxed))
    }

    /// A number from `low` to `high`, both included. Each is as likely as the others, up to the
    /// range's share of 2^64.
    fn random(&self, low: i64, high: i64) -> i64 {
        let bits =
            SplitMix64::new(self.random.fetch_add(SplitMix64::STEP, Ordering::Relaxed)).draw();
        let count = u128::from(high.abs_diff(low)) + 1;
        let above_low = (u128::from(bits) * count) >> 64;
        // Fits: it is not above the difference of the two.
        low.wrapping_add(above_low as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        let values = Values::new(1_234_567, Share::WHOLE);
        let mut published = SplitMix64::new(1_234_567);
        for _ in 0..3 {
            let offset = published.draw().wrapping_add(1 << 63);
            assert_eq!(values.random(i64::MIN, i64::MAX), offset.cast_signed());
        }
    }

    #[test]
    fn clients_of_one_load_number_their_requests_apart_and_draw_differently() {
        let values = |index| Values::new(1, Share::new(index, 3).unwrap());
        let counters = |values: Values| [0; 3].map(|user| values.draw(user, None).counter);
        assert_eq!(counters(values(0)), [1, 4, 7]);
        assert_eq!(counters(values(2)), [3, 6, 9]);
        let random = |values: Values| [0; 3].map(|_: i32| values.random(1, 1_000_000));
        assert_eq!(random(values(0)), random(Values::new(1, Share::WHOLE)));
        assert_ne!(random(values(0)), random(values(1)));
    }

    #[test]
    fn random_numbers_fill_their_range_and_do_not_leave_it() {
        let values = Values::new(7, Share::WHOLE);
        let mut seen = [0; 11];
        for _ in 0..11_000 {
            let number = values.random(-5, 5);
            seen[usize::try_from(number + 5).unwrap()] += 1;
        }
        assert!(
            seen.iter().all(|count| (850..1150).contains(count)),
            "{seen:?}"
        );
        assert_eq!(values.random(3, 3), 3);
    }

    #[test]
    fn a_seed_repeats_its_numbers() {
        let numbers = |seed| {
            let values = Values::new(seed, Share::WHOLE);
            (0..20).map(move |_| values.random(1, 1_000_000))
        };
        assert!(numbers(1).eq(numbers(1)));
        assert!(numbers(1).ne(numbers(2)));
    }
}
