//! The HTTP operations, one file each.

pub mod cancel;
pub mod create;
pub mod fallback;
pub mod read;
pub mod update;

// What the operations share.
mod change;
pub mod identity;
pub mod json;
pub mod order_id;

use std::sync::Arc;

use crate::store::OrderStore;

/// The state of every route.
pub type Store = Arc<dyn OrderStore>;
