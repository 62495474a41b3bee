//! The pause of a user of a closed loop between its requests: think time or a constant pace.

use std::fmt;
use std::time::Duration;

use crate::load::plan::show;

/// The pause of a user between a reply and its next request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pause {
    /// Sends the next request at once.
    None,
    /// Thinks for a uniformly distributed time.
    Think {
        /// The shortest think time.
        least: Duration,
        /// The longest think time.
        most: Duration,
        /// The seed of the random times.
        seed: u64,
    },
    /// Sends at constant intervals, or at once after a reply that took longer.
    Pace(Duration),
}

/// Continues the text "closed loop".
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
        }
    }
}
