//! What became of the thresholds of a run as JUnit's XML, which CI systems show: one test case for each.

use std::fmt::Write;

use humantime::format_rfc3339_seconds;

use super::RunFacts;
use super::html::escape;
use crate::measure::threshold::{Judgement, Standing};

/// Renders the thresholds of a run on `topic`. `spoiled` says why the figures must not be used; then no case
/// passes, whatever they are.
pub(crate) fn junit(topic: &str, facts: &RunFacts, spoiled: Option<&str>) -> String {
    let judgements = &facts.thresholds.judgements;
    let tests = judgements.len();
    let broken = judgements
        .iter()
        .filter(|own| own.verdict != Standing::Holds);
    let (failures, errors) = match spoiled {
        None => (broken.count(), 0),
        Some(_) => (0, tests),
    };
    let seconds = format!("{:.3}", facts.duration.as_secs_f64());
    let counts =
        format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{seconds}\"");
    let timestamp = format_rfc3339_seconds(facts.started).to_string();
    let suite = attribute(topic);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"load-client\" {counts}>\n  \
         <testsuite name=\"{suite}\" {counts} skipped=\"0\" timestamp=\"{}\">\n",
        // The schema has no room for a zone.
        timestamp.trim_end_matches('Z'),
    );
    for judgement in judgements {
        let name = attribute(&judgement.threshold);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "    <testcase classname=\"load-client.{suite}\" name=\"{name}\" time=\"{seconds}\""
        );
        text.push_str(&match outcome(judgement, spoiled) {
            None => "/>\n".to_owned(),
            Some((tag, kind, message)) => format!(
                ">\n      <{tag} type=\"{kind}\" message=\"{}\"/>\n    </testcase>\n",
                attribute(&message)
            ),
        });
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

/// The element of a case that does not pass, its type and its message.
fn outcome(
    judgement: &Judgement,
    spoiled: Option<&str>,
) -> Option<(&'static str, &'static str, String)> {
    if let Some(reason) = spoiled {
        return Some(("error", "spoiled", reason.to_owned()));
    }
    let unknown = || "no figure".to_owned();
    match judgement.verdict {
        Standing::Holds => None,
        Standing::Broken => {
            let measured = judgement.measured.clone().unwrap_or_else(unknown);
            Some(("failure", "broken", format!("measured {measured}")))
        }
        Standing::Undecided => {
            let reason = judgement.reason.clone().unwrap_or_else(unknown);
            Some(("failure", "undecided", reason))
        }
    }
}

/// Text for a quoted attribute. XML 1.0 (section 2.2) has no place for most control characters.
fn attribute(text: &str) -> String {
    let is_illegal = |own: char| own.is_control() || matches!(own, '\u{fffe}' | '\u{ffff}');
    escape(&text.replace(is_illegal, "\u{fffd}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::measure::selfcheck::Validity;
    use crate::measure::threshold::Judgements;
    use crate::report::EndedBy;
    use crate::transport::kafka::ClientSettings;

    fn facts() -> RunFacts {
        let judgement =
            |threshold: &str, verdict, measured: Option<&str>, reason: Option<&str>| Judgement {
                threshold: threshold.to_owned(),
                verdict,
                measured: measured.map(str::to_owned),
                reason: reason.map(str::to_owned),
            };
        let judgements = vec![
            judgement("p95<20ms", Standing::Holds, Some("p95 4.471 ms"), None),
            judgement(
                "a \"<&>\u{1b}:rps>=500",
                Standing::Broken,
                Some("480.2"),
                None,
            ),
            judgement("p99<1s", Standing::Undecided, None, Some("too few replies")),
        ];
        RunFacts {
            started: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            duration: Duration::from_millis(10_250),
            ended_by: EndedBy::RunTime,
            unmatched_replies: 0,
            client_settings: ClientSettings {
                producer: BTreeMap::new(),
                consumer: BTreeMap::new(),
            },
            thresholds: Judgements { judgements },
            validity: Validity::Valid,
            command: String::new(),
            exit_code: 4,
        }
    }

    #[test]
    fn each_threshold_is_a_case() {
        insta::assert_snapshot!(junit("createOrder", &facts(), None), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="load-client" tests="3" failures="2" errors="0" time="10.250">
          <testsuite name="createOrder" tests="3" failures="2" errors="0" time="10.250" skipped="0" timestamp="2023-11-14T22:13:20">
            <testcase classname="load-client.createOrder" name="p95&lt;20ms" time="10.250"/>
            <testcase classname="load-client.createOrder" name="a &quot;&lt;&amp;&gt;�:rps&gt;=500" time="10.250">
              <failure type="broken" message="measured 480.2"/>
            </testcase>
            <testcase classname="load-client.createOrder" name="p99&lt;1s" time="10.250">
              <failure type="undecided" message="too few replies"/>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }

    #[test]
    fn no_case_of_a_run_passes_whose_figures_must_not_be_used() {
        let text = junit("createOrder", &facts(), Some("INVALID: 1.9 cores"));
        assert!(
            text.contains("tests=\"3\" failures=\"0\" errors=\"3\""),
            "{text}"
        );
        let error = "<error type=\"spoiled\" message=\"INVALID: 1.9 cores\"/>";
        assert_eq!(text.matches(error).count(), 3, "{text}");
        assert!(!text.contains("<failure"), "{text}");
    }
}
