//! Whole scenarios, and errors with their places.

use bytes::Bytes;

use super::*;
use crate::scenario::{Mix, Scenario};

const WHOLE: &str = r#"
[[request]]
name = "create order"
weight = 3
tags = ["write", "slow"]
body = '{"id":"{uuid}","count":{random:1:9}}'
key = "customer-{user}"
headers = { tenant = "blue", "x-request" = "{counter}" }
expect_status = [200, 201]
expect_body = ["json:/status=open", 'regex:"id":"[0-9a-f-]{36}"']

[[request]]
name = "find order"
topic = "findOrder"
reply_topic = "findOrder.reply"
body = "{not a template}"
template = false
expect_status = "4xx"
"#;

fn error(text: &str) -> String {
    parse(Path::new("mix.toml"), text).unwrap_err()
}

#[test]
fn a_whole_scenario() {
    let kinds = parse(Path::new("mix.toml"), WHOLE).unwrap().kinds;
    let weights: Vec<_> = kinds.iter().map(|kind| kind.weight).collect();
    assert_eq!(weights, [3, 1]);
    assert_eq!(kinds[0].tags, ["write", "slow"]);
    assert!(kinds[1].tags.is_empty());
    let mix = Mix::try_new(kinds, 1).unwrap();
    assert_eq!(mix.kinds(), ["create order", "find order"]);
    let requests: Vec<_> = (0..4).map(|_| mix.next(7).unwrap()).collect();
    let finds: Vec<_> = requests
        .iter()
        .filter(|request| request.kind == 1)
        .collect();
    let [find] = &*finds else {
        panic!("{finds:?}");
    };
    assert_eq!(find.body.as_deref(), Some(&b"{not a template}"[..]));
    assert_eq!(find.topic.as_deref(), Some("findOrder"));
    assert_eq!(find.reply_topic.as_deref(), Some("findOrder.reply"));
    assert!(find.expect.as_ref().unwrap().contains(404));
    let create = &requests[0];
    assert_eq!(create.key.as_deref(), Some(&b"customer-7"[..]));
    assert_eq!(
        create.headers,
        [
            ("tenant".to_owned(), Bytes::from("blue")),
            ("x-request".to_owned(), Bytes::from("1"))
        ]
    );
    let body: serde_json::Value = serde_json::from_slice(create.body.as_ref().unwrap()).unwrap();
    assert!((1..=9).contains(&body["count"].as_i64().unwrap()), "{body}");
    let expect = create.expect.as_ref().unwrap();
    assert!(expect.contains(201) && !expect.contains(204));
    assert_eq!(create.topic, None);
    let checks = create.expect_body.as_ref().unwrap();
    let good = br#"{"status":"open","id":"67e55044-10b1-426f-9247-bb680e5fe0c8"}"#;
    assert_eq!(checks.broken_by(Some(good)), None);
    let told = checks.broken_by(Some(b"{}"));
    assert_eq!(told.as_deref(), Some("the body fails json:/status=open"));
    assert_eq!(find.expect_body, None);
}

#[test]
fn other_files_are_found_from_the_folder_of_the_scenario() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("mix.toml");
    std::fs::write(folder.path().join("body.bin"), b"\xff{user}").unwrap();
    std::fs::write(folder.path().join("bodies"), "first\nsecond\n").unwrap();
    let text = "[[request]]\nname = 'a'\nbody_file = 'body.bin'\n[[request]]\nname = 'b'\nbody_lines = 'bodies'\n";
    std::fs::write(&scenario, text).unwrap();
    let mix = Mix::try_new(read_scenario(&scenario).unwrap().kinds, 1).unwrap();
    let bodies: Vec<_> = (0..4).map(|_| mix.next(5).unwrap().body.unwrap()).collect();
    assert_eq!(bodies, [&b"\xff5"[..], b"first", b"\xff5", b"second"]);
    let missing = read_scenario(Path::new("no/such.toml")).unwrap_err();
    assert!(missing.starts_with("no/such.toml cannot be read: "));
}

#[test]
fn rows_of_a_feeder_fill_in_body_key_and_headers() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("mix.toml");
    std::fs::write(folder.path().join("rows.csv"), "id,name\n1,a\n2,b\n").unwrap();
    let text = "[[request]]\nname = 'a'\nbody = '{csv.name}'\nkey = '{csv.id}'\nheaders = { n = '{csv.name}' }\n\
                feeder = 'rows.csv'\nfeeder_order = 'once'\n";
    std::fs::write(&scenario, text).unwrap();
    let mix = Mix::try_new(read_scenario(&scenario).unwrap().kinds, 1).unwrap();
    assert_eq!(mix.samples()[0].body.as_deref(), Some(&b"a"[..]));
    let sent: Vec<_> = std::iter::from_fn(|| mix.next(0)).collect();
    let bytes = |text: &'static str| Bytes::from(text);
    let parts = sent.into_iter().map(|own| (own.key, own.body, own.headers));
    let expected = [("1", "a"), ("2", "b")].map(|(id, name)| {
        (
            Some(bytes(id)),
            Some(bytes(name)),
            vec![("n".to_owned(), bytes(name))],
        )
    });
    assert_eq!(parts.collect::<Vec<_>>(), expected);
}

#[test]
fn the_example_can_be_used() {
    let example = include_str!("../../../examples/orders.toml");
    let mix = Mix::try_new(parse(Path::new("orders.toml"), example).unwrap().kinds, 1).unwrap();
    let create = &mix.samples()[0];
    let body: serde_json::Value = serde_json::from_slice(create.body.as_ref().unwrap()).unwrap();
    assert!(body["items"][0]["sku"].is_string(), "{body}");
    let shares: Vec<_> = mix.parts().iter().map(|kind| kind.weight).collect();
    assert_eq!(shares, [8, 1, 1]);
}

#[test]
fn errors_name_the_place_and_the_fix() {
    insta::assert_snapshot!(error(""), @"mix.toml:1:1: takes 1 to 1000 requests, each below a line [[request]]");
    insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = 'ä{uid}'\n"), @"mix.toml:3:8: unknown placeholder {uid} at byte 3; known are {uuid}, {request_id}, {counter}, {random:LOW:HIGH}, {user}, {now}, {timestamp_ms} and {csv.COLUMN}; write {{uid}} for the text itself");
    insta::assert_snapshot!(error("[[request]]\nname = 'a'\n  wieght = 3\nbody = ''\n"), @"mix.toml:3:3: unknown field `wieght`, expected one of `name`, `weight`, `tags`, `topic`, `reply_topic`, `body`, `body_file`, `body_lines`, `format`, `template`, `feeder`, `feeder_order`, `key`, `headers`, `expect_status`, `expect_body`");
    insta::assert_snapshot!(error("[[request]]\nbody = ''\n"), @"mix.toml:1:1: missing field `name`");
    insta::assert_snapshot!(error("[[request]]\nname = 'Aggregated'\nbody = ''\n"), @"mix.toml:2:8: a request takes another name: Aggregated is the row of all");
    insta::assert_snapshot!(error("[[request]]\nname = \"a\\u001b[31m\"\nbody = ''\n"), @"mix.toml:2:8: a request takes a name without control characters");
    insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nweight = 0\n"), @"mix.toml:4:10: a weight is a whole number from 1 to 1000000; leave a request of no weight out");
    insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nweight = 'x'\n"), @r#"mix.toml:4:10: invalid type: string "x", expected i64"#);
    insta::assert_snapshot!(error("\n\n[[request]]\nname = 'a'\n"), @"mix.toml:3:1: a request needs exactly one of body, body_file and body_lines");
    insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nbody_file = 'x'\n"), @"mix.toml:1:1: a request needs exactly one of body, body_file and body_lines");
    insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nexpect_status = [200, 'fine']\n"), @"mix.toml:4:17: takes statuses such as 200, 2xx or 200-204, several of them comma separated");
    insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nexpect_status = 2.5\n"), @r#"mix.toml:4:17: takes a status such as 200 or "2xx", or a list of them"#);
    insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\ntopic = 'a b'\n"), @"mix.toml:4:9: a topic's name is up to 249 letters, digits, '.', '_' or '-'");
    insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nheaders = { t = '{x}' }\n"), @"mix.toml:4:17: unknown placeholder {x} at byte 1; known are {uuid}, {request_id}, {counter}, {random:LOW:HIGH}, {user}, {now}, {timestamp_ms} and {csv.COLUMN}; write {{x}} for the text itself");
    insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\n[[request]]\nname = 'a'\nbody = ''\n"), @"mix.toml:5:8: another request has this name");
    insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody_lines = 'no-such-file'\n"), @"mix.toml:3:14: body_lines: no-such-file cannot be read: No such file or directory (os error 2)");
    insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = 'unclosed\n"), @"mix.toml:3:17: invalid literal string, expected `'`");
    insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody_lines = 'x'\nformat = 'xml'\n"), @"mix.toml:4:10: unknown variant `xml`, expected `lines` or `kcat-json`");
    insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nexpect_body = ['text:a', 'paid']\n"), @"mix.toml:4:15: takes text:TEXT (the body contains it), regex:PATTERN (it matches somewhere), json:/POINTER=VALUE (the value at a JSON pointer) or json:/POINTER (there is one)");
    insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nexpect_body = 'regex:['\n"), @"mix.toml:4:15: no regular expression: unclosed character class");
    insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nexpect_body = 7\n"), @"mix.toml:4:15: takes a text, or a list of texts");
    insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\ntags = ['ok', 'a,b']\n"), @"mix.toml:4:15: a tag takes letters, digits, '.', '_' and '-'");
    insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = '{csv.id}'\n"), @"mix.toml:3:8: {csv.id} at byte 1: there is no file of rows: name one by feeder (--feeder)");
    insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nfeeder = 'no-such.csv'\n"), @"mix.toml:4:10: feeder: no-such.csv cannot be read: No such file or directory (os error 2)");
    insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nfeeder_order = 'once'\n"), @"mix.toml:4:16: feeder_order needs a feeder");
    insta::assert_snapshot!(error("[[request]]\nname = 'a'\nbody = ''\nfeeder_order = 'twice'\n"), @"mix.toml:4:16: unknown variant `twice`, expected one of `sequential`, `random`, `once`");
}
