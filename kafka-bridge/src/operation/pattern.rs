//! Topic patterns. Both librdkafka and this module match topics, so only syntax that both read in the same way is
//! allowed. Pure.

use std::iter::Peekable;
use std::str::Chars;

use regex::Regex;

/// A pattern that matches whole names of topics.
#[derive(Clone, Debug)]
pub(crate) struct TopicPattern(Regex);

impl TopicPattern {
    /// Parses a pattern. Returns the reason if it fails.
    pub(crate) fn parse(pattern: &str) -> Result<Self, String> {
        let inner = pattern.strip_prefix('^').unwrap_or(pattern);
        let inner = inner.strip_suffix('$').unwrap_or(inner);
        if inner.is_empty() {
            return Err("it is empty".to_owned());
        }
        check(inner)?;
        // The parentheses keep alternatives together, and both read them as a group.
        let whole = format!("^({inner})$");
        let regex = Regex::new(&whole).map_err(|error| error.to_string())?;
        Ok(Self(regex))
    }

    /// Returns the pattern that librdkafka subscribes to.
    pub(crate) fn subscription(&self) -> &str {
        self.0.as_str()
    }

    pub(crate) fn is_match(&self, topic: &str) -> bool {
        self.0.is_match(topic)
    }

    /// Returns a common prefix of all names that match. There may be a longer one, because groups and alternatives are
    /// not read.
    pub(crate) fn prefix(&self) -> String {
        let whole = self.0.as_str().strip_prefix("^(");
        let inner = whole.and_then(|own| own.strip_suffix(")$"));
        let inner = inner
            .filter(|inner| !inner.contains('|'))
            .unwrap_or_default();
        let mut prefix = String::new();
        let mut characters = inner.chars();
        while let Some(one) = characters.next() {
            match one {
                '\\' => prefix.extend(characters.next()),
                // It makes the character before it optional.
                '*' | '?' => {
                    prefix.pop();
                    break;
                }
                '-' | '_' => prefix.push(one),
                _ if one.is_ascii_alphanumeric() => prefix.push(one),
                _ => break,
            }
        }
        prefix
    }
}

/// Refuses syntax that POSIX and Rust read in different ways: escapes of letters and digits, groups that begin with
/// `(?`, lazy repetitions, inner anchors, and all but characters and ranges in brackets.
fn check(inner: &str) -> Result<(), String> {
    let refuse = |what: &str| Err(format!("{what} is not supported"));
    let mut characters = inner.chars().peekable();
    let mut repeats = false;
    while let Some(one) = characters.next() {
        let next = characters.peek().copied();
        let repeated = std::mem::take(&mut repeats);
        match one {
            '\\' => match characters.next() {
                Some('.' | '-' | '_') => {}
                _ => return refuse("an escape of a character other than . - _"),
            },
            '(' if next == Some('?') => return refuse("a group that begins with (?"),
            '*' | '+' | '?' if repeated => return refuse("a repetition of a repetition"),
            '*' | '+' | '?' => repeats = true,
            '[' => bracket(&mut characters)?,
            '(' | ')' | '|' | '.' | '-' | '_' => {}
            other if other.is_ascii_alphanumeric() => {}
            other => return refuse(&format!("`{other}`")),
        }
    }
    Ok(())
}

/// Reads a bracket expression to its end: characters, ranges, and a `-` in the first or last place.
fn bracket(characters: &mut Peekable<Chars<'_>>) -> Result<(), String> {
    characters.next_if_eq(&'^');
    let is_plain = |one: &char| one.is_ascii_alphanumeric() || matches!(one, '.' | '_');
    let mut is_first = true;
    loop {
        match characters.next() {
            Some(']') if !is_first => return Ok(()),
            Some('-') if is_first => {}
            Some(one) if is_plain(&one) => {
                // A range, or the last place.
                if characters.next_if_eq(&'-').is_some()
                    && characters.next_if(is_plain).is_none()
                    && characters.peek() != Some(&']')
                {
                    return Err("brackets hold single characters and ranges such as a-z".to_owned());
                }
            }
            _ => {
                return Err(
                    "brackets hold letters, digits and . _ -, and are closed by ]".to_owned(),
                );
            }
        }
        is_first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, topic: &str) -> bool {
        TopicPattern::parse(pattern).unwrap().is_match(topic)
    }

    #[test]
    fn all_names_that_match_begin_alike() {
        let prefix = |pattern| TopicPattern::parse(pattern).unwrap().prefix();
        assert_eq!(prefix(r"^eu\.orders-[0-9]+$"), "eu.orders-");
        assert_eq!(prefix("orders.*"), "orders");
        assert_eq!(prefix("orders+x"), "orders");
        for (pattern, expected) in [("orders*", "order"), ("a?b", ""), ("orders|others", "")] {
            assert_eq!(prefix(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_matches_whole_names() {
        for pattern in [r"orders\.[a-z]+", r"^orders\.[a-z]+$", r"a|orders\.(eu|us)"] {
            assert!(matches(pattern, "orders.eu"), "{pattern}");
            for other in ["orders.eu.x", "my-orders.eu", "orders-eu", "orders."] {
                assert!(!matches(pattern, other), "{pattern}: {other}");
            }
        }
        let pattern = TopicPattern::parse("a|b").unwrap();
        assert_eq!(pattern.subscription(), "^(a|b)$");
    }

    #[test]
    fn what_two_matchers_read_differently_is_refused() {
        for pattern in [
            "",
            "^",
            "^$",
            r"\d+",
            r"a\",
            r"\1",
            "(?i)a",
            "(?=a)",
            "a+?",
            "a**",
            "a$b",
            "^^a",
            "a{2}",
            "[a",
            "[]",
            "[^]",
            "[a&&b]",
            r"[\d]",
            "[[:alpha:]]",
            "[a--b]",
            "[a-c-e]",
            "[a-",
            "a b",
            "a/b",
            "\u{e9}",
            "(a",
            "a)",
            "*a",
            "+",
        ] {
            assert!(TopicPattern::parse(pattern).is_err(), "{pattern:?}");
        }
        for pattern in ["[^a-c.]+", "[a-z_.-]*", "a?b+", "(a|b)*c", r"a\.b\-c\_d"] {
            let parsed = TopicPattern::parse(pattern);
            assert!(parsed.is_ok(), "{pattern:?}: {:?}", parsed.err());
        }
    }
}
