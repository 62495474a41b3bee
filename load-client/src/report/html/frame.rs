//! The common parts of the charts: colours, axes, legend, the shade of the warm-up, the element around them.

use plotly::color::NamedColor;
use plotly::common::{Font, Line as Stroke, Mode, Orientation, Title};
use plotly::configuration::DisplayModeBar;
use plotly::layout::{Axis, AxisType, Legend, Margin, Shape, ShapeLayer, ShapeLine, ShapeType};
use plotly::{Configuration, Layout, Plot, Scatter, Trace};
use serde::Serialize;

// The light colours of palette.css. theme.js replaces them by the dark ones.
pub(super) const TEXT: &str = "#17212e";
pub(super) const REQUESTS: &str = "#0072b2";
pub(super) const FAILURES: &str = "#c24f00";
pub(super) const P50: &str = "#007f5f";
pub(super) const P95: &str = "#9c6a00";
pub(super) const P99: &str = "#b0468a";
pub(super) const USERS: &str = "#6a4fb3";

/// Orange and blue, which colour-blind people can tell apart.
pub(super) const BASELINE: Line = Line {
    colour: "#8f5200",
    shade: "#8f520040",
    pale: "#bd7f1e",
};
pub(super) const CHANGED: Line = Line {
    colour: "#085f94",
    shade: "#085f9440",
    pale: "#3a8fc4",
};

/// The line style of a side.
#[derive(Clone, Copy)]
pub(super) struct Line {
    pub(super) colour: &'static str,
    /// The colour of areas.
    pub(super) shade: &'static str,
    /// The colour of secondary lines.
    pub(super) pale: &'static str,
}

pub(super) fn layout(x: Axis, y: Axis) -> Layout {
    // The paper is transparent, so the background of the page shows through, light or dark.
    Layout::new()
        .paper_background_color(NamedColor::Transparent)
        .plot_background_color(NamedColor::Transparent)
        .font(Font::new().color(TEXT))
        .margin(Margin::new().top(32).left(56).right(16).bottom(48))
        .legend(Legend::new().orientation(Orientation::Horizontal))
        .x_axis(x)
        .y_axis(y)
}

pub(super) fn axis(title: &str) -> Axis {
    Axis::new()
        .title(Title::with_text(title))
        .grid_color("rgba(128,128,128,0.25)")
        .auto_margin(true)
}

/// Returns a logarithmic axis for values. Its ticks are 1, 2 and 5 times each power of ten, written out.
pub(super) fn log_axis(title: &str, values: impl Iterator<Item = f64>) -> Axis {
    let axis = axis(title).type_(AxisType::Log).tick_format(",~r");
    match log_ticks(values) {
        Some(count) => axis.n_ticks(count),
        None => axis,
    }
}

/// Returns the number of ticks that makes plotly.js choose 1, 2 and 5: two for each power of ten. Within one power of
/// ten, plotly.js spaces them evenly by itself.
fn log_ticks(values: impl Iterator<Item = f64>) -> Option<usize> {
    let ends = values.filter(|value| *value > 0.0).map(f64::log10);
    let (low, high) = ends.fold((f64::MAX, f64::MIN), |(low, high), own| {
        (low.min(own), high.max(own))
    });
    let decades = high - low;
    (decades >= 1.0).then(|| (2.0 * decades).round() as usize)
}

/// Returns a shade from the start to the end of the warm-up, over the whole height, if there is a warm-up.
pub(super) fn warm_up_shade(seconds: f64) -> Vec<Shape> {
    let shade = (seconds > 0.0).then(|| {
        Shape::new()
            .shape_type(ShapeType::Rect)
            .layer(ShapeLayer::Below)
            .x_ref("x")
            .y_ref("paper")
            .x0(0.0)
            .x1(seconds)
            .y0(0.0)
            .y1(1.0)
            .fill_color("rgba(128,128,128,0.18)")
            .line(ShapeLine::new().width(0.0))
    });
    shade.into_iter().collect()
}

/// Returns a line through points.
pub(super) fn curve<X, Y>(
    name: &str,
    colour: &'static str,
    width: f64,
    x: Vec<X>,
    y: Vec<Y>,
) -> Box<Scatter<X, Y>>
where
    X: Serialize + Clone + 'static,
    Y: Serialize + Clone + 'static,
{
    let curve = Scatter::new(x, y).name(name).mode(Mode::Lines);
    curve.line(stroke(colour, width))
}

pub(super) fn stroke(colour: &'static str, width: f64) -> Stroke {
    Stroke::new().color(colour).width(width)
}

/// Returns the element of a chart, with its heading and a note.
pub(super) fn figure(
    id: &str,
    heading: &str,
    note: &str,
    traces: Vec<Box<dyn Trace>>,
    layout: Layout,
) -> String {
    // The bar of buttons would cover the legend. Zoom by dragging and by double click still works.
    let bar = DisplayModeBar::False;
    let mut plot = Plot::new();
    plot.add_traces(traces);
    plot.set_layout(layout);
    plot.set_configuration(Configuration::new().responsive(true).display_mode_bar(bar));
    let chart = plot.to_inline_html(Some(id));
    format!(
        "<section><h2>{heading}</h2>\n<div class=\"chart\" role=\"img\" aria-label=\"{heading}\">{chart}</div>\n<p class=\"note\">{note}</p></section>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PALETTE: &str = include_str!("palette.css");

    /// Returns the two colours of a role, light and dark.
    fn role(name: &str) -> [&'static str; 2] {
        let start = format!("--{name}: light-dark(");
        let line = PALETTE.split(&start).nth(1).expect(name);
        let (light, dark) = line.split(')').next().unwrap().split_once(", ").unwrap();
        [light, dark]
    }

    /// WCAG 2.2, relative luminance.
    fn luminance(colour: &str) -> f64 {
        let part =
            |at: usize| f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
        let linear = |part: f64| match part {
            ..=0.04045 => part / 12.92,
            _ => ((part + 0.055) / 1.055).powf(2.4),
        };
        0.2126 * linear(part(1)) + 0.7152 * linear(part(3)) + 0.0722 * linear(part(5))
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn every_colour_is_told_from_its_background() {
        let text = ["text", "quiet", "accent", "good", "bad", "warm"];
        let drawn = [
            "edge",
            "requests",
            "failures",
            "p50",
            "p95",
            "p99",
            "users",
            "baseline",
            "baseline-p95",
            "changed",
            "changed-p95",
        ];
        let text = text.map(|name| (name, 4.5)).into_iter();
        for (name, least) in text.chain(drawn.map(|name| (name, 3.0))) {
            for ground in ["page", "panel"] {
                for theme in [0, 1] {
                    let found = contrast(role(name)[theme], role(ground)[theme]);
                    assert!(found >= least, "{name} on {ground}: {found:.2}");
                }
            }
        }
        for (name, ground) in [
            ("on-accent", "accent"),
            ("bad", "bad-panel"),
            ("warm", "warm-panel"),
        ] {
            for theme in [0, 1] {
                let found = contrast(role(name)[theme], role(ground)[theme]);
                assert!(found >= 4.5, "{name} on {ground}: {found:.2}");
            }
        }
    }

    #[test]
    fn charts_are_drawn_in_the_colours_of_the_palette_each_with_one_meaning() {
        let drawn = [
            ("text", TEXT),
            ("requests", REQUESTS),
            ("failures", FAILURES),
            ("p50", P50),
            ("p95", P95),
            ("p99", P99),
            ("users", USERS),
            ("baseline", BASELINE.colour),
            ("baseline-p95", BASELINE.pale),
            ("changed", CHANGED.colour),
            ("changed-p95", CHANGED.pale),
        ];
        for (name, colour) in drawn {
            assert_eq!(role(name)[0], colour, "{name}");
        }
        let mut colours: Vec<_> = drawn.iter().flat_map(|(name, _)| role(name)).collect();
        colours.sort_unstable();
        assert!(
            colours.windows(2).all(|two| two[0] != two[1]),
            "{colours:?}"
        );
        assert!(BASELINE.shade.starts_with(BASELINE.colour));
        assert!(CHANGED.shade.starts_with(CHANGED.colour));
    }

    #[test]
    fn a_logarithmic_axis_has_ticks_at_one_two_and_five() {
        // plotly.js chooses 1, 2 and 5 if the powers of ten per tick are above 0.3 and at most 0.7.
        for (low, high) in [(1.0, 10.0), (3.0, 38.0), (0.2, 9000.0)] {
            let ticks = log_ticks([0.0, low, high].into_iter()).unwrap();
            let each = f64::log10(high / low) / ticks as f64;
            assert!(each > 0.3 && each <= 0.7, "{low} to {high}: {each}");
        }
        assert_eq!(log_ticks([3.0, 9.0].into_iter()), None);
        assert_eq!(log_ticks(std::iter::empty()), None);
    }
}
