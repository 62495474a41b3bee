//! `--fail-on`: verdicts on which an experiment fails.

use anyhow::Result;
use load_client::compare::Verdict;

use crate::cli::FailOn;

/// Fails on a verdict that the rule forbids.
///
/// # Errors
///
/// [`Failed`], if there is a rule and a change breaks it; one without a verdict breaks any.
pub(crate) fn hold(rule: Option<FailOn>, verdicts: &[(String, Option<Verdict>)]) -> Result<()> {
    let Some(rule) = rule else {
        return Ok(());
    };
    let breaks = |verdict: &Option<Verdict>| match (rule, verdict) {
        (_, None) => true,
        (FailOn::Slower, Some(verdict)) => *verdict == Verdict::Slower,
        (FailOn::NotFaster, Some(verdict)) => *verdict != Verdict::Faster,
    };
    match verdicts.iter().find(|(_, verdict)| breaks(verdict)) {
        None => Ok(()),
        Some((name, verdict)) => {
            let verdict = verdict.map_or("without a verdict", Verdict::name);
            Err(Failed(format!("--fail-on: {name} is {verdict}")).into())
        }
    }
}

/// A verdict that `--fail-on` forbids.
#[derive(Debug)]
pub struct Failed(String);

impl std::fmt::Display for Failed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_broken_by_its_verdict_and_by_none() {
        let held = |rule, verdict| hold(Some(rule), &[("new".to_owned(), verdict)]).is_ok();
        assert!(held(FailOn::Slower, Some(Verdict::Faster)));
        assert!(held(FailOn::Slower, Some(Verdict::Equivalent)));
        assert!(!held(FailOn::Slower, Some(Verdict::Slower)));
        assert!(!held(FailOn::Slower, None));
        assert!(held(FailOn::NotFaster, Some(Verdict::Faster)));
        assert!(!held(FailOn::NotFaster, Some(Verdict::Equivalent)));
        assert!(hold(None, &[("new".to_owned(), None)]).is_ok());
        let told = hold(
            Some(FailOn::Slower),
            &[("new".to_owned(), Some(Verdict::Slower))],
        );
        assert_eq!(told.unwrap_err().to_string(), "--fail-on: new is slower");
    }
}
