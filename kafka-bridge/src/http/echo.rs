//! The `EchoSetHeader` layer: a requester asks for headers to be set on its own reply.
//!
//! The request header `x-reply-set-header: x-request-id:42` makes the response carry `x-request-id: 42`. A requester
//! can thus correlate replies by any header that it chooses. It cannot set headers that the service or the bridge owns.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::Headers;
use crate::record::headers::http_name;

/// The request header that the layer reads by default.
pub const DEFAULT_ECHO_HEADER: HeaderName = HeaderName::from_static("x-reply-set-header");

/// How many headers one request may set. Further ones are ignored.
const MAX_ECHOED: usize = 16;

/// How many lines of a record are searched for them when the application does not answer.
const MAX_LINES: usize = 64;

/// Names that no requester may set, besides those of `hop_by_hop`. They frame the reply, or state facts that only the
/// service or the bridge can know, or affect a browser behind an HTTP front end.
const PROTECTED: [&str; 21] = [
    "status-code",
    ":status",
    "reply-to",
    "reply_to",
    "correlation_id",
    "reply_topic",
    "reply_partition",
    "reply_correlation_id",
    "spring_json_header_types",
    "x-reply-set-header",
    "content-type",
    "content-length",
    "content-encoding",
    "content-range",
    "content-language",
    "content-location",
    "set-cookie",
    "location",
    "www-authenticate",
    "traceparent",
    "baggage",
];

/// Prefixes of names that the bridge or a messaging framework uses.
const PROTECTED_PREFIXES: [&str; 4] = ["kafka_", "dead-letter-", "retry-", "access-control-"];

/// The names that the layer has set. They go into the response's extensions, because replies carry these headers last.
#[derive(Clone, Debug)]
pub(crate) struct Echoed(pub(crate) Vec<HeaderName>);

/// Applies [`EchoSetHeader`] to a service.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use kafka_bridge::EchoSetHeaderLayer;
///
/// let app: Router = Router::new()
///     .route("/", get(|| async { "hello" }))
///     .layer(EchoSetHeaderLayer::default());
/// ```
#[derive(Clone, Debug)]
pub struct EchoSetHeaderLayer {
    header: HeaderName,
}

impl EchoSetHeaderLayer {
    /// Reads the headers to set from the request header of this name.
    #[must_use]
    pub fn new(header: HeaderName) -> Self {
        Self { header }
    }
}

impl Default for EchoSetHeaderLayer {
    fn default() -> Self {
        Self::new(DEFAULT_ECHO_HEADER)
    }
}

impl<S> Layer<S> for EchoSetHeaderLayer {
    type Service = EchoSetHeader<S>;

    fn layer(&self, inner: S) -> EchoSetHeader<S> {
        EchoSetHeader {
            inner,
            header: self.header.clone(),
        }
    }
}

/// Sets the headers that the request asks for on the response. [`EchoSetHeaderLayer`] creates it.
#[derive(Clone, Debug)]
pub struct EchoSetHeader<S> {
    inner: S,
    header: HeaderName,
}

impl<S, Q, R> Service<Request<Q>> for EchoSetHeader<S>
where
    S: Service<Request<Q>, Response = Response<R>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = EchoSetHeaderFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let wanted = wanted(request.headers(), &self.header);
        EchoSetHeaderFuture {
            inner: self.inner.call(request),
            wanted,
        }
    }
}

pin_project! {
    /// The response future of [`EchoSetHeader`].
    pub struct EchoSetHeaderFuture<F> {
        #[pin]
        inner: F,
        wanted: Vec<(HeaderName, HeaderValue)>,
    }
}

impl<F, R, E> Future for EchoSetHeaderFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(context))?;
        set(&mut response, std::mem::take(this.wanted));
        Poll::Ready(Ok(response))
    }
}

/// Sets the wanted headers and records their names in the extensions.
pub(crate) fn set<R>(response: &mut Response<R>, wanted: Vec<(HeaderName, HeaderValue)>) {
    if wanted.is_empty() {
        return;
    }
    let headers = response.headers_mut();
    let names = wanted.into_iter().map(|(name, value)| {
        // A full map refuses the header. The response matters more than its echo.
        let _ = headers.try_append(name.clone(), value);
        name
    });
    let echoed = Echoed(names.collect());
    response.extensions_mut().insert(echoed);
}

/// Returns the headers that the request asks for, in order.
pub(crate) fn wanted(headers: &HeaderMap, header: &HeaderName) -> Vec<(HeaderName, HeaderValue)> {
    let values = headers.get_all(header).iter();
    parse_all(values.map(HeaderValue::as_bytes))
}

fn parse_all<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Vec<(HeaderName, HeaderValue)> {
    lines.filter_map(parse).take(MAX_ECHOED).collect()
}

/// The echo header lines of a record, for answers that do not come from the application. Most answers do, so the lines
/// are parsed only when needed.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// The usual single line, which needs no list.
    first: Option<Bytes>,
    others: Vec<Bytes>,
}

impl Lines {
    /// Keeps the lines of a record, even of one that will be refused.
    pub(crate) fn of(headers: &Headers, name: &HeaderName) -> Self {
        let mut lines = headers.get_all(name.as_str()).flatten().cloned();
        Self {
            first: lines.next(),
            others: lines.take(MAX_LINES - 1).collect(),
        }
    }

    pub(crate) fn wanted(&self) -> Vec<(HeaderName, HeaderValue)> {
        parse_all(self.first.iter().chain(&self.others).map(Bytes::as_ref))
    }
}

/// Parses `name: value`: exactly one header on one line, with a name that may be set.
///
/// Blanks around the value are dropped. The bytes of the value pass unchanged, including those above 0x7F.
pub(crate) fn parse(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let name = http_name(&line[..colon])?;
    let value = HeaderValue::from_bytes(trim(&line[colon + 1..])).ok()?;
    may_set(&name).then_some((name, value))
}

fn may_set(name: &HeaderName) -> bool {
    let text = name.as_str();
    !PROTECTED.contains(&text)
        && !PROTECTED_PREFIXES
            .iter()
            .any(|prefix| text.starts_with(prefix))
        && !hop_by_hop(name)
}

/// Returns whether the header concerns one HTTP connection (RFC 9110, 7.6.1) and not the message.
pub(crate) fn hop_by_hop(name: &HeaderName) -> bool {
    [
        header::CONNECTION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
    ]
    .contains(name)
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &[u8]) -> Option<(String, Vec<u8>)> {
        parse(line).map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
    }

    #[test]
    fn h17_echoes_exactly_one_header() {
        let vectors: [(&[u8], &str, &[u8]); 8] = [
            (b"x-request-id:abc", "x-request-id", b"abc"),
            (b"x-request-id: abc", "x-request-id", b"abc"),
            (b"a:\t1", "a", b"1"),
            (b"x-request-id:   abc  ", "x-request-id", b"abc"),
            (b"x-a:", "x-a", b""),
            (b"x-a: b: c", "x-a", b"b: c"),
            (b"X-Request-Id: abc", "x-request-id", b"abc"),
            (b"a: \xff", "a", b"\xff"),
        ];
        for (line, name, value) in vectors {
            assert_eq!(
                parsed(line),
                Some((name.to_owned(), value.to_vec())),
                "{line:?}"
            );
        }
    }

    #[test]
    fn h17_skips_what_is_not_exactly_one_header() {
        let vectors: [&[u8]; 12] = [
            b"a: 1\r\nb: 2",
            b"a: 1\nb: 2",
            b"a: 1\rb: 2",
            b"a: 1\n folded",
            b"a: 1\n\nbody",
            b"novalue",
            b": v",
            b"X-Foo : v",
            b" a: 1",
            b"",
            "\u{e9}: 1".as_bytes(),
            b"a: \x00",
        ];
        for line in vectors {
            assert_eq!(parsed(line), None, "{line:?}");
        }
    }

    #[test]
    fn h17_protects_names_that_others_own() {
        let vectors = [
            "Set-Cookie: s=1",
            "status-code: 500",
            "Content-Type: x/y",
            "CONTENT-LENGTH: 0",
            "transfer-encoding: chunked",
            "connection: close",
            "reply-to: elsewhere",
            "kafka_nest-err: x",
            "dead-letter-cause: forged",
            "Retry-Count: 99",
            "access-control-allow-origin: *",
        ];
        for line in vectors {
            assert_eq!(parsed(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn h17_protects_the_names_of_every_profile() {
        for profile in crate::ReplyProfile::all() {
            for name in profile.owned() {
                // A name with a colon is not an HTTP name: the header's name ends at that colon.
                let set = parsed(format!("{name}: x").as_bytes());
                assert!(set.is_none_or(|(set, _)| set != name), "{name}");
            }
        }
    }

    #[test]
    fn h17_caps_the_count_and_keeps_order_and_repeats() {
        let mut headers = HeaderMap::new();
        for number in 0..MAX_ECHOED + 5 {
            let value = HeaderValue::try_from(format!("x-n:{number}")).unwrap();
            headers.append(DEFAULT_ECHO_HEADER, value);
        }
        let echoed = wanted(&headers, &DEFAULT_ECHO_HEADER);
        assert_eq!(echoed.len(), MAX_ECHOED);
        assert_eq!(echoed[3].1, "3");
    }
}
