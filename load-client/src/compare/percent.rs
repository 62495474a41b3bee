//! Relative changes as people read them.

/// A relative change as people read it: `-30.1 %`, `+43.0 %`.
#[must_use]
pub fn percent(change: f64) -> String {
    format!("{:+.1} %", change * 100.0)
}
