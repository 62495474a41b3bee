//! What the self-check says of a run.

use serde::Serialize;

/// Whether the figures of a run speak of the service, or of the load client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub(crate) enum Validity {
    /// Nothing speaks against them.
    Valid,
    /// The run is too short to tell.
    NotJudged {
        /// Why, in words.
        reason: String,
    },
    /// The load client was a bottleneck: the figures must not be used.
    Invalid {
        /// At least one.
        findings: Vec<Finding>,
    },
}

/// One reason against a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What was found, with its figures.
    pub reason: String,
    /// What to change.
    pub advice: String,
}

impl Validity {
    /// Whether the figures must not be used.
    #[must_use]
    pub(crate) fn is_invalid(&self) -> bool {
        matches!(self, Self::Invalid { .. })
    }

    /// One line for each thing to know, the verdict first.
    #[must_use]
    pub(crate) fn lines(&self) -> Vec<String> {
        match self {
            Self::Valid => {
                vec!["valid: the load client was not the bottleneck".to_owned()]
            }
            Self::NotJudged { reason } => {
                vec![format!(
                    "not judged whether the load client was the bottleneck: {reason}"
                )]
            }
            Self::Invalid { findings } => {
                let mut lines = vec![
                    "INVALID: the load client was a bottleneck; do not use these figures"
                        .to_owned(),
                ];
                let line = |finding: &Finding| format!("{}; {}", finding.reason, finding.advice);
                lines.extend(findings.iter().map(line));
                lines
            }
        }
    }
}
