//! How to see that a system serves.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::stack::{assigned_members, group_members};

const ASK_LIMIT: Duration = Duration::from_secs(2);

/// The condition that the load waits for. Texts may have placeholders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Ready {
    /// A line of its output has this text.
    Line(String),
    /// This URL answers 2xx.
    Http(String),
    /// Its consumer group has assigned the partitions.
    Group,
}

impl FromStr for Ready {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some(("line", line)) if !line.is_empty() => Ok(Self::Line(line.to_owned())),
            Some(("http", url)) if url.starts_with("http://") => Ok(Self::Http(url.to_owned())),
            None if text == "group" => Ok(Self::Group),
            _ => Err("takes line=TEXT, http=http://HOST:PORT/PATH, or group".to_owned()),
        }
    }
}

impl TryFrom<String> for Ready {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Ready> for String {
    fn from(ready: Ready) -> Self {
        match ready {
            Ready::Line(line) => format!("line={line}"),
            Ready::Http(url) => format!("http={url}"),
            Ready::Group => "group".to_owned(),
        }
    }
}

/// A consumer group, and how to reach its brokers.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) servers: String,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) name: String,
}

impl Group {
    /// The number of members with partitions. A request for the older protocol does not see members of the newer one
    /// (KIP-848), so this asks both ways.
    async fn members(&self) -> Result<Option<usize>> {
        let members = group_members(&self.servers, &self.properties, &self.name).await?;
        let is_plain = |(name, _): &(String, String)| {
            !["security.", "sasl.", "ssl."]
                .iter()
                .any(|own| name.starts_with(own))
        };
        if members != Some(0) || !self.properties.iter().all(is_plain) {
            return Ok(members);
        }
        // Only the broker that coordinates the group answers; the others return an error.
        let mut answer = Ok(Some(0));
        for server in self.servers.split(',') {
            answer = assigned_members(server, &self.name).await;
            if answer.is_ok() {
                break;
            }
        }
        answer
    }
}

/// The question to a running system.
#[derive(Debug, Clone)]
pub(crate) enum Probe {
    Line(String),
    /// `host:port`, and the path with its first slash.
    Http {
        address: String,
        path: String,
    },
    Group(Group),
}

impl Probe {
    /// Reads `http://host:port/path`. The default port is 80.
    pub(crate) fn http(url: &str) -> Self {
        let rest = url.trim_start_matches("http://");
        let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
        let has_port = address
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        Self::Http {
            address: match has_port {
                true => address.to_owned(),
                false => format!("{address}:80"),
            },
            path: format!("/{path}"),
        }
    }

    /// Whether the system serves, or the reason why not.
    pub(super) async fn ask(&self, log: &Path) -> Result<(), String> {
        match self {
            Self::Line(wanted) => {
                let told = std::fs::read(log).unwrap_or_default();
                let told = String::from_utf8_lossy(&told);
                let is_there = told.lines().any(|line| line.contains(wanted));
                is_there
                    .then_some(())
                    .ok_or_else(|| format!("no line of its output contains {wanted:?}"))
            }
            Self::Http { address, path } => answers_well(address, path).await,
            Self::Group(group) => match group.members().await {
                Ok(Some(members)) if members > 0 => Ok(()),
                Ok(_) => Err(format!(
                    "the group {} has no member with partitions",
                    group.name
                )),
                Err(error) => Err(format!("the group {}: {error:#}", group.name)),
            },
        }
    }
}

async fn answers_well(address: &str, path: &str) -> Result<(), String> {
    match timeout(ASK_LIMIT, get(address, path)).await {
        Ok(Ok(answer)) => {
            let status = answer.split(' ').nth(1).unwrap_or_default();
            if status.len() == 3 && status.starts_with('2') {
                return Ok(());
            }
            let answer = answer.replace("\r\n", " ");
            Err(format!("{path} answers: {}", answer.trim()))
        }
        Ok(Err(error)) => Err(format!("{path}: {error:#}")),
        Err(_elapsed) => Err(format!("{path} does not answer")),
    }
}

/// One HTTP/1.0 exchange, which needs no HTTP client. Returns the whole answer, status line first.
async fn get(address: &str, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)
        .await
        .context("cannot connect")?;
    let request = format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .context("cannot send")?;
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .await
        .context("cannot read")?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_is_read_and_written_alike() {
        for text in [
            "line=listening on",
            "line=a=b",
            "http=http://127.0.0.1:{port}/readyz",
            "group",
        ] {
            let ready: Ready = text.parse().unwrap();
            assert_eq!(String::from(ready), text);
        }
        for text in [
            "",
            "line=",
            "line",
            "http=https://a",
            "http=a",
            "groups",
            "file=x",
        ] {
            assert!(
                text.parse::<Ready>().unwrap_err().contains("line=TEXT"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_url_has_an_address_and_a_path() {
        for (url, expected) in [
            ("http://a:1/b/c?d", "/b/c?d"),
            ("http://a:1", "/"),
            ("http://a:1/", "/"),
        ] {
            let Probe::Http { address, path } = Probe::http(url) else {
                panic!("{url}")
            };
            assert_eq!((address.as_str(), path.as_str()), ("a:1", expected));
        }
    }
}
