//! The explanations for a record that is not answered, in its dead letter and in the log.

mod support;

use kafka_bridge::{Record, ReplyProfile};
use support::{builder, header, serve};

const LETTERS: &str = "createOrder.dlq";

async fn cause(record: Record) -> String {
    let builder = builder().dead_letter_topic(LETTERS);
    let (produced, _) = serve(builder, [record]).await;
    assert_eq!(&*produced[0].topic, LETTERS);
    header(&produced[0], "dead-letter-cause").expect("a cause")
}

fn asking(header: &str, topic: impl Into<bytes::Bytes>) -> Record {
    Record::new("createOrder", 0, 0).with_header(header, topic)
}

#[tokio::test]
async fn a_refused_return_address_is_told_with_the_setting_that_would_allow_it() {
    let cause = cause(asking("reply-to", "payments")).await;
    assert!(cause.contains("`reply-to` asks for `payments`"), "{cause}");
    assert!(cause.contains("--reply-topics"), "{cause}");
}

#[tokio::test]
async fn h10_a_hostile_return_address_is_told_escaped_and_cut() {
    let mut hostile = b"\x1b[2J\r\n\xff".to_vec();
    hostile.resize(5_000, b'x');
    let cause = cause(asking("reply-to", hostile)).await;
    assert!(cause.contains(r"`\x1b[2J\r\n\xffxxx"), "{cause}");
    assert!(cause.len() < 250, "{}", cause.len());
}

#[tokio::test]
async fn the_header_of_a_profile_that_is_not_served_is_told_with_the_profiles_name() {
    let told = cause(asking("kafka_replyTopic", "createOrder.reply")).await;
    assert!(told.starts_with("no return address: "), "{told}");
    assert!(told.contains("--profile spring"), "{told}");
    // For an active profile the header is just null.
    let served = builder()
        .dead_letter_topic(LETTERS)
        .profiles([ReplyProfile::nest()]);
    let mut record = Record::new("createOrder", 0, 0);
    record.headers.push_nullable("kafka_replyTopic", None);
    let (produced, _) = serve(served, [record]).await;
    let cause = header(&produced[0], "dead-letter-cause");
    assert_eq!(cause.as_deref(), Some("no return address"));
}
