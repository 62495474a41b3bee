//! Records from a file, one per line: bodies as they stand, or whole records that kcat captured.

mod kcat;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use serde::Deserialize;

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
    #[error("{} cannot be read: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
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
        let content = std::fs::read(path).map_err(|source| RecordsError::Read {
            path: path.to_owned(),
            source,
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
                let (data, captured) = kcat::read(path, &data)?;
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
    #[must_use]
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
        Some((_, place)) if kcat::is_envelope(&data[place.clone()]) => Format::KcatJson,
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
}
