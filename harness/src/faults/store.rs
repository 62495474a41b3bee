//! Reads the orders of a round from the store, and makes it fail in the ways that it has itself.

use anyhow::{Context, Result};
use redis::aio::MultiplexedConnection;

use super::evidence::Order;
use super::patience::until;
use crate::stack::open_store;

const PAGE: usize = 1000;

/// A setting of the store's: its name, a value with which it refuses to write, and its default.
pub(super) type Setting = (&'static str, &'static str, &'static str);
pub(super) const FULL: Setting = ("maxmemory", "1", "0");
/// Writes need a replica, which nobody has.
pub(super) const ALONE: Setting = ("min-replicas-to-write", "1", "0");

/// All orders, with the request that each names.
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

/// The values of the keys: as JSON documents where the server has those, which it does not tell as text.
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

/// Removes all that it holds.
pub(super) async fn clear(url: &str) -> Result<()> {
    let mut connection = open_store(url).await?;
    let done = redis::cmd("FLUSHALL").exec_async(&mut connection).await;
    done.context("cannot clear the store")
}

/// How many keys it holds; an error while it loads them.
pub(super) async fn size(url: &str) -> Result<u64> {
    let mut connection = open_store(url).await?;
    let size = redis::cmd("DBSIZE").query_async(&mut connection).await;
    size.context("the store does not tell its size")
}

/// Has it write all that it holds into one file, which it loads key by key; returns how many keys.
pub(super) async fn compact(url: &str) -> Result<u64> {
    let mut connection = open_store(url).await?;
    let begun = redis::cmd("BGREWRITEAOF").exec_async(&mut connection).await;
    begun.context("the store writes no file: this fault needs redis-server or valkey-server")?;
    until(|| async {
        // The rewrite may be scheduled, and not have begun.
        let info = info(url, "persistence").await?;
        let is_done = ["aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0"]
            .iter()
            .all(|line| info.contains(line));
        is_done.then_some(()).context("the store writes its file")
    })
    .await?;
    size(url).await
}

/// Makes it a replica of the store at a port of loopback, and waits until it has all that one has.
pub(super) async fn follow(url: &str, master: u16) -> Result<()> {
    let master_url = format!("redis://127.0.0.1:{master}");
    // A replica would else be waited for in case others come.
    configure(&master_url, "repl-diskless-sync-delay", "0").await?;
    let mut connection = open_store(url).await?;
    let port = master.to_string();
    let mut command = redis::cmd("REPLICAOF");
    command.arg("127.0.0.1").arg(port);
    let followed = command.exec_async(&mut connection).await;
    followed.context("the store follows no other")?;
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

/// Makes a replica the master, and it the replica's replica: it holds back writes until both are even.
pub(super) async fn hand_over(url: &str, replica: u16) -> Result<()> {
    let mut connection = open_store(url).await?;
    let mut command = redis::cmd("FAILOVER");
    command.arg("TO").arg("127.0.0.1").arg(replica.to_string());
    let begun = command.exec_async(&mut connection).await;
    begun.context("the store cannot hand over")?;
    until(|| async {
        let info = info(url, "replication").await?;
        let is_over = info.contains("role:slave") && info.contains("master_link_status:up");
        is_over
            .then_some(())
            .context("the store has not handed over")
    })
    .await
}

/// Makes a replica a master, whatever it follows.
pub(super) async fn lead(url: &str) -> Result<()> {
    let mut connection = open_store(url).await?;
    let mut command = redis::cmd("REPLICAOF");
    let led = command.arg("NO").arg("ONE").exec_async(&mut connection);
    led.await.context("the store cannot lead")
}

async fn info(url: &str, section: &str) -> Result<String> {
    let mut connection = open_store(url).await?;
    let mut command = redis::cmd("INFO");
    let info = command.arg(section).query_async(&mut connection);
    info.await.context("the store tells nothing of itself")
}

/// A setting of the server's.
pub(super) async fn configure(url: &str, name: &str, value: &str) -> Result<()> {
    let mut connection = open_store(url).await?;
    redis::cmd("CONFIG")
        .arg("SET")
        .arg(name)
        .arg(value)
        .exec_async(&mut connection)
        .await
        .with_context(|| {
            format!("the store takes no {name}: this fault needs redis-server or valkey-server")
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
