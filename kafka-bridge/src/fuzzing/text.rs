//! Reads records from text, so that people can write seeds and read findings.

use bytes::Bytes;

use super::TOPIC;
use crate::Record;

/// Reads a record from bytes that a person can also write: lines of `name=value`, then an empty line and the body. A
/// line without an equals sign has a null value. `\xHH` stands for any byte.
#[must_use]
pub fn record(data: &[u8]) -> Record {
    let mut record = Record::new(TOPIC, 0, 0);
    let mut rest = data;
    while !rest.is_empty() {
        let end = rest.iter().position(|&byte| byte == b'\n');
        let (line, after) = match end {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => (rest, &rest[rest.len()..]),
        };
        rest = after;
        if line.is_empty() {
            record.value = Some(Bytes::copy_from_slice(rest));
            break;
        }
        let split = line.iter().position(|&byte| byte == b'=');
        let name = unescape(&line[..split.unwrap_or(line.len())]);
        let name = String::from_utf8_lossy(&name).into_owned();
        let value = split.map(|at| Bytes::from(unescape(&line[at + 1..])));
        record.headers.push_nullable(name, value);
    }
    record
}

fn unescape(mut text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let mut bytes = Vec::with_capacity(text.len());
    while let [first, rest @ ..] = text {
        text = rest;
        if let [b'x', high, low, rest @ ..] = rest
            && *first == b'\\'
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            bytes.push(high << 4 | low);
            text = rest;
        } else {
            bytes.push(*first);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_from_text() {
        let record = record(b"a=\\x00\\xff\\x\nnull\n=\n\nbody\n\\x41");
        let headers: Vec<_> = record.headers.iter().collect();
        let (first, empty) = (Bytes::from_static(b"\0\xff\\x"), Bytes::new());
        assert_eq!(
            headers,
            [("a", Some(&first)), ("null", None), ("", Some(&empty))]
        );
        assert_eq!(record.value.as_deref(), Some(&b"body\n\\x41"[..]));
    }
}
