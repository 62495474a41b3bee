//! The one place where a running load is given other users.

use load_client::runner::Control;
use load_client::web::{EditOrder, Refusal};

/// Whether the page offers it.
pub(super) const OFFERED: bool = false;

/// Sets the users that a run is to have from now on.
pub(super) fn set_target(_control: &Control, _order: EditOrder) -> Result<(), Refusal> {
    Err(Refusal::Unavailable(
        "the users of a running load cannot be changed; stop it and start another".to_owned(),
    ))
}
