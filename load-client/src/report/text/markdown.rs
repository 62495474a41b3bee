//! Text that is safe inside Markdown, and tables of it.

use std::fmt::Write;

/// Characters that mean nothing to Markdown inside a line, beside letters, digits and blanks.
const PLAIN: &str = ".,;:%()/+-='?!";

/// Escapes text for one line of GitHub's Markdown: nothing in it is markup, a link to an issue, or a
/// mention that would call somebody.
///
/// References such as `&#42;` are never read as markup (CommonMark 0.31, section 2.5), which no set of
/// backslashes promises: `\@name` is a mention all the same.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            escaped.push(' ');
        } else if character.is_ascii() && !is_plain(character) {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "&#{};", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    // A link by itself needs no markup, only its two slashes.
    escaped.replace("://", ":&#47;/")
}

fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == ' ' || PLAIN.contains(character)
}

/// A table: the first column to the left, the others to the right.
pub(super) fn table(columns: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = line(columns.iter().copied());
    text.push_str("|---|");
    text.push_str(&"--:|".repeat(columns.len().saturating_sub(1)));
    text.push('\n');
    for row in rows {
        text.push_str(&line(row.iter().map(String::as_str)));
    }
    text
}

fn line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let cells = cells.map(|cell| format!(" {} |", escape(cell)));
    format!("|{}\n", cells.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

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
