//! Renders a comparison for a terminal and as GitHub's Markdown, and the command that repeats a run. It reads data and
//! writes text, and does not depend on the runner.

mod run;

use std::ffi::OsString;

use kafka_cluster_url::{MASK, shown, without_credentials};

use crate::compare::tables::{self, Table};
use crate::compare::{Comparison, once};

pub(crate) use run::{live_table, run_end, run_verdicts};

// The command that repeats a run. Values that may be secrets are masked.

const PREFIX: &str = "LOAD_CLIENT_";
/// Words in a header's name that make its value a secret, in addition to those for client properties.
const SECRETS: [&str; 5] = ["passwd", "oauthbearer", "authorization", "cookie", "key"];

/// Returns the command of this process.
pub(crate) fn command() -> String {
    let text = |value: OsString| value.to_string_lossy().into_owned();
    let arguments: Vec<_> = std::env::args_os().map(text).collect();
    let variables = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
    repeat_command(&arguments, &variables.collect::<Vec<_>>())
}

/// Joins the arguments, program first, and the variables that stand for flags, quoted for a shell.
fn repeat_command(arguments: &[String], variables: &[(String, String)]) -> String {
    let mut words: Vec<String> = variables
        .iter()
        .filter(|(name, _)| name.starts_with(PREFIX))
        .map(|(name, value)| format!("{name}={}", quoted(&masked_variable(name, value))))
        .collect();
    let mut own = arguments.iter();
    // The path of the program does not matter for repeating a run.
    words.extend(own.next().map(|_| "load-client".to_owned()));
    let mut flag = String::new();
    for argument in own {
        words.push(quoted(&masked(&flag, argument)));
        flag = argument.clone();
    }
    words.join(" ")
}

/// Returns an argument with its secret masked; `before` is the argument before it.
fn masked(before: &str, argument: &str) -> String {
    if matches!(before, "-X" | "--header") {
        return masked_pair(argument);
    }
    for flag in ["--header=", "-X=", "-X"] {
        if let Some(pair) = argument.strip_prefix(flag)
            && !pair.is_empty()
        {
            return format!("{flag}{}", masked_pair(pair));
        }
    }
    without_credentials(argument)
}

fn masked_variable(name: &str, value: &str) -> String {
    let own = name.trim_start_matches(PREFIX);
    match own {
        "X" | "HEADER" => value
            .lines()
            .map(masked_pair)
            .collect::<Vec<_>>()
            .join("\n"),
        _ if is_secret(own) => MASK.to_owned(),
        _ => without_credentials(value),
    }
}

fn masked_pair(pair: &str) -> String {
    match pair.split_once('=') {
        Some((key, _)) if is_secret(key) => format!("{key}={MASK}"),
        _ => pair.to_owned(),
    }
}

fn is_secret(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    shown(key, "") == MASK || SECRETS.iter().any(|word| lower.contains(word))
}

fn quoted(word: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "-_./:=,%@+".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Renders a comparison for a terminal: the conclusion, the figures of both sides with their change, the effects over
/// the blocks, the figures of the article, the warnings.
#[must_use]
pub fn comparison_text(comparison: &Comparison) -> String {
    let mut tables = vec![tables::pooled(comparison)];
    tables.extend(tables::verdicts(comparison));
    tables.extend(tables::shape(comparison));
    tables.extend(tables::within(comparison));
    tables.push(tables::per_request(comparison));
    let tables = tables.into_iter().map(|table| text(table.brief()));
    let warnings = once(&comparison.warnings).into_iter();
    let warnings = warnings.map(|warning| format!("\nwarning: {warning}\n"));
    let rest = tables.chain(warnings).collect::<String>();
    format!("{}\n{rest}", comparison.conclusion)
}

fn text(table: Table) -> String {
    let is_list = table.is_list();
    let mut lines = table.rows;
    if is_list {
        let names = lines.iter().map(|row| row[0].chars().count()).max();
        let width = names.unwrap_or_default();
        let rows = lines
            .iter()
            .map(|row| format!("{:<width$}  {}\n", row[0], row[1]));
        return format!("\n{}\n{}", table.heading, rows.collect::<String>());
    }
    let names = table.columns.into_iter().map(|column| column.name);
    lines.insert(0, std::iter::once(table.heading).chain(names).collect());
    let length =
        |row: &Vec<String>, index: usize| row.get(index).map_or(0, |cell| cell.chars().count());
    let widths: Vec<usize> = (0..lines[0].len())
        .map(|index| lines.iter().map(|row| length(row, index)).max())
        .map(Option::unwrap_or_default)
        .collect();
    let line = |row: &Vec<String>| {
        let mut cells = row.iter().zip(&widths);
        let first = cells.next().map(|(name, width)| format!("{name:<width$}"));
        let rest = cells.map(|(cell, width)| format!("  {cell:>width$}"));
        let line = first.into_iter().chain(rest).collect::<String>();
        format!("{}\n", line.trim_end())
    };
    format!("\n{}", lines.iter().map(line).collect::<String>())
}

/// Most rows, and most warnings, that are listed. A comment on GitHub has at most 65,536 characters.
const MAX_LISTED: usize = 40;

/// Renders a comparison in GitHub's Markdown.
pub fn comparison_markdown(comparison: &Comparison) -> String {
    let mut text = format!("**{}**\n\n", escape(&comparison.conclusion));
    for table in tables::verdicts(comparison) {
        let note = table.note.clone();
        text.push_str(&markdown(table));
        text.extend(note.map(|note| format!("{note}\n\n")));
    }
    text.push_str(&warnings(comparison));
    text.push_str("<details>\n<summary>All figures</summary>\n\n");
    let mut tables = vec![tables::pooled(comparison), tables::runs(comparison)];
    tables.extend(tables::shape(comparison));
    tables.extend(tables::within(comparison));
    tables.push(tables::per_request(comparison));
    text.extend(tables.into_iter().map(markdown));
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
    let warnings = once(&comparison.warnings);
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

/// Characters without a meaning in a line of Markdown, in addition to letters, digits and blanks.
const PLAIN: &str = ".,;:%()/+-='?!";

/// Escapes text for one line of GitHub's Markdown, so that nothing in it is markup, a link to an issue, or a mention.
///
/// References such as `&#42;` are never markup (CommonMark 0.31, section 2.5). Backslashes do not guarantee that:
/// `\@name` still is a mention.
fn escape(text: &str) -> String {
    let shown = |character: char| match character {
        character if character.is_control() => " ".to_owned(),
        character if character.is_ascii() && !is_plain(character) => {
            format!("&#{};", u32::from(character))
        }
        character => character.to_string(),
    };
    let escaped: String = text.chars().map(shown).collect();
    // GitHub turns a bare URL into a link. Escaping its slashes prevents that.
    escaped.replace("://", ":&#47;/")
}

fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == ' ' || PLAIN.contains(character)
}

/// Renders a table. The first column is aligned to the left, the others to the right.
fn table(columns: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = line(columns.iter().copied());
    let others = columns.len().saturating_sub(1);
    text += &format!("|---|{}\n", "--:|".repeat(others));
    text.extend(rows.iter().map(|row| line(row.iter().map(String::as_str))));
    text
}

fn line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let cells = cells.map(|cell| format!(" {} |", escape(cell)));
    format!("|{}\n", cells.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Options, Run, compare};

    fn command(arguments: &[&str], variables: &[(&str, &str)]) -> String {
        let own = |text: &&str| (*text).to_owned();
        let arguments: Vec<_> = arguments.iter().map(own).collect();
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variables: Vec<_> = variables.iter().map(pair).collect();
        repeat_command(&arguments, &variables)
    }

    #[test]
    fn a_command_can_be_pasted_into_a_shell() {
        assert_eq!(
            command(
                &[
                    "/opt/x/load-client",
                    "run",
                    "--host",
                    "kafka://a:1",
                    "--fail-on",
                    "p95<20ms",
                    "--body",
                    "it's",
                    ""
                ],
                &[("PATH", "/bin"), ("LOAD_CLIENT_USERS", "10")]
            ),
            "LOAD_CLIENT_USERS=10 load-client run --host kafka://a:1 --fail-on 'p95<20ms' --body 'it'\\''s' ''"
        );
    }

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        for arguments in [
            &["x", "-X", "sasl.password=hunter2"][..],
            &["x", "-Xsasl.password=hunter2"],
            &["x", "-X=sasl.password=hunter2"],
            &["x", "--header", "Authorization=Bearer hunter2"],
            &["x", "--header=x-api-key=hunter2"],
            &["x", "--host=kafka+sasl://me:hunter2@a:1"],
            &["x", "--host", "kafka+sasl://me:hunter2@a:1"],
        ] {
            let told = command(arguments, &[]);
            assert!(told.contains(MASK) && !told.contains("hunter2"), "{told}");
        }
        for (name, value) in [
            ("LOAD_CLIENT_X", "linger.ms=0\nsasl.password=hunter2"),
            ("LOAD_CLIENT_HEADER", "cookie=hunter2"),
            ("LOAD_CLIENT_HOST", "kafka+sasl://me:hunter2@a:1"),
            ("LOAD_CLIENT_WEB_PASSWORD", "hunter2"),
        ] {
            let told = command(&["x"], &[(name, value)]);
            assert!(told.contains(MASK) && !told.contains("hunter2"), "{told}");
        }
        assert!(command(&["x", "-X", "linger.ms=0"], &[]).ends_with("-X linger.ms=0"));
    }

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
        for (run, letter) in baseline.iter_mut().zip('\u{4e00}'..) {
            run.warnings.push(String::from(letter).repeat(67).into());
        }
        let options = Options {
            detail: crate::compare::Detail::Verdict,
            ..Options::default()
        };
        let text = comparison_markdown(&compare(&baseline, &changed, &options).unwrap());
        assert!(text.contains("and 261 more warnings"), "{text}");
        assert!(text.contains("And 560 more rows."), "{text}");
        assert!(text.len() < 65_536, "{}", text.len());
    }

    #[test]
    fn nothing_is_markup_a_mention_or_a_link() {
        assert_eq!(escape("p95: -3.1 % (a/b)"), "p95: -3.1 % (a/b)");
        let hostile = "a|b\n# <img src=x> @me #12 [x](http://y) `z` **w** _v_ &amp; $1$ \\";
        let escaped = escape(hostile);
        for markup in [
            "|", "\n", "# ", "<", ">", "@", "[", "]", "`", "*", "_", "&amp", "$", "\\", "://",
        ] {
            assert!(!escaped.contains(markup), "{markup} in {escaped}");
        }
        assert!(escaped.contains("&#35;12"), "{escaped}");
        assert_eq!(escape("Größe ±2"), "Größe ±2");
    }

    #[test]
    fn every_row_has_the_cells_of_the_header() {
        let text = table(&["", "a"], &[vec!["x|y".to_owned(), "1".to_owned()]]);
        assert_eq!(text, "|  | a |\n|---|--:|\n| x&#124;y | 1 |\n");
    }
}
