//! The last lines of a run: what became of its thresholds, and whether its figures can be used.

use std::fmt::Write;

use crate::measure::selfcheck::Validity;
use crate::measure::threshold::{Answer, Judgement, Verdict};

/// Renders both for a terminal.
#[must_use]
pub(crate) fn run_verdicts(thresholds: &Answer, validity: &Validity) -> String {
    let mut text = String::new();
    if !thresholds.judgements.is_empty() {
        text.push_str("\nThresholds\n");
    }
    for judgement in &thresholds.judgements {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", line(judgement));
    }
    text.push('\n');
    for line in validity.lines() {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn line(judgement: &Judgement) -> String {
    let verdict = match judgement.verdict {
        Verdict::Holds => "holds",
        Verdict::Broken => "BROKEN",
        Verdict::Undecided => "UNDECIDED",
    };
    let measured = judgement.measured.as_ref();
    let detail = measured.or(judgement.reason.as_ref());
    let detail = detail.map_or("", String::as_str);
    format!("  {verdict:<9}  {}  ({detail})", judgement.threshold)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::selfcheck::validity::Finding;

    #[test]
    fn thresholds_and_validity_in_words() {
        let judgement = |verdict, measured: Option<&str>, reason: Option<&str>| Judgement {
            threshold: "p95<20ms".to_owned(),
            verdict,
            measured: measured.map(str::to_owned),
            reason: reason.map(str::to_owned),
        };
        let answer = Answer {
            judgements: vec![
                judgement(Verdict::Holds, Some("4.000 ms"), None),
                judgement(Verdict::Broken, Some("24.000 ms"), None),
                judgement(Verdict::Undecided, None, Some("3 replies are too few")),
            ],
        };
        let invalid = Validity::Invalid {
            findings: vec![Finding {
                reason: "busy".to_owned(),
                advice: "rest".to_owned(),
            }],
        };
        insta::assert_snapshot!(run_verdicts(&answer, &invalid), @r"

        Thresholds
          holds      p95<20ms  (4.000 ms)
          BROKEN     p95<20ms  (24.000 ms)
          UNDECIDED  p95<20ms  (3 replies are too few)

        INVALID: the load client was a bottleneck; do not use these figures
        busy; rest
        ");
        assert!(run_verdicts(&Answer::default(), &Validity::Valid).starts_with("\nvalid: "));
    }
}
