//! What all examples are told: which records to serve.

use anyhow::Context;
use clap::Args;

/// A member of a consumer group.
#[derive(Debug, Args)]
pub(crate) struct Member {
    /// The brokers, `kafka://host:port`
    #[arg(long)]
    pub(crate) kafka: String,
    /// The consumer group
    #[arg(long)]
    pub(crate) group_id: String,
    /// The topic to serve
    #[arg(long)]
    pub(crate) topic: String,
    /// A librdkafka property, `key=value`
    #[arg(short = 'X', env = "LIMITS_PROPERTIES", value_delimiter = '\n')]
    property: Vec<String>,
}

impl Member {
    /// The properties, taken apart.
    pub(crate) fn properties(&self) -> anyhow::Result<Vec<(String, String)>> {
        let properties = self.property.iter().map(|property| {
            let (name, value) = property.split_once('=').context("-X takes key=value")?;
            Ok((name.to_owned(), value.to_owned()))
        });
        properties.collect()
    }
}
