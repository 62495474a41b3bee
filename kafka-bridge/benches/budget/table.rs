//! The rows that have a budget.

use kafka_bridge::Dispatch;

use crate::support::rows::{
    Work, axum_alone, dispatch, dispatch_with_echo, dispatch_with_echo_metered, held, offsets,
    partitions, reply, request,
};
use crate::support::{app_with_echo, bare_app};

/// One row of the budgets.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) prepare: fn(usize) -> Work,
    /// The fewest records for which the row's name is true.
    pub(crate) start: usize,
}

impl Row {
    const fn new(name: &'static str, start: usize, prepare: fn(usize) -> Work) -> Self {
        Self {
            name,
            prepare,
            start,
        }
    }
}

/// The rows with a budget. Rows with records in flight start with all of them in flight, and handle as many again.
pub(crate) const ROWS: &[Row] = &[
    Row::new("request", 1000, request),
    Row::new("reply", 1000, reply),
    Row::new("axum", 1000, |count| axum_alone(count, bare_app())),
    Row::new("axum-echo", 1000, |count| {
        axum_alone(count, app_with_echo())
    }),
    Row::new("offsets-1", 1000, |count| offsets(count, 1)),
    Row::new("offsets-1000", 1000, |count| offsets(count, 1000)),
    Row::new("offsets-100000", 1000, |count| offsets(count, 100_000)),
    Row::new("serial", 500, |count| dispatch(count, Dispatch::Serial)),
    Row::new("tasks", 2500, |count| dispatch(count, Dispatch::Tasks)),
    Row::new("keyed", 2500, |count| dispatch(count, Dispatch::Keyed)),
    Row::new("serial-echo", 500, |count| {
        dispatch_with_echo(count, Dispatch::Serial)
    }),
    Row::new("tasks-echo", 2500, |count| {
        dispatch_with_echo(count, Dispatch::Tasks)
    }),
    Row::new("keyed-echo", 2500, |count| {
        dispatch_with_echo(count, Dispatch::Keyed)
    }),
    Row::new("serial-echo-metered", 1000, |count| {
        dispatch_with_echo_metered(count, Dispatch::Serial)
    }),
    Row::new("tasks-echo-metered", 2500, |count| {
        dispatch_with_echo_metered(count, Dispatch::Tasks)
    }),
    Row::new("tasks-in-flight-1", 1000, |count| {
        held(count, Dispatch::Tasks, 1)
    }),
    Row::new("tasks-in-flight-10000", 15_000, |count| {
        held(count, Dispatch::Tasks, 10_000)
    }),
    Row::new("tasks-in-flight-100000", 150_000, |count| {
        held(count, Dispatch::Tasks, 100_000)
    }),
    Row::new("tasks-partitions-64", 2500, |count| {
        partitions(count, Dispatch::Tasks, 64)
    }),
    Row::new("keyed-partitions-64", 2500, |count| {
        partitions(count, Dispatch::Keyed, 64)
    }),
];
