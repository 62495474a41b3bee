//! Makes the target of a request, path and query, from a template and a record's headers. Pure.
//!
//! The headers are hostile. A value that cannot be used is reported to the requester with its header's name. Other
//! values stay in their place.

use http::{StatusCode, Uri};

use crate::Headers;
use crate::http::problem::Problem;
use crate::operation::path::{PathTemplate, encode, is_query};

/// A path and a query, and the headers that fill them.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    path: PathTemplate,
    /// The part of the template after its question mark.
    query: Option<String>,
    /// Path parameters and the headers that fill them, if their names differ.
    path_headers: Vec<(String, String)>,
    /// The query parameters and their headers.
    query_headers: Vec<(String, String)>,
    raw_query_header: Option<String>,
    /// The whole target, if it is the same for each record.
    fixed: Option<Uri>,
}

impl Target {
    /// Parses an absolute path, which may have parameters and a query.
    ///
    /// Returns the reason if the path's braces are not those of parameters, and no reason if it is not a path.
    pub(crate) fn parse(text: &str) -> Result<Self, Option<String>> {
        // A fragment never reaches a server, and would be dropped silently.
        if !text.starts_with('/') || text.contains('#') {
            return Err(None);
        }
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (text, None),
        };
        if query.as_ref().is_some_and(|query| !is_query(query)) {
            return Err(None);
        }
        let mut target = Self {
            path: PathTemplate::parse(path).map_err(Some)?,
            query,
            path_headers: Vec::new(),
            query_headers: Vec::new(),
            raw_query_header: None,
            fixed: None,
        };
        // If the text around one value is legal, it is legal around any value.
        let sample = target
            .path
            .fill(|_| Ok::<_, Option<String>>("x".to_owned()))?;
        let sample = target
            .with_query(sample, &Headers::default())
            .map_err(|_| None)?;
        let is_fixed = target.path.parameters().next().is_none();
        target.fixed = is_fixed.then_some(sample);
        Ok(target)
    }

    /// Fills a path parameter from a header. Returns whether the parameter exists.
    pub(crate) fn fill_from(&mut self, parameter: &str, header: &str) -> bool {
        self.path_headers.retain(|(own, _)| own != parameter);
        self.path_headers
            .push((parameter.to_owned(), header.to_owned()));
        self.path.parameters().any(|own| own == parameter)
    }

    pub(crate) fn add_query(&mut self, parameter: &str, header: &str) {
        self.query_headers
            .push((parameter.to_owned(), header.to_owned()));
        self.fixed = None;
    }

    pub(crate) fn take_query(&mut self, header: &str) {
        self.raw_query_header = Some(header.to_owned());
        self.fixed = None;
    }

    /// Makes the target from a record's headers.
    pub(crate) fn uri(&self, headers: &Headers) -> Result<Uri, Problem> {
        if let Some(fixed) = &self.fixed {
            return Ok(fixed.clone());
        }
        let path = self
            .path
            .fill(|parameter| path_value(headers, parameter, self.header_of(parameter)))?;
        self.with_query(path, headers)
    }

    fn header_of<'a>(&'a self, parameter: &'a str) -> &'a str {
        let mut named = self.path_headers.iter();
        named
            .find(|(own, _)| own == parameter)
            .map_or(parameter, |(_, header)| header)
    }

    fn with_query(&self, mut target: String, headers: &Headers) -> Result<Uri, Problem> {
        let mut separator = '?';
        let mut push = |text: &str| {
            target.push(separator);
            target.push_str(text);
            separator = '&';
        };
        if let Some(query) = &self.query {
            push(query);
        }
        if let Some(header) = &self.raw_query_header
            && let Some(query) = raw_query(headers, header)?
        {
            push(query);
        }
        for (parameter, header) in &self.query_headers {
            for value in headers.get_all(header).flatten() {
                push(&pair(parameter, text(value, header)?));
            }
        }
        // Encoded parts are always legal, so only the length can be wrong.
        target.parse().map_err(|_| {
            let detail = "the path and query made from the record's headers are too long";
            Problem::new(StatusCode::URI_TOO_LONG, detail)
        })
    }
}

/// Returns the one value that a path parameter needs.
fn path_value(headers: &Headers, parameter: &str, header: &str) -> Result<String, Problem> {
    let refused = |why: &str| {
        bad_request(format!(
            "header `{header}` must contain the path parameter `{parameter}`: {why}"
        ))
    };
    let mut values = headers.get_all(header);
    let Some(value) = values.next().flatten() else {
        return Err(refused("it is missing"));
    };
    if values.next().is_some() {
        return Err(refused("it occurs more than once"));
    }
    let text = std::str::from_utf8(value).map_err(|_| refused("it is not UTF-8"))?;
    match text {
        "" => Err(refused("it is empty")),
        // These would name other places, encoded or not, when a server resolves the path.
        "." | ".." => Err(refused("it must not be `.` or `..`")),
        text => Ok(text.to_owned()),
    }
}

fn raw_query<'a>(headers: &'a Headers, header: &'a str) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(header).flatten();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(bad_request(format!(
            "header `{header}` occurs more than once"
        )));
    }
    let query = text(value, header)?;
    if !is_query(query) {
        return Err(bad_request(format!(
            "header `{header}` is not a legal query"
        )));
    }
    Ok(Some(query))
}

fn text<'a>(value: &'a [u8], header: &str) -> Result<&'a str, Problem> {
    std::str::from_utf8(value).map_err(|_| bad_request(format!("header `{header}` is not UTF-8")))
}

fn pair(name: &str, value: &str) -> String {
    let mut pair = String::new();
    encode(name, &mut pair);
    pair.push('=');
    encode(value, &mut pair);
    pair
}

fn bad_request(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}
