//! Scenarios in TOML files: from the file to kinds of request, or to an error with its place.

mod loads;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use self::loads::RawLoad;
pub(crate) use self::loads::{Goal, LoadTable};
use crate::measure::tally::AGGREGATED;
use crate::scenario::mix::MAX_KINDS;
use crate::scenario::{
    Body, BodyCheck, BodyChecks, Feeder, FeederOrder, Format, Kind, Records, RecordsError,
    StatusSet, Template,
};

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
    expect_status: Option<Spanned<Expect>>,
    expect_body: Option<Spanned<Texts>>,
}

/// One text, or a list of them.
#[derive(Deserialize)]
#[serde(untagged, expecting = "takes a text, or a list of texts")]
enum Texts {
    One(String),
    Many(Vec<String>),
}

/// `200`, `"2xx"` or `[200, "4xx"]`, as the text that [`StatusSet`](crate::scenario::StatusSet) reads.
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

/// What a scenario file says.
#[derive(Debug)]
pub(crate) struct ScenarioFile {
    pub(crate) kinds: Vec<Kind>,
    pub(crate) loads: Vec<LoadTable>,
    /// Files that it names.
    pub(crate) others: Vec<PathBuf>,
}

/// Reads the kinds of request of a scenario file, and its loads if it has any. Other files that it names are found from its
/// folder.
///
/// # Errors
///
/// When it or a file that it names cannot be read, or says something that cannot be; the message
/// starts with file, line and column.
pub(crate) fn read_scenario(path: &Path) -> Result<ScenarioFile, ScenarioError> {
    let text = std::fs::read_to_string(path).map_err(|error| ScenarioError::Read {
        path: path.to_owned(),
        cause: error,
    })?;
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<ScenarioFile, ScenarioError> {
    let source = Source {
        path,
        text,
        others: RefCell::default(),
    };
    let raw: RawScenario =
        toml::from_str(text).map_err(|error| source.error(error.span(), error.message()))?;
    if raw.request.is_empty() || raw.request.len() > MAX_KINDS {
        let message = format!("takes 1 to {MAX_KINDS} requests, each below a line [[request]]");
        return Err(source.error(None, &message));
    }
    let mut names = HashSet::new();
    let requests = raw.request.into_iter().map(|request| {
        if !names.insert(request.get_ref().name.get_ref().clone()) {
            let place = request.get_ref().name.span();
            return Err(source.error(Some(place), "another request has this name"));
        }
        kind(&source, request)
    });
    let kinds = requests.collect::<Result<Vec<_>, _>>()?;
    let loads = loads::loads(&source, &raw.load, &kinds)?;
    Ok(ScenarioFile {
        kinds,
        loads,
        others: source.others.into_inner(),
    })
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

fn kind(source: &Source<'_>, request: Spanned<RawRequest>) -> Result<Kind, ScenarioError> {
    let place = request.span();
    let raw = request.into_inner();
    if let Err(reason) = parse_name(raw.name.get_ref()) {
        return Err(source.error(Some(raw.name.span()), &format!("a request {reason}")));
    }
    let feeder = feeder(source, &raw)?;
    let columns = feeder.as_ref().map_or(&[][..], Feeder::columns);
    let body = body(source, place, &raw, columns)?;
    let weight = match &raw.weight {
        Some(weight) if !(1..=1_000_000).contains(weight.get_ref()) => {
            let message =
                "a weight is a whole number from 1 to 1000000; leave a request of no weight out";
            return Err(source.error(Some(weight.span()), message));
        }
        Some(weight) => *weight.get_ref() as u32,
        None => 1,
    };
    let template = |text: &Spanned<String>| template(source, text, columns);
    let headers = raw.headers.iter();
    let headers = headers.map(|(name, value)| Ok((name.clone(), template(value)?)));
    Ok(Kind {
        weight,
        tags: tags(source, &raw.tags)?,
        topic: topic(source, raw.topic.as_ref())?,
        reply_topic: topic(source, raw.reply_topic.as_ref())?,
        expect: expect(source, raw.expect_status.as_ref())?,
        expect_body: expect_body(source, raw.expect_body.as_ref())?,
        key: raw.key.as_ref().map(template).transpose()?,
        headers: headers.collect::<Result<_, ScenarioError>>()?,
        feeder,
        ..Kind::new(raw.name.into_inner(), body)
    })
}

fn body(
    source: &Source<'_>,
    place: Range<usize>,
    raw: &RawRequest,
    columns: &[String],
) -> Result<Body, ScenarioError> {
    let is_template = raw.template.unwrap_or(true);
    match (&raw.body, &raw.body_file, &raw.body_lines) {
        (Some(text), None, None) if is_template => {
            Ok(Body::Template(template(source, text, columns)?))
        }
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
            let compiled = Template::compile(&content, columns);
            let hint = |error| failed(format!("{error}; or set template = false"));
            Ok(Body::Template(compiled.map_err(hint)?))
        }
        (None, None, Some(file)) => {
            let records = Records::read(&source.beside(file.get_ref()), raw.format);
            let failed = |error: RecordsError| {
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

fn template(
    source: &Source<'_>,
    text: &Spanned<String>,
    columns: &[String],
) -> Result<Template, ScenarioError> {
    Template::compile(text.get_ref().as_bytes(), columns)
        .map_err(|error| source.error(Some(text.span()), &error.to_string()))
}

fn feeder(source: &Source<'_>, raw: &RawRequest) -> Result<Option<Feeder>, ScenarioError> {
    let Some(file) = &raw.feeder else {
        return match &raw.feeder_order {
            Some(order) => Err(source.error(Some(order.span()), "feeder_order needs a feeder")),
            None => Ok(None),
        };
    };
    let order = raw.feeder_order.as_ref().map(|order| *order.get_ref());
    let feeder = Feeder::read(&source.beside(file.get_ref()), order.unwrap_or_default());
    let failed = |error| source.error(Some(file.span()), &format!("feeder: {error}"));
    feeder.map(Some).map_err(failed)
}

fn tags(source: &Source<'_>, raw: &[Spanned<String>]) -> Result<Vec<String>, ScenarioError> {
    let tags = raw.iter().map(|tag| match parse_tag(tag.get_ref()) {
        Ok(text) => Ok(text),
        Err(reason) => Err(source.error(Some(tag.span()), &format!("a tag {reason}"))),
    });
    tags.collect()
}

/// Reads a tag, which a list on the command line can name.
pub(crate) fn parse_tag(text: &str) -> Result<String, String> {
    let is_legal = |own: char| own.is_alphanumeric() || "._-".contains(own);
    let is_tag = !text.is_empty() && text.chars().all(is_legal);
    let tag = is_tag.then(|| text.to_owned());
    tag.ok_or_else(|| "takes letters, digits, '.', '_' and '-'".to_owned())
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

fn expect_body(
    source: &Source<'_>,
    raw: Option<&Spanned<Texts>>,
) -> Result<Option<Arc<BodyChecks>>, ScenarioError> {
    let Some(raw) = raw else {
        return Ok(None);
    };
    let texts = match raw.get_ref() {
        Texts::One(text) => std::slice::from_ref(text),
        Texts::Many(texts) => texts,
    };
    let parsed = texts.iter().map(|text| text.parse());
    let parsed: Result<Vec<BodyCheck>, String> = parsed.collect();
    let parsed = parsed.map_err(|message| source.error(Some(raw.span()), &message))?;
    Ok(Some(Arc::new(BodyChecks(parsed))))
}

/// Why a scenario file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScenarioError {
    /// It cannot be read.
    #[error("{} cannot be read: {cause}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
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
    others: RefCell<Vec<PathBuf>>,
}

impl Source<'_> {
    /// An error at the start of a place; at the start of the file if there is none.
    fn error(&self, place: Option<Range<usize>>, message: &str) -> ScenarioError {
        let (line, column) = place_in(self.text, place.map_or(0, |place| place.start));
        ScenarioError::Content {
            path: self.path.to_owned(),
            line,
            column,
            message: message.trim().replace('\n', "; "),
        }
    }

    /// A file that this one names.
    fn beside(&self, name: &Path) -> PathBuf {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let path = folder.join(name);
        self.others.borrow_mut().push(path.clone());
        path
    }
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
