//! The topics to serve: one for each operation of the description, with the operation's id as its name.

use kafka_bridge::{Operation, OperationError};
use serde_json::Value;

use crate::asyncapi::Deployment;

/// Returns the operations of an OpenAPI document, with the topics of a deployment.
///
/// # Errors
///
/// Fails if the names with the prefix are no legal topic names.
pub fn operations(
    openapi: &Value,
    deployment: &Deployment,
) -> Result<Vec<Operation>, OperationError> {
    Operation::from_openapi(openapi, |id| deployment.topic(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{app, asyncapi};

    #[test]
    fn the_topics_that_are_served_are_those_that_are_described() {
        let deployment = Deployment {
            topic_prefix: "shop.".to_owned(),
            ..Deployment::default()
        };
        let served = operations(&app::document(), &deployment).unwrap();
        let mut served: Vec<_> = served.iter().map(Operation::topic).collect();
        served.sort_unstable();
        let names = ["cancelOrder", "createOrder", "readOrder", "updateOrder"];
        assert_eq!(served, names.map(|name| format!("shop.{name}")));

        let described = asyncapi::document(&app::document(), &deployment);
        let channels = described["channels"].as_object().unwrap().values();
        let described: Vec<_> = channels.filter_map(|one| one["address"].as_str()).collect();
        assert_eq!(served, described);
    }
}
