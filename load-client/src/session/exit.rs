//! The exit code of a run: one for each cause, so that a script can tell them apart.

use crate::session::signals::INTERRUPTED;

/// Replies could not be received any more.
const ENDED_EARLY: u8 = 6;
/// A threshold does not hold.
const THRESHOLD: u8 = 4;

/// How a run went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Causes {
    pub(crate) ended_early: bool,
    pub(crate) interrupted_twice: bool,
    pub(crate) invalid: bool,
    pub(crate) thresholds_hold: bool,
    pub(crate) any_failure: bool,
    /// Whether a threshold speaks of failures, and so replaces the rule that none may occur.
    pub(crate) failures_are_judged: bool,
    pub(crate) code_on_invalid: u8,
    pub(crate) code_on_error: u8,
}

/// The most severe cause decides: what makes figures useless comes before what the figures say. A code that
/// was set to 0 lets the next cause decide.
pub(crate) fn exit_code(causes: Causes) -> u8 {
    let failed = causes.any_failure && !causes.failures_are_judged;
    [
        (causes.ended_early, ENDED_EARLY),
        (causes.interrupted_twice, INTERRUPTED),
        (causes.invalid, causes.code_on_invalid),
        (!causes.thresholds_hold, THRESHOLD),
        (failed, causes.code_on_error),
    ]
    .into_iter()
    .find(|(applies, code)| *applies && *code != 0)
    .map_or(0, |(_, code)| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: Causes = Causes {
        ended_early: false,
        interrupted_twice: false,
        invalid: false,
        thresholds_hold: true,
        any_failure: false,
        failures_are_judged: false,
        code_on_invalid: 5,
        code_on_error: 3,
    };

    #[test]
    fn the_most_severe_cause_decides() {
        let mut causes = WELL;
        assert_eq!(exit_code(causes), 0);
        causes.any_failure = true;
        assert_eq!(exit_code(causes), 3);
        causes.thresholds_hold = false;
        assert_eq!(exit_code(causes), 4);
        causes.invalid = true;
        assert_eq!(exit_code(causes), 5);
        causes.interrupted_twice = true;
        assert_eq!(exit_code(causes), 130);
        causes.ended_early = true;
        assert_eq!(exit_code(causes), 6);
    }

    #[test]
    fn a_code_of_zero_silences_its_cause_only() {
        let mut causes = WELL;
        (causes.invalid, causes.any_failure) = (true, true);
        causes.code_on_invalid = 0;
        assert_eq!(exit_code(causes), 3);
        causes.code_on_error = 0;
        assert_eq!(exit_code(causes), 0);
    }

    #[test]
    fn a_threshold_on_failures_replaces_the_rule_that_none_may_occur() {
        let mut causes = WELL;
        (causes.any_failure, causes.failures_are_judged) = (true, true);
        assert_eq!(exit_code(causes), 0);
    }
}
