//! `--fail-on`: the experiment took place, but its verdict makes it fail.

use std::fmt;

use anyhow::Result;
use load_client::compare::{Comparison, FailOn};

/// A verdict that `--fail-on` forbids.
#[derive(Debug)]
pub struct Failed(String);

impl fmt::Display for Failed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

/// Fails with [`Failed`] if a change breaks the rule.
pub(crate) fn hold(rule: Option<FailOn>, changes: &[(String, Comparison)]) -> Result<()> {
    let Some(rule) = rule else {
        return Ok(());
    };
    let mut broken = changes
        .iter()
        .filter_map(|(name, comparison)| Some((name, comparison.broken(rule)?)));
    match broken.next() {
        None => Ok(()),
        Some((name, reason)) => Err(Failed(format!("--fail-on {rule}: {name}: {reason}")).into()),
    }
}
