//! The page of one run: verdict, figures, charts, circumstances. Fed with plain data, never with the runner.

mod charts;
mod tables;

use super::page::{STYLE, THEME, chart_library, paragraphs};
use super::{Section, escape};
use crate::measure::moment::{Bin, Moment};
use crate::measure::selfcheck::Validity;
use crate::measure::summary::Summary;
use crate::measure::threshold::Answer;

const RUN_STYLE: &str = include_str!("run.css");
const PRINT: &str = include_str!("print.js");

/// What the page shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunPage<'a> {
    /// Heading and window title.
    pub title: &'a str,
    /// One line under the heading: when, and for how long.
    pub during: &'a str,
    /// The figures.
    pub summary: &'a Summary,
    /// The course of the run, a moment for each second.
    pub moments: &'a [Moment],
    /// Length of the warm-up, in seconds.
    pub warm_up_seconds: f64,
    /// The measured response times.
    pub bins: &'a [Bin],
    /// Whether the load client was the bottleneck.
    pub validity: &'a Validity,
    /// What became of the thresholds.
    pub thresholds: &'a Answer,
    /// Target and load, shown before the figures.
    pub header: &'a [Section],
    /// Client settings and environment, shown after them.
    pub circumstances: &'a [Section],
    /// The command that repeats the run, secrets masked.
    pub command: &'a str,
}

/// Renders a run as one HTML page: no file beside it, no request to any server.
#[must_use]
pub(crate) fn run_page(page: &RunPage<'_>) -> String {
    let title = escape(page.title);
    let during = escape(page.during);
    let verdict = verdict(page);
    let validity = validity(page.validity);
    let header: String = page.header.iter().map(super::tables::section).collect();
    let thresholds = tables::thresholds(page.thresholds);
    let requests = tables::requests(page.summary);
    let times = tables::times(page.summary);
    let failures = tables::failures(page.summary);
    let course = charts::course(page.moments, page.warm_up_seconds);
    let histogram = charts::histogram(page.bins);
    let stages = tables::stages(page.summary);
    let circumstances: String = page
        .circumstances
        .iter()
        .map(super::tables::section)
        .collect();
    let command = escape(page.command);
    let library = chart_library();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}{RUN_STYLE}</style>\n{library}\n</head>\n<body>\n<main>\n\
         <h1>{title}</h1>\n<p class=\"note\">{during}</p>\n{verdict}{validity}{header}{thresholds}\
         <div class=\"figures\">\n{requests}{times}</div>\n{failures}{course}{histogram}{stages}{circumstances}\
         <h2>Command</h2>\n<pre class=\"command\">{command}</pre>\n\
         </main>\n<script>\n{THEME}{PRINT}</script>\n</body>\n</html>\n"
    )
}

/// The one sentence that a hurried reader needs.
fn verdict(page: &RunPage<'_>) -> String {
    let total = &page.summary.total;
    let broken = !page.thresholds.all_hold();
    let (tone, text) = if page.validity.is_invalid() {
        let text = "The load client was a bottleneck: do not use these figures.".to_owned();
        ("bad", text)
    } else if broken {
        ("bad", "A threshold does not hold.".to_owned())
    } else if total.requests == 0 {
        ("open", "No request was measured.".to_owned())
    } else if page.summary.any_failure() {
        let text = format!("{} of {} requests failed.", total.failures, total.requests);
        ("open", text)
    } else {
        let text = format!("All {} requests were answered well.", total.requests);
        ("good", text)
    };
    format!("<p class=\"verdict {tone}\">{}</p>\n", escape(&text))
}

fn validity(validity: &Validity) -> String {
    match validity {
        Validity::Valid => String::new(),
        Validity::NotJudged { .. } => paragraphs("notice", &validity.lines()),
        Validity::Invalid { .. } => paragraphs("warning", &validity.lines()),
    }
}

#[cfg(test)]
mod tests;
