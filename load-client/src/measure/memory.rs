//! The memory of the service under load, read from its metrics.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use axum::http::uri::{Authority, Scheme};
use axum::http::{Request, StatusCode, Uri, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::task::AbortOnDropHandle;

use crate::measure::history::History;

/// The metric, as Prometheus' client libraries name it.
const METRIC: &str = "process_resident_memory_bytes";
/// The interval between two requests.
const INTERVAL: Duration = Duration::from_secs(5);
/// The longest time for an answer. It is shorter than the interval, so that a service that hangs never has two requests
/// at a time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest answer, in bytes.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// The memory at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MemoryPoint {
    /// Seconds since the start of the run.
    pub seconds: f64,
    /// Resident memory in bytes.
    pub resident_bytes: f64,
}

/// Parses the address of metrics: `http://HOST[:PORT]/PATH`.
pub(crate) fn metrics_url(text: &str) -> Result<Uri, String> {
    let url = text.parse::<Uri>().ok().filter(|url| {
        // Only a host, or a host with a port. A user and a password would be shown.
        let is_address = |own: &Authority| own.port_u16().is_some() || own.as_str() == own.host();
        let is_plain = |own: &Authority| !own.as_str().contains('@') && is_address(own);
        url.scheme() == Some(&Scheme::HTTP) && url.authority().is_some_and(is_plain)
    });
    url.ok_or_else(|| "takes an address such as http://127.0.0.1:9464/metrics".to_owned())
}

/// Requests the memory once.
async fn resident_bytes(url: &Uri) -> anyhow::Result<f64> {
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, get(url)).await;
    let answer = answer.map_err(|_| anyhow!("{url} did not answer within 3 s"))?;
    let answer = answer.with_context(|| format!("cannot read {url}"))?;
    resident_bytes_of(&answer).with_context(|| format!("{url} has no {METRIC}"))
}

/// Adds a point every five seconds, as long as it is polled. Points that cannot be read are left out.
pub(crate) async fn watch(url: Uri, points: Arc<Mutex<History<MemoryPoint>>>) {
    let start = Instant::now();
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        match resident_bytes(&url).await {
            Ok(resident_bytes) => {
                let seconds = start.elapsed().as_secs_f64();
                let mut points = points.lock().unwrap_or_else(PoisonError::into_inner);
                points.push(MemoryPoint {
                    seconds,
                    resident_bytes,
                });
            }
            Err(error) => {
                tracing::warn!(error = %format_args!("{error:#}"), "cannot read the memory of the service");
            }
        }
    }
}

/// Returns the host and the port to connect to.
fn address(url: &Uri) -> (&str, u16) {
    let (host, port) = (url.host().unwrap_or_default(), url.port_u16().unwrap_or(80));
    // An IPv6 address has brackets in a URL, but not in an address.
    (host.trim_matches(['[', ']']), port)
}

async fn get(url: &Uri) -> anyhow::Result<String> {
    let stream = TcpStream::connect(address(url)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let _serving = AbortOnDropHandle::new(tokio::spawn(connection));
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let request = Request::get(path)
        .header(header::HOST, authority)
        .header(header::ACCEPT, "text/plain");
    let answer = sender
        .send_request(request.body(Empty::<Bytes>::new())?)
        .await?;
    let status = answer.status();
    ensure!(status == StatusCode::OK, "the answer's status is {status}");
    let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES)
        .collect()
        .await;
    let body = body.map_err(|error| match error.is::<LengthLimitError>() {
        true => anyhow!("the answer is longer than {MAX_ANSWER_BYTES} bytes"),
        false => anyhow!(error),
    });
    let body = body?.to_bytes();
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// Finds the value in Prometheus' text format.
fn resident_bytes_of(metrics: &str) -> Option<f64> {
    let value = metrics.lines().find_map(|line| {
        let rest = line.strip_prefix(METRIC)?;
        // Labels may follow the name, and a time stamp may follow the value.
        let rest = match rest.strip_prefix('{') {
            Some(labels) => labels.split_once('}')?.1,
            None => rest.strip_prefix([' ', '\t'])?,
        };
        rest.split_ascii_whitespace().next()?.parse::<f64>().ok()
    });
    value.filter(|bytes| bytes.is_finite() && *bytes > 0.0)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn urls() {
        for right in [
            "http://127.0.0.1:9464/metrics",
            "http://service",
            "http://[::1]:1/m?a=b",
        ] {
            assert!(metrics_url(right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "https://a",
            "a:1",
            "http://",
            "http://a:",
            "http://a:x",
            "http://a:70000",
            "http://me:pw@a",
            "http://a/b c",
        ] {
            assert!(metrics_url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses() {
        for (url, expected) in [
            ("http://service", ("service", 80)),
            ("http://[::1]/metrics", ("::1", 80)),
            ("http://[::1]:9464/metrics", ("::1", 9464)),
        ] {
            assert_eq!(address(&metrics_url(url).unwrap()), expected);
        }
    }

    #[test]
    fn the_figure_is_found_among_others() {
        let metrics = "# HELP process_resident_memory_bytes x\n\
                       process_resident_memory_bytes_max 9\n\
                       process_resident_memory_bytes 1.5e+08 1700000000\n";
        assert_eq!(resident_bytes_of(metrics), Some(1.5e8));
        let labelled = "process_resident_memory_bytes{a=\"b\"} 7";
        assert_eq!(resident_bytes_of(labelled), Some(7.0));
        for wrong in [
            "",
            "process_resident_memory_bytes NaN",
            "process_resident_memory_bytes{",
        ] {
            assert_eq!(resident_bytes_of(wrong), None, "{wrong}");
        }
    }

    /// Serves `answer` once. Returns the value, the request, and the address.
    async fn asked(answer: impl Into<String>) -> (anyhow::Result<f64>, String, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/metrics?a=b", listener.local_addr().unwrap());
        let answer = answer.into();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 512];
            let length = stream.read(&mut request).await.unwrap();
            // The client may close the connection when it has read enough.
            let _ = stream.write_all(answer.as_bytes()).await;
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let found = resident_bytes(&metrics_url(&url).unwrap()).await;
        (found, served.await.unwrap(), url)
    }

    #[tokio::test]
    async fn asks_over_http() {
        for answer in [
            "HTTP/1.0 200 OK\r\n\r\nprocess_resident_memory_bytes 4096\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
             10\r\nprocess_resident\r\n12\r\n_memory_bytes 4096\r\n0\r\n\r\n",
        ] {
            let (found, request, _) = asked(answer).await;
            assert_eq!(found.unwrap(), 4096.0);
            let line = "GET /metrics?a=b HTTP/1.1\r\nhost: 127.0.0.1:";
            assert!(request.starts_with(line), "{request}");
            assert!(request.contains("\r\naccept: text/plain\r\n"), "{request}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_told_with_its_address() {
        for (answer, cause) in [
            (
                "HTTP/1.1 404 Not Found\r\n\r\nprocess_resident_memory_bytes 1",
                "404",
            ),
            ("hello", "cannot read"),
            ("HTTP/1.0 200 OK\r\n\r\nother 1\n", METRIC),
        ] {
            let (found, _, url) = asked(answer).await;
            let told = format!("{:#}", found.unwrap_err());
            assert!(told.contains(&url) && told.contains(cause), "{told}");
        }
        let long = "x".repeat(MAX_ANSWER_BYTES + 1);
        let (found, ..) = asked(format!("HTTP/1.0 200 OK\r\n\r\n{long}")).await;
        let told = format!("{:#}", found.unwrap_err());
        assert!(told.contains("longer than 4194304 bytes"), "{told}");
        let gone = resident_bytes(&metrics_url("http://127.0.0.1:1/metrics").unwrap()).await;
        let told = format!("{:#}", gone.unwrap_err());
        assert!(told.contains("http://127.0.0.1:1/metrics"), "{told}");
    }
}
