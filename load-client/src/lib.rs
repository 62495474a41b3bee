//! Measures round-trip times of request-reply services over Kafka, and compares sets of runs.
//!
//! - [`compare`] answers whether one set of runs is faster than another, and how sure that is;
//!   [`report`] writes the answer.
//! - [`load`] drives a plan through a [`transport`]; a recorder in [`measure`] takes the samples.
//! - A [`scenario`] makes the requests. Most scenarios are files, which the program reads. For other requests,
//!   implement the trait yourself:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use load_client::load::plan::{Model, Pause, Plan};
//! use load_client::measure::recorder::Recorder;
//! use load_client::load::{Control, Share, runner};
//! use load_client::scenario::{Request, Scenario};
//! use load_client::transport::InMemory;
//!
//! /// Each user orders for one customer, in that customer's partition.
//! struct Orders([String; 1]);
//!
//! impl Scenario for Orders {
//!     fn kinds(&self) -> &[String] {
//!         &self.0
//!     }
//!
//!     fn next(&self, user: u32) -> Option<Request> {
//!         Some(Request {
//!             key: Some(format!("customer-{user}").into()),
//!             body: Some(r#"{"items":[]}"#.into()),
//!             ..Request::new(0)
//!         })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let plan = Plan {
//!     users: 2,
//!     spawn_rate: 100.0,
//!     run_time: Some(Duration::from_millis(50)),
//!     warm_up: Duration::ZERO,
//!     timeout: Duration::from_secs(30),
//!     model: Model::Closed(Pause::None),
//!     stages: Vec::new(),
//!     search: None,
//!     loads: Vec::new(),
//!     share: Share::WHOLE,
//! };
//! let orders = Orders(["createOrder".to_owned()]);
//! // Over Kafka: KafkaTransport::connect_in_background(settings).await?
//! let transport = InMemory::new(|request: &Request| match request.key {
//!     Some(_) => Ok(()),
//!     None => Err("no key".to_owned()),
//! });
//! let control = Control::default();
//! let (recorder, samples) = Recorder::start(orders.kinds(), &plan, None, &control)?;
//! runner::run(plan, Arc::new(orders), Arc::new(transport), samples, &control).await;
//! let (summary, recorded) = recorder.finish();
//! recorded?;
//! assert!(!summary.any_failure());
//! # Ok(())
//! # }
//! ```
//!
//! The crate is an outside observer. It shares no code with the service that it measures, so the header names of the
//! wire contract are literals here on purpose.

mod args;
pub mod compare;
mod distributed;
pub mod load {
    //! The load: its plan, its course over time, and the loops that send it.

    mod control;
    mod loops;
    mod pause;
    pub mod plan;
    pub mod runner;
    mod schedule;
    pub(crate) mod search;
    pub(crate) mod shape;
    mod share;
    mod users;

    pub use control::Control;
    pub use schedule::Arrivals;
    pub use search::Search;
    pub use share::Share;
}
pub mod measure {
    //! The measurements of a run: samples are recorded, summed up, compared with thresholds, and searched for findings.

    // internal: the parts that the program shows and judges
    pub(crate) mod analysis;
    pub(crate) mod history;
    pub(crate) mod interval;
    pub(crate) mod memory;
    pub(crate) mod recorded;
    pub mod recorder;
    pub(crate) mod selfcheck;
    pub(crate) mod summary;
    pub(crate) mod tally;
    pub(crate) mod threshold;
    pub(crate) mod window;

    pub use summary::{
        Ended, ErrorCount, Lag, Latency, Percentile, Rates, Row, StageResult, Summary,
    };
}
#[doc(hidden)]
pub mod program;
pub mod report;
pub mod scenario;
mod session;
pub mod stats {
    //! Pure statistics: numbers in, numbers out. There is no I/O, no clock and no hidden randomness. Functions that
    //! resample take a seed.
    //!
    //! Every function cites its source and returns `None` where its result is undefined, so that a missing figure is
    //! never printed as 0.

    mod autocorrelation;
    mod hodges_lehmann;
    mod p_value;
    mod resample;
    mod sample;
    mod sequence;
    mod shift_function;
    mod student;

    pub use autocorrelation::{
        autocorrelation, automatic_block_length, effective_sample_size,
        effective_sample_size_of_quantile, welch_of_batch_means,
    };
    pub use hodges_lehmann::{hodges_lehmann_shift, pairwise_ratio};
    pub use p_value::{PValue, Trend, holm, sign_flip, trend};
    pub use resample::{Bootstrap, RunPair, Series, SplitMix64, mean_change, quantile_changes};
    pub use sample::{
        Interval, SortedSample, locust_median, mean, quantile, quantile_is_supported,
        quantile_of_sorted, variance,
    };
    pub use sequence::{anytime_half_width, anytime_interval};
    pub use shift_function::{
        QuantileShift, SHIFT_PROBABILITIES, cliffs_delta, harrell_davis,
        kolmogorov_smirnov_distance, probability_smaller, shift_function,
    };
    pub use student::{
        LinearTrend, TTest, blocks_for_half_width, linear_trend, log_ratio, paired_half_width,
        paired_interval, paired_log_ratio, paired_t_test, two_sided_critical_value, two_sided_p,
        welch,
    };
}
pub mod transport;
mod web;
