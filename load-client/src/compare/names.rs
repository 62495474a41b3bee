//! What the two sides are called where a person reads of them.

use crate::compare::run::Side;

/// Letters of a side's name: more would make its columns too wide.
const LONGEST_NAME: usize = 40;
/// What a name may have beside letters, digits and blanks: nothing that is markup in any of the outputs.
const SIGNS: &str = "._-+/:=,";

/// The names of both sides; `baseline` and `changed` unless others are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    baseline: String,
    changed: String,
}

/// Why a side cannot be called so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is empty, long, or has signs that no name has.
    #[error("takes 1 to {LONGEST_NAME} letters, digits, blanks or signs of {SIGNS}")]
    Unfit,
    /// Nobody could tell the sides apart.
    #[error("both sides are called {0:?}: give each a name of its own")]
    Same(String),
}

impl Names {
    /// Names the side compared against, and the one that was changed.
    ///
    /// # Errors
    ///
    /// When a name is empty, long or has unusual signs, or when both are the same.
    pub fn try_new(baseline: &str, changed: &str) -> Result<Self, NameError> {
        let (baseline, changed) = (side_name(baseline)?, side_name(changed)?);
        if baseline == changed {
            return Err(NameError::Same(baseline));
        }
        Ok(Self { baseline, changed })
    }

    pub(crate) fn of(&self, side: Side) -> &str {
        match side {
            Side::Baseline => &self.baseline,
            Side::Changed => &self.changed,
        }
    }
}

impl Default for Names {
    fn default() -> Self {
        Self {
            baseline: Side::Baseline.to_string(),
            changed: Side::Changed.to_string(),
        }
    }
}

/// Reads the name of one side.
pub(crate) fn side_name(text: &str) -> Result<String, NameError> {
    let text = text.trim();
    let is_fit = |own: char| own.is_alphanumeric() || own == ' ' || SIGNS.contains(own);
    let is_name =
        !text.is_empty() && text.chars().count() <= LONGEST_NAME && text.chars().all(is_fit);
    let name = is_name.then(|| text.to_owned());
    name.ok_or(NameError::Unfit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_few_plain_words() {
        for name in [
            "serial",
            "one task per record",
            "v1.2-3+f00d",
            "Größe 2",
            &"x".repeat(40),
        ] {
            assert_eq!(side_name(&format!(" {name} ")).as_deref(), Ok(name));
        }
        for text in [
            "",
            "  ",
            "a\nb",
            "<b>",
            "a|b",
            "\u{1b}[31m",
            "@all",
            "a&b",
            &"x".repeat(41),
        ] {
            assert_eq!(side_name(text), Err(NameError::Unfit), "{text:?}");
        }
    }

    #[test]
    fn the_sides_are_told_apart() {
        let names = Names::try_new("serial", "tasks").unwrap();
        assert_eq!(
            (names.of(Side::Baseline), names.of(Side::Changed)),
            ("serial", "tasks")
        );
        let same = Names::try_new("tasks", " tasks ").unwrap_err();
        assert!(
            same.to_string().contains("both sides are called \"tasks\""),
            "{same}"
        );
    }
}
