//! What a run leaves for other tools: JUnit's XML, which CI systems show, and a log of HdrHistogram.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use humantime::format_rfc3339_seconds;

use crate::measure::threshold::{Judgement, Standing};
use crate::report::{RunFacts, figure_or_reason};

/// Renders what became of the thresholds of a run on `topic`, a test case for each. `spoiled` says why the figures must
/// not be used; then no case passes, whatever they are.
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
        let end = match outcome(judgement, spoiled) {
            None => "/>".to_owned(),
            Some((tag, kind, message)) => format!(
                ">\n      <{tag} type=\"{kind}\" message=\"{}\"/>\n    </testcase>",
                attribute(&message)
            ),
        };
        text += &format!(
            "    <testcase classname=\"load-client.{suite}\" name=\"{name}\" time=\"{seconds}\"{end}\n"
        );
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
    let told = figure_or_reason(judgement);
    match judgement.verdict {
        Standing::Holds => None,
        Standing::Broken => Some(("failure", "broken", format!("measured {told}"))),
        Standing::Undecided => Some(("failure", "undecided", told.to_owned())),
    }
}

/// Text for a quoted attribute. XML 1.0 (section 2.2) has no place for most control characters.
fn attribute(text: &str) -> String {
    let is_illegal = |own: char| own.is_control() || matches!(own, '\u{fffe}' | '\u{ffff}');
    let text = text.replace(is_illegal, "\u{fffd}");
    let text = text.replace('&', "&amp;").replace('"', "&quot;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}

// Response times as a log of HdrHistogram (its version 2, compressed), which HdrHistogram's own tools read and plot.

/// As the tools have it: values are nanoseconds, and the largest of a line is told in milliseconds.
const NANOSECONDS_PER_MILLISECOND: f64 = 1e6;

/// Writes a line for each kind of request, with the kind as its tag; `began` and `length` are of the measured window.
/// Fails when a histogram cannot be packed, which is a fault of the library.
pub(crate) fn hdr_log(
    topic: &str,
    began: SystemTime,
    length: Duration,
    kinds: &[(String, Histogram<u64>)],
) -> anyhow::Result<Vec<u8>> {
    let start = began.duration_since(SystemTime::UNIX_EPOCH)?;
    let (mut log, mut packed) = (Vec::new(), V2DeflateSerializer::new());
    let mut writer = IntervalLogWriterBuilder::new()
        .add_comment(&format!("load-client: response times on {topic}"))
        .add_comment("[Histogram log format version 1.3]")
        .with_start_time(began)
        .with_max_value_divisor(NANOSECONDS_PER_MILLISECOND)
        .begin_log_with(&mut log, &mut packed)?;
    let mut tags = HashSet::new();
    for (number, (name, histogram)) in kinds.iter().enumerate() {
        let mut tag = name.replace([',', ' ', '\r', '\n'], "_");
        // Tools add up what has one tag.
        while !tags.insert(tag.clone()) {
            tag += &format!("_{}", number + 1);
        }
        writer.write_histogram(histogram, start, length, Tag::new(&tag))?;
    }
    Ok(log)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::UNIX_EPOCH;

    use base64::prelude::{BASE64_STANDARD, Engine};
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;
    use crate::measure::selfcheck::Validity;
    use crate::measure::threshold::Judgements;
    use crate::report::EndedBy;
    use crate::report::tests::judgement;
    use crate::transport::kafka::ClientSettings;

    fn facts() -> RunFacts {
        let judgements = vec![
            judgement("p95<20ms", Standing::Holds, "p95 4.471 ms"),
            judgement("a \"<&>\u{1b}:rps>=500", Standing::Broken, "480.2"),
            judgement("p99<1s", Standing::Undecided, "too few replies"),
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

    #[test]
    fn what_is_written_reads_back() {
        let mut histogram = Histogram::new(4).unwrap();
        (1..=1000).for_each(|number| histogram.record(number * 1_000_000).unwrap());
        let began = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let kinds = ["find, by id", "find,_by id"].map(|name| (name.to_owned(), histogram.clone()));
        let log = hdr_log("createOrder", began, Duration::from_secs(9), &kinds).unwrap();
        let text = String::from_utf8(log).unwrap();
        assert!(
            text.contains("Tag=find__by_id,1700000000.000,9.000,1000")
                && text.contains("Tag=find__by_id_2,"),
            "{text}"
        );
        let entries = IntervalLogIterator::new(text.as_bytes()).map(Result::unwrap);
        let read: Vec<Histogram<u64>> = entries
            .filter_map(|entry| match entry {
                LogEntry::Interval(line) => Some(line.encoded_histogram().to_owned()),
                _ => None,
            })
            .map(|line| {
                let bytes = BASE64_STANDARD.decode(&line).unwrap();
                Deserializer::new().deserialize(&mut &*bytes).unwrap()
            })
            .collect();
        assert_eq!(read, [histogram.clone(), histogram]);
    }
}
