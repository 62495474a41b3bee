//! Rights on topics, withdrawn and given back: two requests of Kafka's protocol, which rdkafka does not have.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What a broker needs so that rights can be withdrawn: it checks them, and without any everybody has all.
const AUTHORIZER: [(&str, &str); 2] = [
    (
        "authorizer.class.name",
        "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    ),
    ("allow.everyone.if.no.acl.found", "true"),
];

const LIMIT: Duration = Duration::from_secs(30);

/// Kafka's numbers of the two requests, and their oldest version that brokers still take.
const CREATE_ACLS: i16 = 30;
const DELETE_ACLS: i16 = 31;
const VERSION: i16 = 1;

const RESOURCE_TOPIC: u8 = 2;
const PATTERN_LITERAL: u8 = 3;
const OPERATION_ANY: u8 = 1;
const OPERATION_ALL: u8 = 2;
const PERMISSION_ANY: u8 = 1;
const PERMISSION_DENY: u8 = 2;
const PERMISSION_ALLOW: u8 = 3;
const NULL: i16 = -1;

/// What a client may do with a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// To fetch its records.
    Read,
    /// To produce records to it.
    Write,
    /// To see it.
    Describe,
}

impl Right {
    fn operation(self) -> u8 {
        match self {
            Self::Read => 3,
            Self::Write => 4,
            Self::Describe => 8,
        }
    }
}

/// Properties of a native broker whose rights can be withdrawn, for
/// [`crate::stack::StackOptions::broker_properties`].
#[must_use]
pub fn authorizer() -> Vec<(String, String)> {
    AUTHORIZER
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// Takes a right on a topic, or on all (`*`), from the clients of a host (`*`: from everybody); the other rights
/// stay.
pub(crate) async fn withdraw(servers: &str, topic: &str, right: Right, host: &str) -> Result<()> {
    // A topic that has any rule is closed for what no rule allows.
    let allow = ("*", OPERATION_ALL, PERMISSION_ALLOW);
    let deny = (host, right.operation(), PERMISSION_DENY);
    let mut body = 2_i32.to_be_bytes().to_vec();
    for (host, operation, permission) in [allow, deny] {
        body.push(RESOURCE_TOPIC);
        string(&mut body, topic);
        body.push(PATTERN_LITERAL);
        string(&mut body, "User:*");
        string(&mut body, host);
        body.extend([operation, permission]);
    }
    ask(servers, CREATE_ACLS, &body).await
}

/// Gives back what was taken on a topic, or on all (`*`).
pub(crate) async fn give_back(servers: &str, topic: &str) -> Result<()> {
    let mut body = 1_i32.to_be_bytes().to_vec();
    body.push(RESOURCE_TOPIC);
    string(&mut body, topic);
    body.push(PATTERN_LITERAL);
    body.extend(NULL.to_be_bytes());
    body.extend(NULL.to_be_bytes());
    body.extend([OPERATION_ANY, PERMISSION_ANY]);
    ask(servers, DELETE_ACLS, &body).await
}

fn string(body: &mut Vec<u8>, text: &str) {
    let length = i16::try_from(text.len()).unwrap_or(i16::MAX);
    body.extend(length.to_be_bytes());
    body.extend(text.as_bytes());
}

async fn ask(servers: &str, request: i16, body: &[u8]) -> Result<()> {
    let answer = timeout(LIMIT, exchange(servers, request, body)).await;
    let answer = answer.context("no answer to a change of rights")??;
    // Both answers begin alike: correlation, throttle time, how many results, then the first one's code.
    let code = answer.get(12..14).context("an answer without a result")?;
    match i16::from_be_bytes([code[0], code[1]]) {
        0 => Ok(()),
        code => {
            bail!("the broker refuses to change rights (code {code}): does it have an authorizer?")
        }
    }
}

async fn exchange(servers: &str, request: i16, body: &[u8]) -> Result<Vec<u8>> {
    let mut message = Vec::new();
    message.extend(request.to_be_bytes());
    message.extend(VERSION.to_be_bytes());
    message.extend(1_i32.to_be_bytes());
    string(&mut message, "harness");
    message.extend(body);
    let mut broker = TcpStream::connect(servers)
        .await
        .context("cannot connect to the broker")?;
    let length = i32::try_from(message.len()).context("a request too long")?;
    broker.write_all(&length.to_be_bytes()).await?;
    broker.write_all(&message).await?;
    let length = broker.read_i32().await.context("no answer")?;
    let mut answer = vec![0; usize::try_from(length).context("an answer of negative length")?];
    broker.read_exact(&mut answer).await.context("no answer")?;
    Ok(answer)
}
