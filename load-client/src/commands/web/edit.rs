//! The one place where a running load is given other users.

use crate::runner::Control;
use crate::web::EditOrder;

/// Whether the page offers it.
pub(super) const OFFERED: bool = true;

/// Sets the users that a run is to have from now on; of an open loop, its requests per second.
pub(super) fn set_target(control: &Control, order: EditOrder) {
    control.set_target(order.users, order.spawn_rate);
}
