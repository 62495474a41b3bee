//! Ways to carry requests to a service, and its replies back.

mod exchange;
mod in_memory;
pub mod kafka;
mod pending;
mod reply;
pub mod wire;

pub use exchange::{Failure, InFlight, Transport};
pub use in_memory::InMemory;
pub use pending::{Pending, PendingReply};
// internal: shared by the transports
pub(crate) use reply::{Reply, ReplyReader, ReplyRecord};
