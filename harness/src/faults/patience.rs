//! Asks repeatedly until a started part answers.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

const PAUSE: Duration = Duration::from_millis(50);
const LIMIT: Duration = Duration::from_secs(90);

/// Asks until the answer is right, within a time limit.
pub(super) async fn until<T, F: Future<Output = Result<T>>>(
    mut ask: impl FnMut() -> F,
) -> Result<T> {
    let deadline = Instant::now() + LIMIT;
    loop {
        match ask().await {
            Err(_) if Instant::now() < deadline => sleep(PAUSE).await,
            answer => return answer,
        }
    }
}
