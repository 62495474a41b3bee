//! The memory of the service under load, as its metrics tell it.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior};

use crate::measure::history::History;

/// The metric, in the name that Prometheus' client libraries agree on.
const METRIC: &str = "process_resident_memory_bytes";
/// How often it is asked for.
const INTERVAL: Duration = Duration::from_secs(5);
/// How long an answer may take, so that a service that hangs is not asked twice at a time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest answer that is read.
const MAX_ANSWER_BYTES: u64 = 4 << 20;

/// Memory at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MemoryPoint {
    /// Seconds since the watch began, which is the start of the run.
    pub seconds: f64,
    /// Resident memory in bytes.
    pub resident_bytes: f64,
}

/// Where metrics are served: `http://HOST:PORT/PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetricsUrl {
    authority: String,
    path: String,
}

impl FromStr for MetricsUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "takes an address such as http://127.0.0.1:9464/metrics".to_owned();
        let rest = text.strip_prefix("http://").ok_or_else(wrong)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let is_plain = |part: &str| part.chars().all(|one| one.is_ascii_graphic());
        let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "80"));
        let is_host = !host.is_empty() && !host.contains('@') && is_plain(authority);
        if !is_host || !is_plain(path) || port.parse::<u16>().is_err() {
            return Err(wrong());
        }
        Ok(Self {
            authority: format!("{host}:{port}"),
            path: format!("/{path}"),
        })
    }
}

impl fmt::Display for MetricsUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "http://{}{}", self.authority, self.path)
    }
}

/// Asks for the memory once.
async fn resident_bytes(url: &MetricsUrl) -> anyhow::Result<f64> {
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, get(url)).await;
    let answer = answer.map_err(|_| anyhow!("{url} did not answer within 3 s"))?;
    let answer = answer.with_context(|| format!("cannot read {url}"))?;
    read(&answer).map_err(|cause| anyhow!("{url}: {cause}"))
}

/// Adds a point every five seconds, as long as it is polled. What cannot be read is left out.
pub(crate) async fn watch(url: MetricsUrl, points: Arc<Mutex<History<MemoryPoint>>>) {
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
                tracing::warn!(error = %format_args!("{error:#}"), "memory of the service");
            }
        }
    }
}

/// HTTP/1.0, which has no chunks and ends with the connection: all that one figure needs.
async fn get(url: &MetricsUrl) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(&url.authority).await?;
    let (path, host) = (&url.path, &url.authority);
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nAccept: text/plain\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream
        .take(MAX_ANSWER_BYTES)
        .read_to_end(&mut answer)
        .await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn read(answer: &str) -> Result<f64, &'static str> {
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or("the answer is no HTTP")?;
    let mut status = head.split_ascii_whitespace();
    let is_http = status
        .next()
        .is_some_and(|word| word.starts_with("HTTP/1."));
    if !is_http || status.next() != Some("200") {
        return Err("the answer's status is not 200");
    }
    let value = body.lines().find_map(|line| {
        let rest = line.strip_prefix(METRIC)?;
        // Labels may follow the name, and a time stamp the value.
        let rest = match rest.strip_prefix('{') {
            Some(labels) => labels.split_once('}')?.1,
            None => rest.strip_prefix([' ', '\t'])?,
        };
        rest.split_ascii_whitespace().next()?.parse::<f64>().ok()
    });
    let value = value.filter(|bytes| bytes.is_finite() && *bytes > 0.0);
    value.ok_or("it has no process_resident_memory_bytes")
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn urls() {
        let url: MetricsUrl = "http://127.0.0.1:9464/metrics".parse().unwrap();
        assert_eq!(url.to_string(), "http://127.0.0.1:9464/metrics");
        let short: MetricsUrl = "http://service".parse().unwrap();
        assert_eq!(short.to_string(), "http://service:80/");
        for wrong in [
            "",
            "https://a",
            "a:1",
            "http://",
            "http://a:x",
            "http://me:pw@a",
            "http://a/b c",
        ] {
            assert!(wrong.parse::<MetricsUrl>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_figure_is_found_among_others() {
        let answer = |body: &str| read(&format!("HTTP/1.1 200 OK\r\n\r\n{body}"));
        let metrics = "# HELP process_resident_memory_bytes x\n\
                       process_resident_memory_bytes_max 9\n\
                       process_resident_memory_bytes 1.5e+08 1700000000\n";
        assert_eq!(answer(metrics), Ok(1.5e8));
        assert_eq!(answer("process_resident_memory_bytes{a=\"b\"} 7"), Ok(7.0));
        for wrong in [
            "",
            "process_resident_memory_bytes NaN",
            "process_resident_memory_bytes{",
        ] {
            assert!(answer(wrong).is_err(), "{wrong}");
        }
        assert!(read("HTTP/1.1 404 Not Found\r\n\r\nprocess_resident_memory_bytes 1").is_err());
        assert!(read("hello").is_err());
    }

    #[tokio::test]
    async fn asks_over_http() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/metrics", listener.local_addr().unwrap());
        let url: MetricsUrl = url.parse().unwrap();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 512];
            let length = stream.read(&mut request).await.unwrap();
            let answer = b"HTTP/1.0 200 OK\r\n\r\nprocess_resident_memory_bytes 4096\n";
            stream.write_all(answer).await.unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        assert_eq!(resident_bytes(&url).await.unwrap(), 4096.0);
        assert!(
            served
                .await
                .unwrap()
                .starts_with("GET /metrics HTTP/1.0\r\nHost: 127.0.0.1:")
        );
        let gone = resident_bytes(&url).await.unwrap_err();
        assert!(gone.to_string().contains(&url.to_string()), "{gone}");
    }
}
