//! Takes a moment each second.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::Control;
use crate::recorder::TallyView;

/// Adds a moment to the recorder's history each second, as long as it is polled.
pub async fn keep_history(view: TallyView, control: Control, warm_up: Duration) {
    let second = Duration::from_secs(1);
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + second, second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        view.keep(control.active(), view.elapsed() < warm_up);
    }
}
