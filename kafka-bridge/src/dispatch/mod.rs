//! Runs a `Service<Record>` between a source and a sink. Knows neither HTTP nor Kafka.
//!
//! `engine` is the event loop, `job` the way of one record, `running` the jobs that are under way:
//! one at a time (`serial`), each in a task of its own (`tasks`), or so but in order per key (`keyed`).

mod engine;
mod job;
mod keyed;
mod progress;
mod reply_bytes;
mod revocations;
mod running;
mod serial;
mod shared;
mod summary;
mod tasks;
mod timers;

pub use summary::Summary;

// Internal.
pub(crate) use engine::Engine;
pub(crate) use job::JobFactory;
pub(crate) use progress::StatusSender;
