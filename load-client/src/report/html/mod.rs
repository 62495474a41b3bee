//! A comparison, or a run, as one self-contained HTML page that opens offline.

mod charts;
mod frame;
mod run;
mod run_charts;

use crate::compare::tables::Table;
use crate::compare::{Comparison, Verdict, once, tables as compared};

// internal: the report of one run
pub(crate) use run::RunPage;

/// Escapes text for element content and for quoted attributes, also of XML.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// What the page says about the circumstances of the runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PageContext {
    /// Heading and window title.
    pub title: String,
    /// Sentences that a reader must not miss, for example that the broker was a mock.
    pub notices: Vec<String>,
    /// What was run: environment, settings, commands.
    pub sections: Vec<Section>,
}

/// A table of names and values under a heading.
#[derive(Debug, Clone, Default, PartialEq)]
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
}

const STYLE: &str = concat!(include_str!("palette.css"), include_str!("page.css"));
const THEME: &str = include_str!("theme.js");

/// Renders a comparison as one HTML page: no file beside it, no request to any server.
#[must_use]
pub fn comparison_page(comparison: &Comparison, context: &PageContext) -> String {
    let title = escape(&context.title);
    let conclusion = escape(&comparison.conclusion);
    let tone = tone(comparison.verdict);
    let notices = paragraphs("notice", &context.notices);
    let warnings = paragraphs("warning", &once(&comparison.warnings));
    let show = |tables: Vec<Table>| tables.iter().map(shown).collect::<String>();
    let mut figures = vec![compared::pooled(comparison)];
    figures.extend(compared::verdicts(comparison));
    let figures = show(figures);
    let mut rest = Vec::from_iter(compared::shape(comparison));
    rest.push(compared::runs(comparison));
    rest.extend(compared::within(comparison));
    rest.push(compared::per_request(comparison));
    let rest = show(rest);
    let charts = charts::all(comparison);
    let sections: String = context.sections.iter().map(section).collect();
    let library = chart_library();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n<script>{library}</script>\n</head>\n<body>\n<main>\n\
         <h1>{title}</h1>\n<p class=\"verdict {tone}\">{conclusion}</p>\n{notices}\
         {figures}{warnings}{charts}{rest}{sections}\
         </main>\n<script>\n{THEME}</script>\n</body>\n</html>\n"
    )
}

fn tone(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Faster) => "good",
        Some(Verdict::Slower) => "bad",
        _ => "open",
    }
}

fn paragraphs(class: &str, texts: &[String]) -> String {
    let paragraph = |text: &String| format!("<p class=\"{class}\">{}</p>\n", escape(text));
    texts.iter().map(paragraph).collect()
}

/// plotly.js, out of the elements that the crate makes of it and of MathJax; the second would add 2 MB for formulae
/// that no page has.
pub(crate) fn chart_library() -> String {
    let mut elements = plotly::Plot::offline_js_sources();
    if let Some(end) = elements.find("</script>") {
        elements.truncate(end);
    }
    let start = elements.find('>').map_or(0, |end| end + 1);
    elements.split_off(start)
}

/// A table of a comparison, with its note.
fn shown(of: &Table) -> String {
    let mut columns = vec![""];
    columns.extend(of.columns.iter().map(|column| column.name.as_str()));
    let mut heading = of.heading.clone();
    if let Some(first) = heading.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let note = of.note.as_ref().map(|note| {
        let note = escape(note);
        format!("<p class=\"note\">{note}</p>\n")
    });
    table(&heading, &columns, &of.rows) + &note.unwrap_or_default()
}

/// A section of the context.
fn section(section: &Section) -> String {
    let row = |(name, value): &(String, String)| cells(&[name, value]);
    let rows: Vec<_> = section.rows.iter().map(row).collect();
    table(&section.heading, &[], &rows)
}

/// The texts of a row; the first one names it.
fn cells(values: &[impl AsRef<str>]) -> Vec<String> {
    let owned = values.iter().map(|value| value.as_ref().to_owned());
    owned.collect()
}

/// A table under its heading; columns of figures stand at the right.
fn table(heading: &str, columns: &[&str], rows: &[Vec<String>]) -> String {
    let width = rows.iter().map(Vec::len).max().unwrap_or_default();
    let figures: Vec<bool> = (0..width)
        .map(|column| is_of_figures(rows, column))
        .collect();
    let cell = |is_heading: bool, column: usize, text: &str| {
        // What names nothing is no heading.
        let tag = if is_heading && !text.is_empty() {
            "th"
        } else {
            "td"
        };
        let class = match figures.get(column) {
            Some(true) => " class=\"figure\"",
            _ => "",
        };
        format!("<{tag}{class}>{}</{tag}>", escape(text))
    };
    let names = columns.iter().enumerate();
    let names: String = names
        .map(|(column, name)| cell(true, column, name))
        .collect();
    let head = match names.as_str() {
        "" => names,
        names => format!("<thead><tr>{names}</tr></thead>\n"),
    };
    let body = rows.iter().map(|row| {
        let cells = row.iter().enumerate();
        let cells = cells.map(|(column, text)| cell(column == 0, column, text));
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    });
    let body: String = body.collect();
    let heading = escape(heading);
    format!(
        "<h2>{heading}</h2>\n<div class=\"scroll\" role=\"region\" aria-label=\"{heading}\" tabindex=\"0\">\
         <table>\n{head}<tbody>\n{body}</tbody></table></div>\n"
    )
}

/// Whether each cell of a column that is not empty is a figure or a dash.
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
        assert!(body.contains("Serial &amp; tasks"));
        assert!(body.contains("the broker was &lt;librdkafka&#39;s&gt; mock"));
        assert!(body.contains("&quot;2&quot;"));
        assert!(!body.contains("<b>one</b>"));
    }

    #[test]
    fn figures_stand_at_the_right_and_words_at_the_left() {
        let rows =
            [["createOrder", "-5.4 %", "–"], ["readOrder", "–", "fast"]].map(|row| cells(&row));
        let table = table("Figures", &["", "change", "word"], &rows);
        assert!(
            table.contains("<th class=\"figure\">change</th><th>word</th>"),
            "{table}"
        );
        assert!(
            table.contains("<th>readOrder</th><td class=\"figure\">–</td><td>fast</td>"),
            "{table}"
        );
    }

    #[test]
    fn the_verdict_comes_first() {
        let page = page();
        let position = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text}"));
        assert!(position("class=\"verdict good\"") < position("<table"));
        assert!(position("Faster: ") < position("id=\"histogram\""));
    }
}
