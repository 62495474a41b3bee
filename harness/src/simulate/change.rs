//! The change of the service, and its measured effect on the round trips. Pure.

use std::str::FromStr;
use std::time::Duration;

use load_client::compare::Effect;
use serde::{Deserialize, Serialize};

use crate::cli::typed::percentage;

/// How much longer the median round trip should take on the changed side. 0 means no change.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Change(f64);

impl Change {
    /// The baseline against itself.
    pub(super) const NONE: Self = Self(0.0);

    /// Whether both sides are the same (A/A).
    pub(super) fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// The name in a table: `none`, `+3 %`.
    pub(super) fn name(self) -> String {
        match self.is_none() {
            true => "none".to_owned(),
            false => format!("+{} %", percentage(self.0)),
        }
    }

    /// The name on the command line: `aa`, `3%`.
    pub(super) fn typed(self) -> String {
        match self.is_none() {
            true => "aa".to_owned(),
            false => format!("{}%", percentage(self.0)),
        }
    }

    /// The length of the busy loop for this change. The service handles one record at a time, so in a closed loop each
    /// request waits for the handlers of all users: a round trip grows by one busy loop per user.
    pub(super) fn spin(self, median_ms: f64, users: u32) -> Duration {
        let seconds = self.0 * median_ms / 1000.0 / f64::from(users);
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }
}

impl FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "aa" {
            return Ok(Self::NONE);
        }
        let given = text.strip_suffix('%').unwrap_or(text).parse().ok();
        given
            .filter(|percentage| (0.1..=1000.0).contains(percentage))
            .map(|percentage: f64| Self(percentage / 100.0))
            .ok_or_else(|| "takes aa, or a change from 0.1% to 1000% such as 3%".to_owned())
    }
}

/// A measured change of the median round trip, with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Measured {
    pub(super) change: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Measured {
    /// The truth without a change.
    pub(super) const NO_CHANGE: Self = Self {
        change: 0.0,
        low: 0.0,
        high: 0.0,
    };

    pub(super) fn of(effect: &Effect) -> Self {
        Self {
            change: effect.change,
            low: effect.low,
            high: effect.high,
        }
    }

    /// Whether the interval contains that change.
    pub(super) fn holds(&self, change: f64) -> bool {
        (self.low..=self.high).contains(&change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_typed_as_a_percentage_and_named_in_the_table() {
        for (typed, name, again) in [
            ("aa", "none", "aa"),
            ("3", "+3 %", "3%"),
            ("3%", "+3 %", "3%"),
            ("2.5%", "+2.5 %", "2.5%"),
            ("29%", "+29 %", "29%"),
        ] {
            let change: Change = typed.parse().unwrap();
            assert_eq!(
                (change.name().as_str(), change.typed().as_str()),
                (name, again)
            );
            assert_eq!(change.is_none(), typed == "aa");
        }
        for wrong in ["", "0%", "-3%", "x", "%", "NaN", "inf", "1001%"] {
            assert!(wrong.parse::<Change>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_busy_loops_of_all_users_add_up_to_the_change() {
        let spin = |typed: &str, users| typed.parse::<Change>().unwrap().spin(4.0, users);
        assert_eq!(spin("30%", 10), Duration::from_micros(120));
        assert_eq!(spin("30%", 1), Duration::from_micros(1200));
        assert_eq!(spin("3%", 10), Duration::from_micros(12));
        assert_eq!(spin("aa", 10), Duration::ZERO);
    }
}
