//! A comparison as a comment on a pull request: the verdict, the changes, the warnings; the rest folded.

use super::markdown::{escape, table};
use crate::compare::Comparison;
use crate::compare::tables::{self, Table};

/// Rows, and warnings, that are listed; a comment on GitHub ends at 65,536 characters.
const MAX_LISTED: usize = 40;

/// Renders a comparison in GitHub's Markdown.
#[must_use]
pub(crate) fn comparison_markdown(comparison: &Comparison) -> String {
    let mut text = format!("**{}**\n\n", escape(&comparison.conclusion));
    for table in tables::verdicts(comparison) {
        let note = table.note.clone();
        text.push_str(&markdown(table));
        text.extend(note.map(|note| format!("{note}\n\n")));
    }
    text.push_str(&warnings(comparison));
    text.push_str("<details>\n<summary>All figures</summary>\n\n");
    let always = [tables::pooled(comparison), tables::runs(comparison)];
    let wholes = [tables::shape(comparison), tables::within(comparison)];
    let tables = always.into_iter().chain(wholes.into_iter().flatten());
    let tables = tables.chain([tables::per_request(comparison)]);
    text.extend(tables.map(markdown));
    text.push_str("</details>\n");
    text
}

fn markdown(mut shown: Table) -> String {
    shown = shown.brief();
    let more = shown.rows.len().saturating_sub(MAX_LISTED);
    shown.rows.truncate(MAX_LISTED);
    let mut columns = vec![shown.heading.as_str()];
    columns.extend(shown.columns.iter().map(|column| column.name.as_str()));
    let more = match more {
        0 => String::new(),
        more => format!("\nAnd {more} more rows.\n"),
    };
    format!("{}{more}\n", table(&columns, &shown.rows))
}

fn warnings(comparison: &Comparison) -> String {
    let warnings = &comparison.warnings;
    if warnings.is_empty() {
        return String::new();
    }
    let line = |warning: &String| format!("- warning: {}\n", escape(warning));
    let lines: String = warnings.iter().take(MAX_LISTED).map(line).collect();
    let more = match warnings.len().saturating_sub(MAX_LISTED) {
        0 => String::new(),
        more => format!("- and {more} more warnings\n"),
    };
    format!("{lines}{more}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Options, Run, compare};

    fn runs(label: &str, count: usize, median: f64) -> Vec<Run> {
        let run = |index: usize| {
            let factor = median * (1.0 + 0.001 * (index % 7) as f64);
            let latencies = (0..400).map(|step| factor * (0.8 + 0.001 * f64::from(step)));
            Run::new(format!("{label}-{index}"), latencies.collect())
        };
        (0..count).map(run).collect()
    }

    fn markdown(baseline: &[Run], changed: &[Run]) -> String {
        comparison_markdown(&compare(baseline, changed, &Options::default()).unwrap())
    }

    #[test]
    fn the_verdict_is_seen_and_the_rest_is_folded() {
        let mut changed = runs("tasks", 6, 4.0);
        changed[0].failures = 1;
        insta::assert_snapshot!(markdown(&runs("serial", 6, 6.0), &changed));
    }

    #[test]
    fn a_refusal_names_its_reason_and_texts_are_no_markup() {
        let text = markdown(&runs("@all <b>|", 1, 6.0), &runs("two", 1, 4.0));
        assert!(
            text.starts_with("**No verdict: run-to-run variation was not measured"),
            "{text}"
        );
        assert!(text.contains("within the two runs"), "{text}");
        assert!(
            text.contains("| &#64;all &#60;b&#62;&#124;-0 | baseline |"),
            "{text}"
        );
    }

    #[test]
    fn it_fits_a_comment_however_many_runs() {
        let (mut baseline, changed) = (runs("serial", 300, 6.0), runs("tasks", 300, 4.0));
        baseline
            .iter_mut()
            .for_each(|run| run.warnings.push("w".repeat(200)));
        let options = Options {
            detail: crate::compare::Detail::Verdict,
            ..Options::default()
        };
        let text = comparison_markdown(&compare(&baseline, &changed, &options).unwrap());
        assert!(text.contains("and 261 more warnings"), "{text}");
        assert!(text.contains("And 560 more rows."), "{text}");
        assert!(text.len() < 65_536, "{}", text.len());
    }
}
