//! The same requests over HTTP and over Kafka have the same status and body. With a real store: records that are
//! consumed again, and concurrent changes of one order.

use harness::service::Service;
use harness::stack::{Stack, free_port};

use super::http::{Client, Request};
use super::rows::{self, MAX_BODY, Pass, Row};
use super::support::requester::{ORDER, Requester};
use super::{options, stack, support};

/// The operations beside `createOrder`, which every requester has.
const OPERATIONS: [&str; 3] = ["readOrder", "updateOrder", "cancelOrder"];

/// The service with `--http` and every topic.
struct Served {
    service: Service,
    requester: Requester,
    http: String,
}

impl Served {
    async fn start(stack: &Stack, prefix: &str) -> Self {
        let requester = Requester::new(stack, prefix, 1).await;
        for operation in OPERATIONS {
            let topic = format!("{prefix}{operation}");
            stack.create_topic(&topic, 1).await.unwrap();
        }
        let http = format!("127.0.0.1:{}", free_port().unwrap());
        let limit = MAX_BODY.to_string();
        let flags = ["--http", &http, "--max-request-bytes", &limit];
        let service = Service::start(stack, options(prefix, &flags)).await;
        let service = service.unwrap();
        support::wait_for("the service's HTTP port", || {
            std::net::TcpStream::connect(&http).is_ok()
        });
        Self {
            service,
            requester,
            http,
        }
    }

    async fn over_http(&self, client: Client, pass: &Pass, row: &Row) -> (u16, String) {
        let (path, mut headers, body) = (pass.path(row), pass.headers(row), row.body());
        // A record without a media type counts as JSON, but an HTTP request does not.
        if body.is_some() && headers.iter().all(|(name, _)| name != "content-type") {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let request = Request {
            method: &row.method,
            path: &path,
            headers: &headers,
            body: body.as_deref(),
        };
        client.send(&self.http, &request).await
    }

    async fn over_kafka(&self, prefix: &str, pass: &Pass, row: &Row) -> (u16, String) {
        let echo = format!("x-request-id:{}", row.name);
        let mut headers = pass.headers(row);
        headers.extend(pass.order(row).map(|id| ("order-id".to_owned(), id)));
        headers.push(("x-reply-set-header".to_owned(), echo));
        headers.push(("reply-to".to_owned(), self.requester.reply_topic.clone()));
        let headers: Vec<(&str, &[u8])> = headers
            .iter()
            .map(|(name, value)| (&**name, value.as_bytes()))
            .collect();
        let topic = format!("{prefix}{}", row.operation);
        let body = row.body();
        let value = body.as_deref().map(str::as_bytes);
        self.requester
            .send_to(&topic, &row.name, value, &headers)
            .await;
        let reply = self.requester.next_reply().await;
        assert_eq!(reply.key.as_deref(), Some(&*row.name), "{reply:?}");
        assert_eq!(reply.header("x-request-id"), Some(&*row.name), "{reply:?}");
        (reply.status().parse().unwrap(), reply.body)
    }
}

async fn every_row_has_the_same_answer(client: Client, prefix: &str) {
    let stack = stack().await;
    let served = Served::start(&stack, prefix).await;
    let mut http = Pass::new("00000000-0000-0000-0000-00000000http");
    let mut kafka = Pass::new("00000000-0000-0000-0000-0000000kafka");
    for row in rows::rows() {
        let (status, body) = served.over_http(client, &http, &row).await;
        let by_http = http.check(&row, status, &body);
        let (status, body) = served.over_kafka(prefix, &kafka, &row).await;
        let by_kafka = kafka.check(&row, status, &body);
        assert_eq!(by_http, by_kafka, "{}", row.name);
    }
    served.service.stop().await.unwrap();
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn every_row_has_the_same_answer_over_http_and_over_kafka() {
    every_row_has_the_same_answer(Client::Plain, "same-").await;
}

#[tokio::test]
async fn curl_gets_the_same_answers_as_records() {
    every_row_has_the_same_answer(Client::Curl, "curl-").await;
}

/// A new group gets each record again, as after a crash.
#[tokio::test]
async fn h19_a_record_that_is_consumed_again_makes_no_second_order() {
    let stack = stack().await;
    let requester = Requester::new(&stack, "again-", 1).await;
    let mut bodies = Vec::new();
    requester.send("first", ORDER).await;
    requester.send("second", ORDER).await;
    for _ in 0..2 {
        let service = Service::start(&stack, options("again-", &[]))
            .await
            .unwrap();
        let replies = ["first".to_owned(), "second".to_owned()];
        let replies = requester.replies_to(&replies).await;
        bodies.push(replies.into_values().map(|replies| replies[0].body.clone()));
        service.stop().await.unwrap();
    }
    let again: Vec<String> = bodies.remove(1).collect();
    let first: Vec<String> = bodies.remove(0).collect();
    assert_eq!(first, again);
    assert_ne!(first[0], first[1], "two records, two orders");
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn updates_under_way_do_not_bring_a_cancelled_order_back() {
    let stack = stack().await;
    let served = Served::start(&stack, "race-").await;
    let json = [("content-type".to_owned(), "application/json".to_owned())];
    let send = async |method: &str, path: &str, body: Option<&str>| {
        let request = Request {
            method,
            path,
            headers: &json,
            body,
        };
        let (status, body) = Client::Plain.send(&served.http, &request).await;
        let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
        (status, answer)
    };
    for _ in 0..20 {
        let (_, order) = send("POST", "/orders", Some(ORDER)).await;
        let path = format!("/orders/{}", order["id"].as_str().unwrap());
        let update = async |count: u32| {
            let body = format!(r#"{{"items":[{{"sku":"a","count":{count}}}]}}"#);
            let (status, _) = send("PUT", &path, Some(&body)).await;
            assert!([200, 409].contains(&status), "{status}");
        };
        let ((status, _), ..) = tokio::join!(
            send("DELETE", &path, None),
            update(1),
            update(2),
            update(3),
            update(4),
            update(5),
            update(6),
        );
        assert_eq!(status, 200);
        let (_, order) = send("GET", &path, None).await;
        assert_eq!(order["cancelled"], true, "{order}");
    }
    served.service.stop().await.unwrap();
    stack.stop().await.unwrap();
}
