//! Cluster URLs: plain, over TLS, and with a password. Pure; no error repeats any part of a URL.
//!
//! The load client is the outside observer, so it reads them by itself and not by the service's code.

use std::fmt;
use std::net::Ipv6Addr;

use super::config::{MASK, is_secret};

const KAFKA_PORT: u16 = 9092;
const TAKES: &str = "takes kafka://HOST[:PORT], kafka+ssl://HOST[:PORT] or \
    kafka+sasl://USER:PASSWORD@HOST[:PORT]; several hosts are comma separated";
const TAKES_PARAMETERS: &str = "takes ?ca=FILE with TLS, and with kafka+sasl \
    ?mechanism=PLAIN|SCRAM-SHA-256|SCRAM-SHA-512 and ?security=tls|plaintext";

/// A cluster as a URL names it. `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterUrl {
    /// `host:port`, comma separated, as librdkafka takes them.
    pub brokers: String,
    /// The librdkafka properties that the rest of the URL stands for.
    pub properties: Vec<(String, String)>,
}

impl fmt::Debug for ClusterUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(key, value): &(String, String)| {
            let value = if is_secret(key) { MASK } else { value };
            format!("{key}={value}")
        };
        f.debug_struct("ClusterUrl")
            .field("brokers", &self.brokers)
            .field(
                "properties",
                &self.properties.iter().map(shown).collect::<Vec<_>>(),
            )
            .finish()
    }
}

impl ClusterUrl {
    /// Reads a URL. A broker without a port has Kafka's usual one, as the service sees it; a password goes
    /// over TLS and by SCRAM-SHA-512 unless the URL says otherwise.
    ///
    /// # Errors
    ///
    /// When it has another form; the message says which forms there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or(TAKES)?;
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (credentials, brokers) = match (scheme, address.rsplit_once('@')) {
            ("kafka" | "kafka+ssl", _) => (None, address),
            ("kafka+sasl", Some((credentials, brokers))) => (Some(credentials), brokers),
            _ => return Err(TAKES.to_owned()),
        };
        let mut properties = Vec::new();
        if let Some(credentials) = credentials {
            let (user, password) = credentials.split_once(':').ok_or(TAKES)?;
            properties.push(("sasl.username", decode(user)?));
            properties.push(("sasl.password", decode(password)?));
            properties.push(("sasl.mechanism", "SCRAM-SHA-512".to_owned()));
        }
        let mut tls = scheme != "kafka";
        let mut ca = None;
        for (name, value) in pairs(query) {
            match (name, &*decode(value)?) {
                ("mechanism", known @ ("PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512"))
                    if credentials.is_some() =>
                {
                    properties.push(("sasl.mechanism", known.to_owned()));
                }
                ("security", "tls") if credentials.is_some() => tls = true,
                ("security", "plaintext") if credentials.is_some() => tls = false,
                ("ca", file) => ca = Some(file.to_owned()),
                _ => return Err(TAKES_PARAMETERS.to_owned()),
            }
        }
        match (ca, tls) {
            (Some(ca), true) => properties.push(("ssl.ca.location", ca)),
            (Some(_), false) => return Err(TAKES_PARAMETERS.to_owned()),
            (None, _) => {}
        }
        let protocol = match (credentials.is_some(), tls) {
            (true, true) => "sasl_ssl",
            (true, false) => "sasl_plaintext",
            (false, true) => "ssl",
            (false, false) => "plaintext",
        };
        if protocol != "plaintext" {
            properties.push(("security.protocol", protocol.to_owned()));
        }
        let owned = properties.into_iter();
        Ok(Self {
            brokers: broker_list(brokers)?,
            properties: owned.map(|(key, value)| (key.to_owned(), value)).collect(),
        })
    }
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn broker_list(text: &str) -> Result<String, String> {
    let brokers: Option<Vec<String>> = text.split(',').map(broker).collect();
    Ok(brokers.ok_or(TAKES)?.join(","))
}

fn broker(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix("kafka://").unwrap_or(text);
    let text = text.trim_end_matches('/');
    // The colons inside the brackets of an IPv6 address are none before a port.
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
        _ => (text, Some(KAFKA_PORT)),
    };
    let port = port.filter(|port: &u16| *port > 0)?;
    let plain = |host: &str| !host.is_empty() && !host.contains(['/', ' ', '@', '[', ']', ':']);
    let is_host = match host.strip_prefix('[') {
        Some(address) => address
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => plain(host),
    };
    is_host.then(|| format!("{host}:{port}"))
}

/// Decodes `%41`; nothing that is decoded may be empty.
fn decode(text: &str) -> Result<String, String> {
    let wrong = || "holds a part that is empty or not percent-encoded UTF-8".to_owned();
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or_else(wrong)?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let byte = u8::from_str_radix(digits, 16).ok().filter(|_| is_hex);
        bytes.push(byte.filter(|byte| *byte > 0).ok_or_else(wrong)?);
        bytes.extend(rest.bytes());
    }
    let decoded = String::from_utf8(bytes).ok();
    let decoded = decoded.filter(|text| !text.is_empty() && !text.contains('\0'));
    decoded.ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn brokers(url: &str) -> Result<String, String> {
        ClusterUrl::parse(url).map(|url| url.brokers)
    }

    /// What is in effect: of properties that are set twice the last one counts.
    fn in_effect(url: &str) -> BTreeMap<String, String> {
        ClusterUrl::parse(url)
            .unwrap()
            .properties
            .into_iter()
            .collect()
    }

    #[test]
    fn hosts() {
        assert_eq!(brokers("kafka://localhost:9092").unwrap(), "localhost:9092");
        assert_eq!(brokers("kafka://a:1,b:2").unwrap(), "a:1,b:2");
        assert_eq!(
            brokers("kafka://a:1,kafka://[::1]:2/").unwrap(),
            "a:1,[::1]:2"
        );
        assert_eq!(brokers("kafka://a").unwrap(), "a:9092");
        assert_eq!(
            brokers("kafka://a/,b:2,[::1]").unwrap(),
            "a:9092,b:2,[::1]:9092"
        );
        assert_eq!(brokers("kafka+ssl://a,b:2/").unwrap(), "a:9092,b:2");
        assert_eq!(brokers("kafka+sasl://u:p@a,b:2/").unwrap(), "a:9092,b:2");
        assert!(in_effect("kafka://a").is_empty());
    }

    #[test]
    fn a_password_goes_over_tls_unless_asked_otherwise() {
        for (url, protocol, mechanism) in [
            ("kafka+sasl://u:p%40@a", "sasl_ssl", "SCRAM-SHA-512"),
            ("kafka+sasl://u:p%40@a?mechanism=PLAIN", "sasl_ssl", "PLAIN"),
            (
                "kafka+sasl://u:p%40@a?security=plaintext&mechanism=SCRAM-SHA-256",
                "sasl_plaintext",
                "SCRAM-SHA-256",
            ),
        ] {
            let set = in_effect(url);
            assert_eq!(set["security.protocol"], protocol, "{url}");
            assert_eq!(set["sasl.mechanism"], mechanism, "{url}");
            assert_eq!(
                (&*set["sasl.username"], &*set["sasl.password"]),
                ("u", "p@")
            );
        }
        let ssl = in_effect("kafka+ssl://a?ca=/my%20ca.pem");
        assert_eq!(ssl["security.protocol"], "ssl");
        assert_eq!(ssl["ssl.ca.location"], "/my ca.pem");
    }

    #[test]
    fn no_message_repeats_the_password() {
        for wrong in [
            "localhost:9092",
            "http://a:1",
            "kafka://",
            "kafka:///",
            "kafka://a:",
            "kafka://a:0",
            "kafka://a:x",
            "kafka://a:99999",
            "kafka://::1",
            "kafka://[::1",
            "kafka://[x]:1",
            "kafka://me:hunter2@a",
            "kafka://a,,b",
            "kafka://a:1,",
            "kafka://:9092",
            "kafka://a?mechanism=PLAIN",
            "kafka://a?ca=hunter2",
            "kafka+ssl://me:hunter2@a",
            "kafka+ssl://a?security=plaintext",
            "kafka+sasl://me:hunter2",
            "kafka+sasl://hunter2@a",
            "kafka+sasl://me:hunter2@",
            "kafka+sasl://me:@a",
            "kafka+sasl://me:hunter2%@a",
            "kafka+sasl://me:hunter2%ü@a",
            "kafka+sasl://me:hunter2%+1@a",
            "kafka+sasl://me:hunter2%00@a",
            "kafka+sasl://me:x@a?hunter2",
            "kafka+sasl://me:x@a?mechanism=hunter2",
            "kafka+sasl://me:x@a?security=plaintext&ca=hunter2",
        ] {
            let message = ClusterUrl::parse(wrong).unwrap_err();
            assert!(!message.contains("hunter2"), "{wrong}: {message}");
        }
        assert!(
            brokers("kafka://")
                .unwrap_err()
                .contains("kafka://HOST[:PORT]")
        );
        let shown = format!("{:?}", ClusterUrl::parse("kafka+sasl://me:hunter2@a"));
        assert!(
            shown.contains("a:9092") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
