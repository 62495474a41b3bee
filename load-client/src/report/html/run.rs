//! The page of one run: verdict, figures, charts, circumstances. It is made from plain data, never from the runner.

use std::time::Duration;

use askama::Template;
use humantime::{format_duration, format_rfc3339_seconds};

use crate::measure::history::{Bin, Moment};
use crate::measure::selfcheck::{Validity, available_cores};
use crate::measure::summary::{Latency, PERCENTILES, Summary};
use crate::measure::threshold::{Judgement, Judgements, Standing};
use crate::report::html::{STYLE, Section, THEME, chart_library, charts};
use crate::report::{RunData, figure_or_reason, rows};
use crate::transport::kafka::librdkafka_version;

const RUN_STYLE: &str = include_str!("run.css");

/// The page. Its `to_string` renders it: no file beside it, no request to any server.
#[derive(Template)]
#[template(path = "report/html/run.html")]
pub(crate) struct RunPage<'a> {
    /// Heading and window title.
    pub title: String,
    /// One line under the heading: when the run was, and for how long.
    pub during: String,
    pub summary: &'a Summary,
    /// The course of the run, a moment for each second.
    pub moments: &'a [Moment],
    pub warm_up_seconds: f64,
    /// The measured response times.
    pub bins: &'a [Bin],
    pub validity: &'a Validity,
    pub thresholds: &'a Judgements,
    /// Target, load, client settings, environment.
    pub sections: Vec<Section>,
    /// The command that repeats the run, secrets masked.
    pub command: String,
}

impl<'a> RunPage<'a> {
    /// Bins of the histogram.
    pub(crate) const BINS: u32 = 80;

    /// Creates the page of a run that is over.
    pub(crate) fn new(run: RunData<'a>, moments: &'a [Moment], bins: &'a [Bin]) -> Self {
        let (started, duration) = (run.facts.started, run.facts.duration);
        // Show milliseconds: the nanoseconds of a run's length mean nothing.
        let took = Duration::new(duration.as_secs(), duration.subsec_millis() * 1_000_000);
        Self {
            title: format!("Load on {}", run.kafka.topic),
            during: format!(
                "{} to {} ({}), run {}",
                format_rfc3339_seconds(started),
                format_rfc3339_seconds(started + duration),
                format_duration(took),
                run.kafka.run_id
            ),
            summary: run.summary,
            moments,
            warm_up_seconds: run.plan.warm_up.as_secs_f64(),
            bins,
            validity: &run.facts.validity,
            thresholds: &run.facts.thresholds,
            sections: circumstances(run),
            command: run.facts.command.clone(),
        }
    }

    /// Returns the one sentence that a hurried reader needs, and its class.
    fn verdict(&self) -> (&'static str, String) {
        let total = &self.summary.total;
        if self.validity.is_invalid() {
            // The page shows the reasons below.
            ("bad", "Do not use these figures.".to_owned())
        } else if let Validity::Partial { reason } = self.validity {
            (
                "open",
                format!("A part of the load is missing in these figures: {reason}."),
            )
        } else if !self.thresholds.all_hold() {
            let sentences = self.thresholds.judgements.iter().filter_map(does_not_hold);
            ("bad", sentences.collect::<Vec<_>>().join(" "))
        } else if total.requests == 0 {
            ("open", "No request was measured.".to_owned())
        } else if self.summary.any_failure() {
            let text = format!("{} of {} requests failed.", total.failures, total.requests);
            ("open", text)
        } else {
            let text = format!("All {} requests succeeded.", total.requests);
            ("good", text)
        }
    }
}

/// Returns target, load, client settings and environment of a run.
pub(crate) fn circumstances(run: RunData) -> Vec<Section> {
    let RunData {
        plan, kafka, facts, ..
    } = run;
    let time = |time: Duration| format_duration(time).to_string();
    let replies = match kafka.publish_only {
        true => "none: publishing only, to the broker's acknowledgement",
        false => &kafka.reply_topic,
    };
    let target = [
        ("brokers", kafka.brokers.clone()),
        ("topic", kafka.topic.clone()),
        ("replies", replies.to_owned()),
        ("body", format!("{} bytes", kafka.body.len())),
    ];
    let run_time = plan.run_time.map(time);
    let run_time = run_time.unwrap_or("until it is stopped".to_owned());
    let segment = match plan.share.is_whole() {
        true => "all of it".to_owned(),
        false => plan.share.to_string(),
    };
    let load = [
        ("model", plan.load_model()),
        ("target", plan.target_in_words()),
        ("segment", segment),
        ("stages", plan.stages.len().to_string()),
        ("run time", run_time),
        ("warm-up", time(plan.warm_up)),
        ("time-out", time(plan.timeout)),
        ("ended by", facts.ended_by.in_words().to_owned()),
    ];
    let (system, machine) = (std::env::consts::OS, std::env::consts::ARCH);
    let environment = [
        ("load-client", env!("CARGO_PKG_VERSION").to_owned()),
        ("librdkafka", librdkafka_version()),
        ("system", format!("{system} on {machine}")),
        ("cores for the load client", available_cores().to_string()),
        (
            "replies without a waiting request",
            facts.unmatched_replies.to_string(),
        ),
    ];
    let (producer, consumer) = (
        &facts.client_settings.producer,
        &facts.client_settings.consumer,
    );
    let mut sections = vec![
        Section::new("Target", target),
        Section::new("Load", load),
        Section::new("Effective settings of the producer", producer.clone()),
        Section::new("Effective settings of the reply consumer", consumer.clone()),
        Section::new("Environment", environment),
    ];
    // With --publish-only there is no consumer.
    sections.retain(|section| !section.rows.is_empty());
    sections
}

/// Says why a threshold does not hold, or returns `None` if it holds.
fn does_not_hold(judgement: &Judgement) -> Option<String> {
    let (threshold, told) = (&judgement.threshold, figure_or_reason(judgement));
    match judgement.verdict {
        Standing::Holds => None,
        Standing::Broken => Some(format!(
            "The threshold {threshold} is broken: {told} was measured."
        )),
        Standing::Undecided => Some(format!("The threshold {threshold} is undecided: {told}.")),
    }
}

fn percentile(latency: &Option<Latency>, quantile: f64, unit: &str) -> String {
    let found = latency.as_ref().and_then(|own| own.percentile(quantile));
    found.map_or_else(dash, |ms| format!("{ms:.3}{unit}"))
}

fn rate(value: &Option<f64>) -> String {
    value.map_or_else(dash, |value| format!("{value:.2}"))
}

fn dash() -> String {
    "–".to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::load::plan::Span;
    use crate::measure::selfcheck::Finding;
    use crate::measure::summary::{Sample, StageResult, Status};
    use crate::measure::tally::Tally;
    use crate::measure::threshold::{Threshold, evaluate};

    const HOSTILE: &str = "</script><script>alert(1)</script>";

    struct Run {
        summary: Summary,
        moments: Vec<Moment>,
        bins: Vec<Bin>,
    }

    /// Returns ten seconds at 100 requests a second, two of them warm-up. Each request waits `lag_ms` to be sent.
    fn run(lag_ms: u64) -> Run {
        let mut tally = Tally::new(&["createOrder".to_owned(), HOSTILE.to_owned()]);
        let mut moments = Vec::new();
        for index in 0..1000_u64 {
            let outcome = match index {
                500 => Status::ErrorStatus,
                _ => Status::Ok,
            };
            let sent = (index + 100) * 10_000_000;
            let mut sample = Sample::test(sent, 4_000_000 + index * 1000, outcome);
            sample.intended_ns -= lag_ms * 1_000_000;
            (sample.kind, sample.warm_up) = ((index % 2) as u16, index < 200);
            if index == 500 {
                sample.error = HOSTILE.into();
            }
            sample.refused_body = (index == 500).then(|| format!("body {HOSTILE}").into());
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

    fn render(run: &Run, validity: &Validity, thresholds: &Judgements) -> String {
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
        let page = RunPage {
            title: HOSTILE.to_owned(),
            during: "2026-01-01T00:00:00Z, 10 s".to_owned(),
            summary: &summary,
            moments: &run.moments,
            warm_up_seconds: 2.0,
            bins: &run.bins,
            validity,
            thresholds,
            sections: vec![section("Target"), section("Producer")],
            command: HOSTILE.to_owned(),
        };
        page.to_string()
    }

    fn body(page: &str) -> &str {
        &page[page.find("<body>").unwrap()..]
    }

    #[test]
    fn all_parts_are_there_and_nothing_is_loaded() {
        let run = run(0);
        let page = render(&run, &Validity::Valid, &Judgements::default());
        assert!(page.len() < 8_000_000, "{}", page.len());
        assert_eq!(page.matches("plotly.js v").count(), 1);
        assert!(!page.contains("<script src") && !page.contains("<link"));
        let body = body(&page);
        let parts = [
            "class=\"verdict open\">1 of 800 requests failed.",
            "<dt>median</dt>",
            "<h2>Request statistics</h2>",
            "<th class=\"figure\">66%</th>",
            "<h2>Failures</h2>",
            "id=\"course\"",
            "id=\"histogram\"",
            "<h2>Stages</h2>",
            "<h2>Target</h2>",
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
        let page = render(&run, &Validity::Valid, &Judgements::default());
        let body = body(&page);
        assert!(!body.contains("<script>alert"));
        assert_eq!(body.matches("&#60;script&#62;alert(1)").count(), 10);
    }

    #[test]
    fn the_course_has_three_panels_on_one_axis_and_the_warm_up_shaded() {
        let page = render(&run(0), &Validity::Valid, &Judgements::default());
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
        let same = render(&run(0), &Validity::Valid, &Judgements::default());
        assert!(!same.contains("coordinated omission") && !same.contains("<td>service</td>"));
        let late = render(&run(5), &Validity::Valid, &Judgements::default());
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
            position("class=\"verdict bad\">Do not use these figures")
                < position("too busy; take more cores")
        );
        assert!(position("too busy") < position("<h2>Thresholds</h2>"));
        assert!(page.contains("<th>p95&#60;1ms</th><td class=\"bad\">broken</td>"));
        assert!(page.contains("<td class=\"bad\">undecided</td>"));
        let page = render(&run, &Validity::Valid, &answer);
        assert!(
            page.contains("class=\"verdict bad\">The threshold p95&#60;1ms is broken: "),
            "which one"
        );
        assert!(page.contains(" The threshold p99.99&#60;1s is undecided: "));
    }

    #[test]
    fn a_run_without_requests_has_a_page() {
        let empty = Run {
            summary: Tally::new(&["createOrder".to_owned()]).summary(),
            moments: Vec::new(),
            bins: Vec::new(),
        };
        let page = render(&empty, &Validity::Valid, &Judgements::default());
        assert!(page.contains("No request was measured.") && !body(&page).contains("NaN"));
    }
}
