//! The command line: what was typed, and the validated plan that it stands for.

mod cli;
mod compare;
mod load;
mod output;
pub(crate) mod parse;
mod service;
mod web;

pub(crate) use cli::{Command, RunArguments, read};
pub(crate) use compare::CompareArguments;
pub(crate) use load::LoadArguments;
pub(crate) use output::{Files, OutputArguments, OutputError};
pub(crate) use service::ServiceError;
pub(crate) use web::NotAllowed;
