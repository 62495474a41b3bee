//! Accepts only the page's own requests. A page of another site that the user has open must not control the load or
//! read its figures.
//!
//! - `Host` reveals a foreign name that points to this address (DNS rebinding).
//! - `Origin` and `Sec-Fetch-Site`, which a page cannot set, reveal a request of a foreign page.
//! - If a browser sends neither, an order must still be JSON. A foreign page may send JSON only after a CORS preflight,
//!   and the server never allows it.
//!
//! Programs such as curl send no `Origin` and are accepted, because their user may connect anyway.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Refusal;

/// Scripts and styles come from the program's own files. Inline styles are allowed because plotly.js sets styles of
/// single elements. Data and blob URLs are allowed because plotly.js uses them to save images.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(&str, &str); 6] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
];

/// The host names of the page.
#[derive(Debug, Clone)]
pub(crate) struct AllowedHosts {
    address: SocketAddr,
    /// `host` or `host:port`, lower case.
    names: Vec<String>,
}

impl AllowedHosts {
    /// Returns the hosts of a server bound to `address`: its own address and, on loopback, `localhost`. A server bound
    /// to any other address accepts every IP address, because an IP address cannot be rebound. It accepts host names
    /// only if they are in `names` (`host` or `host:port`).
    pub(crate) fn new(address: SocketAddr, names: &[String]) -> Self {
        let names = names.iter().map(|name| name.to_ascii_lowercase());
        Self {
            address,
            names: names.collect(),
        }
    }

    fn admit(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let authority = host.parse::<Authority>().ok();
        let Some(authority) = authority.filter(|own| !own.as_str().contains('@')) else {
            return false;
        };
        let (name, port) = (authority.host(), authority.port_u16().unwrap_or(80));
        if self.names.contains(&host) {
            return true;
        }
        let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>();
        let is_ours = name == "localhost"
            || self.names.iter().any(|own| own == name)
            || is_address.is_ok_and(|ip| {
                ip.is_loopback() || ip == self.address.ip() || !self.address.ip().is_loopback()
            });
        is_ours && port == self.address.port()
    }
}

/// Refuses requests that are not the page's own, and adds headers that isolate the page from other sites.
pub(super) async fn guard(
    State(hosts): State<Arc<AllowedHosts>>,
    request: Request,
    next: Next,
) -> Response {
    let admitted = check(&hosts, &request);
    let mut response = match admitted {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    for (name, value) in HEADERS {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

fn check(hosts: &AllowedHosts, request: &Request) -> Result<(), Refusal> {
    let headers = request.headers();
    let host = only(headers, HOST.as_str())?.unwrap_or_default();
    if !hosts.admit(host) {
        let told = "open it by the address that was printed, or add the name with --web-name";
        let reason = format!("{host:?} is not a name of this page; {told}");
        return Err(Refusal::new(StatusCode::FORBIDDEN, reason));
    }
    let is_order = !matches!(*request.method(), Method::GET | Method::HEAD);
    // Other sites may link to the page itself.
    let is_page = request.uri().path() == "/" && !is_order;
    let site = only(headers, "sec-fetch-site")?;
    let is_foreign_site = site.is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let origin = only(headers, ORIGIN.as_str())?;
    let is_foreign_origin = origin.is_some_and(|origin| !is_origin_of(origin, host));
    if !is_page && (is_foreign_site || is_foreign_origin) {
        let reason = "a page of another site may not send this request";
        return Err(Refusal::new(StatusCode::FORBIDDEN, reason));
    }
    if is_order && !is_json(headers) {
        let reason = "an order must be JSON: send content-type: application/json";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason));
    }
    Ok(())
}

fn is_origin_of(origin: &str, host: &str) -> bool {
    // Behind a TLS proxy, the page's own origin is https.
    let authority = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// Returns the only value of a header. Browsers send neither two values nor one that is not text.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) if value.to_str().is_ok() => Ok(value.to_str().ok()),
        _ => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            format!("one {name} header is expected"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(address: &str, names: &[&str]) -> AllowedHosts {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        AllowedHosts::new(address.parse().unwrap(), &names)
    }

    #[test]
    fn a_loopback_page_has_loopback_names() {
        let hosts = hosts("127.0.0.1:8089", &[]);
        for own in [
            "localhost:8089",
            "127.0.0.1:8089",
            "[::1]:8089",
            "LOCALHOST:8089",
        ] {
            assert!(hosts.admit(own), "{own}");
        }
        for foreign in [
            "evil.example:8089",
            "localhost",
            "localhost:8090",
            "localhost.evil.example:8089",
            "192.168.0.7:8089",
            "evil@localhost:8089",
            "",
            "[::1",
        ] {
            assert!(!hosts.admit(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_remote_page_has_addresses_and_the_names_that_were_given() {
        let hosts = hosts("0.0.0.0:8089", &["Bench.example", "front.example:443"]);
        for own in [
            "192.168.0.7:8089",
            "[fe80::7]:8089",
            "bench.example:8089",
            "front.example:443",
        ] {
            assert!(hosts.admit(own), "{own}");
        }
        for foreign in [
            "evil.example:8089",
            "bench.example:80",
            "front.example:8089",
        ] {
            assert!(!hosts.admit(foreign), "{foreign}");
        }
    }

    #[test]
    fn port_80_need_not_be_named() {
        assert!(hosts("127.0.0.1:80", &[]).admit("localhost"));
    }
}
