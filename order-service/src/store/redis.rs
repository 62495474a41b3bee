//! A store in Kvrocks, Redis or Valkey.
//!
//! An order is a JSON document (`JSON.SET order:<id> $ <json>`) where the server has such
//! documents, as Kvrocks and Redis 8 do, and a string of the same JSON elsewhere.

use std::time::Duration;

use anyhow::Context;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Cmd, FromRedisValue, RedisError};
use uuid::Uuid;

use super::{Found, OrderStore, StoreError, StoreFuture, Version};
use crate::order::StoredOrder;

/// Compare and set: the order is replaced only if it is still the text that was read. A script,
/// because no single command compares, and `WATCH` would need a connection of its own.
const REPLACE_STRING: &str = "\
if redis.call('GET', KEYS[1]) == ARGV[1] then \
redis.call('SET', KEYS[1], ARGV[2], 'XX') return 1 end return 0";
const REPLACE_DOCUMENT: &str = "\
if redis.call('JSON.GET', KEYS[1]) == ARGV[1] then \
redis.call('JSON.SET', KEYS[1], '$', ARGV[2]) return 1 end return 0";
/// A script too, because Kvrocks' `JSON.SET` takes neither `NX` nor `XX`.
const INSERT_DOCUMENT: &str = "\
if redis.call('EXISTS', KEYS[1]) == 1 then return false end \
return redis.call('JSON.SET', KEYS[1], '$', ARGV[1])";

/// How the server takes an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    JsonDocument,
    String,
}

/// One connection for all, over which commands are pipelined; it mends itself.
#[derive(Clone)]
pub struct RedisStore {
    connection: ConnectionManager,
    encoding: Encoding,
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore")
            .field("encoding", &self.encoding)
            .finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Connects, and finds out once whether the server has JSON documents. `patience` bounds one
    /// command, and the way to a connection.
    ///
    /// # Errors
    ///
    /// Fails when the URL is not understood or the server does not answer.
    pub async fn connect(url: &str, patience: Duration) -> anyhow::Result<Self> {
        let client = redis::Client::open(url).context("not a redis://host:port URL")?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(patience))
            .set_response_timeout(Some(patience))
            .set_number_of_retries(1)
            .set_max_delay(Duration::from_millis(200));
        let mut connection = ConnectionManager::new_with_config(client, config)
            .await
            .context("no answer")?;
        let encoding = encoding(&mut connection)
            .await
            .context("asking it for JSON documents")?;
        tracing::info!(?encoding, "store connected");
        Ok(Self {
            connection,
            encoding,
        })
    }

    async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let mut connection = self.connection.clone();
        let answer = command.query_async(&mut connection).await;
        answer.map_err(|error: RedisError| StoreError::Unavailable(error.to_string()))
    }
}

/// Asks for a document that does not exist; a server without documents does not know the command.
async fn encoding(connection: &mut ConnectionManager) -> Result<Encoding, RedisError> {
    let mut command = redis::cmd("JSON.GET");
    command.arg("order:probe").arg("$");
    match command.query_async::<Option<String>>(connection).await {
        Ok(_) => Ok(Encoding::JsonDocument),
        Err(error) if error.to_string().contains("unknown command") => Ok(Encoding::String),
        Err(error) => Err(error),
    }
}

fn key(id: Uuid) -> String {
    format!("order:{id}")
}

fn insert_command(encoding: Encoding, id: Uuid, json: &str) -> Cmd {
    let mut command;
    match encoding {
        Encoding::JsonDocument => {
            command = redis::cmd("EVAL");
            command.arg(INSERT_DOCUMENT).arg(1).arg(key(id)).arg(json);
        }
        Encoding::String => {
            command = redis::cmd("SET");
            command.arg(key(id)).arg(json).arg("NX");
        }
    }
    command
}

fn find_command(encoding: Encoding, id: Uuid) -> Cmd {
    let mut command = match encoding {
        Encoding::JsonDocument => redis::cmd("JSON.GET"),
        Encoding::String => redis::cmd("GET"),
    };
    command.arg(key(id));
    command
}

fn replace_command(encoding: Encoding, id: Uuid, version: &Version, json: &str) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(match encoding {
        Encoding::JsonDocument => REPLACE_DOCUMENT,
        Encoding::String => REPLACE_STRING,
    });
    command.arg(1).arg(key(id)).arg(version.as_str()).arg(json);
    command
}

fn encode(stored: &StoredOrder) -> Result<String, StoreError> {
    serde_json::to_string(stored)
        .map_err(|error| StoreError::Corrupt(stored.order.id, error.to_string()))
}

/// The text as the server has it is the version: its key order and blanks may not be ours.
fn decode(id: Uuid, json: String) -> Result<Found, StoreError> {
    let stored =
        serde_json::from_str(&json).map_err(|error| StoreError::Corrupt(id, error.to_string()))?;
    let version = Version::new(json);
    Ok(Found { stored, version })
}

impl OrderStore for RedisStore {
    fn insert<'a>(&'a self, stored: &'a StoredOrder) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let command = insert_command(self.encoding, stored.order.id, &encode(stored)?);
            let done: Option<String> = self.query(&command).await?;
            Ok(done.is_some())
        })
    }

    fn find(&self, id: Uuid) -> StoreFuture<'_, Option<Found>> {
        Box::pin(async move {
            let json: Option<String> = self.query(&find_command(self.encoding, id)).await?;
            json.map(|json| decode(id, json)).transpose()
        })
    }

    fn replace<'a>(
        &'a self,
        version: &'a Version,
        stored: &'a StoredOrder,
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let json = encode(stored)?;
            self.query(&replace_command(
                self.encoding,
                stored.order.id,
                version,
                &json,
            ))
            .await
        })
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move { self.query(&redis::cmd("PING")).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(command: &Cmd) -> String {
        String::from_utf8(command.get_packed_command())
            .unwrap()
            .replace("\r\n", " ")
    }

    #[test]
    fn documents_are_used_where_the_server_has_them() {
        let id = Uuid::nil();
        let document = text(&insert_command(Encoding::JsonDocument, id, "{}"));
        assert!(document.contains("JSON.SET"), "{document}");
        assert!(document.contains("'$'"), "the root path: {document}");
        let string = text(&insert_command(Encoding::String, id, "{}"));
        assert!(
            string.starts_with("*4 $3 SET $42 order:00000000-"),
            "{string}"
        );
    }

    #[test]
    fn an_insert_never_overwrites_and_a_replacement_never_makes_an_order() {
        let insert = text(&insert_command(Encoding::String, Uuid::nil(), "{}"));
        assert!(insert.ends_with("$2 {} $2 NX "), "{insert}");
        let insert = text(&insert_command(Encoding::JsonDocument, Uuid::nil(), "{}"));
        assert!(
            insert.contains("EXISTS") && !insert.contains("NX"),
            "{insert}"
        );
        for encoding in [Encoding::JsonDocument, Encoding::String] {
            let version = Version::new("{ }");
            let replace = text(&replace_command(encoding, Uuid::nil(), &version, "{}"));
            assert!(replace.contains("== ARGV[1]"), "{replace}");
            assert!(replace.ends_with("$3 { } $2 {} "), "{replace}");
        }
    }

    #[test]
    fn foreign_content_is_corrupt() {
        for json in ["[1]", "{"] {
            let decoded = decode(Uuid::nil(), json.to_owned());
            assert!(matches!(decoded, Err(StoreError::Corrupt(..))), "{json}");
        }
    }
}
