//! The JSON that `kcat -C -J` writes for each record.
//!
//! `{"topic":..,"partition":..,"offset":..,"tstype":..,"ts":..,"broker":..,"headers":[name,value,..],
//! "key":..,"payload":..}`; headers are left out if there are none, and a null stays one. kcat puts
//! bytes into its text as they are, so that a payload that is not UTF-8 cannot be read back.
//! With `-s value=avro` the payload is JSON; it is then sent as JSON text.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use super::{Captured, RecordsError, lines};

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

pub(super) fn is_envelope(line: &[u8]) -> bool {
    serde_json::from_slice::<Envelope>(line).is_ok()
}

/// The content of all records, and where in it each part is.
pub(super) fn read(path: &Path, data: &[u8]) -> Result<(Bytes, Vec<Captured>), RecordsError> {
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
    use super::super::{Format, Record, Records};
    use super::*;

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
