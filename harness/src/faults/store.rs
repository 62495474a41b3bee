//! Reads the orders of a round from the store, and makes the store fail through its own settings.

use anyhow::{Context, Result};
use redis::aio::MultiplexedConnection;

use super::evidence::Order;
use super::patience::until;
use crate::stack::open_store;

const PAGE: usize = 1000;

/// A setting of the store: its name, a value with which it refuses writes, and its default.
pub(super) type Setting = (&'static str, &'static str, &'static str);
pub(super) const FULL: Setting = ("maxmemory", "1", "0");
/// Writes need a replica, but there is none.
pub(super) const ALONE: Setting = ("min-replicas-to-write", "1", "0");

/// All orders, with their requests.
pub(super) async fn orders(url: &str) -> Result<Vec<Order>> {
    let mut connection = open_store(url).await?;
    let mut keys: std::collections::BTreeSet<String> = std::collections::BTreeSet::new();
    let mut cursor: u64 = 0;
    loop {
        let page: (u64, Vec<String>) = redis::cmd("SCAN")
            .arg(cursor)
            .arg("MATCH")
            .arg("order:*")
            .arg("COUNT")
            .arg(PAGE)
            .query_async(&mut connection)
            .await
            .context("cannot list the orders")?;
        // A key may come more than once.
        keys.extend(page.1);
        cursor = page.0;
        if cursor == 0 {
            break;
        }
    }
    let keys: Vec<String> = keys.into_iter().collect();
    let mut orders = Vec::with_capacity(keys.len());
    for page in keys.chunks(PAGE) {
        let texts = texts(&mut connection, page).await?;
        for (key, text) in page.iter().zip(texts) {
            orders.push(order(key, &text)?);
        }
    }
    Ok(orders)
}

/// The values of the keys. A server with JSON documents does not return them as text.
async fn texts(connection: &mut MultiplexedConnection, keys: &[String]) -> Result<Vec<String>> {
    let found: Vec<Option<String>> = redis::cmd("MGET")
        .arg(keys)
        .query_async(connection)
        .await
        .context("cannot read the orders")?;
    let mut texts = Vec::with_capacity(keys.len());
    for (key, text) in keys.iter().zip(found) {
        texts.push(match text {
            Some(text) => text,
            None => redis::cmd("JSON.GET")
                .arg(key)
                .query_async(connection)
                .await
                .with_context(|| format!("cannot read {key}"))?,
        });
    }
    Ok(texts)
}

fn order(key: &str, text: &str) -> Result<Order> {
    let order: serde_json::Value =
        serde_json::from_str(text).with_context(|| format!("{key} is not JSON"))?;
    let field = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let id = field(&order["id"]).with_context(|| format!("{key} has no id"))?;
    let request = field(&order["items"][0]["sku"]).with_context(|| format!("{key} has no sku"))?;
    Ok(Order { id, request })
}

/// Removes all keys of the store.
pub(super) async fn clear(url: &str) -> Result<()> {
    let mut connection = open_store(url).await?;
    let done = redis::cmd("FLUSHALL").exec_async(&mut connection).await;
    done.context("cannot clear the store")
}

/// The number of keys. Fails while the store loads them.
pub(super) async fn size(url: &str) -> Result<u64> {
    let mut connection = open_store(url).await?;
    let size = redis::cmd("DBSIZE").query_async(&mut connection).await;
    size.context("cannot read the number of keys")
}

/// Makes the store write all keys into one file, which it loads key by key. Returns the number of keys.
pub(super) async fn compact(url: &str) -> Result<u64> {
    let mut connection = open_store(url).await?;
    let begun = redis::cmd("BGREWRITEAOF").exec_async(&mut connection).await;
    begun.context("the store writes no file: this fault needs redis-server or valkey-server")?;
    until(|| async {
        // The rewrite may be scheduled, but not started.
        let info = info(url, "persistence").await?;
        let is_done = ["aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0"]
            .iter()
            .all(|line| info.contains(line));
        is_done
            .then_some(())
            .context("the store still writes its file")
    })
    .await?;
    size(url).await
}

/// Makes the store a replica of the one at a port of loopback, and waits until it is in sync.
pub(super) async fn follow(url: &str, master: u16) -> Result<()> {
    let master_url = format!("redis://127.0.0.1:{master}");
    // Otherwise the master waits for further replicas first.
    configure(&master_url, "repl-diskless-sync-delay", "0").await?;
    let mut connection = open_store(url).await?;
    let port = master.to_string();
    let mut command = redis::cmd("REPLICAOF");
    command.arg("127.0.0.1").arg(port);
    let followed = command.exec_async(&mut connection).await;
    followed.context("cannot make the store a replica")?;
    until(|| async {
        let is_online = info(&master_url, "replication")
            .await?
            .contains("state=online");
        is_online
            .then_some(())
            .context("the replica is not in sync")
    })
    .await
}

/// Swaps master and replica. The master holds back writes until both are in sync.
pub(super) async fn hand_over(url: &str, replica: u16) -> Result<()> {
    let mut connection = open_store(url).await?;
    let mut command = redis::cmd("FAILOVER");
    command.arg("TO").arg("127.0.0.1").arg(replica.to_string());
    let begun = command.exec_async(&mut connection).await;
    begun.context("the store cannot fail over")?;
    until(|| async {
        let info = info(url, "replication").await?;
        let is_over = info.contains("role:slave") && info.contains("master_link_status:up");
        is_over
            .then_some(())
            .context("the store has not failed over")
    })
    .await
}

/// Makes a replica a master.
pub(super) async fn lead(url: &str) -> Result<()> {
    let mut connection = open_store(url).await?;
    let mut command = redis::cmd("REPLICAOF");
    let led = command.arg("NO").arg("ONE").exec_async(&mut connection);
    led.await.context("cannot make the store a master")
}

async fn info(url: &str, section: &str) -> Result<String> {
    let mut connection = open_store(url).await?;
    let mut command = redis::cmd("INFO");
    let info = command.arg(section).query_async(&mut connection);
    info.await.context("no answer to INFO")
}

/// Changes a setting of the server.
pub(super) async fn configure(url: &str, name: &str, value: &str) -> Result<()> {
    let mut connection = open_store(url).await?;
    redis::cmd("CONFIG")
        .arg("SET")
        .arg(name)
        .arg(value)
        .exec_async(&mut connection)
        .await
        .with_context(|| {
            format!(
                "the store has no setting {name}: this fault needs redis-server or valkey-server"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_names_its_request() {
        let text = r#"{"id":"x","items":[{"sku":"r1-7","count":1}]}"#;
        let expected = Order {
            id: "x".to_owned(),
            request: "r1-7".to_owned(),
        };
        assert_eq!(order("order:x", text).unwrap(), expected);
        let error = order("order:x", r#"{"id":"x"}"#).unwrap_err().to_string();
        assert_eq!(error, "order:x has no sku");
    }
}
