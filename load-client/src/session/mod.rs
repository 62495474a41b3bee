//! One run of the program: prepared, driven, concluded. Terminal, page, files, thresholds, self-check and monitors
//! hang on it.

mod beside;
mod cpu;
mod drive;
mod exit;
mod files;
mod keys;
mod outputs;
mod report;
pub(crate) mod signals;
mod stillness;
mod text;
mod watch;

pub(crate) use drive::Session;
pub(crate) use outputs::{Audience, Concluded};
pub(crate) use text::{HeldText, Text};
