//! The bridge serves an axum application from a topic. It commits the offsets of records whose replies the broker has.

use axum::routing::post;
use axum::{Json, Router};
use kafka_bridge::{Bridge, Dispatch, EchoSetHeaderLayer, Operation};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

#[derive(Deserialize, Serialize)]
struct Item {
    sku: String,
    count: u32,
}

#[derive(Deserialize)]
struct Order {
    items: Vec<Item>,
}

#[derive(Serialize)]
struct Created {
    id: Uuid,
    items: Vec<Item>,
}

async fn create_order(Json(Order { items }): Json<Order>) -> Json<Created> {
    let id = Uuid::new_v4();
    Json(Created { id, items })
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let dispatch: Dispatch = std::env::args().nth(1).unwrap_or_default().parse()?;
    let app = Router::new()
        .route("/orders", post(create_order))
        .layer(EchoSetHeaderLayer::default());
    let bridge = Bridge::builder(app)
        .operation(Operation::post(&std::env::var("TOPIC")?, "/orders")?)
        .dispatch(dispatch)
        .connect(&std::env::var("KAFKA_URL")?, &std::env::var("GROUP")?)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async move {
        terminate.recv().await;
    };
    tokio::spawn(bridge.with_graceful_shutdown(stop)).await??;
    Ok(())
}
