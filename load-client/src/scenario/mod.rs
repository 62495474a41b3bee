//! The requests of a run, one after the other.

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

/// A request, ready to be sent. The transport adds what all requests of a run have in common, such as the return
/// address.
///
/// ```
/// use std::sync::Arc;
///
/// use load_client::scenario::Request;
///
/// // Asks for an order that does not exist, so 404 is a good reply.
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
    /// Its index in [`Scenario::kinds`].
    pub kind: u16,
    /// Identifies its reply. It must be unique.
    pub id: Uuid,
    /// The record's key.
    pub key: Option<Bytes>,
    /// Its own headers.
    pub headers: Vec<(String, Bytes)>,
    /// The body. `None` sends a record without a value.
    pub body: Option<Bytes>,
    /// Its topic. `None` means the run's topic.
    pub topic: Option<Arc<str>>,
    /// The topic for its reply. `None` means the run's reply topic.
    pub reply_topic: Option<Arc<str>>,
    /// The statuses of a good reply. `None` means those of the run.
    pub expect: Option<Arc<StatusSet>>,
    /// The conditions on the body of its reply. `None` means those of the run.
    pub expect_body: Option<Arc<BodyChecks>>,
}

impl Request {
    /// Makes a request of a kind with a new id, and nothing else set.
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

/// Makes the requests of a run. Every user calls it, so it must be cheap, and may be shared.
///
/// A scenario in code implements this trait. The example of the [crate] has one.
pub trait Scenario: Send + Sync + 'static {
    /// Returns the names of the request kinds, at least one. They identify the kinds in results.
    fn kinds(&self) -> &[String];

    /// Returns the next request of a user, counted from 0. `None` ends the run, because nothing is left to send.
    fn next(&self, user: u32) -> Option<Request>;
}

/// Parses an enum by the names that serde uses for it. The error lists all names.
pub(crate) fn by_name<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    T::deserialize(text.into_deserializer()).map_err(|UnknownName(takes)| takes)
}

/// An error that lists the names. Serde's own errors repeat the text instead.
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

/// Makes the error for a file that cannot be read.
fn unreadable(path: &Path, error: &std::io::Error) -> String {
    format!("{} cannot be read: {error}", path.display())
}

/// The source of the values in all requests of a run. It needs no lock, so users do not wait for each other.
#[derive(Debug)]
struct Values {
    /// The share of this client in numbered values. Other clients have the rest.
    share: Share,
    made: AtomicU64,
    /// The state of a [`SplitMix64`]. It is a sum, so an atomic addition is enough.
    random: AtomicU64,
}

/// The values for the placeholders of one request.
#[derive(Debug, Clone, Copy)]
struct Draw<'a> {
    values: &'a Values,
    /// The number of the request among those of all clients, from 1.
    counter: u64,
    user: u32,
    id: Uuid,
    now: SystemTime,
    /// The feeder's row for this request.
    row: Option<Row<'a>>,
}

impl Values {
    fn new(seed: u64, share: Share) -> Self {
        // The first part draws the same numbers as a single client. The other parts draw different ones.
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

    /// Draws the values of the next request.
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

    /// Returns the next number, from 0, of this client's share.
    fn next_of(&self, taken: &AtomicU64) -> u64 {
        self.share.number_of(taken.fetch_add(1, Ordering::Relaxed))
    }

    /// Returns a number from `low` to `high`, both included. The probabilities differ by at most the range's share of
    /// 2^64.
    fn random(&self, low: i64, high: i64) -> i64 {
        let bits =
            SplitMix64::new(self.random.fetch_add(SplitMix64::STEP, Ordering::Relaxed)).draw();
        let count = u128::from(high.abs_diff(low)) + 1;
        let above_low = (u128::from(bits) * count) >> 64;
        // It fits, because it is not larger than the difference of the two.
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
