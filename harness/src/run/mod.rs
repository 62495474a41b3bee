//! One run of one service: new topics, group, service and load client on a stack that keeps running.

mod files;
mod load;
mod one;
mod place;
mod rehearsal;
mod settings;
mod variant;

pub use files::RunFiles;
pub(crate) use load::check_load_flags;
pub use one::{Planned, Ran, RunEnd, run};
pub use rehearsal::rehearse;
pub use settings::{Identity, Settings};
pub use variant::Variant;
