//! Adds the bridge's name to its metrics, so that two bridges in one process can be distinguished.

use std::sync::Arc;

use metrics::{Counter, Gauge, Histogram, Label, SharedString, counter, gauge, histogram};

use crate::{Settings, TopicPartition};

/// The label whose value is the bridge's name.
const BRIDGE: &str = "bridge";

/// Makes the meters of one bridge. If the bridge has a name, each meter has it as a label.
#[derive(Clone, Debug, Default)]
pub(crate) struct BridgeLabel(Option<Arc<str>>);

/// A meter's own labels.
type Own<const N: usize> = [(&'static str, SharedString); N];

impl BridgeLabel {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self(settings.name.as_deref().map(Arc::from))
    }

    #[cfg(test)]
    pub(crate) fn named(name: &str) -> Self {
        Self(Some(name.into()))
    }

    /// Adds one to a counter.
    pub(crate) fn count<const N: usize>(&self, name: &'static str, own: Own<N>) {
        self.counter(name, own).increment(1);
    }

    pub(crate) fn counter<const N: usize>(&self, name: &'static str, own: Own<N>) -> Counter {
        counter!(name, self.with(own))
    }

    pub(crate) fn gauge<const N: usize>(&self, name: &'static str, own: Own<N>) -> Gauge {
        gauge!(name, self.with(own))
    }

    pub(crate) fn histogram<const N: usize>(&self, name: &'static str, own: Own<N>) -> Histogram {
        histogram!(name, self.with(own))
    }

    /// Makes a gauge of a partition.
    pub(crate) fn of_partition(
        &self,
        name: &'static str,
        TopicPartition { topic, partition }: &TopicPartition,
    ) -> Gauge {
        let topic = Arc::clone(topic).into();
        self.gauge(
            name,
            [
                ("topic", topic),
                ("partition", partition.to_string().into()),
            ],
        )
    }

    fn with<const N: usize>(&self, own: Own<N>) -> Vec<Label> {
        let bridge = self.0.as_ref();
        let bridge = bridge.map(|name| Label::new(BRIDGE, Arc::clone(name)));
        let own = own.into_iter().map(|(key, value)| Label::new(key, value));
        own.chain(bridge).collect()
    }
}
