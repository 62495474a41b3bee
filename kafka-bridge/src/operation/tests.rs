//! Tests the refusals and the targets of operations.

use super::*;

fn put() -> Operation {
    Operation::new("updateOrder", Method::PUT, "/orders/{id}").unwrap()
}

fn uri(operation: &Operation, headers: &[(&str, &str)]) -> Result<String, Problem> {
    let headers: Headers = headers
        .iter()
        .map(|(name, value)| (*name, value.as_bytes().to_vec()))
        .collect();
    operation.uri(&headers).map(|uri| uri.to_string())
}

#[test]
fn refuses_what_kafka_refuses() {
    for name in ["", ".", "..", "a/b", "a b", "é", &"x".repeat(250)] {
        assert_eq!(
            Operation::post(name, "/").map(|_| ()),
            Err(OperationError::Topic(name.to_owned()))
        );
    }
    assert!(is_legal_topic(&"x".repeat(249)));
    assert!(is_legal_topic("a.b_c-D9"));
}

#[test]
fn refuses_a_path_that_is_not_absolute() {
    for path in [
        "orders",
        "",
        "http://elsewhere/orders",
        "/or ders",
        "/orders#x",
        "/orders?{id}",
    ] {
        assert!(
            matches!(Operation::post("t", path), Err(OperationError::Path(..))),
            "{path}"
        );
    }
}

#[test]
fn refuses_broken_templates_and_unknown_parameters() {
    let error = Operation::post("t", "/orders/{id").unwrap_err().to_string();
    assert!(error.contains("`/orders/{id` of topic `t`"), "{error}");
    let error = put().path_parameter("number", "x").unwrap_err().to_string();
    assert_eq!(
        error,
        "the path of topic `updateOrder` has no parameter `{number}`"
    );
}

#[test]
fn a_parameter_is_filled_by_its_own_name_or_by_the_named_header() {
    assert_eq!(uri(&put(), &[("id", "7")]).unwrap(), "/orders/7");
    assert_eq!(uri(&put(), &[("ID", "7")]).unwrap(), "/orders/7");
    let named = put().path_parameter("id", "order-id").unwrap();
    assert_eq!(
        uri(&named, &[("id", "8"), ("order-id", "7")]).unwrap(),
        "/orders/7"
    );
    assert_eq!(uri(&named, &[("id", "8")]).unwrap_err().status, 400);
}

#[test]
fn a_path_value_that_cannot_be_used_is_told_with_the_headers_name() {
    let operation = put().path_parameter("id", "order-id").unwrap();
    let refused = |headers: &Headers, why: &str| {
        let problem = operation.uri(headers).unwrap_err();
        assert_eq!(problem.status, 400);
        assert!(problem.detail.contains("`order-id`"), "{}", problem.detail);
        assert!(problem.detail.contains(why), "{why}: {}", problem.detail);
    };
    let one = |value: &[u8]| -> Headers { [("order-id", value.to_vec())].into_iter().collect() };
    refused(&Headers::default(), "missing");
    let mut null = Headers::default();
    null.push_nullable("order-id", None);
    refused(&null, "missing");
    null.push("order-id", "7");
    refused(&null, "missing");
    let twice = [("order-id", "7"), ("Order-Id", "7")];
    refused(&twice.into_iter().collect(), "more than once");
    refused(&one(b""), "empty");
    refused(&one(b"."), "`.`");
    refused(&one(b".."), "`..`");
    refused(&one(b"\xff"), "UTF-8");
}

#[test]
fn query_parameters_are_there_when_their_headers_are() {
    let operation = Operation::new("listOrders", Method::GET, "/orders?v=1")
        .unwrap()
        .query_parameter("limit", "x-limit")
        .query_parameter("a&b", "x-text");
    let uri = |headers: &[(&str, &str)]| uri(&operation, headers).unwrap();
    assert_eq!(uri(&[]), "/orders?v=1");
    assert_eq!(uri(&[("X-Limit", "5")]), "/orders?v=1&limit=5");
    assert_eq!(
        uri(&[
            ("x-text", "x&limit=9#\r\n"),
            ("x-limit", "1"),
            ("x-limit", "")
        ]),
        "/orders?v=1&limit=1&limit=&a%26b=x%26limit%3D9%23%0D%0A"
    );
    let binary: Headers = [("x-limit", vec![0xff_u8])].into_iter().collect();
    let problem = operation.uri(&binary).unwrap_err();
    assert_eq!(problem.status, 400);
    assert!(problem.detail.contains("`x-limit`"));
}

#[test]
fn a_raw_query_is_taken_as_it_is_when_it_is_legal() {
    let operation = put().query_header("x-query");
    let with = |query| uri(&operation, &[("id", "7"), ("x-query", query)]);
    assert_eq!(with("a=b%20c&d").unwrap(), "/orders/7?a=b%20c&d");
    assert_eq!(uri(&operation, &[("id", "7")]).unwrap(), "/orders/7");
    for illegal in ["a b", "a#b", "%zz", "a\r\nHost: x", "\u{e9}"] {
        let problem = with(illegal).unwrap_err();
        assert_eq!(problem.status, 400, "{illegal}");
        assert!(problem.detail.contains("`x-query`"), "{}", problem.detail);
    }
    let twice = uri(
        &operation,
        &[("id", "7"), ("x-query", "a"), ("x-query", "b")],
    );
    assert_eq!(twice.unwrap_err().status, 400);
}

#[test]
fn a_target_that_is_too_long_is_told() {
    let problem = uri(&put(), &[("id", &"x".repeat(70_000))]).unwrap_err();
    assert_eq!(problem.status, 414);
}
