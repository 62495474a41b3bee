//! The charts of the page. They are fed with counts and quantiles, never with every request.

mod blocks;
mod distributions;
mod shift;
mod time;

use plotly::color::NamedColor;
use plotly::common::{Orientation, Title};
use plotly::configuration::DisplayModeBar;
use plotly::layout::{Axis, AxisType, Legend, Margin};
use plotly::{Configuration, Layout, Plot};

use crate::compare::Comparison;

/// Okabe & Ito's orange and blue: told apart by the colour-blind, readable on light and dark.
const BASELINE: Line = Line {
    name: "baseline",
    colour: "#e69f00",
    shade: "rgba(230,159,0,0.25)",
    pale: "rgba(230,159,0,0.5)",
};
const CHANGED: Line = Line {
    name: "changed",
    colour: "#56b4e9",
    shade: "rgba(86,180,233,0.25)",
    pale: "rgba(86,180,233,0.5)",
};

/// How a side is drawn.
#[derive(Clone, Copy)]
struct Line {
    name: &'static str,
    colour: &'static str,
    /// For areas.
    shade: &'static str,
    /// For lines of second rank.
    pale: &'static str,
}

/// All charts of a comparison, in the order of the page.
pub(super) fn all(comparison: &Comparison) -> String {
    let charts = [
        blocks::effects(comparison),
        blocks::medians(comparison),
        distributions::histogram(comparison),
        distributions::ecdf(comparison),
        distributions::spectrum(comparison),
        shift::shift_function(comparison),
        time::over_time(comparison),
    ];
    charts.into_iter().flatten().collect()
}

pub(super) fn layout(x: Axis, y: Axis) -> Layout {
    // Transparent paper: the page's own background shows through, light or dark.
    Layout::new()
        .paper_background_color(NamedColor::Transparent)
        .plot_background_color(NamedColor::Transparent)
        .margin(Margin::new().top(32))
        .legend(Legend::new().orientation(Orientation::Horizontal).y(1.1))
        .x_axis(x)
        .y_axis(y)
}

pub(super) fn axis(title: &str) -> Axis {
    Axis::new()
        .title(Title::with_text(title))
        .grid_color("rgba(128,128,128,0.25)")
        .auto_margin(true)
}

fn log_axis(title: &str) -> Axis {
    axis(title).type_(AxisType::Log)
}

pub(super) fn figure(id: &str, heading: &str, note: &str, mut plot: Plot) -> String {
    // Zoom by dragging and by double click stays; the bar of buttons would cover the legend.
    let bar = DisplayModeBar::False;
    plot.set_configuration(Configuration::new().responsive(true).display_mode_bar(bar));
    let chart = plot.to_inline_html(Some(id));
    format!(
        "<section><h2>{heading}</h2>\n<div class=\"chart\">{chart}</div>\n<p class=\"note\">{note}</p></section>\n"
    )
}
