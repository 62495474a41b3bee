//! What users of a closed loop do between their requests: think, or keep a pace.

use std::fmt;
use std::time::Duration;

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
        }
    }
}
