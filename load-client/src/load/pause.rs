//! What users of a closed loop do between their requests: think, keep a pace, or take turns with other load clients.

use std::fmt;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::load::plan::show;

/// What a user does between a reply and its next request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pause {
    /// Sends at once.
    None,
    /// Thinks for a time between the two, each as likely as the other.
    Think {
        /// The shortest.
        least: Duration,
        /// The longest.
        most: Duration,
        /// Decides the times.
        seed: u64,
    },
    /// Sends at a constant pace, or at once after a reply that took longer.
    Pace(Duration),
    /// Sends at once, in stretches of time that are its own.
    Turns(Turns),
}

/// As it goes on behind "closed loop".
impl fmt::Display for Pause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => formatter.write_str(", no think time"),
            Self::Think { least, most, .. } if least == most => {
                write!(formatter, ", think time {}", show(*least))
            }
            Self::Think { least, most, .. } => {
                write!(
                    formatter,
                    ", think time {} to {}",
                    show(*least),
                    show(*most)
                )
            }
            Self::Pace(pace) => write!(formatter, ", one request per user each {}", show(*pace)),
            Self::Turns(Turns { place, of, time }) => {
                write!(formatter, " in turns of {}, {place} of {of}", show(*time))
            }
        }
    }
}

/// Which stretches of the machine's monotonic clock are a load client's own, where several take turns: so they measure
/// several services at nearly the same time, and never at the same moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Turns {
    /// Whose turn, from 1 on.
    pub place: u32,
    /// How many take turns.
    pub of: u32,
    /// Length of a turn.
    pub time: Duration,
}

/// The last part of a turn, in which nothing is sent any more: for the replies that are under way.
const END_OF_TURN: f64 = 0.1;

impl Turns {
    /// How long from that moment of the clock until a request may be sent; zero in the client's own turn.
    #[must_use]
    pub fn wait(self, clock: Duration) -> Duration {
        let (time, of) = (self.time.as_nanos(), u128::from(self.of));
        let round = time * of;
        let begin = time * u128::from(self.place - 1);
        let since = (clock.as_nanos() + round - begin) % round;
        if since as f64 <= time as f64 * (1.0 - END_OF_TURN) {
            return Duration::ZERO;
        }
        Duration::from_nanos(u64::try_from(round - since).unwrap_or(u64::MAX))
    }
}

/// The machine's monotonic clock, which all its processes share.
pub(super) fn clock() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_told_by_the_clock_alone() {
        let at = |place, milliseconds| {
            let time = Duration::from_millis(100);
            let turns = Turns { place, of: 2, time };
            turns.wait(Duration::from_millis(milliseconds)).as_millis()
        };
        assert_eq!([0, 50, 90].map(|own| at(1, own)), [0, 0, 0]);
        assert_eq!([91, 100, 199].map(|other| at(1, other)), [109, 100, 1]);
        assert_eq!([0, 99, 100, 190].map(|own| at(2, own)), [100, 1, 0, 0]);
        assert_eq!([191, 1_000_050].map(|other| at(2, other)), [109, 50]);
    }
}
