//! Records from a file, one per line: bodies as they stand, or whole records that kcat captured.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

/// What the lines of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    /// Each line is a body.
    Lines,
    /// Each line is a record as `kcat -C -J` writes it: key, headers and payload are sent.
    KcatJson,
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "lines" => Ok(Self::Lines),
            "kcat-json" => Ok(Self::KcatJson),
            _ => Err("takes lines or kcat-json".to_owned()),
        }
    }
}

/// Why a file of records cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordsError {
    /// It cannot be read.
    #[error("{} cannot be read: {cause}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// It has nothing to send.
    #[error("{} holds no record: write one per line", .0.display())]
    Empty(PathBuf),
    /// A line is no record of kcat's.
    #[error(
        "{}:{line}: not a record as `kcat -C -J` writes it ({reason}); if the lines are bodies, say so by the format lines",
        .path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
}

/// The records of one file, taken in their order and from the first again after the last. Their
/// content is held once; what is sent are slices of it.
#[derive(Debug)]
pub(crate) struct Records {
    data: Bytes,
    places: Places,
    taken: AtomicUsize,
}

#[derive(Debug)]
enum Places {
    Bodies(Vec<Range<usize>>),
    Captured(Vec<Captured>),
}

/// Where the parts of a captured record are; `None` is a null.
#[derive(Debug)]
struct Captured {
    key: Option<Range<usize>>,
    body: Option<Range<usize>>,
    headers: Box<[(Arc<str>, Range<usize>)]>,
}

/// One record, ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) key: Option<Bytes>,
    pub(super) headers: Vec<(String, Bytes)>,
    pub(super) body: Option<Bytes>,
}

impl Records {
    /// Reads a file. Without a format, its first line decides. Blank lines are passed over.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, holds nothing, or has a line of another form.
    pub(crate) fn read(path: &Path, format: Option<Format>) -> Result<Self, RecordsError> {
        let content = std::fs::read(path).map_err(|cause| RecordsError::Read {
            path: path.to_owned(),
            cause,
        })?;
        let data = Bytes::from(content);
        let format = format.unwrap_or_else(|| recognised(&data));
        Self::parse(path, data, format)
    }

    pub(super) fn parse(path: &Path, data: Bytes, format: Format) -> Result<Self, RecordsError> {
        let (data, places) = match format {
            Format::Lines => {
                let bodies = lines(&data).map(|(_, place)| place).collect();
                (data, Places::Bodies(bodies))
            }
            Format::KcatJson => {
                let (data, captured) = read(path, &data)?;
                (data, Places::Captured(captured))
            }
        };
        let records = Self {
            data,
            places,
            taken: AtomicUsize::new(0),
        };
        match records.count() {
            0 => Err(RecordsError::Empty(path.to_owned())),
            _ => Ok(records),
        }
    }

    /// How many records there are; at least one.
    pub(crate) fn count(&self) -> usize {
        match &self.places {
            Places::Bodies(bodies) => bodies.len(),
            Places::Captured(captured) => captured.len(),
        }
    }

    /// The place of the next record.
    pub(super) fn advance(&self) -> usize {
        self.taken.fetch_add(1, Ordering::Relaxed) % self.count()
    }

    pub(super) fn record(&self, place: usize) -> Record {
        let slice = |place: &Range<usize>| self.data.slice(place.clone());
        match &self.places {
            Places::Bodies(bodies) => Record {
                key: None,
                headers: Vec::new(),
                body: Some(slice(&bodies[place])),
            },
            Places::Captured(captured) => {
                let record = &captured[place];
                let headers = record.headers.iter();
                Record {
                    key: record.key.as_ref().map(slice),
                    headers: headers
                        .map(|(name, value)| (String::from(&**name), slice(value)))
                        .collect(),
                    body: record.body.as_ref().map(slice),
                }
            }
        }
    }
}

fn recognised(data: &[u8]) -> Format {
    let first = lines(data).next();
    match first {
        Some((_, place)) if is_envelope(&data[place.clone()]) => Format::KcatJson,
        _ => Format::Lines,
    }
}

/// The lines that are not blank, without their ends, numbered from 1.
fn lines(data: &[u8]) -> impl Iterator<Item = (usize, Range<usize>)> {
    let mut start = 0;
    let all = data.split(|byte| *byte == b'\n').map(move |line| {
        let place = start..start + line.strip_suffix(b"\r").unwrap_or(line).len();
        start += line.len() + 1;
        place
    });
    let numbered = (1..).zip(all);
    numbered.filter(|(_, place)| !data[place.clone()].trim_ascii().is_empty())
}

// The JSON that `kcat -C -J` writes for each record.
//
// `{"topic":..,"partition":..,"offset":..,"tstype":..,"ts":..,"broker":..,"headers":[name,value,..],
// "key":..,"payload":..}`; headers are left out if there are none, and a null stays one. kcat puts
// bytes into its text as they are, so that a payload that is not UTF-8 cannot be read back.
// With `-s value=avro` the payload is JSON; it is then sent as JSON text.

#[derive(Deserialize)]
struct Envelope {
    #[expect(dead_code, reason = "told apart from other JSON by it")]
    topic: String,
    #[expect(dead_code, reason = "told apart from other JSON by it")]
    partition: i32,
    #[expect(dead_code, reason = "told apart from other JSON by it")]
    offset: i64,
    #[serde(default)]
    headers: Vec<Option<String>>,
    #[serde(default)]
    key: Value,
    payload: Value,
}

fn is_envelope(line: &[u8]) -> bool {
    serde_json::from_slice::<Envelope>(line).is_ok()
}

/// The content of all records, and where in it each part is.
fn read(path: &Path, data: &[u8]) -> Result<(Bytes, Vec<Captured>), RecordsError> {
    let mut content = Content(Vec::with_capacity(data.len()));
    let captured = lines(data).map(|(line, place)| {
        capture(&data[place], &mut content).map_err(|reason| RecordsError::Line {
            path: path.to_owned(),
            line,
            reason,
        })
    });
    let captured = captured.collect::<Result<_, _>>()?;
    Ok((Bytes::from(content.0), captured))
}

fn capture(line: &[u8], content: &mut Content) -> Result<Captured, String> {
    // The parser saw one line, whose number in the file the caller tells.
    let told =
        |error: serde_json::Error| error.to_string().replace(" at line 1 column", " at column");
    let envelope: Envelope = serde_json::from_slice(line).map_err(told)?;
    let (pairs, rest) = envelope.headers.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("headers are pairs of a name and a value".to_owned());
    }
    let mut headers = Vec::with_capacity(pairs.len());
    for [name, value] in pairs {
        let name = name.as_deref().filter(|name| !name.is_empty());
        let name = name.ok_or("a header has no name")?;
        // A null becomes an empty value; services that tell them apart are not known.
        let value = content.keep(value.as_deref().unwrap_or_default().as_bytes());
        headers.push((Arc::from(name), value));
    }
    Ok(Captured {
        key: content.keep_value(&envelope.key)?,
        body: content.keep_value(&envelope.payload)?,
        headers: headers.into(),
    })
}

struct Content(Vec<u8>);

impl Content {
    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.0.len();
        self.0.extend_from_slice(bytes);
        start..self.0.len()
    }

    fn keep_value(&mut self, value: &Value) -> Result<Option<Range<usize>>, String> {
        match value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(self.keep(text.as_bytes()))),
            other => {
                let text = serde_json::to_vec(other).map_err(|error| error.to_string())?;
                Ok(Some(self.keep(&text)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(text: &'static str) -> Vec<Bytes> {
        let records = Records::parse(Path::new("f"), text.into(), Format::Lines).unwrap();
        (0..records.count() + 1)
            .map(|_| records.record(records.advance()).body.unwrap())
            .collect()
    }

    #[test]
    fn lines_come_in_order_and_wrap_around() {
        assert_eq!(bodies("a\nb\nc"), ["a", "b", "c", "a"]);
        assert_eq!(bodies("a\r\n\r\n  \n b {uuid}\n"), ["a", " b {uuid}", "a"]);
    }

    #[test]
    fn bodies_are_slices_of_the_file() {
        let data = Bytes::from_static(b"first\nsecond");
        let records = Records::parse(Path::new("f"), data.clone(), Format::Lines).unwrap();
        let second = records.record(1).body.unwrap();
        assert_eq!(second.as_ptr(), data.slice(6..).as_ptr());
    }

    #[test]
    fn the_first_line_tells_the_format() {
        let envelope = br#"{"topic":"t","partition":0,"offset":0,"payload":"p"}"#;
        assert_eq!(recognised(envelope), Format::KcatJson);
        assert_eq!(recognised(b"\n\n{\"topic\":\"t\"}"), Format::Lines);
        assert_eq!(recognised(b"plain"), Format::Lines);
        assert_eq!(recognised(b""), Format::Lines);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let error = Records::parse(Path::new("bodies"), Bytes::from("\n \n"), Format::Lines);
        assert_eq!(
            error.unwrap_err().to_string(),
            "bodies holds no record: write one per line"
        );
        let error = Records::read(Path::new("no/such"), None).unwrap_err();
        assert!(error.to_string().starts_with("no/such cannot be read: "));
    }

    /// Lines of the form that kcat 1.7.1 writes; a null header was written by itself.
    const CAPTURED: &str = concat!(
        r#"{"topic":"createOrder","partition":0,"offset":0,"tstype":"create","ts":1767323045678,"broker":1,"headers":["reply-to","old.reply","tenant","blue","empty",null],"key":"k1","payload":"{\"a\":\"\u00e4\\n\"}"}"#,
        "\n",
        r#"{"topic":"createOrder","partition":0,"offset":1,"tstype":"create","ts":1767323045679,"broker":1,"key":null,"payload":null}"#,
        "\n",
        r#"{"topic":"createOrder","partition":0,"offset":2,"tstype":"create","ts":1767323045680,"broker":1,"key":"","payload":{"avro":[1]}}"#,
        "\n",
    );

    fn parse(text: &'static str) -> Result<Records, RecordsError> {
        Records::parse(Path::new("captured"), text.into(), Format::KcatJson)
    }

    #[test]
    fn records_are_those_that_were_captured() {
        let records = parse(CAPTURED).unwrap();
        let header = |name: &str, value: &'static str| (name.to_owned(), Bytes::from(value));
        assert_eq!(
            records.record(0),
            Record {
                key: Some("k1".into()),
                headers: vec![
                    header("reply-to", "old.reply"),
                    header("tenant", "blue"),
                    header("empty", "")
                ],
                body: Some("{\"a\":\"ä\\n\"}".into()),
            }
        );
        let null = Record {
            key: None,
            headers: Vec::new(),
            body: None,
        };
        assert_eq!(records.record(1), null);
        assert_eq!(
            records.record(2).key,
            Some(Bytes::new()),
            "empty is not null"
        );
        assert_eq!(records.record(2).body, Some("{\"avro\":[1]}".into()));
        assert_eq!(records.count(), 3);
    }

    #[test]
    fn a_line_of_another_form_is_named() {
        for (text, reason) in [
            ("\n{\"topic\":1}", "captured:2: "),
            ("nonsense", "captured:1: "),
            (
                r#"{"topic":"t","partition":0,"offset":0,"headers":["a"],"payload":""}"#,
                "pairs of a name and a value",
            ),
            (
                r#"{"topic":"t","partition":0,"offset":0,"headers":[null,"a"],"payload":""}"#,
                "a header has no name",
            ),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(
                error.contains(reason) && error.contains("format lines"),
                "{error}"
            );
        }
    }
}
