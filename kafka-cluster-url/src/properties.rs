//! Keeps properties in the order in which they are set.

use std::fmt;
use std::ops::Deref;

use crate::secrets::shown;

/// Holds properties in the order in which they are set. `Debug` masks secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties(Vec<(String, String)>);

impl Properties {
    /// Appends a property, which replaces an earlier one of the same name.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }
}

impl Extend<(String, String)> for Properties {
    fn extend<T: IntoIterator<Item = (String, String)>>(&mut self, pairs: T) {
        self.0.extend(pairs);
    }
}

impl Deref for Properties {
    type Target = [(String, String)];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.0.iter();
        f.debug_map()
            .entries(pairs.map(|(name, value)| (name, shown(name, value))))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let mut properties = Properties::default();
        for secret in [
            "sasl.username",
            "sasl.password",
            "ssl.key.password",
            "ssl.key.pem",
            "ssl.keystore.password",
            "sasl.oauthbearer.config",
            "sasl.oauthbearer.client.secret",
            "SASL.PASSWORD",
        ] {
            properties.push(secret, "hunter2");
        }
        properties.push("linger.ms", "3");
        let told = format!("{properties:?}");
        assert!(!told.contains("hunter2"), "{told}");
        assert!(told.contains(r#""linger.ms": "3""#), "{told}");
        assert!(told.contains(r#""sasl.password": "***""#), "{told}");
    }
}
