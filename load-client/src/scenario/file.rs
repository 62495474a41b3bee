//! Scenarios in TOML files: from the file to kinds of request, or to an error with its place.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use crate::scenario::mix::MAX_KINDS;
use crate::scenario::{Body, Format, Kind, Records, StatusSet, Template};

/// Reads the kinds of request of a scenario file. Other files that it names are found from its
/// folder.
///
/// # Errors
///
/// When it or a file that it names cannot be read, or says something that cannot be; the message
/// starts with file, line and column.
pub(crate) fn read_scenario(path: &Path) -> Result<Vec<Kind>, ScenarioError> {
    let text = std::fs::read_to_string(path).map_err(|error| ScenarioError::Read {
        path: path.to_owned(),
        source: error,
    })?;
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<Vec<Kind>, ScenarioError> {
    let source = Source { path, text };
    let raw: RawScenario =
        toml::from_str(text).map_err(|error| source.error(error.span(), error.message()))?;
    if raw.request.is_empty() || raw.request.len() > MAX_KINDS {
        let message = format!("takes 1 to {MAX_KINDS} requests, each below a line [[request]]");
        return Err(source.error(None, &message));
    }
    let mut names = HashSet::new();
    let requests = raw.request.into_iter();
    requests
        .map(|request| {
            if !names.insert(request.get_ref().name.get_ref().clone()) {
                let place = request.get_ref().name.span();
                return Err(source.error(Some(place), "another request has this name"));
            }
            kind(&source, request)
        })
        .collect()
}

fn kind(source: &Source<'_>, request: Spanned<RawRequest>) -> Result<Kind, ScenarioError> {
    let place = request.span();
    let raw = request.into_inner();
    if raw.name.get_ref().trim().is_empty() {
        return Err(source.error(Some(raw.name.span()), "a request needs a name"));
    }
    let body = body(source, place, &raw)?;
    let weight = match &raw.weight {
        Some(weight) if !(1..=1_000_000).contains(weight.get_ref()) => {
            let message =
                "a weight is a whole number from 1 to 1000000; leave a request of no weight out";
            return Err(source.error(Some(weight.span()), message));
        }
        Some(weight) => *weight.get_ref() as u32,
        None => 1,
    };
    let template = |text: &Spanned<String>| template(source, text);
    let headers = raw.headers.iter();
    let headers = headers.map(|(name, value)| Ok((name.clone(), template(value)?)));
    Ok(Kind {
        weight,
        topic: topic(source, raw.topic.as_ref())?,
        reply_topic: topic(source, raw.reply_topic.as_ref())?,
        expect: expect(source, raw.expect_status.as_ref())?,
        key: raw.key.as_ref().map(template).transpose()?,
        headers: headers.collect::<Result<_, ScenarioError>>()?,
        ..Kind::new(raw.name.into_inner(), body)
    })
}

fn body(source: &Source<'_>, place: Range<usize>, raw: &RawRequest) -> Result<Body, ScenarioError> {
    let is_template = raw.template.unwrap_or(true);
    match (&raw.body, &raw.body_file, &raw.body_lines) {
        (Some(text), None, None) if is_template => Ok(Body::Template(template(source, text)?)),
        (Some(text), None, None) => {
            let text = Bytes::from(text.get_ref().clone());
            Ok(Body::Template(Template::verbatim(text)))
        }
        (None, Some(file), None) => {
            let path = source.beside(file.get_ref());
            let failed = |reason: String| {
                let message = format!("body_file {}: {reason}", path.display());
                source.error(Some(file.span()), &message)
            };
            let content = std::fs::read(&path).map_err(|error| failed(error.to_string()))?;
            if !is_template {
                return Ok(Body::Template(Template::verbatim(content.into())));
            }
            let compiled = Template::compile(&content);
            let hint = |error| failed(format!("{error}; or set template = false"));
            Ok(Body::Template(compiled.map_err(hint)?))
        }
        (None, None, Some(file)) => {
            let records = Records::read(&source.beside(file.get_ref()), raw.format);
            let failed = |error: super::RecordsError| {
                let message = format!("body_lines: {error}");
                source.error(Some(file.span()), &message)
            };
            Ok(Body::Records(records.map_err(failed)?))
        }
        _ => {
            let message = "a request needs exactly one of body, body_file and body_lines";
            Err(source.error(Some(place), message))
        }
    }
}

fn template(source: &Source<'_>, text: &Spanned<String>) -> Result<Template, ScenarioError> {
    Template::compile(text.get_ref().as_bytes())
        .map_err(|error| source.error(Some(text.span()), &error.to_string()))
}

fn topic(
    source: &Source<'_>,
    name: Option<&Spanned<String>>,
) -> Result<Option<Arc<str>>, ScenarioError> {
    let Some(name) = name else {
        return Ok(None);
    };
    let text = name.get_ref();
    let legal = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    let is_name = (1..=249).contains(&text.len()) && text.chars().all(legal);
    if !is_name || matches!(&**text, "." | "..") {
        let message = "a topic's name is up to 249 letters, digits, '.', '_' or '-'";
        return Err(source.error(Some(name.span()), message));
    }
    Ok(Some(Arc::from(&**text)))
}

fn expect(
    source: &Source<'_>,
    raw: Option<&Spanned<Expect>>,
) -> Result<Option<Arc<StatusSet>>, ScenarioError> {
    let Some(raw) = raw else {
        return Ok(None);
    };
    let parsed = raw.get_ref().0.parse::<StatusSet>();
    let parsed = parsed.map_err(|message| source.error(Some(raw.span()), &message))?;
    Ok(Some(Arc::new(parsed)))
}

/// Why a scenario file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScenarioError {
    /// It cannot be read.
    #[error("{} cannot be read: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It says something that cannot be.
    #[error("{}:{line}:{column}: {message}", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
        /// What is wrong, and what to write.
        message: String,
    },
}

/// A file that is being read.
struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    /// An error at the start of a place; at the start of the file if there is none.
    fn error(&self, place: Option<Range<usize>>, message: &str) -> ScenarioError {
        let offset = place.map_or(0, |place| place.start);
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        ScenarioError::Content {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.trim().replace('\n', "; "),
        }
    }

    /// A file that this one names.
    fn beside(&self, name: &Path) -> PathBuf {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        folder.join(name)
    }
}

// What may stand in a scenario file, before it is checked.

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScenario {
    #[serde(default)]
    request: Vec<Spanned<RawRequest>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRequest {
    name: Spanned<String>,
    weight: Option<Spanned<i64>>,
    topic: Option<Spanned<String>>,
    reply_topic: Option<Spanned<String>>,
    body: Option<Spanned<String>>,
    body_file: Option<Spanned<PathBuf>>,
    body_lines: Option<Spanned<PathBuf>>,
    /// Of `body_lines`.
    format: Option<Format>,
    /// Whether `body` or `body_file` has placeholders.
    template: Option<bool>,
    key: Option<Spanned<String>>,
    #[serde(default)]
    headers: BTreeMap<String, Spanned<String>>,
    expect_status: Option<Spanned<Expect>>,
}

/// `200`, `"2xx"` or `[200, "4xx"]`, as the text that [`StatusSet`](StatusSet) reads.
struct Expect(String);

impl<'de> Deserialize<'de> for Expect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ExpectVisitor)
    }
}

struct ExpectVisitor;

impl<'de> Visitor<'de> for ExpectVisitor {
    type Value = Expect;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a status such as 200 or \"2xx\", or a list of them")
    }

    fn visit_i64<E>(self, status: i64) -> Result<Expect, E> {
        Ok(Expect(status.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Expect, E> {
        Ok(Expect(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Expect, A::Error> {
        let mut all = Vec::new();
        while let Some(Expect(text)) = list.next_element()? {
            all.push(text);
        }
        Ok(Expect(all.join(",")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Mix, Scenario};

    const WHOLE: &str = r#"
[[request]]
name = "create order"
weight = 3
body = '{"id":"{uuid}","count":{random:1:9}}'
key = "customer-{user}"
headers = { tenant = "blue", "x-request" = "{counter}" }
expect_status = [200, 201]

[[request]]
name = "find order"
topic = "findOrder"
reply_topic = "findOrder.reply"
body = "{not a template}"
template = false
expect_status = "4xx"
"#;

    fn error(text: &str) -> String {
        let parsed = parse(Path::new("mix.toml"), text);
        parsed.unwrap_err().to_string()
    }

    #[test]
    fn a_whole_scenario() {
        let kinds = parse(Path::new("mix.toml"), WHOLE).unwrap();
        let weights: Vec<_> = kinds.iter().map(|kind| kind.weight).collect();
        assert_eq!(weights, [3, 1]);
        let mix = Mix::try_new(kinds, 1).unwrap();
        assert_eq!(mix.kinds(), ["create order", "find order"]);
        let requests: Vec<_> = (0..4).map(|_| mix.next(7)).collect();
        let finds: Vec<_> = requests
            .iter()
            .filter(|request| request.kind == 1)
            .collect();
        let [find] = &*finds else {
            panic!("{finds:?}");
        };
        assert_eq!(find.body.as_deref(), Some(&b"{not a template}"[..]));
        assert_eq!(find.topic.as_deref(), Some("findOrder"));
        assert_eq!(find.reply_topic.as_deref(), Some("findOrder.reply"));
        assert!(find.expect.as_ref().unwrap().contains(404));
        let create = &requests[0];
        assert_eq!(create.key.as_deref(), Some(&b"customer-7"[..]));
        assert_eq!(
            create.headers,
            [
                ("tenant".to_owned(), Bytes::from("blue")),
                ("x-request".to_owned(), Bytes::from("1"))
            ]
        );
        let body: serde_json::Value =
            serde_json::from_slice(create.body.as_ref().unwrap()).unwrap();
        assert!((1..=9).contains(&body["count"].as_i64().unwrap()), "{body}");
        let expect = create.expect.as_ref().unwrap();
        assert!(expect.contains(201) && !expect.contains(204));
        assert_eq!(create.topic, None);
    }

    #[test]
    fn other_files_are_found_from_the_folder_of_the_scenario() {
        let folder = tempfile::tempdir().unwrap();
        let scenario = folder.path().join("mix.toml");
        std::fs::write(folder.path().join("body.bin"), b"\xff{user}").unwrap();
        std::fs::write(folder.path().join("bodies"), "first\nsecond\n").unwrap();
        let text = "[[request]]\nname = 'a'\nbody_file = 'body.bin'\n[[request]]\nname = 'b'\nbody_lines = 'bodies'\n";
        std::fs::write(&scenario, text).unwrap();
        let mix = Mix::try_new(read_scenario(&scenario).unwrap(), 1).unwrap();
        let bodies: Vec<_> = (0..4).map(|_| mix.next(5).body.unwrap()).collect();
        assert_eq!(bodies, [&b"\xff5"[..], b"first", b"\xff5", b"second"]);
        let missing = read_scenario(Path::new("no/such.toml")).unwrap_err();
        assert!(
            missing
                .to_string()
                .starts_with("no/such.toml cannot be read: ")
        );
    }

    #[test]
    fn the_example_can_be_used() {
        let example = include_str!("../../examples/orders.toml");
        let mix = Mix::try_new(parse(Path::new("orders.toml"), example).unwrap(), 1).unwrap();
        let create = &mix.samples()[0];
        let body: serde_json::Value =
            serde_json::from_slice(create.body.as_ref().unwrap()).unwrap();
        assert!(body["items"][0]["sku"].is_string(), "{body}");
        let shares: Vec<_> = mix.parts().iter().map(|kind| kind.weight).collect();
        assert_eq!(shares, [8, 1, 1]);
    }

    #[test]
    fn errors_name_the_place_and_the_fix() {
        insta::assert_snapshot!(error(""), @"mix.toml:1:1: takes 1 to 1000 requests, each below a line [[request]]");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = 'ä{uid}'\n"), @"mix.toml:3:8: unknown placeholder {uid} at byte 3; known are {uuid}, {request_id}, {counter}, {random:LOW:HIGH}, {user}, {now} and {timestamp_ms}; write {{uid}} for the text itself");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\n  wieght = 3\nbody = ''\n"), @"mix.toml:3:3: unknown field `wieght`, expected one of `name`, `weight`, `topic`, `reply_topic`, `body`, `body_file`, `body_lines`, `format`, `template`, `key`, `headers`, `expect_status`");
        insta::assert_snapshot!(error("[[request]]\nbody = ''\n"), @"mix.toml:1:1: missing field `name`");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nweight = 0\n"), @"mix.toml:4:10: a weight is a whole number from 1 to 1000000; leave a request of no weight out");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nweight = 'x'\n"), @r#"mix.toml:4:10: invalid type: string "x", expected i64"#);
        insta::assert_snapshot!(error("\n\n[[request]]\nname = 'a'\n"), @"mix.toml:3:1: a request needs exactly one of body, body_file and body_lines");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nbody_file = 'x'\n"), @"mix.toml:1:1: a request needs exactly one of body, body_file and body_lines");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nexpect_status = [200, 'fine']\n"), @"mix.toml:4:17: takes statuses such as 200, 2xx or 200-204, several of them comma separated");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nexpect_status = 2.5\n"), @r#"mix.toml:4:17: invalid type: floating point `2.5`, expected a status such as 200 or "2xx", or a list of them"#);
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\ntopic = 'a b'\n"), @"mix.toml:4:9: a topic's name is up to 249 letters, digits, '.', '_' or '-'");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nheaders = { t = '{x}' }\n"), @"mix.toml:4:17: unknown placeholder {x} at byte 1; known are {uuid}, {request_id}, {counter}, {random:LOW:HIGH}, {user}, {now} and {timestamp_ms}; write {{x}} for the text itself");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\n[[request]]\nname = 'a'\nbody = ''\n"), @"mix.toml:5:8: another request has this name");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody_lines = 'no-such-file'\n"), @"mix.toml:3:14: body_lines: no-such-file cannot be read: No such file or directory (os error 2)");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = 'unclosed\n"), @"mix.toml:3:17: invalid literal string, expected `'`");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody_lines = 'x'\nformat = 'xml'\n"), @"mix.toml:4:10: unknown variant `xml`, expected `lines` or `kcat-json`");
    }
}
