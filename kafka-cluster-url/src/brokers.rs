//! Parses lists of brokers, `host[:port]` separated by commas.

use std::net::Ipv6Addr;

const KAFKA_PORT: u16 = 9092;

struct Broker<'a> {
    host: &'a str,
    port: u16,
    has_port: bool,
}

/// Parses a list, and adds Kafka's default port where there is none; `None` if a part is not a broker. A blank may
/// follow a comma, and each broker may repeat the scheme.
pub(crate) fn list(text: &str, scheme: &str) -> Option<String> {
    let brokers = text.split(',').map(|own| {
        let own = own.trim();
        let bare = own
            .strip_prefix(scheme)
            .and_then(|rest| rest.strip_prefix("://"));
        broker(bare.unwrap_or(own).trim_end_matches('/'))
            .map(|own| format!("{}:{}", own.host, own.port))
    });
    let brokers: Option<Vec<String>> = brokers.collect();
    Some(brokers?.join(","))
}

/// Returns whether a text without a scheme is certainly a list of brokers, so that a message may repeat it: `me:4711`
/// could be a password.
pub(crate) fn is_certain(text: &str) -> bool {
    text.split(',').map(|own| broker(own.trim())).all(|own| {
        own.is_some_and(|own| {
            let usual = matches!(own.port % 10_000, 9090..=9099);
            own.has_port && (usual || own.host == "localhost" || own.host.contains(['.', ':']))
        })
    })
}

fn broker(text: &str) -> Option<Broker<'_>> {
    // Colons inside the brackets of an IPv6 address do not precede a port.
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let has_port = port.is_some();
    let port = match port {
        Some(digits) if digits.bytes().all(|own| own.is_ascii_digit()) => digits.parse().ok()?,
        Some(_) => return None,
        None => KAFKA_PORT,
    };
    let legal = |own: char| own.is_ascii_alphanumeric() || "-._".contains(own);
    let is_host = match host.strip_prefix('[') {
        Some(address) => address
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => !host.is_empty() && host.chars().all(legal),
    };
    (is_host && port > 0).then_some(Broker {
        host,
        port,
        has_port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_ports_and_schemes_are_as_people_write_them() {
        let list = |text| list(text, "kafka");
        assert_eq!(list("a:1,b,[::1]:3/"), Some("a:1,b:9092,[::1]:3".into()));
        assert_eq!(list("a:1, b_2:2 ,\tc/"), Some("a:1,b_2:2,c:9092".into()));
        assert_eq!(list("a:1,kafka://b/"), Some("a:1,b:9092".into()));
        for wrong in [
            "", "a,,b", "a:1,", ":1", "a:", "a:0", "a:x", "a:99999", "::1", "[::1", "[x]:1", "a b",
            "u@a", "a/b", "ä:1", "a:+1",
        ] {
            assert_eq!(list(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_may_be_a_password_is_no_certain_broker() {
        for certain in [
            "localhost:1",
            "a.example:80, b:29092",
            "[::1]:1",
            "kafka:9093",
        ] {
            assert!(is_certain(certain), "{certain}");
        }
        for doubtful in [
            "hunter2",
            "me:hunter2",
            "me:4711",
            "a.example",
            "u@localhost:1",
            "",
        ] {
            assert!(!is_certain(doubtful), "{doubtful}");
        }
    }
}
