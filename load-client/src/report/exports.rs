//! Exports for other tools: JUnit XML for CI systems, and the history of runs.
//!
//! The history has one line for each run, in a CSV that Apache Otava reads as a test of type `csv`: see
//! `docs/history.md`. [`crate::compare`] compares two builds. A time series shows whether figures drift over hundreds
//! of
//! builds.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, ensure};
use humantime::format_rfc3339_seconds;

use super::csv_stats::CsvText;
use super::destination::{Destination, is_standard_output};
use crate::compare::{Run, RunFigures, Side};
use crate::measure::threshold::{Judgement, Standing};
use crate::report::{RunFacts, figure_or_reason};

/// Renders the results of the thresholds of a run on `topic`, one test case for each. `spoiled` says why the figures
/// must not be used. With it, no test case passes.
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
        // The schema allows no time zone.
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

/// Returns the element, type and message of a test case that does not pass.
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

/// Escapes text for a quoted attribute. XML 1.0 (section 2.2) does not allow most control characters.
fn attribute(text: &str) -> String {
    let is_illegal = |own: char| own.is_control() || matches!(own, '\u{fffe}' | '\u{ffff}');
    let text = text.replace(is_illegal, "\u{fffd}");
    let text = text.replace('&', "&amp;").replace('"', "&quot;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}

const HEADER: &str =
    "time,commit,side,run,p50_ms,p90_ms,p95_ms,p99_ms,mean_ms,throughput,failure_rate";

/// One run in the history: the fields of [`HEADER`].
pub(crate) type HistoryRow = [String; 11];

/// Returns the row of one run. An undefined value is an empty field.
pub(crate) fn history_row(side: Side, commit: &str, run: &Run, own: &RunFigures) -> HistoryRow {
    let figures = &own.figures;
    let text = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let started = run.started.or(run.written);
    [
        started.map_or_else(String::new, timestamp),
        commit.to_owned(),
        side.to_string(),
        own.label.clone(),
        text(figures.median_ms),
        text(figures.p90_ms),
        text(figures.p95_ms),
        text(figures.p99_ms),
        text(figures.mean_ms),
        text(figures.throughput),
        text(figures.failure_rate),
    ]
}

/// Formats a time as ISO 8601 with a numeric offset, which every parser of dates understands.
fn timestamp(moment: SystemTime) -> String {
    let text = humantime::format_rfc3339_millis(moment).to_string();
    text.replace('Z', "+00:00")
}

/// Checks, before a comparison, that a history can be continued after it. It leaves nothing behind.
///
/// # Errors
///
/// Fails like [`append_history`].
pub(crate) fn check_history(path: &Path) -> anyhow::Result<()> {
    if !is_file(path) {
        return Ok(Destination::claim(path).map(drop)?);
    }
    let file = OpenOptions::new().read(true).append(true).open(path);
    is_new(path, &mut file.with_context(|| cannot(path))?).map(drop)
}

/// Appends rows by one write, so that two builds that end together do not mix their lines. A new or empty file, and
/// anything that is not a file, gets the header first. Fails when the file cannot be written, has another header, or
/// ends in the middle of a line.
pub(crate) fn append_history(path: &Path, rows: &[HistoryRow]) -> anyhow::Result<()> {
    if is_standard_output(path) || (path.exists() && !is_file(path)) {
        return Ok(Destination::claim(path)?.write_whole(&lines(rows, true))?);
    }
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    let mut file = options.open(path).with_context(|| cannot(path))?;
    // The lock keeps two builds from both writing the header. Not every file system has locks.
    let _ = file.lock();
    let lines = lines(rows, is_new(path, &mut file)?);
    write_once(&mut file, &lines).with_context(|| cannot(path))
}

fn write_once(file: &mut File, lines: &[u8]) -> io::Result<()> {
    if file.write(lines)? < lines.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    file.sync_data()
}

fn cannot(path: &Path) -> String {
    format!("cannot append to {}", path.display())
}

fn is_file(path: &Path) -> bool {
    !is_standard_output(path) && path.is_file()
}

/// Returns whether a history is empty. Fails when it is not empty and not a valid history.
fn is_new(path: &Path, file: &mut File) -> anyhow::Result<bool> {
    let (first, last) = ends(file).with_context(|| cannot(path))?;
    if first.is_empty() {
        return Ok(true);
    }
    let (rest, path) = (first.strip_prefix(HEADER.as_bytes()), path.display());
    ensure!(
        rest.is_some_and(|rest| rest.starts_with(b"\n") || rest.starts_with(b"\r\n")),
        "--history {path} is not a history: its first line is not {HEADER}; name another file"
    );
    ensure!(
        last == b"\n",
        "--history {path} ends in the middle of a line; remove or complete its last line"
    );
    Ok(false)
}

/// Reads only as much of the beginning as a header line needs, and the last byte, because the file may be long.
fn ends(file: &mut File) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let (mut first, mut last) = (Vec::new(), Vec::new());
    let longest = HEADER.len() as u64 + 2;
    file.take(longest).read_to_end(&mut first)?;
    if !first.is_empty() {
        file.seek(SeekFrom::End(-1))?;
        file.read_to_end(&mut last)?;
    }
    Ok((first, last))
}

fn lines(rows: &[HistoryRow], with_header: bool) -> Vec<u8> {
    let mut text = match with_header {
        true => CsvText::with_header(HEADER),
        false => CsvText::default(),
    };
    rows.iter().for_each(|row| text.line(row));
    text.bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::{Duration, UNIX_EPOCH};

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
            parts: None,
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

#[cfg(test)]
mod history_tests {
    use std::fs;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::compare::{Options, compare};

    fn row(label: &str) -> HistoryRow {
        let mut run = Run::new(label.to_owned(), vec![4.0; 120]);
        run.started = Some(UNIX_EPOCH + Duration::from_millis(1_700_000_000_250));
        let runs = [run];
        let comparison = compare(&runs, &runs, &Options::default()).unwrap();
        history_row(Side::Changed, "f00d", &runs[0], &comparison.changed.runs[0])
    }

    #[test]
    fn the_header_comes_once_and_rows_follow() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.csv");
        append_history(&path, &[row("one"), row("two, quoted")]).unwrap();
        append_history(&path, &[row("three")]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let expected = "time,commit,side,run,p50_ms,p90_ms,p95_ms,p99_ms,mean_ms,throughput,failure_rate\n\
            2023-11-14T22:13:20.250+00:00,f00d,changed,one,4,4,,,4,,0\n\
            2023-11-14T22:13:20.250+00:00,f00d,changed,\"two, quoted\",4,4,,,4,,0\n\
            2023-11-14T22:13:20.250+00:00,f00d,changed,three,4,4,,,4,,0\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn an_empty_file_gets_the_header() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.csv");
        fs::write(&path, "").unwrap();
        append_history(&path, &[row("one")]).unwrap();
        assert!(
            fs::read_to_string(&path)
                .unwrap()
                .starts_with("time,commit")
        );
    }

    #[test]
    fn what_is_no_history_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.csv");
        for (content, expected) in [
            ("time,commit\n1,2\n".to_owned(), "is not a history"),
            (format!("{HEADER}_more\n"), "is not a history"),
            (HEADER.to_owned(), "is not a history"),
            (format!("{HEADER}\n2026-01-01,f00d"), "ends in the middle"),
        ] {
            fs::write(&path, &content).unwrap();
            let error = append_history(&path, &[row("one")])
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let error = append_history(Path::new("/nonexistent/h.csv"), &[]).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/h.csv"), "{error}");
    }
}
