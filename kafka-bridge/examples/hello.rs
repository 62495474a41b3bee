//! The smallest service: it greets each record of the topic `greet`. The topics have to exist: `greet` and
//! `greet.reply`.
//!
//! ```sh
//! cargo run -p kafka-bridge --example hello
//! echo world | kcat -P -b localhost:9092 -t greet -H reply-to=greet.reply
//! kcat -C -b localhost:9092 -t greet.reply -o beginning -e -f '%h %s\n'
//! ```

use axum::Router;
use axum::routing::post;
use kafka_bridge::{Bridge, Operation};

async fn greet(name: String) -> String {
    format!("hello {}", name.trim())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let kafka = std::env::var("KAFKA_URL").unwrap_or_else(|_| "kafka://localhost:9092".to_owned());
    let app = Router::new().route("/greetings", post(greet));
    Bridge::builder(app)
        .operation(Operation::post("greet", "/greetings")?)
        .connect(&kafka, "hello")?
        .with_graceful_shutdown(async { tokio::signal::ctrl_c().await.unwrap_or_default() })
        .await?;
    Ok(())
}
