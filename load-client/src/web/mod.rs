//! The live page of a run: an HTTP server that shows what a [`Board`] holds and hands what the
//! browser asks for to a [`RunController`]. Knows neither the runner nor Kafka.

mod api;
mod assets;
mod board;
mod controller;
mod downloads;
mod events;
mod guard;
mod history;
mod problem;
mod router;
mod shared;
mod state;

pub(crate) use board::{Board, Figures, Snapshot};
pub(crate) use controller::{Download, EditOrder, RunController, StartOrder, StopOrder};
pub(crate) use downloads::{board_download, board_downloads};
pub(crate) use guard::AllowedHosts;
pub(crate) use history::{RunMark, RunMoment};
pub(crate) use problem::Refusal;
pub(crate) use router::router;
pub(crate) use state::{Defaults, Offers, Phase, State, Target};

#[cfg(test)]
mod tests;
