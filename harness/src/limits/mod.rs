//! How close the bridge comes to what the same machine can do without it.
//!
//! In one run and by turns, a bare echo loop over the client library, the bridge with an application that does
//! nothing, and `order-service` with its store answer the same load on the same broker. What counts are the
//! ratios within a round: machines drift, neighbours come and go, and both hit all subjects alike. A run in which the load client was
//! the bottleneck, or whose open loop was more than the subject could answer, is shown and judges nothing.

mod busy;
mod cell;
mod chart;
mod client;
mod figures;
mod footprint;
mod load;
mod place;
mod report;
mod run;
mod subject;
mod table;
mod targets;

pub use figures::{Cell, Metric, Ratio};
pub use load::{Load, Pressure};
pub use run::limits;
pub use subject::Subject;
