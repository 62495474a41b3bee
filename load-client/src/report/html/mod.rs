//! Renders a comparison or a run as one self-contained HTML page that opens offline.

mod charts;
mod frame;
mod run;

use askama::Template;
use serde::{Deserialize, Serialize};

use crate::compare::tables::{self, Table};
use crate::compare::{Comparison, Verdict, once};

// internal: the report of one run
pub(crate) use run::{RunPage, circumstances};

/// The circumstances of the runs, as the page shows them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PageContext {
    /// Heading and window title.
    pub title: String,
    /// Sentences that a reader must not miss, for example that the broker was a mock.
    pub notices: Vec<String>,
    /// Environment, settings and commands of the runs.
    pub sections: Vec<Section>,
}

/// A table of names and values under a heading.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// The heading.
    pub heading: String,
    /// Names and values.
    pub rows: Vec<(String, String)>,
}

impl Section {
    pub(crate) fn new<N: Into<String>>(
        heading: &str,
        rows: impl IntoIterator<Item = (N, String)>,
    ) -> Self {
        let rows = rows.into_iter().map(|(name, value)| (name.into(), value));
        Self {
            heading: heading.to_owned(),
            rows: rows.collect(),
        }
    }

    fn table(&self) -> Table {
        let rows = self.rows.iter().cloned();
        Table {
            heading: self.heading.clone(),
            columns: Vec::new(),
            rows: rows.map(|(name, value)| vec![name, value]).collect(),
            note: None,
        }
    }
}

const STYLE: &str = concat!(include_str!("palette.css"), include_str!("page.css"));
const THEME: &str = include_str!("theme.js");

/// Renders a comparison as one HTML page: no file beside it, no request to any server.
#[must_use]
pub fn comparison_page(comparison: &Comparison, context: &PageContext) -> String {
    let mut figures = vec![tables::pooled(comparison)];
    figures.extend(tables::verdicts(comparison));
    let mut rest = Vec::from_iter(tables::shape(comparison));
    rest.push(tables::runs(comparison));
    rest.extend(tables::within(comparison));
    rest.push(tables::per_request(comparison));
    rest.extend(context.sections.iter().map(Section::table));
    let page = ComparisonPage {
        title: &context.title,
        comparison,
        notices: &context.notices,
        warnings: once(&comparison.warnings),
        figures: figures.into_iter().map(ShownTable::new).collect(),
        rest: rest.into_iter().map(ShownTable::new).collect(),
    };
    page.to_string()
}

#[derive(Template)]
#[template(path = "report/html/comparison.html")]
struct ComparisonPage<'a> {
    title: &'a str,
    comparison: &'a Comparison,
    notices: &'a [String],
    warnings: Vec<String>,
    /// The tables that the verdict is based on.
    figures: Vec<ShownTable>,
    /// The tables below the charts.
    rest: Vec<ShownTable>,
}

impl ComparisonPage<'_> {
    fn tone(&self) -> &'static str {
        match self.comparison.verdict {
            Some(Verdict::Faster) => "good",
            Some(Verdict::Slower) => "bad",
            _ => "open",
        }
    }
}

/// A table, and the attributes of the cells of each column. Figures are aligned to the right.
struct ShownTable {
    table: Table,
    attributes: Vec<&'static str>,
}

impl ShownTable {
    fn new(mut table: Table) -> Self {
        if let Some(first) = table.heading.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let rows = table.rows.iter().map(Vec::len).max().unwrap_or_default();
        let attribute = |column: usize| match is_of_figures(&table.rows, column) {
            true => " class=\"figure\"",
            false => "",
        };
        let columns = 0..rows.max(table.columns.len() + 1);
        Self {
            attributes: columns.map(attribute).collect(),
            table,
        }
    }
}

/// Returns plotly.js. The crate gives elements for plotly.js and MathJax; MathJax is left out, because it adds 2 MB for
/// formulae that no page has.
pub(crate) fn chart_library() -> String {
    let mut elements = plotly::Plot::offline_js_sources();
    if let Some(end) = elements.find("</script>") {
        elements.truncate(end);
    }
    let start = elements.find('>').map_or(0, |end| end + 1);
    elements.split_off(start)
}

/// Returns whether each cell of a column is a figure, a dash or empty.
fn is_of_figures(rows: &[Vec<String>], column: usize) -> bool {
    let texts = rows.iter().filter_map(|row| row.get(column));
    let mut texts = texts.filter(|text| !text.is_empty()).peekable();
    let is_figure = |text: &String| {
        let first = text.split_whitespace().next().unwrap_or_default();
        let number = first.replace(',', "").parse::<f64>();
        matches!(first, "-" | "–") || number.is_ok_and(f64::is_finite)
    };
    texts.peek().is_some() && texts.all(is_figure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Options, Run, compare};

    fn run(label: &str, offset: f64) -> Run {
        let latencies = (0..400).map(|index| offset + f64::from(index % 40) / 20.0);
        let mut run = Run::new(label.to_owned(), latencies.collect());
        run.throughput = Some(1000.0 / offset);
        run
    }

    fn page() -> String {
        let side =
            |offset: f64| (0..5).map(move |index| run("two", offset + 0.1 * f64::from(index)));
        let mut baseline: Vec<Run> = side(6.0).collect();
        baseline[0].label = "<b>one</b>".to_owned();
        let changed: Vec<Run> = side(4.0).collect();
        let comparison = compare(&baseline, &changed, &Options::default()).unwrap();
        let context = PageContext {
            title: "Serial & tasks".to_owned(),
            notices: vec!["the broker was <librdkafka's> mock".to_owned()],
            sections: vec![Section {
                heading: "Machine".to_owned(),
                rows: vec![("cores".to_owned(), "\"2\"".to_owned())],
            }],
        };
        comparison_page(&comparison, &context)
    }

    #[test]
    fn holds_the_chart_library_once_and_loads_nothing() {
        let page = page();
        assert_eq!(page.matches("plotly.js v").count(), 1);
        assert!(!page.contains("MathJax.loader"), "MathJax is left out");
        assert!(!page.contains("<script src") && !page.contains("<link"));
        assert!(page.len() < 8_000_000, "{}", page.len());
    }

    #[test]
    fn escapes_every_text() {
        let page = page();
        let body = &page[page.find("<body>").unwrap()..];
        assert!(body.contains("Serial &#38; tasks"));
        assert!(body.contains("the broker was &#60;librdkafka&#39;s&#62; mock"));
        assert!(body.contains("&#34;2&#34;"));
        assert!(!body.contains("<b>one</b>"));
    }

    #[test]
    fn figures_stand_at_the_right_and_words_at_the_left() {
        let rows = [["createOrder", "-5.4 %", "–"], ["readOrder", "–", "fast"]];
        let shown = ShownTable::new(Table {
            heading: "figures".to_owned(),
            columns: Vec::new(),
            rows: rows.map(|row| row.map(str::to_owned).to_vec()).into(),
            note: None,
        });
        assert_eq!(shown.attributes, ["", " class=\"figure\"", ""]);
        let page = page();
        for part in [
            "<th class=\"figure\">change</th>",
            "<th>verdict</th>",
            "<td>faster</td>",
            "<tr><th>median (ms)</th><td class=\"figure\">7.175</td><td class=\"figure\">5.175</td>\
             <td class=\"figure\">-27.9 %</td></tr>",
        ] {
            assert!(page.contains(part), "{part}");
        }
    }

    #[test]
    fn the_verdict_comes_first() {
        let page = page();
        let position = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text}"));
        assert!(position("class=\"verdict good\"") < position("<table"));
        assert!(position("Faster: ") < position("id=\"histogram\""));
    }
}
