//! HTTP requests to the service, by `curl` or by a minimal HTTP/1.1 client.

use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::support::LIMIT;

/// A request for both clients.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a [(String, String)],
    pub(crate) body: Option<&'a str>,
}

/// The client.
#[derive(Clone, Copy)]
pub(crate) enum Client {
    Plain,
    Curl,
}

impl Client {
    /// Sends the request. Returns the answer's status and body.
    pub(crate) async fn send(self, address: &str, request: &Request<'_>) -> (u16, String) {
        let answer = async {
            match self {
                Self::Plain => plain(address, request).await,
                Self::Curl => curl(address, request).await,
            }
        };
        let answer = tokio::time::timeout(LIMIT, answer).await;
        answer.expect("an answer within the limit")
    }
}

async fn plain(address: &str, request: &Request<'_>) -> (u16, String) {
    let (method, path) = (request.method, request.path);
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in request.headers {
        text += &format!("{name}: {value}\r\n");
    }
    if let Some(body) = request.body {
        text += &format!("content-length: {}\r\n", body.len());
    }
    text += "\r\n";
    text += request.body.unwrap_or_default();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

async fn curl(address: &str, request: &Request<'_>) -> (u16, String) {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--noproxy", "*"]);
    command.args(["--request", request.method, "--write-out", "\n%{http_code}"]);
    for (name, value) in request.headers {
        // After a colon without a value, curl leaves the header out.
        let header = if value.is_empty() {
            format!("{name};")
        } else {
            format!("{name}: {value}")
        };
        command.args(["--header", &header]);
    }
    if request.body.is_some() {
        command.args(["--data-binary", "@-"]);
    }
    command.arg(format!("http://{address}{}", request.path));
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command
        .spawn()
        .expect("curl on PATH: install curl, or skip this test by name");
    let mut input = child.stdin.take().unwrap();
    let body = request.body.unwrap_or_default();
    input.write_all(body.as_bytes()).await.unwrap();
    drop(input);
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}
