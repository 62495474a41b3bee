//! The flags of all examples: which records to serve.

use anyhow::Context;
use clap::Args;

/// A member of a consumer group.
#[derive(Debug, Args)]
pub(crate) struct Member {
    /// Kafka brokers, `kafka://host:port`
    #[arg(long)]
    pub(crate) kafka: String,
    /// Consumer group
    #[arg(long)]
    pub(crate) group_id: String,
    /// Topic to serve
    #[arg(long)]
    pub(crate) topic: String,
    /// librdkafka property, `key=value`; repeatable
    #[arg(short = 'X', env = "LIMITS_PROPERTIES", value_delimiter = '\n')]
    property: Vec<String>,
}

impl Member {
    /// The properties as pairs.
    pub(crate) fn properties(&self) -> anyhow::Result<Vec<(String, String)>> {
        // A variable without a value is one empty property.
        let given = self.property.iter().filter(|property| !property.is_empty());
        let properties = given.map(|property| {
            let (name, value) = property.split_once('=').context("-X takes key=value")?;
            Ok((name.to_owned(), value.to_owned()))
        });
        properties.collect()
    }
}
