//! Cluster URLs: where the brokers are, and how a client proves who it is. Pure.
//!
//! No error repeats any part of a URL: what is written wrongly may hold the password anywhere.

use crate::Error;

/// What a URL says: the broker list, and the properties that both clients get.
pub(super) struct ClusterUrl {
    pub(super) brokers: String,
    pub(super) properties: Vec<(String, String)>,
}

/// Used where the URL names none: it never tells the broker the password.
const DEFAULT_MECHANISM: &str = "SCRAM-SHA-512";
const MECHANISMS: [&str; 3] = ["PLAIN", "SCRAM-SHA-256", DEFAULT_MECHANISM];

/// Reads a URL in one of the forms that [`crate::kafka::Cluster::new`] lists.
pub(super) fn parse(url: &str) -> Result<ClusterUrl, Error> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("no scheme"))?;
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut parameters = Parameters::parse(query)?;
    let mut properties = Vec::new();
    let mut set = |name: &str, value: &str| properties.push((name.to_owned(), value.to_owned()));
    let (tls, brokers) = match scheme {
        "kafka" => (false, address),
        "kafka+ssl" => {
            set("security.protocol", "ssl");
            (true, address)
        }
        "kafka+sasl" => {
            let (credentials, brokers) = address
                .rsplit_once('@')
                .ok_or_else(|| wrong("no user:password@ (percent-encode what is not a letter)"))?;
            let (user, password) = credentials
                .split_once(':')
                .ok_or_else(|| wrong("no colon between user and password"))?;
            let plaintext = parameters.take_security()?;
            let protocol = if plaintext {
                "sasl_plaintext"
            } else {
                "sasl_ssl"
            };
            set("security.protocol", protocol);
            set("sasl.mechanism", parameters.take_mechanism()?);
            set("sasl.username", &decode(user)?);
            set("sasl.password", &decode(password)?);
            (!plaintext, brokers)
        }
        _ => return Err(wrong("another scheme")),
    };
    if let Some(file) = parameters.ca.take_if(|_| tls) {
        properties.push(("ssl.ca.location".to_owned(), file));
    }
    parameters.refuse_rest()?;
    Ok(ClusterUrl {
        brokers: broker_list(brokers)?,
        properties,
    })
}

fn wrong(what: &'static str) -> Error {
    Error::Url(what.to_owned())
}

/// The parameters behind the question mark; each use takes one out.
#[derive(Default)]
struct Parameters {
    mechanism: Option<String>,
    security: Option<String>,
    ca: Option<String>,
}

impl Parameters {
    fn parse(query: &str) -> Result<Self, Error> {
        let mut parameters = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let place = match name {
                "mechanism" => &mut parameters.mechanism,
                "security" => &mut parameters.security,
                "ca" => &mut parameters.ca,
                _ => return Err(wrong("a parameter other than mechanism, security and ca")),
            };
            if place.replace(decode(value)?).is_some() {
                return Err(wrong("a parameter twice"));
            }
        }
        Ok(parameters)
    }

    fn take_mechanism(&mut self) -> Result<&'static str, Error> {
        let Some(asked) = self.mechanism.take() else {
            return Ok(DEFAULT_MECHANISM);
        };
        let known = MECHANISMS.into_iter().find(|known| *known == asked);
        known.ok_or_else(|| wrong("a mechanism other than PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512"))
    }

    /// Returns whether the password may go over the wire without TLS, which must be asked for.
    fn take_security(&mut self) -> Result<bool, Error> {
        match self.security.take().as_deref() {
            None | Some("tls") => Ok(false),
            Some("plaintext") => Ok(true),
            Some(_) => Err(wrong("a security other than tls and plaintext")),
        }
    }

    /// What is left belongs to another kind of connection than the scheme asks for.
    fn refuse_rest(self) -> Result<(), Error> {
        match self {
            Self {
                mechanism: None,
                security: None,
                ca: None,
            } => Ok(()),
            Self { ca: Some(_), .. } => Err(wrong("ca on a connection without TLS")),
            _ => Err(wrong(
                "mechanism or security, which go with kafka+sasl only",
            )),
        }
    }
}

/// Decodes `%41`; an empty text is refused, since no part of a URL that is decoded may be empty.
fn decode(text: &str) -> Result<String, Error> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let digits = tail.get(..2).and_then(|two| str::from_utf8(two).ok());
            let digits = digits.filter(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
            let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
            bytes.push(byte.ok_or_else(|| wrong("a percent sign without two hex digits"))?);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
        }
    }
    let decoded = String::from_utf8(bytes).map_err(|_| wrong("bytes that are not UTF-8"))?;
    if decoded.is_empty() || decoded.contains('\0') {
        return Err(wrong("an empty part, or one with a zero byte"));
    }
    Ok(decoded)
}

/// Reads `host:port[,host:port]`.
fn broker_list(text: &str) -> Result<String, Error> {
    let brokers = text.trim_end_matches('/').split(',').map(with_port);
    let brokers: Option<Vec<String>> = brokers.collect();
    let brokers = brokers.ok_or_else(|| wrong("a broker that is not host or host:port"))?;
    Ok(brokers.join(","))
}

/// Adds Kafka's usual port where there is none; `None` when this is no host and port.
fn with_port(broker: &str) -> Option<String> {
    let authority: http::uri::Authority = broker.parse().ok()?;
    let (host, text) = (authority.host(), authority.as_str());
    // Credentials stand before the whole list, and only in a URL that says so by its scheme.
    if host.is_empty() || text.contains('@') {
        return None;
    }
    let port = match text.strip_prefix(host)?.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|&port: &u16| port > 0)?,
        None => 9092,
    };
    Some(format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brokers(url: &str) -> String {
        parse(url).unwrap().brokers
    }

    /// The properties as `name=value`, in the order in which they are set.
    fn properties(url: &str) -> Vec<String> {
        let pairs = parse(url).unwrap().properties;
        let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect()
    }

    #[test]
    fn reads_the_broker_list() {
        assert_eq!(brokers("kafka://localhost:9092"), "localhost:9092");
        assert_eq!(brokers("kafka://a:1,b,[::1]:3/"), "a:1,b:9092,[::1]:3");
        assert_eq!(brokers("kafka+ssl://a,b:2"), "a:9092,b:2");
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
            assert!(parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn credentials_are_decoded() {
        let encoded = properties("kafka+sasl://me%40here:p%3A%2F%3F%25%C3%BC@a:1?mechanism=PLAIN");
        assert_eq!(
            encoded[2..],
            ["sasl.username=me@here", "sasl.password=p:/?%ü"]
        );
        // What is no separator there need not be encoded.
        let raw = properties("kafka+sasl://u:a:b@c@a:1");
        assert_eq!(raw[3], "sasl.password=a:b@c");
    }

    #[test]
    fn no_error_repeats_the_password() {
        for url in [
            "",
            "hunter2",
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
            let Err(error) = parse(url) else {
                panic!("accepted: {url}");
            };
            let told = format!("{error} {error:?}");
            assert!(matches!(error, Error::Url(_)), "{url}: {told}");
            assert!(!told.contains("hunter2"), "{url}: {told}");
        }
    }
}
