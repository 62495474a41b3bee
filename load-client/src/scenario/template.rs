//! Text with placeholders, compiled once and filled in for each request.
//!
//! A placeholder is a known name in braces: `{uuid}`, `{random:1:100}`. A brace of JSON is followed by a quotation
//! mark, a space or a brace, so it is plain text. A text that looks like a placeholder but is not known is an error.
//! Otherwise a misspelt placeholder would be sent literally.
//!
//! `{{name}}` is the text `{name}`. Closing braces need no escape.

use std::io::Write;
use std::mem;
use std::sync::LazyLock;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use regex::bytes::{Captures, Regex};
use uuid::Uuid;

use crate::scenario::Draw;

/// Matches an escape, a column or another placeholder. It also matches unclosed ones, so that they can be reported.
static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?xs-u) \{\{ (?<escaped>[A-Za-z_].*?) (?: \}\} | \z )
                          | \{csv\. (?<column>[^}]*) \}?
                          | \{ (?<name>[A-Za-z_]\w*) (?: \} | : (?<argument>[^}]*) \}? )";
    Regex::new(pattern).expect("the pattern is a constant that the tests compile")
});

const KNOWN: &str = "{uuid}, {request_id}, {counter}, {random:LOW:HIGH}, {user}, {now}, {timestamp_ms} and {csv.COLUMN}";
/// The most bytes of a placeholder, which are those of a UUID. The length of a column is known only with its row.
const LONGEST_VALUE: usize = 36;
/// The most columns that a message names.
const MAX_NAMED: usize = 20;
/// The most characters of a wrong placeholder that a message shows.
const LONGEST_SHOWN: usize = 40;

/// A compiled template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    /// There are no two adjacent literals, and no empty literal.
    parts: Vec<Part>,
    /// Space for the literals and the placeholders. A long column may need more.
    capacity: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Bytes),
    Uuid,
    RequestId,
    Counter,
    Random(i64, i64),
    User,
    Now,
    TimestampMilliseconds,
    /// A column of the request's row.
    Column(usize),
}

impl Template {
    /// Compiles a text, which may contain any bytes besides its placeholders. `columns` are the columns of the feeder's
    /// file, empty without a feeder. An error says what to write instead.
    pub(crate) fn compile(text: &[u8], columns: &[String]) -> Result<Self, String> {
        let (mut parts, mut literal, mut end) = (Vec::new(), Vec::new(), 0);
        for found in PLACEHOLDER.captures_iter(text) {
            let place = found.get_match();
            literal.extend(&text[end..place.start()]);
            match part(&found, columns)? {
                Part::Literal(escaped) => literal.extend(escaped),
                other => parts.extend([Part::Literal(mem::take(&mut literal).into()), other]),
            }
            end = place.end();
        }
        literal.extend(&text[end..]);
        parts.push(Part::Literal(literal.into()));
        Ok(Self::of(parts))
    }

    /// Makes a text that is sent unchanged, even if it has braces.
    pub(crate) fn verbatim(text: Bytes) -> Self {
        Self::of(vec![Part::Literal(text)])
    }

    fn of(mut parts: Vec<Part>) -> Self {
        parts.retain(|part| !matches!(part, Part::Literal(text) if text.is_empty()));
        let longest = parts.iter().map(|part| match part {
            Part::Literal(text) => text.len(),
            _ => LONGEST_VALUE,
        });
        Self {
            capacity: longest.sum(),
            parts,
        }
    }

    /// Returns whether it has a column of a row.
    pub(super) fn has_column(&self) -> bool {
        let mut parts = self.parts.iter();
        parts.any(|part| matches!(part, Part::Column(_)))
    }

    /// Fills in the placeholders. A text without placeholders is shared, not copied.
    pub(super) fn render(&self, draw: &Draw<'_>) -> Bytes {
        match &*self.parts {
            [] => Bytes::new(),
            [Part::Literal(text)] => text.clone(),
            parts => {
                let mut rendered = Vec::with_capacity(self.capacity);
                for part in parts {
                    part.write(draw, &mut rendered);
                }
                Bytes::from(rendered)
            }
        }
    }
}

impl Part {
    fn write(&self, draw: &Draw<'_>, to: &mut Vec<u8>) {
        let written = match self {
            Self::Literal(text) => to.write_all(text),
            Self::Uuid => write!(to, "{}", Uuid::new_v4()),
            Self::RequestId => write!(to, "{}", draw.id),
            Self::Counter => write!(to, "{}", draw.counter),
            Self::Random(low, high) => write!(to, "{}", draw.values.random(*low, *high)),
            Self::User => write!(to, "{}", draw.user),
            Self::Now => write!(to, "{}", humantime::format_rfc3339_millis(draw.now)),
            Self::TimestampMilliseconds => {
                let since = draw.now.duration_since(UNIX_EPOCH).unwrap_or_default();
                write!(to, "{}", since.as_millis())
            }
            Self::Column(at) => {
                let value = draw.row.and_then(|row| row.get(*at));
                to.write_all(value.unwrap_or_default())
            }
        };
        // Writing to memory cannot fail.
        debug_assert!(written.is_ok());
    }
}

/// Returns the part for a match of [`PLACEHOLDER`].
fn part(found: &Captures<'_>, columns: &[String]) -> Result<Part, String> {
    let place = found.get_match();
    let (text, at) = (place.as_bytes(), place.start() + 1);
    let shown = String::from_utf8_lossy(text);
    let escaped = found.name("escaped");
    let closing = if escaped.is_some() { "}}" } else { "}" };
    if !text.ends_with(closing.as_bytes()) {
        let is_name = |own: &char| own.is_ascii_alphanumeric() || "{_".contains(*own);
        let opened: String = shown.chars().take_while(is_name).collect();
        return Err(format!(
            "the {opened} at byte {at} is not closed; close it with {closing}"
        ));
    }
    if escaped.is_some() {
        // Keeps one brace of each pair.
        let text = Bytes::copy_from_slice(&text[1..text.len() - 1]);
        return Ok(Part::Literal(text));
    }
    if let Some(name) = found.name("column") {
        return column(&String::from_utf8_lossy(name.as_bytes()), at, columns);
    }
    let argument = found.name("argument").map(|own| own.as_bytes());
    let name = String::from_utf8_lossy(&found["name"]);
    let wrong = |takes: &str| {
        let shown: String = shown.chars().take(LONGEST_SHOWN).collect();
        format!("wrong placeholder {shown} at byte {at}: write {takes}")
    };
    let plain = match &*name {
        "uuid" => Part::Uuid,
        "request_id" => Part::RequestId,
        "counter" => Part::Counter,
        "user" => Part::User,
        "now" => Part::Now,
        "timestamp_ms" => Part::TimestampMilliseconds,
        "random" => {
            let takes = "{random:LOW:HIGH} with whole numbers, LOW not above HIGH";
            return argument.and_then(random).ok_or_else(|| wrong(takes));
        }
        _ => {
            return Err(format!(
                "unknown placeholder {{{name}}} at byte {at}; the placeholders are {KNOWN}; write {{{{{name}}}}} for \
                 the text itself"
            ));
        }
    };
    match argument {
        None => Ok(plain),
        Some(_) => Err(wrong(&format!("{{{name}}}"))),
    }
}

fn random(bounds: &[u8]) -> Option<Part> {
    let (low, high) = str::from_utf8(bounds).ok()?.split_once(':')?;
    let (low, high) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
    (low <= high).then_some(Part::Random(low, high))
}

fn column(name: &str, at: usize, columns: &[String]) -> Result<Part, String> {
    if let Some(column) = columns.iter().position(|own| own == name) {
        return Ok(Part::Column(column));
    }
    let named: Vec<&str> = columns.iter().take(MAX_NAMED).map(|own| &**own).collect();
    let reason = match named.is_empty() {
        true => "there is no file of rows: name one with feeder (--feeder)".to_owned(),
        false => format!("the feeder's file has the columns {}", named.join(", ")),
    };
    let shown: String = name.chars().take(LONGEST_SHOWN).collect();
    Err(format!("{{csv.{shown}}} at byte {at}: {reason}"))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;
    use crate::load::Share;
    use crate::scenario::{Feeder, FeederOrder, Values};

    fn rendered(template: &str) -> String {
        let values = Values::new(1, Share::WHOLE);
        let mut draw = values.draw(3, None);
        draw.id = Uuid::from_u128(0xabc);
        draw.now = UNIX_EPOCH + Duration::from_millis(1_767_323_045_678);
        let template = Template::compile(template.as_bytes(), &[]).unwrap();
        String::from_utf8(template.render(&draw).to_vec()).unwrap()
    }

    fn error(template: &str) -> String {
        Template::compile(template.as_bytes(), &[]).unwrap_err()
    }

    #[test]
    fn each_placeholder_is_filled_in() {
        assert_eq!(
            rendered("{request_id} {counter} {user} {now} {timestamp_ms}"),
            "00000000-0000-0000-0000-000000000abc 1 3 2026-01-02T03:04:05.678Z 1767323045678"
        );
        assert_eq!(rendered("a{random:-7:-7}b"), "a-7b");
        let uuids = rendered("{uuid}{uuid}");
        let (first, second) = uuids.split_at(36);
        assert!(Uuid::parse_str(first).is_ok() && Uuid::parse_str(second).is_ok());
        assert_ne!(first, second);
    }

    #[test]
    fn json_is_left_alone() {
        for plain in [
            r#"{"items":[{"sku":"id-1234","count":1}]}"#,
            r#"{"a":{"b":{}}}"#,
            "{ \"a\" : {\n\t\"b\":1}}",
            "{}",
            "[{},{}]",
            "{\"query\":\"{ orders { id } }\"}",
            "{{}}",
            "{",
            "a{b",
            "{1}",
            "{orders{",
            "}}",
            "",
        ] {
            assert_eq!(rendered(plain), plain);
        }
        let filled = rendered(r#"{"a":{"id":"{request_id}","n":{counter}}}"#);
        let expected = r#"{"a":{"id":"00000000-0000-0000-0000-000000000abc","n":1}}"#;
        assert_eq!(filled, expected);
    }

    #[test]
    fn doubled_braces_are_the_text_itself() {
        assert_eq!(rendered("{{uuid}}"), "{uuid}");
        assert_eq!(rendered("{{anything else}}"), "{anything else}");
        assert_eq!(rendered("{orders{{id}}}"), "{orders{id}}");
        assert_eq!(rendered("{{a}}{counter}{{b}}"), "{a}1{b}");
    }

    #[test]
    fn a_rendering_fits_into_its_one_allocation() {
        let values = Values::new(1, Share::WHOLE);
        let draw = values.draw(u32::MAX, None);
        for text in [
            "{uuid}",
            "{request_id}",
            "{now}",
            "{user}",
            "{timestamp_ms}",
            "{random:-9223372036854775808:-9223372036854775808}",
            "{uuid}{{a}}{now}{user}{timestamp_ms}{random:-9223372036854775808:9}{counter}x",
        ] {
            let template = Template::compile(text.as_bytes(), &[]).unwrap();
            assert!(template.render(&draw).len() <= template.capacity, "{text}");
        }
        for plain in ["{\"a\":1}", "text with {{an}} escape, {{two}}"] {
            let plain = Template::compile(plain.as_bytes(), &[]).unwrap();
            let (first, second) = (plain.render(&draw), plain.render(&draw));
            assert_eq!(first.as_ptr(), second.as_ptr(), "text is shared");
        }
    }

    #[test]
    fn a_text_that_looks_like_a_placeholder_is_an_error() {
        insta::assert_snapshot!(error("a {uid} b"), @"unknown placeholder {uid} at byte 3; the placeholders are {uuid}, {request_id}, {counter}, {random:LOW:HIGH}, {user}, {now}, {timestamp_ms} and {csv.COLUMN}; write {{uid}} for the text itself");
        insta::assert_snapshot!(error("{word:1}"), @"unknown placeholder {word} at byte 1; the placeholders are {uuid}, {request_id}, {counter}, {random:LOW:HIGH}, {user}, {now}, {timestamp_ms} and {csv.COLUMN}; write {{word}} for the text itself");
        insta::assert_snapshot!(error("{uuid:4}"), @"wrong placeholder {uuid:4} at byte 1: write {uuid}");
        insta::assert_snapshot!(error("{counter:"), @"the {counter at byte 1 is not closed; close it with }");
        insta::assert_snapshot!(error("{{uuid}"), @"the {{uuid at byte 1 is not closed; close it with }}");
        for wrong in [
            "{random}",
            "{random:1}",
            "{random:2:1}",
            "{random:a:b}",
            "{random:1:2:3}",
        ] {
            let error = error(wrong);
            assert!(error.contains("write {random:LOW:HIGH}"), "{error}");
        }
    }

    #[test]
    fn columns_of_a_row_are_filled_in() {
        let columns = ["id".to_owned(), "full name".to_owned()];
        let rows = &b"id,full name\n7,{uuid} \xff\n"[..];
        let feeder = Feeder::parse(rows, FeederOrder::Once).unwrap();
        let values = Values::new(1, Share::WHOLE);
        let draw = values.draw(0, Some(feeder.sample()));
        let template = Template::compile(br#"{"id":{csv.id},"n":"{csv.full name}"}"#, &columns);
        assert_eq!(rendered("{{csv.id}}"), "{csv.id}");
        let filled = template.unwrap().render(&draw);
        assert_eq!(&*filled, &b"{\"id\":7,\"n\":\"{uuid} \xff\"}"[..]);
        let told = |text: &str| Template::compile(text.as_bytes(), &columns).unwrap_err();
        insta::assert_snapshot!(told("a {csv.nam}"), @"{csv.nam} at byte 3: the feeder's file has the columns id, full name");
        insta::assert_snapshot!(told("{csv.id"), @"the {csv at byte 1 is not closed; close it with }");
        insta::assert_snapshot!(error("{csv.id}"), @"{csv.id} at byte 1: there is no file of rows: name one with feeder (--feeder)");
    }

    proptest! {
        #[test]
        fn any_bytes_compile_or_are_refused(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(template) = Template::compile(&text, &[]) {
                let values = Values::new(1, Share::WHOLE);
                let rendered = template.render(&values.draw(0, None));
                prop_assert!(rendered.len() <= template.capacity);
            }
        }

        #[test]
        fn text_without_names_after_braces_is_unchanged(text in "[{}\"a-z0-9: ,]{0,80}") {
            let looks_like_one = text.as_bytes().windows(2).any(|pair| {
                pair[0] == b'{' && pair[1].is_ascii_alphabetic()
            });
            prop_assume!(!looks_like_one);
            prop_assert_eq!(rendered(&text), text);
        }

        #[test]
        fn an_escaped_name_is_itself(name in "[a-z_][a-z0-9_:]{0,20}") {
            prop_assert_eq!(rendered(&format!("<{{{{{name}}}}}>")), format!("<{{{name}}}>"));
        }
    }
}
