//! The charts of the page. They are fed with counts and medians, never with every request.

use plotly::common::{Marker, Mode, Orientation, Title};
use plotly::configuration::DisplayModeBar;
use plotly::layout::{Axis, BarMode, Legend, Margin};
use plotly::{Bar, Configuration, Layout, Plot, Scatter};

use crate::compare::{Comparison, SideSummary};

/// Okabe & Ito's orange and blue: told apart by the colour-blind, readable on light and dark.
const SIDES: [(&str, &str); 2] = [("baseline", "#e69f00"), ("changed", "#56b4e9")];

/// Overlay histogram of both sides on one binning.
pub(super) fn histogram(comparison: &Comparison) -> String {
    let Some(histogram) = &comparison.parity.histogram else {
        return String::new();
    };
    let mut plot = Plot::new();
    let centres: Vec<f64> = histogram
        .edges
        .windows(2)
        .map(|edges| f64::midpoint(edges[0], edges[1]))
        .collect();
    let width = histogram.edges[1] - histogram.edges[0];
    for ((name, colour), counts) in SIDES
        .into_iter()
        .zip([&histogram.baseline, &histogram.changed])
    {
        plot.add_trace(
            Bar::new(centres.clone(), counts.clone())
                .name(name)
                .width(width)
                .opacity(0.65)
                .marker(Marker::new().color(colour)),
        );
    }
    plot.set_layout(
        layout("round-trip time (ms)", "requests")
            .bar_mode(BarMode::Overlay)
            .bar_gap(0.0),
    );
    let note = format!(
        "Both sides on the same bins. Beyond the right edge: {} of the baseline's requests, {} of the changed side's.",
        histogram.baseline_above, histogram.changed_above
    );
    figure("histogram", "Round-trip times", &note, plot)
}

/// The median of each run, block by block.
pub(super) fn medians(comparison: &Comparison) -> String {
    let mut plot = Plot::new();
    for ((name, colour), side) in SIDES
        .into_iter()
        .zip([&comparison.baseline, &comparison.changed])
    {
        let (blocks, medians) = median_points(side);
        plot.add_trace(
            Scatter::new(blocks, medians)
                .name(name)
                .mode(Mode::LinesMarkers)
                .marker(Marker::new().color(colour).size(10)),
        );
    }
    plot.set_layout(
        layout("block", "median round-trip time (ms)").x_axis(axis("block").dtick(1.0)),
    );
    let note = "Each point is one run. The change between the sides counts only where it is larger than the change from block to block.";
    figure("medians", "Medians, block by block", note, plot)
}

fn median_points(side: &SideSummary) -> (Vec<usize>, Vec<f64>) {
    let medians = side.runs.iter().enumerate();
    medians
        .filter_map(|(index, run)| Some((index + 1, run.figures.median_ms?)))
        .unzip()
}

pub(super) fn layout(x_title: &str, y_title: &str) -> Layout {
    // Transparent paper: the page's own background shows through, light or dark.
    Layout::new()
        .paper_background_color("rgba(0,0,0,0)")
        .plot_background_color("rgba(0,0,0,0)")
        .margin(Margin::new().top(32))
        .legend(Legend::new().orientation(Orientation::Horizontal).y(1.1))
        .x_axis(axis(x_title))
        .y_axis(axis(y_title))
}

pub(super) fn axis(title: &str) -> Axis {
    Axis::new()
        .title(Title::with_text(title))
        .grid_color("rgba(128,128,128,0.25)")
}

pub(super) fn figure(id: &str, heading: &str, note: &str, mut plot: Plot) -> String {
    // Zoom by dragging and by double click stays; the bar of buttons would cover the legend.
    let bar = DisplayModeBar::False;
    plot.set_configuration(Configuration::new().responsive(true).display_mode_bar(bar));
    let chart = plot.to_inline_html(Some(id));
    format!(
        "<h2>{heading}</h2>\n<div class=\"chart\">{chart}</div>\n<p class=\"note\">{note}</p>\n"
    )
}
