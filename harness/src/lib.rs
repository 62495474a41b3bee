//! Stacks, child processes and runs: the parts of the binary `harness`, and the base of the end-to-end tests.
//!
//! It knows the system under test and the load client only as programs with flags. From the crate `load-client` it uses
//! the code that judges and writes finished runs.
//!
//! # Examples
//!
//! ```no_run
//! use harness::service::{Service, ServiceOptions};
//! use harness::stack::{Stack, StackKind, StackOptions};
//!
//! # async fn example() -> anyhow::Result<()> {
//! let stack = Stack::start(StackKind::Embedded, StackOptions::default()).await?;
//! stack.create_topic("createOrder", 1).await?;
//! stack.create_topic("createOrder.reply", 1).await?;
//! let service = Service::start(&stack, ServiceOptions::default()).await?;
//! // ... produce to `createOrder` at `stack.kafka_url()` ...
//! service.stop().await?;
//! stack.stop().await?;
//! # Ok(())
//! # }
//! ```

pub mod cli;
pub mod commands;
pub mod demo;
pub mod environment;
pub mod experiment;
pub mod faults;
pub mod limits;
pub mod process;
pub mod programs;
pub mod run;
pub mod service;
pub mod simulate;
pub mod soak;
pub mod stack;

mod distributed;
mod files;
mod git;
mod hand_over;
mod record_headers;
mod system;
mod usage;
mod wait;

pub use usage::Usage;
pub use wait::{CutShort, Interrupted};

/// The Rust code of README and pages, which has to compile.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../README.md")]
    struct Front;
    #[doc = include_str!("../../docs/serving.md")]
    struct Serving;
    #[doc = include_str!("../../flags-and-variables/README.md")]
    struct FlagsAndVariables;
    #[doc = include_str!("../../kafka-cluster-url/README.md")]
    struct KafkaClusterUrl;
    #[doc = include_str!("../../program-shell/README.md")]
    struct ProgramShell;
}
