//! The HTTP operations, one file each.

pub mod create;
pub mod fallback;
pub mod json;
pub mod read;

use std::sync::Arc;

use crate::store::OrderStore;

/// What every route is given.
pub type Store = Arc<dyn OrderStore>;
