//! Opens the log of a run that this program leads.

use std::time::Instant;

use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use super::{Lead, TICK, Undertaking};
use crate::distributed::Coordinator;
use crate::session::terminal::say;
use crate::transport::kafka::{From, KafkaLog};

impl Lead {
    pub(super) async fn open(undertaking: Undertaking) -> anyhow::Result<Self> {
        let Undertaking {
            log,
            run,
            terms,
            load,
            views,
        } = undertaking;
        let log = KafkaLog::open(log, true).await?;
        // Read from the beginning: an old run may have taken the name.
        let control = log.read_control(From::Beginning).await?;
        let id = format!("coordinator-{}", Uuid::new_v4());
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        match &load {
            Some(_) => say(&format!(
                "run {run}: waiting for {} worker(s), `load-client worker --control kafka://{}`",
                terms.workers,
                log.brokers()
            )),
            None => say(&format!("run {run}: taking it over")),
        }
        Ok(Self {
            coordinator: Coordinator::new((id, run.clone()), terms, load),
            log,
            run,
            control,
            results: None,
            ticks,
            clock: Instant::now(),
            begin: None,
            intervals: Vec::new(),
            active: Vec::new(),
            ending: None,
            views,
            has_leaders_times: true,
            has_caught_up: false,
        })
    }
}
