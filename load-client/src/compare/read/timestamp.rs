//! When a request was sent, by the files that say it on the wall clock.

/// Reads a moment in seconds: a number of seconds, milliseconds, microseconds or nanoseconds since 1970,
/// told apart by their size, or RFC 3339 with a `T` or a blank. `None` for anything else.
pub(super) fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        let scale = match number {
            // Seconds reach 1e11 in the year 5138, and each smaller unit is a thousand times as many.
            number if !number.is_finite() || number < 0.0 => return None,
            number if number < 1e11 => 1.0,
            number if number < 1e14 => 1e3,
            number if number < 1e17 => 1e6,
            _ => 1e9,
        };
        return Some(number / scale);
    }
    let moment = humantime::parse_rfc3339_weak(text.trim_end_matches("+00:00")).ok()?;
    let since = moment.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notation_of_one_moment() {
        for text in [
            "1700000000.25",
            "1700000000250",
            "1700000000250000",
            "1700000000250000000",
            "2023-11-14T22:13:20.25Z",
            "2023-11-14 22:13:20.250",
            "2023-11-14 22:13:20.25+00:00",
        ] {
            let found = seconds(text).unwrap_or_else(|| panic!("{text}"));
            assert!((found - 1_700_000_000.25).abs() < 1e-6, "{text}: {found}");
        }
        for text in ["", "soon", "-1", "NaN", "14/11/2023"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
