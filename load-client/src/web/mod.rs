//! The live page of a run: an HTTP server that shows what a [`Board`] holds and hands what the
//! browser asks for to a [`Conductor`]. Knows neither the runner nor Kafka.

mod api;
mod assets;
mod board;
mod conductor;
mod downloads;
mod events;
mod guard;
mod history;
mod problem;
mod router;
mod shared;
mod state;

pub use board::{Board, Figures, Snapshot};
pub use conductor::{Conductor, Download, EditOrder, StartOrder, StopOrder};
pub use downloads::{board_download, board_downloads};
pub use guard::Doors;
pub use history::{RunMark, RunMoment};
pub use problem::Refusal;
pub use router::router;
pub use state::{Defaults, Offers, Phase, State, Target};

#[cfg(test)]
mod tests;
