//! The page as a whole: what is on it, and that nothing from outside gets into its markup.

use std::time::Duration;

use crate::load::plan::Span;
use crate::measure::sample::{Outcome, Sample};
use crate::measure::selfcheck::Finding;
use crate::measure::summary::StageResult;
use crate::measure::tally::Tally;
use crate::measure::threshold::{Threshold, evaluate};
use crate::report::html::run::*;

const HOSTILE: &str = "</script><script>alert(1)</script>";

struct Run {
    summary: Summary,
    moments: Vec<Moment>,
    bins: Vec<Bin>,
}

/// Ten seconds at 100 requests a second, two of them warm-up; each waits `lag_ms` to be sent.
fn run(lag_ms: u64) -> Run {
    let mut tally = Tally::new(&["createOrder".to_owned(), HOSTILE.to_owned()]);
    let mut moments = Vec::new();
    for index in 0..1000_u64 {
        let outcome = match index {
            500 => Outcome::ErrorStatus(HOSTILE.to_owned()),
            _ => Outcome::Ok,
        };
        let sent = (index + 100) * 10_000_000;
        let mut sample = Sample::test(sent, 4_000_000 + index * 1000, outcome);
        sample.intended_ns -= lag_ms * 1_000_000;
        (sample.kind, sample.warm_up) = ((index % 2) as u16, index < 200);
        let elapsed = Duration::from_millis(index * 10);
        tally.record(&sample, elapsed);
        if index % 100 == 0 {
            moments.push(tally.moment(elapsed, 1_700_000_000, 3, index < 200));
        }
    }
    Run {
        summary: tally.summary(),
        moments,
        bins: tally.histogram(40),
    }
}

fn render(run: &Run, validity: &Validity, thresholds: &Answer) -> String {
    let section = |heading: &str| Section {
        heading: heading.to_owned(),
        rows: vec![("topic".to_owned(), HOSTILE.to_owned())],
    };
    let mut summary = run.summary.clone();
    summary.stages.push(StageResult {
        span: Span {
            name: format!("1: {HOSTILE}"),
            target: HOSTILE.to_owned(),
            start_seconds: 2.0,
            end_seconds: 10.0,
        },
        requests: summary.total.requests,
        failures: summary.total.failures,
        throughput: summary.throughput,
        response: summary.total.response.clone(),
    });
    run_page(&RunPage {
        title: HOSTILE,
        during: "2026-01-01T00:00:00Z, 10 s",
        summary: &summary,
        moments: &run.moments,
        warm_up_seconds: 2.0,
        bins: &run.bins,
        validity,
        thresholds,
        header: &[section("Target")],
        circumstances: &[section("Producer")],
        command: HOSTILE,
    })
}

fn body(page: &str) -> &str {
    &page[page.find("<body>").unwrap()..]
}

#[test]
fn all_parts_are_there_and_nothing_is_loaded() {
    let run = run(0);
    let page = render(&run, &Validity::Valid, &Answer::default());
    assert!(page.len() < 8_000_000, "{}", page.len());
    assert_eq!(page.matches("plotly.js v").count(), 1);
    assert!(!page.contains("<script src") && !page.contains("<link"));
    let body = body(&page);
    let parts = [
        "class=\"verdict open\">1 of 800 requests failed.",
        "<h2>Target</h2>",
        "<h2>Request statistics</h2>",
        "<th>66%</th>",
        "<h2>Failures</h2>",
        "id=\"course\"",
        "id=\"histogram\"",
        "<h2>Stages</h2>",
        "<h2>Producer</h2>",
        "<h2>Command</h2>",
    ];
    let positions: Vec<_> = parts
        .iter()
        .map(|part| body.find(part).unwrap_or_else(|| panic!("no {part}")))
        .collect();
    assert!(positions.is_sorted(), "{positions:?}");
    assert!(!body.contains("<h2>Thresholds</h2>"));
}

#[test]
fn text_from_outside_stays_text() {
    let run = run(0);
    let page = render(&run, &Validity::Valid, &Answer::default());
    let body = body(&page);
    assert!(!body.contains("<script>alert"));
    assert_eq!(body.matches("&lt;script&gt;alert(1)").count(), 9);
}

#[test]
fn the_course_has_three_panels_on_one_axis_and_the_warm_up_shaded() {
    let page = render(&run(0), &Validity::Valid, &Answer::default());
    let body = body(&page);
    for part in [
        "\"yaxis\":\"y2\"",
        "\"yaxis\":\"y3\"",
        "\"anchor\":\"y3\"",
        "\"x1\":2.0",
        "p99 (ms)",
    ] {
        assert!(body.contains(part), "{part}");
    }
    assert!(!body.contains("xaxis2"));
}

#[test]
fn service_times_stand_beside_response_times_where_they_differ() {
    let same = render(&run(0), &Validity::Valid, &Answer::default());
    assert!(!same.contains("coordinated omission") && !same.contains("<td>service</td>"));
    let late = render(&run(5), &Validity::Valid, &Answer::default());
    assert!(late.contains("coordinated omission"));
    assert_eq!(late.matches("<td>service</td>").count(), 3);
}

#[test]
fn what_speaks_against_a_run_comes_first() {
    let invalid = Validity::Invalid {
        findings: vec![Finding {
            reason: "too busy".to_owned(),
            advice: "take more cores".to_owned(),
        }],
    };
    let run = run(0);
    let thresholds: [Threshold; 2] = ["p95<1ms".parse().unwrap(), "p99.99<1s".parse().unwrap()];
    let answer = evaluate(&thresholds, &run.summary);
    let page = render(&run, &invalid, &answer);
    let position = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(
        position("class=\"verdict bad\">The load client") < position("too busy; take more cores")
    );
    assert!(position("too busy") < position("<h2>Thresholds</h2>"));
    assert!(page.contains("<th>p95&lt;1ms</th><td class=\"bad\">broken</td>"));
    assert!(page.contains("<td class=\"bad\">undecided</td>"));
    let page = render(&run, &Validity::Valid, &answer);
    assert!(page.contains("A threshold does not hold."));
}

#[test]
fn a_run_without_requests_has_a_page() {
    let empty = Run {
        summary: Tally::new(&["createOrder".to_owned()]).summary(),
        moments: Vec::new(),
        bins: Vec::new(),
    };
    let page = render(&empty, &Validity::Valid, &Answer::default());
    assert!(page.contains("No request was measured.") && !body(&page).contains("NaN"));
}
