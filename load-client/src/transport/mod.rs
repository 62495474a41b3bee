//! Ways to carry requests to a service, and its replies back.

mod exchange;
pub mod kafka;
mod pending;
mod reply;

pub use exchange::{Answer, Ending, Failure, Flight, Listener, Transport};
pub use pending::Pending;
// internal: shared by the transports
pub(crate) use reply::{Reply, read_reply};
