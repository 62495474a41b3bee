//! A store in Kvrocks, Redis or Valkey.
//!
//! An order is a JSON document (`JSON.SET order:<id> $ <json>`) where the server has such
//! documents, as Kvrocks and Redis 8 do, and a string of the same JSON elsewhere.

use std::time::Duration;

use anyhow::Context;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Cmd, FromRedisValue, RedisError};
use uuid::Uuid;

use super::{OrderStore, StoreError, StoreFuture};
use crate::order::Order;

/// How long one command, or the way to a connection, may take: well below a request's time-out,
/// so that a store that is down is told to the requester and not waited out.
const PATIENCE: Duration = Duration::from_secs(2);

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
    /// Connects, and finds out once whether the server has JSON documents.
    ///
    /// # Errors
    ///
    /// Fails when the URL is not understood or the server does not answer.
    pub async fn connect(url: &str) -> anyhow::Result<Self> {
        let client = redis::Client::open(url).context("not a redis://host:port URL")?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
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

fn save_command(encoding: Encoding, id: Uuid, json: &str) -> Cmd {
    let mut command = match encoding {
        Encoding::JsonDocument => redis::cmd("JSON.SET"),
        Encoding::String => redis::cmd("SET"),
    };
    command.arg(key(id));
    if encoding == Encoding::JsonDocument {
        command.arg("$");
    }
    command.arg(json);
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

fn decode(id: Uuid, json: &str) -> Result<Order, StoreError> {
    serde_json::from_str(json).map_err(|error| StoreError::Corrupt(id, error.to_string()))
}

impl OrderStore for RedisStore {
    fn save<'a>(&'a self, order: &'a Order) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let json = serde_json::to_string(order)
                .map_err(|error| StoreError::Corrupt(order.id, error.to_string()))?;
            self.query(&save_command(self.encoding, order.id, &json))
                .await
        })
    }

    fn find(&self, id: Uuid) -> StoreFuture<'_, Option<Order>> {
        Box::pin(async move {
            let json: Option<String> = self.query(&find_command(self.encoding, id)).await?;
            json.map(|json| decode(id, &json)).transpose()
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
        let document = text(&save_command(Encoding::JsonDocument, id, "{}"));
        assert!(document.contains("JSON.SET"), "{document}");
        assert!(document.contains("$1 $ "), "the root path: {document}");
        let string = text(&save_command(Encoding::String, id, "{}"));
        assert!(
            string.starts_with("*3 $3 SET $42 order:00000000-"),
            "{string}"
        );
    }

    #[test]
    fn foreign_content_is_corrupt() {
        assert!(matches!(
            decode(Uuid::nil(), "[1]"),
            Err(StoreError::Corrupt(..))
        ));
        assert!(matches!(
            decode(Uuid::nil(), "{"),
            Err(StoreError::Corrupt(..))
        ));
    }
}
