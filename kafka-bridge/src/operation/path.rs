//! Path templates such as `/orders/{id}`, and the percent-encoding that keeps a value in its place. Pure. `operation`
//! decides where the values come from.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// A path with parameters to fill in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathTemplate(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Parameter(String),
}

impl PathTemplate {
    /// Parses a path. Returns the reason if it fails.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(['{', '}']).unwrap_or(rest.len());
            if end > 0 {
                pieces.push(Piece::Literal(rest[..end].to_owned()));
            }
            rest = &rest[end..];
            if rest.starts_with('}') {
                return Err("a `}` has no `{` before it".to_owned());
            }
            if let Some(inner) = rest.strip_prefix('{') {
                let Some((name, after)) = inner.split_once('}') else {
                    return Err("a `{` has no `}` after it".to_owned());
                };
                check_name(name)?;
                let parameter = Piece::Parameter(name.to_owned());
                if pieces.contains(&parameter) {
                    return Err(format!("parameter `{name}` occurs twice"));
                }
                pieces.push(parameter);
                rest = after;
            }
        }
        Ok(Self(pieces))
    }

    /// Iterates over the names of the parameters in order.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Parameter(name) => Some(name.as_str()),
            Piece::Literal(_) => None,
        })
    }

    /// Fills in the parameters. Each value stays within its segment.
    pub(crate) fn fill<E>(
        &self,
        mut value_of: impl FnMut(&str) -> Result<String, E>,
    ) -> Result<String, E> {
        let mut path = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => path.push_str(text),
                Piece::Parameter(name) => encode(&value_of(name)?, &mut path),
            }
        }
        Ok(path)
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if name.is_empty() || !name.bytes().all(legal) {
        return Err(format!(
            "`{{{name}}}` is not a parameter: its name may contain a-z A-Z 0-9 _ - ."
        ));
    }
    Ok(())
}

/// Keeps the unreserved characters of RFC 3986 (2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Appends a value so that none of its bytes has a meaning in a path or a query.
pub(crate) fn encode(value: &str, text: &mut String) {
    text.extend(utf8_percent_encode(value, RESERVED));
}

/// Returns whether a text is a query by RFC 3986 (3.4), without the question mark.
pub(crate) fn is_query(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = match (byte, after) {
            (b'%', [a, b, after @ ..]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => after,
            (byte, after) if byte.is_ascii_alphanumeric() => after,
            (byte, after) if b"-._~!$&'()*+,;=:@/?".contains(byte) => after,
            _ => return false,
        };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str, value: &str) -> String {
        let template = PathTemplate::parse(template).unwrap();
        template.fill(|_| Ok::<_, ()>(value.to_owned())).unwrap()
    }

    #[test]
    fn fills_parameters_wherever_they_stand() {
        assert_eq!(filled("/orders", "7"), "/orders");
        assert_eq!(filled("/orders/{id}", "7"), "/orders/7");
        assert_eq!(filled("/a/{x}/b/{y}.json", "7"), "/a/7/b/7.json");
        assert_eq!(filled("/{x}-{y}:cancel", "7"), "/7-7:cancel");
    }

    #[test]
    fn h16_no_value_leaves_its_segment() {
        for (value, path) in [
            ("a/b", "/orders/a%2Fb/x"),
            ("../admin", "/orders/..%2Fadmin/x"),
            ("%2e%2E", "/orders/%252e%252E/x"),
            ("a?b=c#d", "/orders/a%3Fb%3Dc%23d/x"),
            ("a b\r\n\0", "/orders/a%20b%0D%0A%00/x"),
            ("\u{e9}", "/orders/%C3%A9/x"),
            ("\\;:@&=+$,", "/orders/%5C%3B%3A%40%26%3D%2B%24%2C/x"),
            ("aZ09-._~", "/orders/aZ09-._~/x"),
        ] {
            assert_eq!(filled("/orders/{id}/x", value), path);
        }
    }

    #[test]
    fn refuses_what_is_no_template() {
        for (template, reason) in [
            ("/orders/{id", "no `}`"),
            ("/orders/id}", "no `{`"),
            ("/orders/{}", "`{}`"),
            ("/orders/{a{b}}", "`{a{b}`"),
            ("/orders/{*rest}", "`{*rest}`"),
            ("/orders/{a b}", "`{a b}`"),
            ("/orders/{id}/{id}", "`id` occurs twice"),
        ] {
            let error = PathTemplate::parse(template).unwrap_err();
            assert!(error.contains(reason), "{template}: {error}");
        }
    }

    #[test]
    fn queries_are_checked_by_character_and_by_escape() {
        for legal in ["", "a=b&c=d", "q=%20%aF", "a=/?:@!$'()*+,;-._~"] {
            assert!(is_query(legal), "{legal}");
        }
        for illegal in [
            "a b", "a#b", "%", "%2", "%2x", "a=\u{e9}", "a\r\nb", "{}", "\"", "[",
        ] {
            assert!(!is_query(illegal), "{illegal}");
        }
    }
}
