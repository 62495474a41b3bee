//! What is sent: the requests of a run, one after the other.

mod expect;
mod feeder;
mod file;
mod mix;
mod records;
mod template;

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use uuid::Uuid;

pub use expect::{BodyCheck, BodyChecks};

// internal: for messages
pub(crate) use expect::clipped;

pub(crate) use feeder::{Feeder, FeederOrder, Row};
pub(crate) use file::{Goal, LoadTable, parse_name, parse_tag, place_in, read_scenario};
pub(crate) use mix::{Body, Kind, Mix, Part};
pub(crate) use records::{Format, Records, RecordsError};
pub(crate) use template::Template;

/// A request, ready to be sent. What is the same for all requests of a run (the return address, for
/// one) is the transport's to add.
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
/// A scenario in code is this trait:
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use load_client::scenario::{Request, Scenario, StatusSet};
///
/// /// Every third request asks for what does not exist, and is answered well by a 404.
/// struct Orders {
///     kinds: [String; 2],
///     made: AtomicU64,
///     missing: Arc<StatusSet>,
/// }
///
/// impl Scenario for Orders {
///     fn kinds(&self) -> &[String] {
///         &self.kinds
///     }
///
///     fn next(&self, user: u32) -> Option<Request> {
///         let number = self.made.fetch_add(1, Ordering::Relaxed);
///         let body = format!(r#"{{"number":{number},"user":{user}}}"#);
///         if number % 3 < 2 {
///             return Some(Request { body: Some(body.into()), ..Request::new(0) });
///         }
///         Some(Request {
///             body: Some(body.into()),
///             topic: Some("findOrder".into()),
///             expect: Some(Arc::clone(&self.missing)),
///             ..Request::new(1)
///         })
///     }
/// }
///
/// let orders = Orders {
///     kinds: ["create".to_owned(), "find".to_owned()],
///     made: AtomicU64::new(0),
///     missing: Arc::new("404".parse()?),
/// };
/// let kinds: Vec<u16> = (0..6).filter_map(|user| Some(orders.next(user)?.kind)).collect();
/// assert_eq!(kinds, [0, 0, 1, 0, 0, 1]);
/// # Ok::<(), String>(())
/// ```
pub trait Scenario: Send + Sync + 'static {
    /// The names of the request kinds, by which results are told apart; at least one.
    fn kinds(&self) -> &[String];

    /// The next request of a user, counted from 0; `None` ends the run, because nothing is left to send.
    fn next(&self, user: u32) -> Option<Request>;
}

/// Requests that differ in nothing but their id.
#[derive(Debug, Clone)]
pub struct Fixed {
    name: [String; 1],
    body: Bytes,
}

impl Fixed {
    /// Names the one kind, by its topic for example, and gives its body.
    #[must_use]
    pub fn new(name: String, body: Bytes) -> Self {
        Self { name: [name], body }
    }
}

impl Scenario for Fixed {
    fn kinds(&self) -> &[String] {
        &self.name
    }

    fn next(&self, _user: u32) -> Option<Request> {
        Some(Request {
            body: Some(self.body.clone()),
            ..Request::new(0)
        })
    }
}

// Which statuses are good answers.

const TAKES: &str = "takes statuses such as 200, 2xx or 200-204, several of them comma separated";
const MIN_STATUS: u16 = 100;
const MAX_STATUS: u16 = 999;

/// A set of three-digit statuses, written as `2xx`, `200`, `200-204` or several of these.
///
/// ```
/// let good: load_client::scenario::StatusSet = "2xx,404".parse()?;
/// assert_eq!(good.to_string(), "200-299,404");
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSet(Vec<RangeInclusive<u16>>);

impl StatusSet {
    /// Whether a status is one of them.
    pub(crate) fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

impl Default for StatusSet {
    /// HTTP's successes, 2xx.
    fn default() -> Self {
        Self(vec![200..=299])
    }
}

impl FromStr for StatusSet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ranges: Option<Vec<_>> = text.split(',').map(|part| range(part.trim())).collect();
        ranges.map(Self).ok_or_else(|| TAKES.to_owned())
    }
}

impl fmt::Display for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            if range.start() == range.end() {
                write!(f, "{comma}{}", range.start())?;
            } else {
                write!(f, "{comma}{}-{}", range.start(), range.end())?;
            }
        }
        Ok(())
    }
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    if let Some(class) = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX")) {
        let class = class.parse::<u16>().ok();
        let first = class.filter(|class| (1..=9).contains(class))? * 100;
        return Some(first..=first + 99);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.trim().parse::<u16>().ok();
    let range = number(first)?..=number(last)?;
    (*range.start() >= MIN_STATUS && *range.end() <= MAX_STATUS && !range.is_empty())
        .then_some(range)
}

/// The golden ratio in 64 bits, the step of SplitMix64.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// What all requests of a run draw from. Lock-free, so that users do not wait for each other.
#[derive(Debug)]
pub(crate) struct Values {
    made: AtomicU64,
    random: AtomicU64,
}

/// What the placeholders of one request stand for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draw<'a> {
    values: &'a Values,
    /// How many requests were made so far, this one included.
    pub(crate) counter: u64,
    pub(crate) user: u32,
    pub(crate) id: Uuid,
    pub(crate) now: SystemTime,
    /// The row of a feeder that the request has.
    pub(crate) row: Option<Row<'a>>,
}

impl Values {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            made: AtomicU64::new(0),
            random: AtomicU64::new(seed),
        }
    }

    /// What the next request draws.
    pub(crate) fn draw(&self, user: u32, id: Uuid) -> Draw<'_> {
        Draw {
            values: self,
            counter: self.made.fetch_add(1, Ordering::Relaxed) + 1,
            user,
            id,
            now: SystemTime::now(),
            row: None,
        }
    }

    /// A number below `count`, which is above 0.
    fn random_below(&self, count: usize) -> usize {
        let scaled = (u128::from(self.random_bits()) * count as u128) >> 64;
        scaled as usize
    }

    /// SplitMix64 (G. Steele, D. Lea, C. Flood, *Fast splittable pseudorandom number generators*,
    /// OOPSLA 2014): its state is a sum, so that an atomic addition is enough.
    fn random_bits(&self) -> u64 {
        let mut bits = self
            .random
            .fetch_add(STEP, Ordering::Relaxed)
            .wrapping_add(STEP);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }
}

impl Draw<'_> {
    /// A number from `low` to `high`, both included. Each is as likely as the others, up to the
    /// range's share of 2^64.
    pub(crate) fn random(&self, low: i64, high: i64) -> i64 {
        let span = u128::from(high.abs_diff(low)) + 1;
        let scaled = (u128::from(self.values.random_bits()) * span) >> 64;
        let above_low = i128::try_from(scaled).unwrap_or_default();
        i64::try_from(i128::from(low) + above_low).unwrap_or(high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_id_differs() {
        let scenario = Fixed::new("createOrder".to_owned(), Bytes::from_static(b"{}"));
        let next = |user| scenario.next(user).unwrap();
        let (first, mut second) = (next(0), next(1));
        assert_ne!(first.id, second.id);
        second.id = first.id;
        assert_eq!(first, second);
        assert_eq!(scenario.kinds(), ["createOrder"]);
    }

    #[test]
    fn each_form_is_read() {
        let mixed: StatusSet = "200, 201,4xx,500-503".parse().unwrap();
        for good in [200, 201, 400, 499, 500, 503] {
            assert!(mixed.contains(good), "{good}");
        }
        for bad in [199, 202, 399, 504, 0] {
            assert!(!mixed.contains(bad), "{bad}");
        }
        assert_eq!(mixed.to_string(), "200,201,400-499,500-503");
        assert_eq!("2xx".parse(), Ok(StatusSet::default()));
    }

    #[test]
    fn other_text_is_refused() {
        for wrong in [
            "", "2x", "xx", "0xx", "10xx", "99", "1000", "300-200", "200,", "ok", "-1",
        ] {
            assert_eq!(wrong.parse::<StatusSet>(), Err(TAKES.to_owned()), "{wrong}");
        }
    }

    #[test]
    fn the_generator_is_the_published_one() {
        // The first outputs of the authors' reference code (xoshiro.di.unimi.it/splitmix64.c) for
        // the seed 1234567.
        let values = Values::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| values.random_bits()).collect();
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn random_numbers_fill_their_range_and_do_not_leave_it() {
        let values = Values::new(7);
        let draw = values.draw(0, Uuid::nil());
        let mut seen = [0; 11];
        for _ in 0..11_000 {
            let number = draw.random(-5, 5);
            seen[usize::try_from(number + 5).unwrap()] += 1;
        }
        assert!(
            seen.iter().all(|count| (850..1150).contains(count)),
            "{seen:?}"
        );
        assert_eq!(draw.random(3, 3), 3);
        for _ in 0..100 {
            // The widest range does not overflow.
            let _ = draw.random(i64::MIN, i64::MAX);
        }
    }

    #[test]
    fn a_seed_repeats_its_numbers() {
        let numbers = |seed| {
            let values = Values::new(seed);
            let draw = values.draw(0, Uuid::nil());
            (0..20)
                .map(|_| draw.random(1, 1_000_000))
                .collect::<Vec<_>>()
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
    }

    #[test]
    fn the_counter_counts_requests() {
        let values = Values::new(0);
        let counters: Vec<u64> = (0..3)
            .map(|_| values.draw(0, Uuid::nil()).counter)
            .collect();
        assert_eq!(counters, [1, 2, 3]);
    }
}
