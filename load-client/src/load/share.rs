//! The part of a load that one client sends when several clients send the load together.

use std::fmt;
use std::str::FromStr;

/// The most clients of one load.
const MOST: u32 = 1000;

/// One of several equal parts of a load. Users are dealt out by their numbers, and so are the requests of a schedule
/// with constant spacing. The requests of Poisson arrivals are dealt out at random, because every N-th of them would
/// come too evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// The number of the part, from 0.
    index: u32,
    of: u32,
}

impl Share {
    /// The part of the only client of a load.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// Returns part `index`, from 0, of `of` parts. `None` if there is no such part, or for more than 1000 parts.
    #[must_use]
    pub fn new(index: u32, of: u32) -> Option<Self> {
        let exists = index < of && of <= MOST;
        exists.then_some(Self { index, of })
    }

    /// Returns whether it is all of the load.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self.of == 1
    }

    /// Returns the number of the part, from 0.
    pub(crate) fn index(self) -> u32 {
        self.index
    }

    /// Returns the number of parts.
    pub(crate) fn of(self) -> u32 {
        self.of
    }

    /// Returns whether the user or request with this number, from 0, belongs to this part.
    pub(crate) fn has(self, number: u64) -> bool {
        number % u64::from(self.of) == u64::from(self.index)
    }

    /// Returns the number among those of all parts of this part's user or request `own`, from 0.
    pub(crate) fn number_of(self, own: u64) -> u64 {
        own * u64::from(self.of) + u64::from(self.index)
    }
}

/// Parses `1/3`, the first of three parts.
impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = || {
            let (place, of) = text.split_once('/')?;
            let place: u32 = place.parse().ok()?;
            Self::new(place.checked_sub(1)?, of.parse().ok()?)
        };
        parsed().ok_or_else(|| {
            format!("takes a part and the number of parts, up to {MOST}, such as 1/3")
        })
    }
}

impl fmt::Display for Share {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.index + 1, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_of_one_part() {
        let parts: Vec<Share> = (0..3).map(|index| Share::new(index, 3).unwrap()).collect();
        for number in 0..30 {
            let owners = parts.iter().filter(|part| part.has(number));
            assert_eq!(owners.count(), 1, "{number}");
        }
        assert_eq!(
            (0..4)
                .map(|own| parts[1].number_of(own))
                .collect::<Vec<_>>(),
            [1, 4, 7, 10]
        );
    }

    #[test]
    fn parts_are_written_as_people_count() {
        assert_eq!("1/3".parse(), Ok(Share { index: 0, of: 3 }));
        assert_eq!("1/1".parse(), Ok(Share::WHOLE));
        assert_eq!(Share { index: 2, of: 3 }.to_string(), "3/3");
        for wrong in ["0/3", "4/3", "1/0", "1", "1/1001", "-1/3", "a/b", "1/2/3"] {
            let refused = wrong.parse::<Share>().unwrap_err();
            assert!(refused.contains("such as 1/3"), "{wrong}: {refused}");
        }
    }
}
