//! The ratios as an SVG picture: one row for each ratio, with its interval as a line. Pure.

use super::figures::{Metric, Ratio};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 330.0;
const RIGHT: f64 = 30.0;
const ROW: f64 = 22.0;
const TOP: f64 = 56.0;
/// The scale is logarithmic: half and double are equally far from 1.
const TICKS: [f64; 9] = [0.1, 0.2, 0.5, 0.8, 1.0, 1.25, 2.0, 5.0, 10.0];

/// Draws the ratios of one figure to the floors.
pub(super) fn svg(ratios: &[Ratio], metric: Metric, caption: &str) -> String {
    let rows: Vec<&Ratio> = ratios.iter().filter(|one| one.metric == metric).collect();
    let scale = Scale::of(&rows);
    let bottom = TOP + ROW * rows.len() as f64;
    let height = bottom + 34.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    let title = format!("{} over the floor's, same round", metric.name());
    svg += &text(12.0, 20.0, "start", &title, "font-weight=\"bold\"");
    svg += &text(12.0, 38.0, "start", caption, "fill=\"#555555\"");
    for tick in TICKS.into_iter().filter(|tick| scale.holds(*tick)) {
        let x = scale.x(tick);
        let colour = if tick == 1.0 { "#000000" } else { "#dddddd" };
        svg += &line((x, TOP - 8.0), (x, bottom), colour, 1.0);
        svg += &text(
            x,
            bottom + 16.0,
            "middle",
            &tick.to_string(),
            "fill=\"#555555\"",
        );
    }
    for (index, ratio) in rows.iter().enumerate() {
        svg += &row(ratio, &scale, TOP + ROW * (index as f64 + 0.5));
    }
    svg + "</svg>\n"
}

fn row(ratio: &Ratio, scale: &Scale, y: f64) -> String {
    let label = format!("{}, {}", ratio.subject.name(), short(&ratio.load.name()));
    let mut row = text(LEFT - 12.0, y + 4.0, "end", &label, "");
    let (x, colour) = (scale.x(ratio.median), "#0072b2");
    if let Some((low, high)) = ratio.interval {
        row += &line((scale.x(low), y), (scale.x(high), y), colour, 2.0);
    }
    let tip = format!("{:.2}", ratio.median);
    row + &format!(
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"><title>{tip}</title></circle>\n"
    )
}

fn short(load: &str) -> &str {
    load.strip_suffix(" at half of the slowest's rate")
        .unwrap_or(load)
}

/// The position of a ratio.
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    fn of(rows: &[&Ratio]) -> Self {
        let ends = rows.iter().flat_map(|one| {
            let (low, high) = one.interval.unwrap_or((one.median, one.median));
            [low, high, one.median]
        });
        // The scale always has 1, where subject and floor are equal.
        let (low, high) = ends
            .filter(|end| end.is_finite() && *end > 0.0)
            .fold((0.8_f64, 1.25_f64), |(low, high), end| {
                (low.min(end), high.max(end))
            });
        // Bounded, because the interval of two rounds can be very wide.
        Self {
            low: low.max(0.05).ln(),
            high: high.min(20.0).ln(),
        }
    }

    fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value.ln())
    }

    fn x(&self, value: f64) -> f64 {
        let share = (value.ln().clamp(self.low, self.high) - self.low) / (self.high - self.low);
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }
}

fn line((x1, y1): (f64, f64), (x2, y2): (f64, f64), colour: &str, width: f64) -> String {
    format!(
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" \
         stroke-width=\"{width}\"/>\n"
    )
}

fn text(x: f64, y: f64, anchor: &str, content: &str, more: &str) -> String {
    let content = content.replace('&', "&amp;").replace('<', "&lt;");
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {more}>{content}</text>\n")
}

#[cfg(test)]
mod tests {
    use super::super::load::{Load, Pressure};
    use super::super::subject::Subject;
    use super::*;

    fn ratio(median: f64, interval: Option<(f64, f64)>) -> Ratio {
        Ratio {
            subject: Subject::BridgeTasks,
            reference: Subject::EchoPipelined,
            load: Load::alone(Pressure::HalfOfSlowest),
            metric: Metric::P50,
            median,
            interval,
        }
    }

    #[test]
    fn one_point_a_ratio_and_nothing_beyond_the_paper() {
        let ratios = [
            ratio(0.9, Some((0.8, 1.0))),
            ratio(3.0, Some((1e-9, 1e9))),
            ratio(1.0, None),
        ];
        let drawn = svg(&ratios, Metric::P50, "a & b");
        assert_eq!(drawn.matches("<circle").count(), 3);
        assert!(drawn.contains("a &amp; b") && drawn.contains("bridge-tasks, open loop"));
        let xs = drawn
            .split(" x1=\"")
            .skip(1)
            .chain(drawn.split(" x2=\"").skip(1));
        for x in xs.map(|rest| rest.split('"').next().unwrap().parse::<f64>().unwrap()) {
            assert!((LEFT..=WIDTH - RIGHT).contains(&x), "{x}");
        }
        assert_eq!(svg(&ratios, Metric::P99, "").matches("<circle").count(), 0);
    }

    #[test]
    fn half_and_double_are_equally_far_from_one() {
        let rows = [ratio(0.5, None), ratio(2.0, None)];
        let scale = Scale::of(&rows.iter().collect::<Vec<_>>());
        let (half, one, double) = (scale.x(0.5), scale.x(1.0), scale.x(2.0));
        assert!(((one - half) - (double - one)).abs() < 1e-9);
    }
}
