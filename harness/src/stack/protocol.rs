//! Requests of Kafka's protocol that rdkafka does not have, with one connection for each request.
//!
//! Names and layouts are those of Kafka's message definitions. Newer ("flexible") versions write a length as a varint
//! of the length plus one, and end each structure with a list of tagged fields, which is empty here (KIP-482).

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(30);
/// No answer to these requests is larger.
const LARGEST_BYTES: usize = 1 << 20;
const CORRELATION: i32 = 1;
const NO_TAGS: u8 = 0;

/// Kafka's number of the request, its version, and whether that is a flexible one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) api: i16,
    pub(super) version: i16,
    pub(super) is_flexible: bool,
}

/// The body of a request.
#[derive(Debug, Default)]
pub(super) struct Body(pub(super) Vec<u8>);

impl Body {
    pub(super) fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.push(byte);
        self
    }

    pub(super) fn number(&mut self, number: i32) -> &mut Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    pub(super) fn string(&mut self, text: &str) -> &mut Self {
        let length = i16::try_from(text.len()).unwrap_or(i16::MAX);
        self.0.extend(length.to_be_bytes());
        self.0.extend(text.as_bytes());
        self
    }

    pub(super) fn no_string(&mut self) -> &mut Self {
        self.0.extend((-1_i16).to_be_bytes());
        self
    }

    /// In a flexible version: the number of elements that follow.
    pub(super) fn compact_count(&mut self, count: usize) -> &mut Self {
        let mut left = count + 1;
        while left >= 0x80 {
            self.0.push((left & 0x7f) as u8 | 0x80);
            left >>= 7;
        }
        self.byte(left as u8)
    }

    /// In a flexible version: a text.
    pub(super) fn compact_string(&mut self, text: &str) -> &mut Self {
        self.compact_count(text.len());
        self.0.extend(text.as_bytes());
        self
    }

    /// In a flexible version: the end of a structure.
    pub(super) fn end(&mut self) -> &mut Self {
        self.byte(NO_TAGS)
    }
}

/// The body of an answer, read from its beginning.
#[derive(Debug)]
pub(super) struct Answer {
    bytes: Vec<u8>,
    at: usize,
}

impl Answer {
    pub(super) fn take(&mut self, count: usize) -> Result<&[u8]> {
        let bytes = self.bytes.get(self.at..self.at + count);
        self.at += count;
        bytes.context("the broker's answer is too short")
    }

    /// A number of two bytes.
    pub(super) fn code(&mut self) -> Result<i16> {
        let bytes = self.take(2)?;
        Ok(i16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// In a flexible version: the number of elements that follow. 0 if there is no list.
    pub(super) fn compact_count(&mut self) -> Result<usize> {
        Ok(self.varint()?.saturating_sub(1))
    }

    fn varint(&mut self) -> Result<usize> {
        let mut number = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.take(1)?[0];
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        bail!("the broker's answer has a number without an end")
    }

    /// In a flexible version: a text.
    pub(super) fn compact_string(&mut self) -> Result<String> {
        let length = self.compact_count()?;
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    /// In a flexible version: the end of a structure. Ignores its tagged fields.
    pub(super) fn end(&mut self) -> Result<()> {
        for _field in 0..self.varint()? {
            let _tag = self.varint()?;
            let size = self.varint()?;
            self.take(size)?;
        }
        Ok(())
    }
}

/// Sends a request to the first of these brokers that accepts a connection. Returns the answer's body.
pub(super) async fn ask(servers: &str, request: Request, body: &Body) -> Result<Answer> {
    let answer = timeout(LIMIT, exchange(servers, request, body)).await;
    answer.context("the broker does not answer")?
}

async fn exchange(servers: &str, request: Request, body: &Body) -> Result<Answer> {
    let mut message = Body::default();
    message.0.extend(request.api.to_be_bytes());
    message.0.extend(request.version.to_be_bytes());
    message.number(CORRELATION).string("harness");
    if request.is_flexible {
        message.end();
    }
    message.0.extend(&body.0);
    let mut broker = connect(servers).await?;
    let length = i32::try_from(message.0.len()).context("the request is too long")?;
    broker.write_all(&length.to_be_bytes()).await?;
    broker.write_all(&message.0).await?;
    let length = broker.read_i32().await.context("no answer")?;
    let length = usize::try_from(length).ok();
    let length = length.filter(|length| *length <= LARGEST_BYTES);
    let mut bytes = vec![0; length.context("the broker's answer has an impossible length")?];
    broker.read_exact(&mut bytes).await.context("no answer")?;
    let mut answer = Answer { bytes, at: 0 };
    // The header: the correlation id, and in a flexible version the tags.
    answer.take(if request.is_flexible { 5 } else { 4 })?;
    Ok(answer)
}

async fn connect(servers: &str) -> Result<TcpStream> {
    let mut failure = None;
    for server in servers.split(',') {
        match TcpStream::connect(server).await {
            Ok(broker) => return Ok(broker),
            Err(error) => failure = Some(error),
        }
    }
    let failure = failure.context("no broker is given")?;
    Err(failure).context("cannot connect to the broker")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_flexible_versions_are_varints_one_more_than_they_are() {
        for (count, bytes) in [
            (0, &[1][..]),
            (126, &[127]),
            (127, &[0x80, 1]),
            (299, &[0xac, 2]),
        ] {
            let mut body = Body::default();
            body.compact_count(count);
            assert_eq!(body.0, bytes);
            let mut answer = Answer {
                bytes: body.0,
                at: 0,
            };
            assert_eq!(answer.compact_count().unwrap(), count);
            assert!(answer.take(1).is_err(), "nothing is left");
        }
        let mut endless = Answer {
            bytes: vec![0xff; 9],
            at: 0,
        };
        assert!(endless.compact_count().is_err());
    }

    #[test]
    fn tagged_fields_are_passed_over() {
        let bytes = vec![2, 5, 1, 0xff, 6, 0, 7];
        let mut answer = Answer { bytes, at: 0 };
        answer.end().unwrap();
        assert_eq!(answer.take(1).unwrap(), [7]);
    }
}
