//! Thresholds: what must hold of a run, or it fails. Pure: text in, figures in, answers out.
//!
//! `[KIND:][service.]METRIC OPERATOR VALUE`, for example `p95<20ms`, `service.p99<=1.5s`,
//! `createOrder:failures<1%`, `rps>=500`. The grammar is given by [`GRAMMAR`].

mod evaluate;
mod expression;
mod parse;

pub(crate) use evaluate::{
    Answer, Judgement, Verdict, evaluate, extra_quantiles, first_broken, unknown_kind,
};
pub(crate) use expression::Threshold;
pub(crate) use parse::GRAMMAR;

#[cfg(test)]
mod tests;
