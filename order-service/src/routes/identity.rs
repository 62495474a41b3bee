//! The identity of a request: the requester's key, or else its record.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use kafka_bridge::KafkaRecord;

use crate::error::ApiError;
use crate::idempotency::{IdempotencyKey, InvalidKey, RecordIdentity, RequestIdentity};

/// The header that carries the requester's key.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Requesters recognize their replies by these headers, so they differ from request to request. Other headers do not
/// count: a proxy or the bridge may change one between two deliveries (traces, counts of attempts).
const CORRELATION: [&str; 4] = [
    "x-reply-set-header",
    "kafka_correlationid",
    "reply_correlation_id",
    "correlation_id",
];

impl<S: Send + Sync> FromRequestParts<S> for RequestIdentity {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        if let Some(key) = key(&parts.headers).map_err(refuse)? {
            return Ok(Self::Key(key));
        }
        let source = parts.extensions.get::<KafkaRecord>();
        let record = source.map(|source| record(source, &parts.headers));
        Ok(record.map_or(Self::Unknown, Self::Record))
    }
}

fn refuse(error: InvalidKey) -> ApiError {
    ApiError::Unreadable(StatusCode::BAD_REQUEST, error.to_string())
}

fn key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, InvalidKey> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map_err(|_| InvalidKey)?.parse().map(Some),
        (Some(_), Some(_)) => Err(InvalidKey),
    }
}

fn record(source: &KafkaRecord, headers: &HeaderMap) -> RecordIdentity {
    let values = |name: &'static str| {
        let values = headers.get_all(name).into_iter();
        values.map(move |value| (name, value.as_bytes().to_vec()))
    };
    RecordIdentity {
        topic: source.topic().to_owned(),
        partition: source.partition(),
        offset: source.offset(),
        timestamp: source.timestamp(),
        correlation: CORRELATION.into_iter().flat_map(values).collect(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    async fn identity(request: Request<()>) -> Result<RequestIdentity, ApiError> {
        RequestIdentity::from_request_parts(&mut request.into_parts().0, &()).await
    }

    fn with_keys(keys: &[&[u8]]) -> Request<()> {
        let builder = Request::post("/orders");
        let builder = keys.iter().fold(builder, |builder, key| {
            builder.header(IDEMPOTENCY_KEY, *key)
        });
        builder.body(()).unwrap()
    }

    fn as_record(mut request: Request<()>) -> Request<()> {
        let mut record = kafka_bridge::Record::new("createOrder", 3, 7);
        record.timestamp = Some(5);
        request.extensions_mut().insert(KafkaRecord::from(record));
        request
    }

    #[tokio::test]
    async fn a_key_comes_before_the_record() {
        let key = RequestIdentity::Key("k".parse().unwrap());
        assert_eq!(identity(with_keys(&[b"k"])).await.unwrap(), key);
        assert_eq!(identity(as_record(with_keys(&[b"k"]))).await.unwrap(), key);
    }

    #[tokio::test]
    async fn a_key_that_is_no_key_is_not_ignored() {
        for keys in [&[&b""[..]][..], &[b"a b"], &[b"\xff"], &[b"a", b"a"]] {
            let refused = identity(as_record(with_keys(keys))).await;
            let Err(ApiError::Unreadable(StatusCode::BAD_REQUEST, _)) = refused else {
                panic!("{keys:?}: {refused:?}");
            };
        }
    }

    #[tokio::test]
    async fn a_record_is_told_by_its_place_and_its_correlation() {
        let mut request = as_record(with_keys(&[]));
        let headers = request.headers_mut();
        headers.append("traceparent", "changes".parse().unwrap());
        headers.append("x-reply-set-header", "x-request-id:1".parse().unwrap());
        headers.append("kafka_correlationid", "2".parse().unwrap());
        let RequestIdentity::Record(record) = identity(request).await.unwrap() else {
            panic!("a record");
        };
        assert_eq!(
            (&*record.topic, record.partition, record.offset),
            ("createOrder", 3, 7)
        );
        assert_eq!(record.timestamp, Some(5));
        let names: Vec<_> = record.correlation.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["x-reply-set-header", "kafka_correlationid"]);

        let http = identity(with_keys(&[])).await.unwrap();
        assert_eq!(http, RequestIdentity::Unknown);
    }
}
