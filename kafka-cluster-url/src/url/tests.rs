use super::*;

fn brokers(url: &str) -> String {
    ClusterUrl::parse(url).unwrap().brokers
}

/// Returns the properties as `name=value`, in the order in which they are set.
fn properties(url: &str) -> Vec<String> {
    let pairs = ClusterUrl::parse(url).unwrap().properties;
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
    pairs.collect()
}

#[test]
fn reads_the_broker_list() {
    assert_eq!(brokers("kafka://localhost:9092"), "localhost:9092");
    assert_eq!(brokers("kafka://a:1,b,[::1]:3/"), "a:1,b:9092,[::1]:3");
    assert_eq!(brokers("kafka+ssl://a,b:2"), "a:9092,b:2");
    assert_eq!(brokers(" kafka://a:9092, b:9092\n"), "a:9092,b:9092");
    assert_eq!(brokers("kafka+sasl://u:p@a,b:2/"), "a:9092,b:2");
    assert!(properties("kafka://a").is_empty());
}

#[test]
fn a_password_goes_over_tls_unless_asked_otherwise() {
    let credentials = ["sasl.username=u", "sasl.password=p"];
    let over = |protocol: &str, mechanism: &str| {
        let mut expected = vec![
            format!("security.protocol={protocol}"),
            format!("sasl.mechanism={mechanism}"),
        ];
        expected.extend(credentials.map(str::to_owned));
        expected
    };
    let rows = [
        ("kafka+sasl://u:p@a", "sasl_ssl", "SCRAM-SHA-512"),
        (
            "kafka+sasl://u:p@a?security=tls",
            "sasl_ssl",
            "SCRAM-SHA-512",
        ),
        ("kafka+sasl://u:p@a?mechanism=PLAIN", "sasl_ssl", "PLAIN"),
        (
            "kafka+sasl://u:p@a/?security=plaintext&mechanism=SCRAM-SHA-256",
            "sasl_plaintext",
            "SCRAM-SHA-256",
        ),
    ];
    for (url, protocol, mechanism) in rows {
        assert_eq!(properties(url), over(protocol, mechanism), "{url}");
    }
}

#[test]
fn a_ca_goes_with_tls() {
    let expected = ["security.protocol=ssl", "ssl.ca.location=/etc/my ca.pem"];
    assert_eq!(properties("kafka+ssl://a?ca=/etc/my%20ca.pem"), expected);
    let sasl = properties("kafka+sasl://u:p@a?ca=ca.pem");
    assert_eq!(sasl.last().unwrap(), "ssl.ca.location=ca.pem");
    for url in [
        "kafka://a?ca=x",
        "kafka+sasl://u:p@a?security=plaintext&ca=x",
    ] {
        assert!(ClusterUrl::parse(url).is_err(), "{url}");
    }
}

#[test]
fn credentials_are_decoded() {
    let encoded = properties("kafka+sasl://me%40here:p%3A%2F%3F%25%C3%BC@a:1?mechanism=PLAIN");
    assert_eq!(
        encoded[2..],
        ["sasl.username=me@here", "sasl.password=p:/?%ü"]
    );
    // Characters that are not separators there need not be encoded.
    let raw = properties("kafka+sasl://u:a:b@c@a:1");
    assert_eq!(raw[3], "sasl.password=a:b@c");
}

#[test]
fn an_address_without_a_scheme_is_told_what_to_write() {
    for (text, told) in [
        ("localhost:9092", "write kafka://localhost:9092)"),
        ("a:9092, b:9092", "write kafka://a:9092, b:9092)"),
        ("me:4711", "write kafka:// in front)"),
        ("hunter2", "write kafka:// in front)"),
    ] {
        let error = ClusterUrl::parse(text).unwrap_err().to_string();
        assert!(error.contains(told), "{text}: {error}");
    }
}

#[test]
fn no_error_repeats_the_password() {
    for url in [
        "",
        "hunter2",
        "me:hunter2@a:9092",
        "localhost:9092,hunter2",
        "localhost:9092",
        "http://u:hunter2@a:1",
        "kafka://",
        "kafka://a:1,,b",
        "kafka://u:hunter2@a",
        "kafka://u:hunter2",
        "kafka://a/hunter2",
        "kafka://a?hunter2",
        "kafka://a?mechanism=PLAIN",
        "kafka://a:99999",
        "kafka://a:x",
        "kafka://a:0",
        "kafka+ssl://u:hunter2@a",
        "kafka+ssl://a?security=plaintext",
        "kafka+sasl://u:hunter2",
        "kafka+sasl://hunter2@a",
        "kafka+sasl://:hunter2@a",
        "kafka+sasl://u:@a",
        "kafka+sasl://u:hunter2@",
        "kafka+sasl://u:hunter2%@a",
        "kafka+sasl://u:hunter2%zz@a",
        "kafka+sasl://u:hunter2%+1@a",
        "kafka+sasl://u:hunter2%ff@a",
        "kafka+sasl://u:hunter2%00@a",
        "kafka+sasl://u:x?hunter2@a",
        "kafka+sasl://u:x/hunter2@a:y",
        "kafka+sasl://u:x@a?hunter2=1",
        "kafka+sasl://u:x@a?mechanism=hunter2",
        "kafka+sasl://u:x@a?security=hunter2",
        "kafka+sasl://u:x@a?ca=hunter2&ca=hunter2",
    ] {
        let Err(error) = ClusterUrl::parse(url) else {
            panic!("accepted: {url}");
        };
        let told = format!("{error} {error:?}");
        assert!(!told.contains("hunter2"), "{url}: {told}");
    }
    let shown = format!("{:?}", ClusterUrl::parse("kafka+sasl://me:hunter2@a"));
    assert!(
        shown.contains("a:9092") && !shown.contains("hunter2"),
        "{shown}"
    );
}
