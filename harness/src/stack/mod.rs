//! Stacks: a broker and a store, started on demand and stopped without a trace.
//!
//! `embedded` has a mock broker in this process, `native` runs Apache Kafka on the local JVM, `docker` runs the images
//! of `docker/compose.yaml`, and `external` uses the caller's broker and store.

mod acls;
mod description;
mod docker;
mod embedded;
mod external;
mod forward;
mod groups;
mod native;
mod options;
mod partitions;
mod ports;
mod protocol;
mod running;
mod store;
mod topics;

pub use acls::{Right, authorizer};
pub(crate) use acls::{give_back, withdraw};
pub use description::Description;
pub(crate) use groups::{assigned_members, group_members};
pub use native::{Login, SecureListener, authority};
pub use options::{Listeners, StackKind, StackOptions};
pub(crate) use partitions::{Partition, elect_preferred, partitions, reassign};
pub use ports::any as free_port;
pub(crate) use ports::preferred as preferred_port;
pub use running::Stack;
pub(crate) use store::{Store, open as open_store, port_of, program_name as store_program};
pub(crate) use topics::{answers as broker_answers, client_config};
