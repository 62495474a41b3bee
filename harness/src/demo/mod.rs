//! Shows one order from end to end as it is on the wire: request record, reply record, stored order.

mod exchange;
mod show;

use std::path::PathBuf;

use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;

use self::exchange::Exchange;
use crate::run::Identity;
use crate::service::{Service, ServiceOptions};
use crate::stack::Stack;

pub use self::exchange::WireRecord;

/// Runs the demo on a running stack, and returns the text to show.
///
/// # Errors
///
/// Fails if the service does not start, no reply comes, or the order is not in the store.
pub async fn demo(
    stack: &Stack,
    order_service: Option<PathBuf>,
    stop: &CancellationToken,
) -> Result<String> {
    let identity = Identity::alone_on(stack, "createOrder");
    let topics = [identity.topic(), identity.reply_topic()];
    let shown = with_service(stack, &identity, order_service, stop).await;
    stack.tidy_after(shown, &topics).await
}

async fn with_service(
    stack: &Stack,
    identity: &Identity,
    order_service: Option<PathBuf>,
    stop: &CancellationToken,
) -> Result<String> {
    for topic in [identity.topic(), identity.reply_topic()] {
        stack.create_topic(&topic, 1).await?;
    }
    let options = ServiceOptions {
        program: order_service,
        group_id: Some(identity.group_id.clone()),
        topic_prefix: identity.topic_prefix.clone(),
        stop: stop.clone(),
        ..ServiceOptions::default()
    };
    let service = Service::start(stack, options).await?;
    let shown = exchange_and_read(stack, identity, stop).await;
    let stopped = service.stop().await;
    let shown = shown?;
    stopped?;
    Ok(shown)
}

async fn exchange_and_read(
    stack: &Stack,
    identity: &Identity,
    stop: &CancellationToken,
) -> Result<String> {
    let exchange =
        Exchange::of_one_order(stack, &identity.topic(), &identity.reply_topic(), stop).await?;
    let key = exchange
        .order_key()
        .context("the reply names no order: its value has no id")?;
    let order = stack.stored(&key).await?;
    let mut shown = show::all(&exchange, &key, &order);
    if stack.is_shared() {
        shown.push_str("\nnote: the order stays in the store, which ran before\n");
    }
    Ok(shown)
}
