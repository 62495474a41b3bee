//! Thresholds: what must hold of a run, or it fails. Pure: text in, figures in, answers out.
//!
//! `[KIND:][service.]METRIC OPERATOR VALUE`, for example `p95<20ms`, `service.p99<=1.5s`,
//! `createOrder:failures<1%`, `rps>=500`. The grammar is given by [`GRAMMAR`].

mod evaluate;
mod expression;
mod parse;

pub use evaluate::{Answer, Judgement, Verdict, evaluate, extra_quantiles, unknown_kind};
pub use expression::{Limit, Metric, Operator, Statistic, Threshold, Time, Unit};
pub use parse::{GRAMMAR, ParseError};

#[cfg(test)]
mod tests;
