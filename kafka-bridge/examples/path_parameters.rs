//! Several topics and one application. Record headers fill the parameters of path and query. The topics have to exist:
//! `readUser`, `renameUser`, and both names with `.reply` appended.
//!
//! ```sh
//! cargo run -p kafka-bridge --example path_parameters
//! echo x | kcat -P -b localhost:9092 -t readUser -H reply-to=readUser.reply -H user-id=7 -H fields=name
//! echo ann | kcat -P -b localhost:9092 -t renameUser -H reply-to=renameUser.reply -H user-id=7
//! ```

use axum::Router;
use axum::extract::{Path, RawQuery};
use axum::http::Method;
use axum::routing::get;
use kafka_bridge::{Bridge, Operation};

async fn read(Path(id): Path<u32>, RawQuery(query): RawQuery) -> String {
    format!("user {id}, {}", query.as_deref().unwrap_or("all of it"))
}

async fn rename(Path(id): Path<u32>, name: String) -> String {
    format!("user {id} is {}", name.trim())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let kafka = std::env::var("KAFKA_URL").unwrap_or_else(|_| "kafka://localhost:9092".to_owned());
    let app = Router::new().route("/users/{id}", get(read).put(rename));
    // With an OpenAPI document, none of this is necessary: see `Operation::from_openapi`.
    let read = Operation::new("readUser", Method::GET, "/users/{id}")?
        .path_parameter("id", "user-id")?
        .query_parameter("fields", "fields");
    let rename = Operation::new("renameUser", Method::PUT, "/users/{id}")?
        .path_parameter("id", "user-id")?;
    Bridge::builder(app)
        .operations([read, rename])
        .connect(&kafka, "path-parameters")?
        .with_graceful_shutdown(async { tokio::signal::ctrl_c().await.unwrap_or_default() })
        .await?;
    Ok(())
}
