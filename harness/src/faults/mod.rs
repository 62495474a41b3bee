//! The fault suite: puts the whole system under load while parts of it fail, and checks that nothing was lost by
//! comparing sets of ids. See `docs/reliability.md`.
//!
//! `plan` decides what happens, from a seed. `round` makes it happen (`fleet`, `client`, `load`, `inject`), and
//! collects the observations (`answers`, `watch`, `store`, `topics`) as `evidence`. The `oracles` judge the evidence.

mod answers;
mod chance;
mod client;
mod clock;
mod command;
mod conditions;
mod evidence;
mod fleet;
mod inject;
mod kind;
mod load;
mod oracles;
mod patience;
mod plan;
mod proxy;
mod round;
mod store;
mod suite;
mod table;
mod topics;
mod verdict;
mod watch;
mod world;

pub(crate) use answers::{all_of as assign_all, config as reading};
pub use command::faults;
pub use kind::Fault;
pub(crate) use load::producer;
pub use oracles::Finding;
pub use plan::{Membership, Planned, Policy, Round, plan};
pub use table::table;
pub(crate) use topics::create as create_topic;
pub use verdict::{Figures, Verdict};
pub(crate) use watch::resident;
pub(crate) use world::World;
