//! Parses cluster URLs: plain, over TLS, and with a password.
//!
//! No error repeats any part of a URL that may be a password. In a malformed URL the password may be anywhere.

use percent_encoding::percent_decode_str;

use crate::brokers;
use crate::properties::Properties;

/// Describes a cluster by its URL. `Debug` shows no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterUrl {
    /// The brokers in librdkafka's format: `host:port[,host:port]`.
    pub brokers: String,
    /// The librdkafka properties from the rest of the URL.
    pub properties: Properties,
}

/// Says that a text is not a cluster URL. The message says what is wrong and what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a Kafka URL ({0}): use kafka://host:port[,host:port], kafka+ssl://host:port or \
     kafka+sasl://user:password@host:port"
)]
pub struct UrlError(String);

/// The default mechanism, which never sends the password to the broker.
const DEFAULT_MECHANISM: &str = "SCRAM-SHA-512";
const MECHANISMS: [&str; 3] = ["PLAIN", "SCRAM-SHA-256", DEFAULT_MECHANISM];

impl ClusterUrl {
    /// Parses a URL.
    ///
    /// - `kafka://host[:port][,host[:port]]`: plain. A blank may follow a comma. The default port is 9092.
    /// - `kafka+ssl://host[:port][,...]`: over TLS. The broker's certificate and name are checked against the system's
    ///   authorities, or those in the file of `?ca=FILE`.
    /// - `kafka+sasl://user:password@host[:port][,...]`: with a password, over TLS as above. `?mechanism=` is
    ///   `SCRAM-SHA-512` (the default, which never sends the password to the broker), `SCRAM-SHA-256` or `PLAIN`.
    ///   `?security=plaintext` turns TLS off: then everyone who can read the connection can take it over.
    ///
    /// Percent-encode characters of user and password that have a meaning in a URL.
    ///
    /// # Errors
    ///
    /// Returns an error if the URL has another form. The error repeats nothing that may be a password.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        let url = url.trim();
        let (scheme, rest) = url.split_once("://").ok_or_else(|| no_scheme(url))?;
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut parameters = Parameters::parse(query)?;
        let mut properties = Properties::default();
        let (tls, hosts) = match scheme {
            "kafka" => (false, address),
            "kafka+ssl" => {
                properties.push("security.protocol", "ssl");
                (true, address)
            }
            "kafka+sasl" => {
                let (credentials, hosts) = address.rsplit_once('@').ok_or_else(|| {
                    wrong("no user:password@ (percent-encode special characters)")
                })?;
                let (user, password) = credentials
                    .split_once(':')
                    .ok_or_else(|| wrong("no colon between user and password"))?;
                let plaintext = parameters.take_security()?;
                let protocol = if plaintext {
                    "sasl_plaintext"
                } else {
                    "sasl_ssl"
                };
                properties.push("security.protocol", protocol);
                properties.push("sasl.mechanism", parameters.take_mechanism()?);
                properties.push("sasl.username", decode(user)?);
                properties.push("sasl.password", decode(password)?);
                (!plaintext, hosts)
            }
            _ => return Err(wrong("unknown scheme")),
        };
        if let Some(file) = parameters.ca.take_if(|_| tls) {
            properties.push("ssl.ca.location", file);
        }
        parameters.refuse_rest()?;
        let brokers = brokers::list(hosts, scheme);
        let brokers = brokers.ok_or_else(|| wrong("a broker that is not host or host:port"))?;
        Ok(Self {
            brokers,
            properties,
        })
    }
}

fn wrong(what: &str) -> UrlError {
    UrlError(what.to_owned())
}

/// Returns the error for a missing scheme. It repeats the text if that cannot be a password.
fn no_scheme(text: &str) -> UrlError {
    UrlError(if brokers::is_certain(text) {
        format!("no scheme, write kafka://{text}")
    } else {
        "no scheme, write kafka:// in front".to_owned()
    })
}

/// The query parameters. Each use removes one.
#[derive(Default)]
struct Parameters {
    mechanism: Option<String>,
    security: Option<String>,
    ca: Option<String>,
}

impl Parameters {
    fn parse(query: &str) -> Result<Self, UrlError> {
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
                return Err(wrong("a repeated parameter"));
            }
        }
        Ok(parameters)
    }

    fn take_mechanism(&mut self) -> Result<&'static str, UrlError> {
        let Some(asked) = self.mechanism.take() else {
            return Ok(DEFAULT_MECHANISM);
        };
        let known = MECHANISMS.into_iter().find(|known| *known == asked);
        known.ok_or_else(|| wrong("a mechanism other than PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512"))
    }

    /// Returns whether the password may be sent without TLS, which the URL must ask for.
    fn take_security(&mut self) -> Result<bool, UrlError> {
        match self.security.take().as_deref() {
            None | Some("tls") => Ok(false),
            Some("plaintext") => Ok(true),
            Some(_) => Err(wrong("a security value other than tls and plaintext")),
        }
    }

    /// Refuses parameters that do not apply to the scheme.
    fn refuse_rest(self) -> Result<(), UrlError> {
        match self {
            Self {
                mechanism: None,
                security: None,
                ca: None,
            } => Ok(()),
            Self { ca: Some(_), .. } => Err(wrong("ca on a connection without TLS")),
            _ => Err(wrong(
                "mechanism or security, which are for kafka+sasl only",
            )),
        }
    }
}

/// Decodes `%41`. Refuses an empty text, because no decoded part of a URL may be empty.
fn decode(text: &str) -> Result<String, UrlError> {
    let mut after_percent = text.split('%').skip(1).map(str::as_bytes);
    let is_hex =
        |part: &[u8]| matches!(part, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    if !after_percent.all(is_hex) {
        return Err(wrong("a percent sign without two hex digits"));
    }
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_| wrong("bytes that are not UTF-8"))?;
    if decoded.is_empty() || decoded.contains('\0') {
        return Err(wrong("an empty part, or one with a zero byte"));
    }
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests;
