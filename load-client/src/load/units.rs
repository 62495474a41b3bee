//! Rates and times as people write them. Pure.

use std::time::Duration;

/// A time above zero.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration = parse_duration_or_zero(text)
        .ok()
        .filter(|duration| !duration.is_zero());
    duration.ok_or_else(|| "takes a time above 0 such as 300, 30s, 5m or 1h30m".to_owned())
}

/// A time, zero included. A number without a unit is seconds, as in Locust.
pub(crate) fn parse_duration_or_zero(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok();
    let duration = match seconds {
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        None => humantime::parse_duration(text).ok(),
    };
    // A year: beyond it the arithmetic of instants may overflow.
    let duration = duration.filter(|duration| duration.as_secs() <= 366 * 24 * 3600);
    duration.ok_or_else(|| "takes a time such as 300, 30s, 5m or 1h30m".to_owned())
}

/// A time, or a range of times: `100ms`, `50ms..150ms`.
pub(crate) fn parse_times(text: &str) -> Result<(Duration, Duration), String> {
    let (least, most) = text.split_once("..").unwrap_or((text, text));
    let times =
        parse_duration_or_zero(least).and_then(|least| Ok((least, parse_duration_or_zero(most)?)));
    let times = times.ok().filter(|(least, most)| least <= most);
    times.ok_or_else(|| "takes a time such as 100ms, or a range such as 50ms..150ms".to_owned())
}

/// The most requests per second that can be asked for.
const HIGHEST: f64 = 10_000_000.0;

/// Reads a rate; answers requests per second.
///
/// # Errors
///
/// When it is none, in words that say what a rate looks like.
pub(crate) fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = text.trim().split_once('/').and_then(|(count, unit)| {
        let count: f64 = count.trim().parse().ok()?;
        let seconds = match unit.trim() {
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        Some(count / seconds)
    });
    let rate = rate.filter(|rate| (0.0..=HIGHEST).contains(rate));
    rate.ok_or_else(|| "takes a rate such as 500/s, 30/m or 1.5/s, up to 10000000/s".to_owned())
}

/// Shows a rate in the unit that keeps it readable.
pub(crate) fn show_rate(per_second: f64) -> String {
    if per_second >= 1.0 || per_second == 0.0 {
        return format!("{}/s", rounded(per_second));
    }
    if per_second * 60.0 >= 1.0 {
        return format!("{}/m", rounded(per_second * 60.0));
    }
    format!("{}/h", rounded(per_second * 3600.0))
}

fn rounded(rate: f64) -> f64 {
    (rate * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("300").unwrap().as_secs(), 300);
        assert_eq!(parse_duration("1.5").unwrap().as_millis(), 1500);
        assert_eq!(parse_duration("1h30m").unwrap().as_secs(), 5400);
        assert_eq!(parse_duration_or_zero("0s").unwrap(), Duration::ZERO);
        for wrong in ["", "0", "-1", "soon", "nan", "1e30"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn units() {
        assert_eq!(parse_rate("500/s"), Ok(500.0));
        assert_eq!(parse_rate("1.5/s"), Ok(1.5));
        assert_eq!(parse_rate("30/m"), Ok(0.5));
        assert_eq!(parse_rate("90 / h"), Ok(0.025));
        for wrong in ["", "500", "x/s", "-1/s", "nan/s", "inf/s", "5/d", "1e9/s"] {
            assert!(parse_rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shown_as_read() {
        for text in ["500/s", "1.5/s", "30/m", "30/h", "0/s"] {
            assert_eq!(show_rate(parse_rate(text).unwrap()), text);
        }
    }
}
