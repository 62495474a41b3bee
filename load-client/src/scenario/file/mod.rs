//! Reads scenarios from TOML files. The result is kinds of request, or an error with its place.

mod loads;
mod named;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flags_and_variables::place_in;
use serde::Deserialize;
use toml::Spanned;

pub(crate) use self::loads::LoadTable;
use self::loads::RawLoad;
pub(crate) use self::named::named_files;
use crate::load::shape::Wrong;
use crate::measure::tally::AGGREGATED;
use crate::scenario::{
    Body, BodyChecks, Feeder, FeederOrder, Format, Kind, Records, Request, Template, unreadable,
};

/// The most kinds in a file. Nobody can read a longer table.
const MAX_KINDS: usize = 1000;

// The content of a file before it is checked.

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScenario {
    #[serde(default)]
    request: Vec<Spanned<RawRequest>>,
    #[serde(default)]
    load: Vec<Spanned<RawLoad>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRequest {
    name: Spanned<String>,
    weight: Option<Spanned<i64>>,
    #[serde(default)]
    tags: Vec<Spanned<String>>,
    topic: Option<Spanned<String>>,
    reply_topic: Option<Spanned<String>>,
    body: Option<Spanned<String>>,
    body_file: Option<Spanned<PathBuf>>,
    body_lines: Option<Spanned<PathBuf>>,
    /// The format of `body_lines`.
    format: Option<Format>,
    /// Whether `body` or `body_file` has placeholders.
    template: Option<bool>,
    feeder: Option<Spanned<PathBuf>>,
    feeder_order: Option<Spanned<FeederOrder>>,
    key: Option<Spanned<String>>,
    #[serde(default)]
    headers: BTreeMap<String, Spanned<String>>,
    expect_status: Option<Spanned<Statuses>>,
    expect_body: Option<Spanned<Texts>>,
}

/// One text, or a list of them.
#[derive(Deserialize)]
#[serde(untagged, expecting = "takes a text, or a list of texts")]
enum Texts {
    One(String),
    Many(Vec<String>),
}

/// `200`, `"2xx"` or `[200, "4xx"]`.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "takes a status such as 200 or \"2xx\", or a list of them"
)]
enum Statuses {
    Number(i64),
    Text(String),
    Many(Vec<Statuses>),
}

impl Statuses {
    /// Returns the text that [`StatusSet`](crate::scenario::StatusSet) parses.
    fn text(&self) -> String {
        match self {
            Self::Number(status) => status.to_string(),
            Self::Text(text) => text.clone(),
            Self::Many(all) => all.iter().map(Self::text).collect::<Vec<_>>().join(","),
        }
    }
}

/// The content of a scenario file.
#[derive(Debug)]
pub(crate) struct ScenarioFile {
    pub(crate) kinds: Vec<Kind>,
    pub(crate) loads: Vec<LoadTable>,
    /// The other files that the scenario names.
    pub(crate) others: Vec<PathBuf>,
}

/// Reads the kinds of request of a scenario file, and its loads if it has any. The paths of other files are relative to
/// its folder. An error about its content starts with file, line and column.
pub(crate) fn read_scenario(path: &Path) -> Result<ScenarioFile, String> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<ScenarioFile, String> {
    let read = scenario(path.parent().unwrap_or(Path::new("")), text);
    read.map_err(|(place, message)| {
        let (line, column) = place_in(text, place.start);
        let message = message.trim().replace('\n', "; ");
        format!("{}:{line}:{column}: {message}", path.display())
    })
}

fn scenario(folder: &Path, text: &str) -> Result<ScenarioFile, Wrong> {
    let raw: RawScenario = toml::from_str(text)
        .map_err(|error| (error.span().unwrap_or_default(), error.message().to_owned()))?;
    if raw.request.is_empty() || raw.request.len() > MAX_KINDS {
        let message = format!("takes 1 to {MAX_KINDS} requests, each below a line [[request]]");
        return Err((0..0, message));
    }
    let mut names = HashSet::new();
    let (mut kinds, mut others) = (Vec::new(), Vec::new());
    for request in &raw.request {
        let raw = request.get_ref();
        if !names.insert(raw.name.get_ref()) {
            let message = "another request has this name";
            return Err((raw.name.span(), message.to_owned()));
        }
        kinds.push(kind(folder, request)?);
        let files = [&raw.body_file, &raw.body_lines, &raw.feeder];
        others.extend(
            files
                .into_iter()
                .flatten()
                .map(|file| folder.join(file.get_ref())),
        );
    }
    Ok(ScenarioFile {
        loads: loads::loads(&raw.load, &kinds)?,
        kinds,
        others,
    })
}

/// Reads a value. An error has the place of the value.
fn read<S, T>(
    value: &Spanned<S>,
    reading: impl FnOnce(&S) -> Result<T, String>,
) -> Result<T, Wrong> {
    reading(value.get_ref()).map_err(|reason| (value.span(), reason))
}

/// Reads a value that may be missing, like [`read`].
fn read_optional<S, T>(
    value: &Option<Spanned<S>>,
    reading: impl FnOnce(&S) -> Result<T, String>,
) -> Result<Option<T>, Wrong> {
    value.as_ref().map(|value| read(value, reading)).transpose()
}

/// Puts the name of the value before the error.
fn named<T>(what: &str, read: Result<T, String>) -> Result<T, String> {
    read.map_err(|reason| format!("{what} {reason}"))
}

fn kind(folder: &Path, request: &Spanned<RawRequest>) -> Result<Kind, Wrong> {
    let raw = request.get_ref();
    let name = read(&raw.name, |name| named("a request", parse_name(name)))?;
    let order = raw.feeder_order.as_ref().map(|order| *order.get_ref());
    let feeder = read_optional(&raw.feeder, |file| {
        let feeder = Feeder::read(&folder.join(file), order.unwrap_or_default());
        named("feeder:", feeder)
    })?;
    if let (None, Some(order)) = (&feeder, &raw.feeder_order) {
        return Err((order.span(), "feeder_order needs a feeder".to_owned()));
    }
    let columns = feeder.as_ref().map_or(&[][..], Feeder::columns);
    let template = |text: &String| Template::compile(text.as_bytes(), columns);
    let body = body(folder, request, columns)?;
    let tags = raw.tags.iter();
    let tags = tags.map(|tag| read(tag, |tag| named("a tag", parse_tag(tag))));
    let headers = raw.headers.iter();
    let headers = headers.map(|(name, value)| Ok((name.clone(), read(value, template)?)));
    Ok(Kind {
        weight: read_optional(&raw.weight, |weight| parse_weight(*weight))?.unwrap_or(1),
        tags: tags.collect::<Result<_, _>>()?,
        common: Request {
            topic: read_optional(&raw.topic, parse_topic)?,
            reply_topic: read_optional(&raw.reply_topic, parse_topic)?,
            expect: read_optional(&raw.expect_status, |own| own.text().parse().map(Arc::new))?,
            expect_body: read_optional(&raw.expect_body, body_checks)?,
            ..Request::new(0)
        },
        key: read_optional(&raw.key, template)?,
        headers: headers.collect::<Result<_, Wrong>>()?,
        feeder,
        ..Kind::new(name, body)
    })
}

fn body(folder: &Path, request: &Spanned<RawRequest>, columns: &[String]) -> Result<Body, Wrong> {
    let raw = request.get_ref();
    let made = |text: Vec<u8>| match raw.template {
        Some(false) => Ok(Body::Template(Template::verbatim(text.into()))),
        _ => Template::compile(&text, columns).map(Body::Template),
    };
    match (&raw.body, &raw.body_file, &raw.body_lines) {
        (Some(text), None, None) => read(text, |text| made(text.clone().into())),
        (None, Some(file), None) => read(file, |file| {
            let path = folder.join(file);
            let content = std::fs::read(&path).map_err(|error| error.to_string());
            let hint = |error| format!("{error}; or set template = false");
            let body = content.and_then(|content| made(content).map_err(hint));
            named(&format!("body_file {}:", path.display()), body)
        }),
        (None, None, Some(file)) => read(file, |file| {
            let records = Records::read(&folder.join(file), raw.format);
            named("body_lines:", records.map(Body::Records))
        }),
        _ => {
            let message = "a request needs exactly one of body, body_file and body_lines";
            Err((request.span(), message.to_owned()))
        }
    }
}

fn parse_weight(weight: i64) -> Result<u32, String> {
    let takes = "a weight is a whole number from 1 to 1000000; to send none, remove the request";
    match u32::try_from(weight) {
        Ok(weight @ 1..=1_000_000) => Ok(weight),
        _ => Err(takes.to_owned()),
    }
}

fn body_checks(texts: &Texts) -> Result<Arc<BodyChecks>, String> {
    let texts = match texts {
        Texts::One(text) => std::slice::from_ref(text),
        Texts::Many(texts) => texts,
    };
    let checks = texts.iter().map(|text| text.parse());
    Ok(Arc::new(BodyChecks(checks.collect::<Result<_, _>>()?)))
}

/// Checks a name. It must be fit for a terminal and a table, and differ from the row of all requests.
pub(crate) fn parse_name(text: &str) -> Result<String, String> {
    if text == AGGREGATED {
        return Err(format!(
            "takes another name: {AGGREGATED} is the row of all requests"
        ));
    }
    let is_name = !text.trim().is_empty() && !text.chars().any(char::is_control);
    let name = is_name.then(|| text.to_owned());
    name.ok_or_else(|| "takes a name without control characters".to_owned())
}

/// Checks a tag. A comma-separated list on the command line must be able to name it.
pub(crate) fn parse_tag(text: &str) -> Result<String, String> {
    let is_legal = |own: char| own.is_alphanumeric() || "._-".contains(own);
    let is_tag = !text.is_empty() && text.chars().all(is_legal);
    let tag = is_tag.then(|| text.to_owned());
    tag.ok_or_else(|| "takes letters, digits, '.', '_' and '-'".to_owned())
}

fn parse_topic(text: &String) -> Result<Arc<str>, String> {
    let is_legal = |own: char| own.is_ascii_alphanumeric() || "._-".contains(own);
    let is_name = (1..=249).contains(&text.len()) && text.chars().all(is_legal);
    let topic = (is_name && text != "." && text != "..").then(|| Arc::from(&**text));
    topic.ok_or_else(|| "a topic's name is up to 249 letters, digits, '.', '_' or '-'".to_owned())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::load::Share;
    use crate::scenario::{Mix, Scenario};

    const WHOLE: &str = r#"
[[request]]
name = "create order"
weight = 3
tags = ["write", "slow"]
body = '{"id":"{uuid}","count":{random:1:9}}'
key = "customer-{user}"
headers = { tenant = "blue", "x-request" = "{counter}" }
expect_status = [200, 201]
expect_body = ["json:/status=open", 'regex:"id":"[0-9a-f-]{36}"']

[[request]]
name = "find order"
topic = "findOrder"
reply_topic = "findOrder.reply"
body = "{not a template}"
template = false
expect_status = "4xx"
"#;

    fn error(text: &str) -> String {
        parse(Path::new("mix.toml"), text).unwrap_err()
    }

    #[test]
    fn a_whole_scenario() {
        let kinds = parse(Path::new("mix.toml"), WHOLE).unwrap().kinds;
        let weights: Vec<_> = kinds.iter().map(|kind| kind.weight).collect();
        assert_eq!(weights, [3, 1]);
        assert_eq!(kinds[0].tags, ["write", "slow"]);
        assert!(kinds[1].tags.is_empty());
        let mix = Mix::try_new(kinds, 1, Share::WHOLE).unwrap();
        assert_eq!(mix.kinds(), ["create order", "find order"]);
        let requests: Vec<_> = (0..4).map(|_| mix.next(7).unwrap()).collect();
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
        let checks = create.expect_body.as_ref().unwrap();
        let good = br#"{"status":"open","id":"67e55044-10b1-426f-9247-bb680e5fe0c8"}"#;
        assert_eq!(checks.broken_by(Some(good)), None);
        let told = checks.broken_by(Some(b"{}"));
        assert_eq!(told.as_deref(), Some("the body fails json:/status=open"));
        assert_eq!(find.expect_body, None);
    }

    #[test]
    fn the_example_can_be_used() {
        let example = include_str!("../../../examples/orders.toml");
        let mix = Mix::try_new(
            parse(Path::new("orders.toml"), example).unwrap().kinds,
            1,
            Share::WHOLE,
        )
        .unwrap();
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
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = 'ä{uid}'\n"), @"mix.toml:3:8: unknown placeholder {uid} at byte 3; the placeholders are {uuid}, {request_id}, {counter}, {random:LOW:HIGH}, {user}, {now}, {timestamp_ms} and {csv.COLUMN}; write {{uid}} for the text itself");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\n  wieght = 3\nbody = ''\n"), @"mix.toml:3:3: unknown field `wieght`, expected one of `name`, `weight`, `tags`, `topic`, `reply_topic`, `body`, `body_file`, `body_lines`, `format`, `template`, `feeder`, `feeder_order`, `key`, `headers`, `expect_status`, `expect_body`");
        insta::assert_snapshot!(error("[[request]]\nbody = ''\n"), @"mix.toml:1:1: missing field `name`");
        insta::assert_snapshot!(error("[[request]]\nname = 'Aggregated'\nbody = ''\n"), @"mix.toml:2:8: a request takes another name: Aggregated is the row of all requests");
        insta::assert_snapshot!(error("[[request]]\nname = \"a\\u001b[31m\"\nbody = ''\n"), @"mix.toml:2:8: a request takes a name without control characters");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nweight = 0\n"), @"mix.toml:4:10: a weight is a whole number from 1 to 1000000; to send none, remove the request");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nweight = 'x'\n"), @r#"mix.toml:4:10: invalid type: string "x", expected i64"#);
        insta::assert_snapshot!(error("\n\n[[request]]\nname = 'a'\n"), @"mix.toml:3:1: a request needs exactly one of body, body_file and body_lines");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nbody_file = 'x'\n"), @"mix.toml:1:1: a request needs exactly one of body, body_file and body_lines");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nexpect_status = [200, 'fine']\n"), @"mix.toml:4:17: takes one or more statuses such as 200, 2xx or 200-204, comma separated");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nexpect_status = 2.5\n"), @r#"mix.toml:4:17: takes a status such as 200 or "2xx", or a list of them"#);
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\ntopic = 'a b'\n"), @"mix.toml:4:9: a topic's name is up to 249 letters, digits, '.', '_' or '-'");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nheaders = { t = '{x}' }\n"), @"mix.toml:4:17: unknown placeholder {x} at byte 1; the placeholders are {uuid}, {request_id}, {counter}, {random:LOW:HIGH}, {user}, {now}, {timestamp_ms} and {csv.COLUMN}; write {{x}} for the text itself");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\n[[request]]\nname = 'a'\nbody = ''\n"), @"mix.toml:5:8: another request has this name");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody_lines = 'no-such-file'\n"), @"mix.toml:3:14: body_lines: no-such-file cannot be read: No such file or directory (os error 2)");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = 'unclosed\n"), @"mix.toml:3:17: invalid literal string, expected `'`");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody_lines = 'x'\nformat = 'xml'\n"), @"mix.toml:4:10: unknown variant `xml`, expected `lines` or `kcat-json`");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nexpect_body = ['text:a', 'paid']\n"), @"mix.toml:4:15: takes text:TEXT (the body contains it), regex:PATTERN (it matches somewhere), json:/POINTER=VALUE (the value at a JSON pointer) or json:/POINTER (there is a value)");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nexpect_body = 'regex:['\n"), @"mix.toml:4:15: not a regular expression: unclosed character class");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nexpect_body = 7\n"), @"mix.toml:4:15: takes a text, or a list of texts");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\ntags = ['ok', 'a,b']\n"), @"mix.toml:4:15: a tag takes letters, digits, '.', '_' and '-'");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = '{csv.id}'\n"), @"mix.toml:3:8: {csv.id} at byte 1: there is no file of rows: name one with feeder (--feeder)");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nfeeder = 'no-such.csv'\n"), @"mix.toml:4:10: feeder: no-such.csv cannot be read: No such file or directory (os error 2)");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nfeeder_order = 'once'\n"), @"mix.toml:4:16: feeder_order needs a feeder");
        insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nfeeder_order = 'twice'\n"), @"mix.toml:4:16: unknown variant `twice`, expected one of `sequential`, `random`, `once`");
    }
}
