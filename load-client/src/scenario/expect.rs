//! Which statuses are good answers.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

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
    #[must_use]
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
