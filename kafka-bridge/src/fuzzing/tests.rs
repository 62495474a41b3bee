//! Checks the same rules against proptest's inputs and against the committed seeds.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Header names that the bridge reads, in odd case, among any others.
fn name() -> impl Strategy<Value = String> {
    let known = select(vec![
        "id",
        "x-item",
        "X-ITEM",
        "x-limit",
        "x-query",
        "Content-Length",
        "content-type",
        "HOST",
        "Connection",
        "transfer-encoding",
        "Authorization",
        "x-Forwarded-For",
        "X-a",
        "reply-to",
        "Reply-To",
        "reply_to",
        "REPLY_TOPIC",
        "kafka_replyTopic",
        "zilla:reply-to",
        "kafka_replyPartition",
        "REPLY_PARTITION",
        "kafka_correlationId",
        "REPLY_CORRELATION_ID",
        "correlation_id",
        "zilla:correlation-id",
        "status-code",
        "kafka_nest-err",
    ]);
    prop_oneof![8 => known.prop_map(str::to_owned), 1 => any::<String>()]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let known = select(vec![
        &b"t.reply"[..],
        b"t.reply.7",
        b"t-replies",
        b"t",
        b"__x",
        b"t.reply.dead",
        b"..",
        b"",
        b"7",
        b"a/b",
        b"\0\0\0\x07",
        b"-1",
        b"X-A, id",
        b"a=b&c=%20",
        b"x-request-id: 7",
        b"chunked",
    ]);
    let text = any::<String>().prop_map(String::into_bytes);
    prop_oneof![4 => known.prop_map(<[u8]>::to_vec), 1 => text, 1 => vec(any::<u8>(), 0..40)]
}

prop_compose! {
    fn any_record()(
        id in weighted(0.8, value()),
        item in weighted(0.8, value()),
        headers in vec((name(), weighted(0.9, value())), 0..12),
        body in weighted(0.8, vec(any::<u8>(), 0..64)),
    ) -> Record {
        let mut record = Record::new(TOPIC, 0, 0);
        record.value = body.map(Bytes::from);
        let parameters = [("id", id), ("x-item", item)];
        let parameters = parameters.into_iter().filter(|(_, value)| value.is_some());
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value));
        for (name, value) in parameters.chain(headers) {
            record.headers.push_nullable(name, value.map(Bytes::from));
        }
        record
    }
}

proptest! {
    #[test]
    fn h16_any_record_is_a_request_of_its_operation_or_a_problem(record in any_record()) {
        request(&record);
    }

    #[test]
    fn h15_any_record_is_answered_where_the_policy_allows_or_nowhere(
        record in any_record(),
        rotation in 0..6_usize,
    ) {
        reply_to(&record, rotation);
    }

    #[test]
    fn h17_any_line_sets_one_header_that_nobody_owns_or_none(
        name in "[a-zA-Z_:-]{0,12}|status-code|Set-Cookie|reply-to|correlation_id",
        rest in value(),
        bytes in vec(any::<u8>(), 0..40),
    ) {
        reply_set_header(&[name.as_bytes(), b": ", &rest].concat());
        reply_set_header(&[name.as_bytes(), b":", &bytes].concat());
        reply_set_header(&bytes);
    }
}

#[test]
fn the_seeds_of_the_fuzz_targets_keep_the_rules() {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds");
    for target in ["request", "reply_set_header", "reply_to"] {
        let files = std::fs::read_dir(format!("{seeds}/{target}")).unwrap();
        let mut count = 0;
        for file in files {
            let data = std::fs::read(file.unwrap().path()).unwrap();
            match target {
                "request" => request(&record(&data)),
                "reply_to" => (0..6).for_each(|rotation| reply_to(&record(&data), rotation)),
                _ => reply_set_header(&data),
            }
            count += 1;
        }
        assert!(count > 2, "{target} has seeds");
    }
}
