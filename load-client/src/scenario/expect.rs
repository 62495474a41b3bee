//! The expected replies: their statuses, and the conditions on their bodies.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use regex::bytes::Regex;
use serde::{Serialize, Serializer};
use serde_json::Value;

const TAKES_STATUSES: &str =
    "takes one or more statuses such as 200, 2xx or 200-204, comma separated";

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
    /// Returns whether the set has a status.
    pub(crate) fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

impl Default for StatusSet {
    /// Returns HTTP's successes, 2xx.
    fn default() -> Self {
        Self(vec![200..=299])
    }
}

impl FromStr for StatusSet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ranges: Option<Vec<_>> = text.split(',').map(|part| range(part.trim())).collect();
        ranges.map(Self).ok_or_else(|| TAKES_STATUSES.to_owned())
    }
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let number = |text: &str| text.trim().parse::<u16>().ok();
    if let Some(class) = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX")) {
        let class = class
            .parse::<u16>()
            .ok()
            .filter(|class| (1..=9).contains(class))?;
        return Some(class * 100..=class * 100 + 99);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    (100 <= first && first <= last && last <= 999).then_some(first..=last)
}

impl fmt::Display for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges = self
            .0
            .iter()
            .map(|range| match (range.start(), range.end()) {
                (first, last) if first == last => first.to_string(),
                (first, last) => format!("{first}-{last}"),
            });
        f.write_str(&ranges.collect::<Vec<_>>().join(","))
    }
}

impl Serialize for StatusSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

const TAKES_CHECK: &str = "takes text:TEXT (the body contains it), regex:PATTERN (it matches somewhere), \
                     json:/POINTER=VALUE (the value at a JSON pointer) or json:/POINTER (there is a value)";

/// Shortens a foreign text to one line of limited length, for a message.
pub(crate) fn clipped(text: &str) -> String {
    let text: String = text.chars().take(120).collect();
    text.replace(char::is_control, " ")
}

/// One condition on the body of a reply, written as `text:TEXT`, `regex:PATTERN`, `json:/POINTER=VALUE` or
/// `json:/POINTER`.
///
/// ```
/// let check: load_client::scenario::BodyCheck = "json:/status=paid".parse()?;
/// assert_eq!(check.to_string(), "json:/status=paid");
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone)]
pub struct BodyCheck {
    /// The check as it was written. It identifies the check.
    text: String,
    condition: Condition,
}

#[derive(Debug, Clone)]
enum Condition {
    /// The time is proportional to the body, because the crate does not backtrack. It also bounds the size of the
    /// compiled pattern.
    Matches(Regex),
    /// A JSON pointer (RFC 6901). Without a value, any value there is good.
    Json {
        pointer: String,
        value: Option<Value>,
    },
}

impl BodyCheck {
    /// Returns whether a body meets the condition. `parsed` keeps the parsed body for further checks.
    fn holds(&self, body: &[u8], parsed: &mut Option<Option<Value>>) -> bool {
        match &self.condition {
            Condition::Matches(pattern) => pattern.is_match(body),
            Condition::Json { pointer, value } => {
                // The parser refuses more than 128 levels, so that no body makes the stack overflow.
                let json = parsed.get_or_insert_with(|| serde_json::from_slice(body).ok());
                let found = json.as_ref().and_then(|json| json.pointer(pointer));
                found.is_some_and(|found| value.as_ref().is_none_or(|value| is_equal(found, value)))
            }
        }
    }
}

impl PartialEq for BodyCheck {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for BodyCheck {}

impl fmt::Display for BodyCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for BodyCheck {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for BodyCheck {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let condition = match text.split_once(':') {
            Some(("text", part)) if !part.is_empty() => pattern(&regex::escape(part))?,
            Some(("regex", part)) if !part.is_empty() => pattern(part)?,
            Some(("json", rest)) if rest.starts_with('/') => {
                let (pointer, value) = rest.split_once('=').unzip();
                // A value that is not JSON is a text.
                let read = |text| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
                Condition::Json {
                    pointer: pointer.unwrap_or(rest).to_owned(),
                    value: value.map(read),
                }
            }
            _ => return Err(TAKES_CHECK.to_owned()),
        };
        let text = text.to_owned();
        Ok(Self { text, condition })
    }
}

/// All conditions on the bodies of the replies to a request. Without conditions every body is good.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BodyChecks(pub Vec<BodyCheck>);

impl BodyChecks {
    /// Returns a message about the first condition that does not hold. A reply without a value has an empty body.
    pub(crate) fn broken_by(&self, body: Option<&[u8]>) -> Option<String> {
        let (body, mut parsed) = (body.unwrap_or_default(), None);
        let mut checks = self.0.iter();
        let broken = checks.find(|check| !check.holds(body, &mut parsed))?;
        Some(format!("the body fails {}", clipped(&broken.text)))
    }
}

fn pattern(text: &str) -> Result<Condition, String> {
    let pattern = Regex::new(text).map(Condition::Matches);
    pattern.map_err(|error| {
        // Removes the drawing that points into the pattern.
        let message = error.to_string();
        let reason = message.trim_end().lines().last().unwrap_or_default().trim();
        let reason = reason.strip_prefix("error: ").unwrap_or(reason);
        format!("not a regular expression: {reason}")
    })
}

/// Returns whether two values are equal as JSON: 3 equals 3.0.
fn is_equal(found: &Value, expected: &Value) -> bool {
    if let (Value::Number(one), Value::Number(other)) = (found, expected)
        && (one.is_f64() || other.is_f64())
    {
        return one.as_f64() == other.as_f64();
    }
    found == expected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_statuses_is_read() {
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
    fn invalid_statuses_are_refused() {
        for wrong in [
            "", "2x", "xx", "0xx", "10xx", "2 xx", "99", "1000", "300-200", "200,", "ok", "-1",
        ] {
            let told = wrong.parse::<StatusSet>();
            assert_eq!(told, Err(TAKES_STATUSES.to_owned()), "{wrong}");
        }
    }

    const PAID: &str =
        r#"{"id":7,"status":"paid","items":[{"sku":"a=b","count":3.0}],"note":null}"#;

    fn holds(check: &str, body: &[u8]) -> bool {
        check.parse::<BodyCheck>().unwrap().holds(body, &mut None)
    }

    #[test]
    fn each_form_is_read_and_judged() {
        for (check, expected) in [
            ("text:paid", true),
            ("text:PAID", false),
            ("text:p.id", false),
            (r#"regex:"status":"(paid|open)""#, true),
            (r"regex:(?i)PAID", true),
            ("regex:^paid", false),
            ("json:/status=paid", true),
            (r#"json:/status="paid""#, true),
            ("json:/status=open", false),
            ("json:/id=7", true),
            (r#"json:/id="7""#, false),
            ("json:/items/0/count=3", true),
            ("json:/items/0/sku=a=b", true),
            (r#"json:/items/0={"count":3.0,"sku":"a=b"}"#, true),
            ("json:/items/1", false),
            ("json:/note", true),
            ("json:/note=null", true),
            ("json:/nothing=null", false),
        ] {
            assert_eq!(holds(check, PAID.as_bytes()), expected, "{check}");
        }
    }

    #[test]
    fn hostile_bodies_are_judged_and_no_more() {
        let deep = "[".repeat(100_000);
        for body in [&b""[..], b"\xff\xfe", deep.as_bytes(), b"{", b"null"] {
            for check in ["json:/a", "text:paid", "regex:paid"] {
                assert!(!holds(check, body), "{check}");
            }
        }
        assert!(holds("text:paid", b"\xffpaid\xff"));
        assert!(holds(r"regex:(?-u)\xff\xfe", b"\xff\xfe"));
        // With backtracking, this pattern would never end.
        assert!(!holds(
            "regex:^(a+)+$",
            &[&[b'a'; 100_000][..], b"b"].concat()
        ));
    }

    #[test]
    fn invalid_checks_are_refused() {
        for text in [
            "",
            "paid",
            "text:",
            "regex:",
            "json:",
            "json:status=paid",
            "xml:/a",
        ] {
            let told = text.parse::<BodyCheck>().unwrap_err();
            assert!(told.starts_with("takes text:TEXT"), "{told}");
        }
        let open = "regex:(".parse::<BodyCheck>().unwrap_err();
        assert_eq!(open, "not a regular expression: unclosed group");
        let large = r"regex:\w{1000}{1000}".parse::<BodyCheck>().unwrap_err();
        assert!(large.contains("size limit"), "{large}");
    }

    #[test]
    fn the_first_broken_condition_is_told() {
        let checks = ["json:/id=7", "json:/status=open", "text:nothing"];
        let checks = BodyChecks(checks.map(|own| own.parse().unwrap()).into());
        let told = checks.broken_by(Some(PAID.as_bytes()));
        assert_eq!(told.as_deref(), Some("the body fails json:/status=open"));
        assert_eq!(
            checks.broken_by(None).as_deref(),
            Some("the body fails json:/id=7")
        );
        assert_eq!(BodyChecks::default().broken_by(None), None);
    }
}
