//! Scenarios in TOML files: from the file to kinds of request, or to an error with its place.

mod loads;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

pub(crate) use self::loads::LoadTable;
use self::loads::RawLoad;
use crate::load::shape::Wrong;
use crate::measure::tally::AGGREGATED;
use crate::scenario::{
    Body, BodyChecks, Feeder, FeederOrder, Format, Kind, Records, Request, Template, unreadable,
};

/// Most kinds of a file; a table with more lines helps nobody.
const MAX_KINDS: usize = 1000;

// What may stand in a file, before it is checked.

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
    /// Of `body_lines`.
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
    /// The text that [`StatusSet`](crate::scenario::StatusSet) reads.
    fn text(&self) -> String {
        match self {
            Self::Number(status) => status.to_string(),
            Self::Text(text) => text.clone(),
            Self::Many(all) => all.iter().map(Self::text).collect::<Vec<_>>().join(","),
        }
    }
}

/// What a scenario file says.
#[derive(Debug)]
pub(crate) struct ScenarioFile {
    pub(crate) kinds: Vec<Kind>,
    pub(crate) loads: Vec<LoadTable>,
    /// Files that it names.
    pub(crate) others: Vec<PathBuf>,
}

/// Reads the kinds of request of a scenario file, and its loads if it has any. Other files that it names are found from its
/// folder. An error of what it says starts with file, line and column.
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

/// What a value stands for, or why it cannot be, with its place.
fn read<S, T>(
    value: &Spanned<S>,
    reading: impl FnOnce(&S) -> Result<T, String>,
) -> Result<T, Wrong> {
    reading(value.get_ref()).map_err(|reason| (value.span(), reason))
}

/// As [`read`], of a value that may be missing.
fn read_optional<S, T>(
    value: &Option<Spanned<S>>,
    reading: impl FnOnce(&S) -> Result<T, String>,
) -> Result<Option<T>, Wrong> {
    value.as_ref().map(|value| read(value, reading)).transpose()
}

/// Puts before what is wrong what it is wrong with.
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
    let takes = "a weight is a whole number from 1 to 1000000; leave a request of no weight out";
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

/// Reads a name that a terminal and a table can show as it stands, beside the row of all.
pub(crate) fn parse_name(text: &str) -> Result<String, String> {
    if text == AGGREGATED {
        return Err(format!(
            "takes another name: {AGGREGATED} is the row of all"
        ));
    }
    let is_name = !text.trim().is_empty() && !text.chars().any(char::is_control);
    let name = is_name.then(|| text.to_owned());
    name.ok_or_else(|| "takes a name without control characters".to_owned())
}

/// Reads a tag, which a list on the command line can name.
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

/// Line and column of a byte of a text, both counted from 1; columns are characters.
pub(crate) fn place_in(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before[line_start..].chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

#[cfg(test)]
mod tests;
