//! A store in Kvrocks, Redis or Valkey.
//!
//! An order is a JSON document (`JSON.SET order:<id> $ <json>`) if the server has such documents, as Kvrocks and Redis
//! 8 do. Otherwise it is a string with the same JSON. Such a string stays readable if the server gets documents later.

mod command;
mod link;
mod refusal;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use redis::{Cmd, FromRedisValue, RedisError, Value};
use uuid::Uuid;

use self::command::Encoding;
use self::link::Link;
use super::{Found, OrderStore, StoreError, StoreFuture, Version};
use crate::order::StoredOrder;

/// The commands that the server must have, and its user must be allowed to run.
const NEEDED: &str = "orders need EVAL, GET and SET, and on a server with JSON documents also DEL, EXISTS, JSON.GET, \
     JSON.SET and RENAME";

/// Orders in a server that speaks the Redis protocol.
pub struct RedisStore {
    link: Link,
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore").finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Prepares the connection, which the first command makes. `patience` limits one command, with the time to connect.
    ///
    /// # Errors
    ///
    /// Fails if the URL is wrong, or if it needs TLS and this program was built without it.
    pub fn open(url: &str, patience: Duration) -> anyhow::Result<Self> {
        let with_tls = ["rediss:", "valkeys:"]
            .iter()
            .any(|tls| url.starts_with(tls));
        ensure!(
            cfg!(feature = "tls") || !with_tls,
            "this program was built without TLS: build it with `--features tls`"
        );
        let link = Link::new(url, patience).context("not a redis://host:port URL")?;
        Ok(Self { link })
    }

    /// Tries each command that orders need. It changes nothing.
    ///
    /// # Errors
    ///
    /// Fails with [`StoreError::Refused`] if waiting does not help: the server lacks a command, its user may not run
    /// it, or the server has only a part of the keys.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.check_shards().await?;
        let asked = async {
            // The server names a missing right only if the command runs outside a script.
            for ask in command::OTHERS {
                let _: Value = self.link.send(ask).await?;
            }
            self.check_rename().await?;
            self.check_write().await?;
            self.check_scripts().await
        };
        asked
            .await
            .map_err(|error| match refusal::store_error(&error) {
                StoreError::Refused(told) => StoreError::Refused(format!("{NEEDED}: {told}")),
                other => other,
            })
    }

    /// Refuses a cluster of several shards. A server that is no cluster does not know the command, or refuses it.
    async fn check_shards(&self) -> Result<(), StoreError> {
        match self.link.send_plain(command::ask_for_cluster()).await {
            Ok(about) => {
                let about: String = about;
                let size = about
                    .lines()
                    .find_map(|line| line.strip_prefix("cluster_size:"));
                match size.map(str::trim) {
                    None | Some("1") => Ok(()),
                    Some(size) => {
                        let told = format!("{} ({size} shards)", refusal::CLUSTER);
                        Err(StoreError::Refused(told))
                    }
                }
            }
            Err(error) if refusal::is_broken(&error) => Err(refusal::store_error(&error)),
            Err(_) => Ok(()),
        }
    }

    /// Checks the right to `RENAME`. A server may lack the command.
    async fn check_rename(&self) -> Result<(), RedisError> {
        match self.link.send::<Value>(command::ask_for_rename).await {
            Err(error) if refusal::lacks_a_right(&error) => Err(error),
            _ => Ok(()),
        }
    }

    async fn check_write(&self) -> Result<(), RedisError> {
        match self.ask(command::ask_for_write).await {
            // The probe of a document always fails so.
            (Err(error), true) if refusal::is_no_document_yet(&error) => Ok(()),
            (asked, _) => asked,
        }
    }

    /// Checks scripts. With strings, only changes need them. With documents, creating an order needs one too.
    async fn check_scripts(&self) -> Result<(), RedisError> {
        match self.ask(command::ask_for_scripts).await {
            (Err(error), false)
                if refusal::lacks_a_right(&error) || refusal::is_unknown_command(&error) =>
            {
                let cause = error.to_string();
                tracing::warn!(
                    cause,
                    "--store cannot run EVAL: updates and cancellations will fail"
                );
                Ok(())
            }
            (asked, _) => asked,
        }
    }

    /// Returns the answer, and whether the server has documents.
    async fn ask(&self, command: fn(Encoding) -> Cmd) -> (Result<(), RedisError>, bool) {
        let has_documents = AtomicBool::new(false);
        let ask = |encoding| {
            has_documents.store(encoding == Encoding::JsonDocument, Ordering::Relaxed);
            command(encoding)
        };
        let asked = self.link.send::<Value>(ask).await;
        (asked.map(|_| ()), has_documents.into_inner())
    }

    /// Sends a command about an order.
    async fn send<T: FromRedisValue>(
        &self,
        id: Uuid,
        command: impl Fn(Encoding) -> Cmd,
    ) -> Result<T, StoreError> {
        self.link
            .send(command)
            .await
            .map_err(|error| about(id, &error))
    }
}

fn about(id: Uuid, error: &RedisError) -> StoreError {
    if refusal::is_wrong_type(error) {
        StoreError::Corrupt(id, error.to_string())
    } else {
        refusal::store_error(error)
    }
}

fn encode(stored: &StoredOrder) -> Result<String, StoreError> {
    serde_json::to_string(stored)
        .map_err(|error| StoreError::Corrupt(stored.order.id, error.to_string()))
}

/// The version is the server's own text: its key order and blanks may differ from ours.
fn decode(id: Uuid, json: String) -> Result<Found, StoreError> {
    let stored =
        serde_json::from_str(&json).map_err(|error| StoreError::Corrupt(id, error.to_string()))?;
    let version = Version::new(json);
    Ok(Found { stored, version })
}

impl OrderStore for RedisStore {
    fn insert<'a>(&'a self, stored: &'a StoredOrder) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let (id, json) = (stored.order.id, encode(stored)?);
            let insert = |encoding| command::insert(encoding, id, &json);
            let done: Option<String> = self.send(id, insert).await?;
            Ok(done.is_some())
        })
    }

    fn find(&self, id: Uuid) -> StoreFuture<'_, Option<Found>> {
        Box::pin(async move {
            let json: Option<String> = match self.send(id, |kind| command::find(kind, id)).await {
                // The key exists, but is no document: it may be a string from before the server had documents.
                Err(StoreError::Corrupt(..)) => {
                    let find = |_| command::find(Encoding::String, id);
                    self.send(id, find).await?
                }
                found => found?,
            };
            json.map(|json| decode(id, json)).transpose()
        })
    }

    fn replace<'a>(
        &'a self,
        version: &'a Version,
        stored: &'a StoredOrder,
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let (id, json) = (stored.order.id, encode(stored)?);
            let replace = |encoding| command::replace(encoding, id, version, &json);
            self.send(id, replace).await
        })
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let asked = self.check_write().await;
            asked.map_err(|error| refusal::store_error(&error))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_content_is_corrupt() {
        for json in ["[1]", "{"] {
            let decoded = decode(Uuid::nil(), json.to_owned());
            assert!(matches!(decoded, Err(StoreError::Corrupt(..))), "{json}");
        }
    }

    #[test]
    fn h28_a_store_over_tls_is_taken_or_refused_by_what_was_built() {
        for url in ["rediss://127.0.0.1:1", "valkeys://127.0.0.1:1"] {
            let opened = RedisStore::open(url, Duration::from_secs(1));
            assert_eq!(opened.is_ok(), cfg!(feature = "tls"), "{opened:?}");
            if let Err(error) = opened {
                assert!(error.to_string().contains("--features tls"), "{error:#}");
            }
        }
    }
}
