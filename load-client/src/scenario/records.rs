//! Records from a file, one per line: either bodies, or whole records that kcat captured.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use crate::scenario::{Values, unreadable};

/// The content of the lines of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    /// Each line is a body.
    Lines,
    /// Each line is a record that `kcat -C -J` wrote. Its key, headers and payload are sent.
    KcatJson,
}

/// One record, ready to be sent. A copy is cheap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) key: Option<Bytes>,
    pub(super) headers: Arc<[(Arc<str>, Bytes)]>,
    pub(super) body: Option<Bytes>,
}

/// The records of one file, used in their order and from the first again after the last.
#[derive(Debug)]
pub(crate) struct Records {
    all: All,
    taken: AtomicU64,
}

#[derive(Debug)]
enum All {
    /// Slices of the file. They are small, because a file may have many lines.
    Bodies(Vec<Bytes>),
    Captured(Vec<Record>),
}

impl Records {
    /// Reads a file. Without a format, its first line decides. Blank lines are skipped. Fails when the file has no
    /// records, or a line in another format.
    pub(crate) fn read(path: &Path, format: Option<Format>) -> Result<Self, String> {
        let content = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
        Self::parse(path, content.into(), format)
    }

    pub(super) fn parse(path: &Path, data: Bytes, format: Option<Format>) -> Result<Self, String> {
        let path = path.display();
        let numbered = (1..).zip(data.split(|byte| *byte == b'\n'));
        let mut lines = numbered
            .map(|(number, line)| (number, line.strip_suffix(b"\r").unwrap_or(line)))
            .filter(|(_, line)| !line.trim_ascii().is_empty())
            .peekable();
        let format = format.unwrap_or_else(|| match lines.peek() {
            Some((_, line)) if serde_json::from_slice::<Envelope>(line).is_ok() => Format::KcatJson,
            _ => Format::Lines,
        });
        let all = match format {
            Format::Lines => All::Bodies(lines.map(|(_, line)| data.slice_ref(line)).collect()),
            Format::KcatJson => {
                let records = lines.map(|(number, line)| {
                    captured(line).map_err(|reason| {
                        format!(
                            "{path}:{number}: not a record from `kcat -C -J` ({reason}); if the lines are \
                             bodies, use the format lines"
                        )
                    })
                });
                All::Captured(records.collect::<Result<_, _>>()?)
            }
        };
        let taken = AtomicU64::new(0);
        let records = Self { all, taken };
        match records.count() {
            0 => Err(format!("{path} has no records: write one per line")),
            _ => Ok(records),
        }
    }

    fn count(&self) -> usize {
        match &self.all {
            All::Bodies(bodies) => bodies.len(),
            All::Captured(records) => records.len(),
        }
    }

    fn record(&self, at: usize) -> Record {
        match &self.all {
            All::Bodies(bodies) => Record {
                body: Some(bodies[at].clone()),
                ..Record::default()
            },
            All::Captured(records) => records[at].clone(),
        }
    }

    pub(super) fn next(&self, values: &Values) -> Record {
        self.record((values.next_of(&self.taken) % self.count() as u64) as usize)
    }

    /// Returns a record without using it up.
    pub(super) fn sample(&self, _: &Values) -> Record {
        self.record(0)
    }
}

/// The JSON that `kcat -C -J` writes for each record.
///
/// Headers are missing if there are none, and a null stays a null. kcat copies bytes into its text unchanged, so a
/// payload that is not UTF-8 cannot be read back. With `-s value=avro` the payload is JSON, and is sent as JSON text.
#[derive(Deserialize)]
struct Envelope {
    #[expect(dead_code, reason = "distinguishes it from other JSON")]
    topic: String,
    #[expect(dead_code, reason = "distinguishes it from other JSON")]
    partition: i32,
    #[expect(dead_code, reason = "distinguishes it from other JSON")]
    offset: i64,
    /// Names and values alternate.
    #[serde(default)]
    headers: Vec<Option<String>>,
    #[serde(default)]
    key: Value,
    payload: Value,
}

fn captured(line: &[u8]) -> Result<Record, String> {
    // The parser sees one line. The caller adds its number in the file.
    let told =
        |error: serde_json::Error| error.to_string().replace(" at line 1 column", " at column");
    let envelope: Envelope = serde_json::from_slice(line).map_err(told)?;
    let (pairs, rest) = envelope.headers.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("headers are pairs of a name and a value".to_owned());
    }
    let headers = pairs.iter().map(|[name, value]| {
        let name = name.as_deref().filter(|name| !name.is_empty());
        // A null becomes an empty value. No known service distinguishes the two.
        let value = value.clone().unwrap_or_default();
        Ok((name.ok_or("a header has no name")?.into(), value.into()))
    });
    let bytes = |value: Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.into()),
        other => Some(other.to_string().into()),
    };
    Ok(Record {
        headers: headers.collect::<Result<_, String>>()?,
        key: bytes(envelope.key),
        body: bytes(envelope.payload),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Share;
    use crate::scenario::{Mix, Scenario, read_scenario};

    fn parse(text: &'static str, format: impl Into<Option<Format>>) -> Result<Records, String> {
        Records::parse(Path::new("captured"), text.into(), format.into())
    }

    fn bodies(text: &'static str) -> Vec<Bytes> {
        let records = parse(text, Format::Lines).unwrap();
        (0..=records.count())
            .map(|_| records.next(&Values::new(1, Share::WHOLE)).body.unwrap())
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
        let records = Records::parse(Path::new("f"), data.clone(), None).unwrap();
        let second = records.record(1).body.unwrap();
        assert_eq!(second.as_ptr(), data.slice(6..).as_ptr());
        let All::Bodies(bodies) = records.all else {
            panic!("they are captured records");
        };
        assert!(size_of_val(&*bodies) <= 2 * 32, "a line costs little");
    }

    #[test]
    fn the_first_line_tells_the_format() {
        let envelope = r#"{"topic":"t","partition":0,"offset":0,"payload":"p"}"#;
        assert_eq!(
            parse(envelope, None)
                .unwrap()
                .sample(&Values::new(1, Share::WHOLE))
                .body,
            Some("p".into())
        );
        for lines in ["\n\n{\"topic\":\"t\"}", "plain"] {
            let records = parse(lines, None).unwrap();
            assert_eq!(
                records.sample(&Values::new(1, Share::WHOLE)).body,
                Some(lines.trim().into())
            );
        }
    }

    #[test]
    fn unusable_files_are_named() {
        let told = "captured has no records: write one per line";
        assert_eq!(parse("\n \n", None).unwrap_err(), told);
        let error = Records::read(Path::new("no/such"), None).unwrap_err();
        assert!(error.starts_with("no/such cannot be read: "), "{error}");
    }

    /// Lines as kcat 1.7.1 writes them. kcat itself wrote the null header.
    const CAPTURED: &str = concat!(
        r#"{"topic":"createOrder","partition":0,"offset":0,"tstype":"create","ts":1767323045678,"broker":1,"headers":["reply-to","old.reply","tenant","blue","empty",null],"key":"k1","payload":"{\"a\":\"\u00e4\\n\"}"}"#,
        "\n",
        r#"{"topic":"createOrder","partition":0,"offset":1,"tstype":"create","ts":1767323045679,"broker":1,"key":null,"payload":null}"#,
        "\n",
        r#"{"topic":"createOrder","partition":0,"offset":2,"tstype":"create","ts":1767323045680,"broker":1,"key":"","payload":{"avro":[1]}}"#,
        "\n",
    );

    #[test]
    fn records_are_those_that_were_captured() {
        let header = |name: &str, value: &'static str| (Arc::from(name), Bytes::from(value));
        let headers = [
            header("reply-to", "old.reply"),
            header("tenant", "blue"),
            header("empty", ""),
        ];
        let first = Record {
            key: Some("k1".into()),
            headers: headers.into(),
            body: Some("{\"a\":\"ä\\n\"}".into()),
        };
        // An empty value is not null.
        let third = Record {
            key: Some(Bytes::new()),
            body: Some("{\"avro\":[1]}".into()),
            ..Record::default()
        };
        let records = parse(CAPTURED, Format::KcatJson).unwrap();
        let all: Vec<_> = (0..records.count()).map(|at| records.record(at)).collect();
        assert_eq!(all, [first, Record::default(), third]);
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
            let error = parse(text, Format::KcatJson).unwrap_err();
            assert!(
                error.contains(reason) && error.contains("format lines"),
                "{error}"
            );
        }
    }

    #[test]
    fn other_files_are_found_from_the_folder_of_the_scenario() {
        let folder = tempfile::tempdir().unwrap();
        let scenario = folder.path().join("mix.toml");
        std::fs::write(folder.path().join("body.bin"), b"\xff{user}").unwrap();
        std::fs::write(folder.path().join("bodies"), "first\nsecond\n").unwrap();
        let text = "[[request]]\nname = 'a'\nbody_file = 'body.bin'\n[[request]]\nname = 'b'\nbody_lines = 'bodies'\n";
        std::fs::write(&scenario, text).unwrap();
        let mix = Mix::try_new(read_scenario(&scenario).unwrap().kinds, 1, Share::WHOLE).unwrap();
        let bodies: Vec<_> = (0..4).map(|_| mix.next(5).unwrap().body.unwrap()).collect();
        assert_eq!(bodies, [&b"\xff5"[..], b"first", b"\xff5", b"second"]);
        let missing = read_scenario(Path::new("no/such.toml")).unwrap_err();
        assert!(missing.starts_with("no/such.toml cannot be read: "));
    }
}
