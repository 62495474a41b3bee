//! A comparison, or a run, as one self-contained HTML page that opens offline.

mod charts;
mod page;
mod run;
mod tables;

pub use page::{PageContext, Section, comparison_page};
// internal: the report of one run
pub(crate) use run::{RunPage, run_page};

/// Escapes text for element content and for quoted attributes.
fn escape(text: &str) -> String {
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
