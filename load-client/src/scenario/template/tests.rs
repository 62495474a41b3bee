//! What is filled in, what stays as it is, and what is refused.

use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;

use super::*;
use crate::scenario::{Feeder, FeederOrder, Values};

fn rendered(template: &str) -> String {
    let values = Values::new(1);
    let mut draw = values.draw(3, Uuid::from_u128(0xabc));
    draw.now = UNIX_EPOCH + Duration::from_millis(1_767_323_045_678);
    let template = Template::compile(template.as_bytes(), &[]).unwrap();
    String::from_utf8(template.render(&draw).to_vec()).unwrap()
}

fn error(template: &str) -> String {
    let error = Template::compile(template.as_bytes(), &[]).unwrap_err();
    error.to_string()
}

#[test]
fn each_placeholder_is_filled_in() {
    assert_eq!(
        rendered("{request_id} {counter} {user} {now} {timestamp_ms}"),
        "00000000-0000-0000-0000-000000000abc 1 3 2026-01-02T03:04:05.678Z 1767323045678"
    );
    assert_eq!(rendered("a{random:-7:-7}b"), "a-7b");
    let uuids = rendered("{uuid}{uuid}");
    let (first, second) = uuids.split_at(36);
    assert!(Uuid::parse_str(first).is_ok() && Uuid::parse_str(second).is_ok());
    assert_ne!(first, second);
}

#[test]
fn json_is_left_alone() {
    for plain in [
        r#"{"items":[{"sku":"id-1234","count":1}]}"#,
        r#"{"a":{"b":{}}}"#,
        "{ \"a\" : {\n\t\"b\":1}}",
        "{}",
        "[{},{}]",
        "{\"query\":\"{ orders { id } }\"}",
        "{{}}",
        "{",
        "a{b",
        "{1}",
        "{orders{",
        "}}",
        "",
    ] {
        assert_eq!(rendered(plain), plain);
    }
    let filled = rendered(r#"{"a":{"id":"{request_id}","n":{counter}}}"#);
    let expected = r#"{"a":{"id":"00000000-0000-0000-0000-000000000abc","n":1}}"#;
    assert_eq!(filled, expected);
}

#[test]
fn doubled_braces_are_the_text_itself() {
    assert_eq!(rendered("{{uuid}}"), "{uuid}");
    assert_eq!(rendered("{{anything else}}"), "{anything else}");
    assert_eq!(rendered("{orders{{id}}}"), "{orders{id}}");
    assert_eq!(rendered("{{a}}{counter}{{b}}"), "{a}1{b}");
}

#[test]
fn a_rendering_fits_into_its_one_allocation() {
    let values = Values::new(1);
    let draw = values.draw(u32::MAX, Uuid::nil());
    let template = Template::compile(
        b"{uuid}{now}{user}{timestamp_ms}{random:-9223372036854775808:9}{counter}x",
        &[],
    )
    .unwrap();
    assert!(template.render(&draw).len() <= template.capacity);
    for alone in ["{uuid}", "{request_id}", "{now}", "{user}"] {
        let template = Template::compile(alone.as_bytes(), &[]).unwrap();
        assert_eq!(template.render(&draw).len(), template.capacity, "{alone}");
    }
    let plain = Template::compile(b"{\"a\":1}", &[]).unwrap();
    let (first, second) = (plain.render(&draw), plain.render(&draw));
    assert_eq!(first.as_ptr(), second.as_ptr(), "text is shared");
}

#[test]
fn what_looks_like_a_placeholder_and_is_none_is_an_error() {
    insta::assert_snapshot!(error("a {uid} b"), @"unknown placeholder {uid} at byte 3; known are {uuid}, {request_id}, {counter}, {random:LOW:HIGH}, {user}, {now}, {timestamp_ms} and {csv.COLUMN}; write {{uid}} for the text itself");
    insta::assert_snapshot!(error("{word:1}"), @"unknown placeholder {word} at byte 1; known are {uuid}, {request_id}, {counter}, {random:LOW:HIGH}, {user}, {now}, {timestamp_ms} and {csv.COLUMN}; write {{word}} for the text itself");
    insta::assert_snapshot!(error("{uuid:4}"), @"wrong placeholder {uuid:4} at byte 1: write {uuid}");
    insta::assert_snapshot!(error("{counter:"), @"the {counter at byte 1 is not closed; close it by }");
    insta::assert_snapshot!(error("{{uuid}"), @"the {{uuid at byte 1 is not closed; close it by }}");
    for wrong in [
        "{random}",
        "{random:1}",
        "{random:2:1}",
        "{random:a:b}",
        "{random:1:2:3}",
    ] {
        let error = error(wrong);
        assert!(error.contains("write {random:LOW:HIGH}"), "{error}");
    }
}

#[test]
fn columns_of_a_row_are_filled_in() {
    let columns = ["id".to_owned(), "full name".to_owned()];
    let rows = &b"id,full name\n7,{uuid} \xff\n"[..];
    let feeder = Feeder::parse(rows, FeederOrder::Once).unwrap();
    let values = Values::new(1);
    let mut draw = values.draw(0, Uuid::nil());
    draw.row = Some(feeder.sample());
    let template = Template::compile(br#"{"id":{csv.id},"n":"{csv.full name}"}"#, &columns);
    assert_eq!(rendered("{{csv.id}}"), "{csv.id}");
    let filled = template.unwrap().render(&draw);
    assert_eq!(&*filled, &b"{\"id\":7,\"n\":\"{uuid} \xff\"}"[..]);
    let told = |text: &str| {
        Template::compile(text.as_bytes(), &columns)
            .unwrap_err()
            .to_string()
    };
    insta::assert_snapshot!(told("a {csv.nam}"), @"{csv.nam} at byte 3: the file of the feeder has id, full name");
    insta::assert_snapshot!(told("{csv.id"), @"the {csv at byte 1 is not closed; close it by }");
    insta::assert_snapshot!(error("{csv.id}"), @"{csv.id} at byte 1: there is no file of rows: name one by feeder (--feeder)");
}

proptest! {
    #[test]
    fn any_bytes_compile_or_are_refused(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(template) = Template::compile(&text, &[]) {
            let values = Values::new(1);
            let rendered = template.render(&values.draw(0, Uuid::nil()));
            prop_assert!(rendered.len() <= template.capacity);
        }
    }

    #[test]
    fn text_without_names_after_braces_is_unchanged(text in "[{}\"a-z0-9: ,]{0,80}") {
        let looks_like_one = text.as_bytes().windows(2).any(|pair| {
            pair[0] == b'{' && pair[1].is_ascii_alphabetic()
        });
        prop_assume!(!looks_like_one);
        prop_assert_eq!(rendered(&text), text);
    }

    #[test]
    fn an_escaped_name_is_itself(name in "[a-z_][a-z0-9_:]{0,20}") {
        prop_assert_eq!(rendered(&format!("<{{{{{name}}}}}>")), format!("<{{{name}}}>"));
    }
}
