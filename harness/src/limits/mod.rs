//! Compares the bridge with the speed of the same machine without it.
//!
//! Three kinds of subjects answer the same load on the same broker, in turns: a bare echo loop over the client library,
//! the bridge with an empty application, and `order-service` with its store. Only the ratios within a round count,
//! because drifts of the machine and other work on it affect all subjects of a round. The tables show runs in which the
//! load client was the bottleneck, or in which the subject could not answer the open loop. No ratio uses them.

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
