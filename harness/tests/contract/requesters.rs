//! Requesters of other frameworks with a broker: their headers, byte by byte, and the replies that they expect. Nothing
//! here comes from the bridge.

use harness::service::Service;

use super::{options, stack};
use crate::support::requester::{ORDER, Reply, Requester};

/// Checks a reply: all conforming replies to these requests are such an order.
fn assert_order(reply: &Reply, requester: &str) {
    assert_eq!(reply.status(), "200", "{requester}: {reply:?}");
    assert_eq!(reply.key.as_deref(), Some(requester), "{reply:?}");
    assert!(reply.body.contains("id-1234"), "{requester}: {reply:?}");
}

#[tokio::test]
async fn spring_smallrye_and_nest_get_conforming_replies() {
    let stack = stack().await;
    let requester = Requester::new(&stack, "others-", 1).await;
    let profiles = ["--profile", "nest,spring,smallrye"];
    let service = Service::start(&stack, options("others-", &profiles))
        .await
        .unwrap();
    let topic = requester.reply_topic.clone();
    let order = Some(ORDER.as_bytes());

    // The correlation id has sixteen raw bytes, many of which no HTTP header can have. The partition has four bytes.
    let correlation: &[u8] = b"\x00\x01\x02\x03\n\r\x7f\x07\x08\t\x1b\x0c\x0e\x0f\x10\x11";
    let spring: [(&str, &[u8]); 4] = [
        ("kafka_replyTopic", topic.as_bytes()),
        ("kafka_correlationId", correlation),
        ("kafka_replyPartition", b"\x00\x00\x00\x00"),
        ("spring_json_header_types", b"{}"),
    ];
    requester.send_raw("spring", order, &spring).await;
    let reply = requester.next_reply().await;
    assert_order(&reply, "spring");
    let expected = std::str::from_utf8(correlation).unwrap();
    assert_eq!(reply.header("kafka_correlationId"), Some(expected));
    assert_eq!(reply.header("spring_json_header_types"), None);

    let smallrye: [(&str, &[u8]); 3] = [
        ("REPLY_TOPIC", topic.as_bytes()),
        (
            "REPLY_CORRELATION_ID",
            b"0f9d7d4e-2f4c-4f53-8f2b-3d5f0f8c7b61",
        ),
        // A partition that the topic does not have: the reply is sent anyway.
        ("REPLY_PARTITION", b"\x00\x00\x00\x07"),
    ];
    requester.send_raw("smallrye", order, &smallrye).await;
    let reply = requester.next_reply().await;
    assert_order(&reply, "smallrye");
    let expected = "0f9d7d4e-2f4c-4f53-8f2b-3d5f0f8c7b61";
    assert_eq!(reply.header("REPLY_CORRELATION_ID"), Some(expected));
    assert_eq!(
        reply.header("REPLY_TOPIC"),
        None,
        "the requester would take it for a request"
    );

    let nest: [(&str, &[u8]); 3] = [
        ("kafka_replyTopic", topic.as_bytes()),
        ("kafka_correlationId", b"a3f1c2"),
        ("kafka_replyPartition", b"0"),
    ];
    requester.send_raw("nest", order, &nest).await;
    let reply = requester.next_reply().await;
    assert_order(&reply, "nest");
    assert_eq!(reply.header("kafka_correlationId"), Some("a3f1c2"));
    assert_eq!(
        reply.header("kafka_nest-is-disposed").map(str::len),
        Some(1)
    );
    assert_eq!(reply.header("kafka_nest-err"), None);

    requester.send_raw("nest", Some(b"{"), &nest).await;
    let reply = requester.next_reply().await;
    let problem: serde_json::Value =
        serde_json::from_str(reply.header("kafka_nest-err").unwrap()).unwrap();
    assert_eq!(problem["status"], 400, "{reply:?}");
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}
