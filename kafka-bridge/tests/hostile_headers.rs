//! Headers that could do harm over HTTP, end to end with in-memory ports. None passes for a header that a connection, a
//! front end, the application or the bridge wrote. The numbers are those of the hazards.

mod support;

use axum::Router;
use bytes::Bytes;
use kafka_bridge::{Builder, Record};
use support::{builder, order, seen, serve, statuses, values};

/// Writes every second letter in upper case.
fn odd_case(name: &str) -> String {
    let odd = |(index, letter): (usize, char)| match index % 2 {
        0 => letter.to_ascii_uppercase(),
        _ => letter,
    };
    name.chars().enumerate().map(odd).collect()
}

#[tokio::test(start_paused = true)]
async fn h16_no_header_of_a_connection_or_of_a_front_passes_in_any_case() {
    let names = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "host",
        "expect",
        "authorization",
        "cookie",
        "proxy-authorization",
        "proxy-authenticate",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
        "dead-letter-offset",
        ":method",
        ":path",
        ":authority",
    ];
    for name in names {
        for name in [name.to_owned(), name.to_ascii_uppercase(), odd_case(name)] {
            let record = order(0, "abc").with_header(&*name, "100");
            let (headers, _) = seen(|builder| builder, record).await;
            let names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
            let expected = [
                "reply-to",
                "x-reply-set-header",
                "content-type",
                "content-length",
                "host",
            ];
            assert_eq!(names, expected, "{name}");
            assert_eq!(headers["host"], "localhost", "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn h16_a_name_passes_when_it_is_allowed_and_not_when_it_is_denied() {
    let record = || {
        order(0, "abc")
            .with_header("Authorization", "Basic eA==")
            .with_header("X-Forwarded-For", "10.0.0.1")
            .with_header("X-Tenant", "a")
            .with_header("Host", "elsewhere")
    };
    let open = |builder: Builder<Router>| {
        let builder = builder.allow_request_header("authorization");
        builder
            .allow_request_header("host")
            .deny_request_header("X-Tenant")
    };
    let (headers, _) = seen(open, record()).await;
    assert_eq!(headers["authorization"], "Basic eA==");
    for name in ["x-forwarded-for", "x-tenant"] {
        assert!(!headers.contains_key(name), "{name}");
    }
    assert_eq!(headers["host"], "localhost", "not the record's");
    let (headers, _) = seen(|builder| builder, record()).await;
    assert!(!headers.contains_key("authorization"));
    assert_eq!(headers["x-tenant"], "a");
}

#[tokio::test(start_paused = true)]
async fn h16_names_that_the_connection_header_lists_do_not_pass() {
    let record = order(0, "abc")
        .with_header("X-Hop", "1")
        .with_header("x-end", "1")
        .with_header("CONNECTION", "close, X-HOP");
    let (headers, _) = seen(|builder| builder, record).await;
    assert!(!headers.contains_key("x-hop"));
    assert!(headers.contains_key("x-end"));
}

#[tokio::test(start_paused = true)]
async fn h16_the_body_is_the_value_whatever_length_the_record_claims() {
    for claim in ["0", "2", "4", "999999", "-1", "3, 5", "chunked", ""] {
        for name in ["content-length", "Content-Length", "CONTENT-length"] {
            let record = order(0, "abc")
                .with_header(name, claim)
                .with_header(name, "7")
                .with_header("Transfer-Encoding", "chunked");
            let (headers, body) = seen(|builder| builder, record).await;
            let lengths: Vec<_> = headers.get_all("content-length").iter().collect();
            assert_eq!(lengths, ["3"], "{name}: {claim}");
            assert_eq!(body, "abc");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn h17_reply_set_header_vectors_end_to_end() {
    let echoed: [(&[u8], &str, &[u8]); 8] = [
        (b"x-request-id:abc", "x-request-id", b"abc"),
        (b"x-request-id: abc", "x-request-id", b"abc"),
        (b"a:\t1", "a", b"1"),
        (b"x-request-id:   abc  ", "x-request-id", b"abc"),
        (b"x-a:", "x-a", b""),
        (b"x-a: b: c", "x-a", b"b: c"),
        (b"a: \xff", "a", b"\xff"),
        (b"X-Foo: v", "x-foo", b"v"),
    ];
    let skipped: [&[u8]; 20] = [
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
        b"\xc3\xa9: 1",
        b"Set-Cookie: s=1",
        b"status-code: 500",
        b"STATUS-code:500",
        b"content-type: text/html",
        b"transfer-encoding: chunked",
        b"dead-letter-cause: forged",
        b"retry-attempt: 99",
        b"kafka_correlationId: forged",
        b"correlation_id: forged",
    ];
    let lines = echoed.iter().map(|(line, ..)| *line).chain(skipped);
    for (line, index) in lines.zip(0..) {
        let record = Record::new("createOrder", 0, 0)
            .with_value("hello")
            .with_header("reply-to", "createOrder.reply")
            .with_header("x-reply-set-header", line.to_vec());
        let (replies, _) = serve(builder(), [record]).await;
        let headers: Vec<_> = replies[0].headers.iter().collect();
        let (own, set) = headers.split_at(3);
        assert_eq!(own[0], ("status-code", Some(&Bytes::from_static(b"200"))));
        assert_eq!((own[1].0, own[2].0), ("content-type", "content-length"));
        let expected = echoed
            .get(index)
            .map(|(_, name, value)| (*name, &value[..]));
        let set = set.iter().map(|(name, value)| (*name, &value.unwrap()[..]));
        assert_eq!(
            set.collect::<Vec<_>>(),
            Vec::from_iter(expected),
            "{line:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn h17_repeats_are_set_in_order_up_to_a_cap() {
    let mut record = order(0, "hello");
    for number in 1..100 {
        record
            .headers
            .push("x-reply-set-header", format!("x-n: {number}"));
    }
    for (body, status) in [("hello", "200"), ("panic", "500")] {
        record.value = Some(body.into());
        let (replies, _) = serve(builder(), [record.clone()]).await;
        assert_eq!(statuses(&replies), [status]);
        let set = values(&replies[0], "x-n");
        let expected: Vec<_> = (1..16_u8)
            .map(|number| Some(number.to_string().into_bytes()))
            .collect();
        assert_eq!(set, expected);
    }
}
