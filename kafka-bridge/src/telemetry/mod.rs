//! Metrics, and the trace that a record belongs to.

pub(crate) mod labels;
pub(crate) mod meters;
pub(crate) mod metric_names;
pub(crate) mod trace_context;
