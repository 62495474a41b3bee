//! Rates as people write them: `500/s`, `30/m`, `1.5/s`.

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
    rate.ok_or_else(|| "takes a rate such as 500/s, 30/m or 1.5/s".to_owned())
}

/// Shows a rate in the unit that keeps it readable.
#[must_use]
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
