//! Operations with path and query parameters, written by hand and from an OpenAPI document, end to end.

mod support;

use axum::Router;
use axum::extract::{Path, RawQuery};
use axum::http::Method;
use axum::routing::{get, put};
use kafka_bridge::testing::{MemoryBroker, MemorySink};
use kafka_bridge::{Bridge, Builder, EchoSetHeaderLayer, Operation, Record};
use support::{header, serve, statuses};

fn app() -> Router {
    let read = get(|Path(id): Path<String>| async move { format!("read {id}") });
    let update =
        |Path(id): Path<String>, body: String| async move { format!("update {id} {body}") };
    let cancel = |Path(id): Path<String>| async move { format!("cancel {id}") };
    let list =
        |RawQuery(query): RawQuery| async move { format!("list {}", query.unwrap_or_default()) };
    Router::new()
        .route("/orders/{id}", read.merge(put(update).delete(cancel)))
        .route("/orders", get(list))
        .layer(EchoSetHeaderLayer::default())
}

fn document() -> serde_json::Value {
    serde_json::json!({
        "openapi": "3.1.0",
        "paths": {
            "/orders/{id}": {
                "parameters": [{"$ref": "#/components/parameters/id"}],
                "get": {"operationId": "readOrder"},
                "put": {"operationId": "updateOrder"},
                "delete": {"operationId": "cancelOrder"},
            },
            "/orders": {"get": {
                "operationId": "listOrders",
                "parameters": [{"name": "limit", "in": "query"}],
            }},
        },
        "components": {"parameters": {
            "id": {"name": "id", "in": "path", "required": true, "x-kafka-header": "order-id"},
        }},
    })
}

fn builder() -> Builder<Router> {
    let operations = Operation::from_openapi(&document(), str::to_owned).expect("a document");
    Bridge::builder(app()).operations(operations)
}

fn record(topic: &str, headers: &[(&str, &str)]) -> Record {
    let record = Record::new(topic, 0, 0).with_header("reply-to", format!("{topic}.reply"));
    headers.iter().fold(record, |record, (name, value)| {
        record.with_header(*name, value.as_bytes().to_vec())
    })
}

async fn answer(builder: Builder<Router>, record: Record) -> (String, String) {
    let topic = record.topic().to_owned();
    let (replies, _) = serve(builder, [record]).await;
    let [reply] = &replies[..] else {
        panic!("one reply: {replies:?}")
    };
    assert_eq!(&*reply.topic, format!("{topic}.reply"));
    let body = reply
        .value
        .as_ref()
        .map(|body| String::from_utf8_lossy(body).into_owned());
    (
        header(reply, "status-code").expect("a status"),
        body.unwrap_or_default(),
    )
}

async fn body(record: Record) -> String {
    let (status, body) = answer(builder(), record).await;
    assert_eq!(status, "200", "{body}");
    body
}

#[tokio::test(start_paused = true)]
async fn an_openapi_document_maps_every_operation_to_its_topic() {
    let id = [("order-id", "7")];
    assert_eq!(body(record("readOrder", &id)).await, "read 7");
    assert_eq!(
        body(record("updateOrder", &id).with_value("{}")).await,
        "update 7 {}"
    );
    assert_eq!(body(record("cancelOrder", &id)).await, "cancel 7");
    assert_eq!(body(record("listOrders", &[])).await, "list ");
    assert_eq!(
        body(record("listOrders", &[("limit", "5")])).await,
        "list limit=5"
    );
}

#[tokio::test(start_paused = true)]
async fn h16_a_path_value_never_leaves_its_segment() {
    for id in [
        "a/b",
        "../orders",
        "a?limit=1",
        "a#b",
        "%2e%2e",
        "a b",
        "\u{e9}",
        "a\r\nb",
    ] {
        let read = body(record("readOrder", &[("order-id", id)])).await;
        assert_eq!(read, format!("read {id}"));
    }
    let query = [("limit", "5&all=true#")];
    assert_eq!(
        body(record("listOrders", &query)).await,
        "list limit=5%26all%3Dtrue%23"
    );
}

#[tokio::test(start_paused = true)]
async fn a_path_value_that_is_missing_or_unusable_is_a_bad_request_that_names_the_header() {
    let cases: [&[(&str, &str)]; 6] = [
        &[],
        &[("id", "7")],
        &[("order-id", "")],
        &[("order-id", ".")],
        &[("order-id", "..")],
        &[("order-id", "7"), ("ORDER-ID", "8")],
    ];
    for headers in cases {
        let echo = [("x-reply-set-header", "x-request-id: 1")];
        let request = record("readOrder", &[headers, &echo].concat());
        let (replies, _) = serve(builder(), [request]).await;
        assert_eq!(statuses(&replies), ["400"], "{headers:?}");
        assert_eq!(
            header(&replies[0], "content-type").unwrap(),
            "application/problem+json"
        );
        assert_eq!(header(&replies[0], "x-request-id").unwrap(), "1");
        let problem = replies[0].value.as_ref().unwrap();
        let problem: serde_json::Value = serde_json::from_slice(problem).unwrap();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("`order-id`"), "{detail}");
    }
    let binary = Record::new("readOrder", 0, 0)
        .with_header("reply-to", "readOrder.reply")
        .with_header("order-id", vec![0xff_u8]);
    assert_eq!(answer(builder(), binary).await.0, "400");
}

#[tokio::test(start_paused = true)]
async fn operations_by_hand_take_parameters_and_a_raw_query() {
    let update = Operation::new("change", Method::PUT, "/orders/{id}").unwrap();
    let list = Operation::new("search", Method::GET, "/orders?v=1")
        .unwrap()
        .query_header("x-query")
        .query_parameter("limit", "x-limit");
    let builder = || Bridge::builder(app()).operations([update.clone(), list.clone()]);

    let (_, changed) = answer(builder(), record("change", &[("ID", "7")]).with_value("x")).await;
    assert_eq!(changed, "update 7 x");
    let headers = [("x-query", "a=%20"), ("x-limit", "5")];
    let (_, found) = answer(builder(), record("search", &headers)).await;
    assert_eq!(found, "list v=1&a=%20&limit=5");
    let (status, _) = answer(builder(), record("search", &[("x-query", "a b")])).await;
    assert_eq!(status, "400");
}

#[test]
fn a_topic_that_is_mapped_by_hand_and_by_the_document_is_refused() {
    let (_, source) = MemoryBroker::new();
    let twice = builder().operation(Operation::post("readOrder", "/").unwrap());
    let error = twice.with_ports(source, MemorySink::default()).unwrap_err();
    assert!(
        error.to_string().contains("`readOrder` is mapped twice"),
        "{error}"
    );
}
