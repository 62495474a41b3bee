//! Ways to carry requests to a service, and its replies back.

mod exchange;
mod in_memory;
pub mod kafka;
mod pending;
mod reply;
pub(crate) mod wire;

pub use exchange::{Answer, Ending, Failure, InFlight, Listener, Transport};
pub use in_memory::InMemory;
pub use pending::Pending;
// internal: shared by the transports
pub(crate) use reply::{Reply, ReplyReader, ReplyRecord};
