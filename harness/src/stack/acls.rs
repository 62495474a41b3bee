//! Withdraws rights on topics, and gives them back.

use anyhow::{Result, bail};

use super::protocol::{Body, Request, ask};

/// Settings of a broker that checks rights. Without a rule, everybody has all rights.
const AUTHORIZER: [(&str, &str); 2] = [
    (
        "authorizer.class.name",
        "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    ),
    ("allow.everyone.if.no.acl.found", "true"),
];

/// Kafka's numbers of the two requests, and the oldest version that brokers still accept.
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

/// A right on a topic.
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

/// Takes a right on a topic, or on all (`*`), from the clients of a host (`*`: from everybody). The other rights stay.
pub(crate) async fn withdraw(servers: &str, topic: &str, right: Right, host: &str) -> Result<()> {
    // If a topic has a rule, it denies everything that no rule allows.
    let allow = ("*", OPERATION_ALL, PERMISSION_ALLOW);
    let deny = (host, right.operation(), PERMISSION_DENY);
    let mut body = Body::default();
    body.number(2);
    for (host, operation, permission) in [allow, deny] {
        body.byte(RESOURCE_TOPIC)
            .string(topic)
            .byte(PATTERN_LITERAL);
        body.string("User:*").string(host);
        body.byte(operation).byte(permission);
    }
    change(servers, CREATE_ACLS, &body).await
}

/// Gives back all rights on a topic, or on all (`*`).
pub(crate) async fn give_back(servers: &str, topic: &str) -> Result<()> {
    let mut body = Body::default();
    body.number(1);
    body.byte(RESOURCE_TOPIC)
        .string(topic)
        .byte(PATTERN_LITERAL);
    body.no_string().no_string();
    body.byte(OPERATION_ANY).byte(PERMISSION_ANY);
    change(servers, DELETE_ACLS, &body).await
}

async fn change(servers: &str, api: i16, body: &Body) -> Result<()> {
    let request = Request {
        api,
        version: VERSION,
        is_flexible: false,
    };
    let mut answer = ask(servers, request, body).await?;
    // Both answers begin in the same way: throttle time, number of results, code of the first result.
    answer.take(8)?;
    match answer.code()? {
        0 => Ok(()),
        code => {
            bail!("the broker refuses to change rights (code {code}): does it have an authorizer?")
        }
    }
}
