//! What the conventions add to a request: constant headers, and its id at its place.

use std::borrow::Cow;

use serde_json::Value;

use super::{Correlation, Wire};
use crate::scenario::Request;

/// The header of the reference that asks for a header on the reply.
const SET_HEADER: &str = "x-reply-set-header";

/// Why a request cannot carry its id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsendable {
    /// The id has to go into a body that has no place for it.
    #[error("the id cannot be put at {pointer}: {reason}")]
    Body {
        /// Where it should be.
        pointer: String,
        /// What is in the way.
        reason: &'static str,
    },
}

/// A request as it goes out, less the headers that are the same for all requests of a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outgoing<'a> {
    pub(crate) key: Option<Cow<'a, [u8]>>,
    pub(crate) body: Option<Cow<'a, [u8]>>,
    pub(crate) headers: Vec<(&'a str, Cow<'a, [u8]>)>,
}

impl Wire {
    /// Headers that all requests with this reply topic have in common.
    pub(crate) fn constant_headers(&self, reply_topic: &str) -> Vec<(&str, Vec<u8>)> {
        let mut headers = vec![(&*self.reply_to_header, reply_topic.as_bytes().to_vec())];
        if let (Some(header), Some(partition)) =
            (&self.reply_partition_header, self.reply_partition)
        {
            headers.push((&header.name, header.value(partition)));
        }
        headers
    }

    /// Puts the id into a request. Headers of the request that are the run's own to set are left
    /// out: a captured record still has those of the client that made it.
    ///
    /// # Errors
    ///
    /// When the id goes into the body, and the body has no place for it.
    pub(crate) fn outgoing<'a>(&'a self, request: &'a Request) -> Result<Outgoing<'a>, Unsendable> {
        let mut buffer = [0; 36];
        let id = self.correlation_format.write(request.id, &mut buffer);
        let foreign = request.headers.iter();
        let foreign = foreign.filter(|(name, value)| !self.is_own(name, value));
        let mut headers: Vec<_> = foreign
            .map(|(name, value)| (&**name, Cow::Borrowed(&**value)))
            .collect();
        let mut key = request.key.as_deref().map(Cow::Borrowed);
        let mut body = request.body.as_deref().map(Cow::Borrowed);
        match &self.correlation {
            Correlation::Header(name) => headers.push((name, Cow::Owned(id.to_vec()))),
            Correlation::Echo(name) => {
                let value = [name.as_bytes(), b":", id].concat();
                headers.push((SET_HEADER, Cow::Owned(value)));
            }
            Correlation::Key => key = Some(Cow::Owned(id.to_vec())),
            Correlation::Payload(pointer) => {
                let text = String::from_utf8_lossy(id).into_owned();
                body = Some(Cow::Owned(with_id(body.as_deref(), pointer, text)?));
            }
        }
        Ok(Outgoing { key, body, headers })
    }

    fn is_own(&self, name: &str, value: &[u8]) -> bool {
        let asks_for_ours = match &self.correlation {
            Correlation::Echo(own) if name.eq_ignore_ascii_case(SET_HEADER) => {
                let asked = value.split(|byte| *byte == b':').next().unwrap_or_default();
                asked.trim_ascii().eq_ignore_ascii_case(own.as_bytes())
            }
            _ => false,
        };
        asks_for_ours || self.own_header(name).is_some()
    }

    /// Whether requests with this body can carry their id; asked before a run.
    ///
    /// # Errors
    ///
    /// When they cannot.
    pub(crate) fn check(&self, request: &Request) -> Result<(), Unsendable> {
        self.outgoing(request).map(|_| ())
    }
}

/// A JSON body with the id at a pointer. Members are made where they are missing; the order of the
/// members is not kept.
fn with_id(body: Option<&[u8]>, pointer: &str, id: String) -> Result<Vec<u8>, Unsendable> {
    let failed = |reason| Unsendable::Body {
        pointer: pointer.to_owned(),
        reason,
    };
    let parsed = serde_json::from_slice::<Value>(body.unwrap_or_default());
    let mut json = parsed.ok().filter(Value::is_object);
    let json = json
        .as_mut()
        .ok_or_else(|| failed("the body is no JSON object"))?;
    let mut place = &mut *json;
    for token in pointer.split('/').skip(1) {
        let name = token.replace("~1", "/").replace("~0", "~");
        place = match place {
            Value::Object(members) => members
                .entry(name)
                .or_insert_with(|| Value::Object(serde_json::Map::new())),
            Value::Array(items) => {
                let item = name
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| items.get_mut(index));
                item.ok_or_else(|| failed("the array has no such item"))?
            }
            _ => return Err(failed("a value is in the way")),
        };
    }
    *place = Value::String(id);
    serde_json::to_vec(json).map_err(|_| failed("the body cannot be written"))
}
