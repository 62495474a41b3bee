//! Decides which record headers the application does not see, although HTTP could carry them.
//!
//! An application behind an HTTP front end trusts some headers because the front end sets or checks them. Nothing
//! checks them between the writer of a record and the bridge, so the bridge drops them. Headers that concern a
//! connection or framing never pass, see `request`.

use http::HeaderName;

/// Headers that front ends set or check, and those of the bridge's own dead letters.
const DENIED: [&str; 7] = [
    "authorization",
    "cookie",
    "proxy-*",
    "forwarded",
    "x-forwarded-*",
    "x-real-ip",
    "dead-letter-*",
];

/// Decides which record headers become request headers.
///
/// A rule is an exact name, or a prefix that ends in `*`. The last rule that matches a name decides. By default
/// `authorization`, `cookie`, `proxy-*`, `forwarded`, `x-forwarded-*`, `x-real-ip` and `dead-letter-*` are denied, and
/// all other headers are allowed.
///
/// # Examples
///
/// ```
/// use http::header::{AUTHORIZATION, COOKIE};
/// use kafka_bridge::HeaderFilter;
///
/// let filter = HeaderFilter::default().allow("authorization").deny("x-internal-*");
/// assert!(filter.allows(&AUTHORIZATION));
/// assert!(!filter.allows(&COOKIE));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderFilter(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    name: String,
    is_prefix: bool,
    allow: bool,
}

impl Rule {
    fn new(pattern: &str, allow: bool) -> Self {
        let prefix = pattern.strip_suffix('*');
        Self {
            name: prefix.unwrap_or(pattern).to_ascii_lowercase(),
            is_prefix: prefix.is_some(),
            allow,
        }
    }

    /// Compares names directly: header names of the `http` crate and the rules are both in lower case.
    fn matches(&self, name: &str) -> bool {
        name == self.name || self.is_prefix && name.starts_with(&self.name)
    }
}

impl Default for HeaderFilter {
    fn default() -> Self {
        let denied = DENIED.iter().map(|pattern| Rule::new(pattern, false));
        Self(denied.collect())
    }
}

impl HeaderFilter {
    /// Allows headers of a name, or of a prefix that ends in `*`.
    #[must_use]
    pub fn allow(mut self, pattern: &str) -> Self {
        self.0.push(Rule::new(pattern, true));
        self
    }

    /// Denies headers of a name, or of a prefix that ends in `*`.
    #[must_use]
    pub fn deny(mut self, pattern: &str) -> Self {
        self.0.push(Rule::new(pattern, false));
        self
    }

    /// Returns whether a header of that name passes.
    #[must_use]
    pub fn allows(&self, name: &HeaderName) -> bool {
        let mut rules = self.0.iter().rev();
        rules
            .find(|rule| rule.matches(name.as_str()))
            .is_none_or(|rule| rule.allow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(filter: &HeaderFilter, name: &str) -> bool {
        filter.allows(&HeaderName::from_bytes(name.as_bytes()).unwrap())
    }

    #[test]
    fn h16_what_a_front_would_set_is_denied_unless_it_is_allowed() {
        let filter = HeaderFilter::default();
        for name in [
            "Authorization",
            "COOKIE",
            "Proxy-Anything",
            "forwarded",
            "X-Forwarded-For",
            "x-forwarded-",
            "X-Real-IP",
            "dead-letter-cause",
        ] {
            assert!(!allows(&filter, name), "{name}");
            let open = filter.clone().allow(name);
            assert!(allows(&open, name), "{name}");
        }
        for name in [
            "x-forward",
            "idempotency-key",
            "traceparent",
            "cookies",
            "accept",
        ] {
            assert!(allows(&filter, name), "{name}");
        }
    }

    #[test]
    fn the_last_rule_that_matches_decides() {
        let filter = HeaderFilter::default()
            .deny("X-*")
            .allow("x-tenant")
            .deny("x-tenant-*");
        assert!(!allows(&filter, "x-other"));
        assert!(allows(&filter, "x-tenant"));
        assert!(!allows(&filter, "x-tenant-id"));
        assert!(allows(&filter.allow("*"), "authorization"));
    }
}
