//! Tests of the router, as a browser or another site's page sees it.

mod events;
mod foreign;
mod orders;
mod support;

pub(super) use support::moment;
