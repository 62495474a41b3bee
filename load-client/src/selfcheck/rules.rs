//! The rules, each with its limit. A rule that lacks its reading says nothing.
//!
//! | rule | limit | why |
//! |---|---|---|
//! | schedule lag (open loop, nothing held back) | p99 at most 10 % of the median service time | what waits to be sent is measured as slow |
//! | processors | 80 % of the cores that the process may use | the others must run the users in time |
//! | busiest thread | 80 % of one core | one thread takes all replies, another sends all requests |
//! | Little's law (closed loop) | users = rate x mean response time, to 5 % | users that do neither wait for a reply nor send wait for the client |
//! | queue of the producer (open loop) | does not grow | what is offered is not what is sent |
//!
//! Little's law (Little, "A Proof for the Queuing Formula L = λW", Operations Research 9, 1961) is held
//! against closed loops without think time, with a constant number of users and without failures only.

use serde::Serialize;

use super::reading::CpuUse;
use super::validity::{Finding, Validity};
use crate::summary::{Latency, Summary};

/// Shorter measured windows are not judged.
pub const SHORTEST_SECONDS: f64 = 1.0;
/// Runs of fewer requests are not judged.
pub const FEWEST_REQUESTS: u64 = 100;
/// Largest p99 of the schedule lag, as a share of the median service time.
pub const LARGEST_LAG: f64 = 0.10;
/// Largest use of all cores, and of one core by one thread.
pub const LARGEST_CPU: f64 = 0.80;
/// Largest deviation from Little's law.
pub const LARGEST_DEVIATION: f64 = 0.05;
/// Requests that each user must have sent, so that its first and last weigh 1 %.
const REQUESTS_PER_USER: u64 = 100;
/// Queue samples needed to tell growth from noise.
const FEWEST_QUEUE_SAMPLES: usize = 6;
/// A queue this short is no bottleneck, whatever its trend.
const SHORT_QUEUE: f64 = 100.0;

/// How the load was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadModel {
    /// Each user sends when its last reply is there, without a pause.
    ClosedLoop {
        /// The users of the measured window; `None` when their number changed in it.
        users: Option<u32>,
    },
    /// As [`LoadModel::ClosedLoop`], with pauses.
    ClosedLoopWithThinkTime,
    /// Requests are sent by a schedule.
    OpenLoop,
}

/// What was read of the client while it measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Readings {
    /// How the load was made.
    pub model: LoadModel,
    /// Cores that the process may use.
    pub cores: usize,
    /// What it used of them; `None` where the system does not tell.
    pub cpu: Option<CpuUse>,
    /// How long requests waited to be sent.
    pub schedule_lag: Option<Latency>,
    /// Requests that the bound on those in flight held back, and all behind them: not the client's fault.
    pub held_back: u64,
    /// Messages in the producer's queue, once a second of the measured window.
    pub queue: Vec<u64>,
}

/// Judges a run.
#[must_use]
pub fn check(summary: &Summary, readings: &Readings) -> Validity {
    if let Some(reason) = too_short(summary) {
        return Validity::NotJudged { reason };
    }
    let findings = [
        lag(summary, readings),
        processors(readings),
        busiest_thread(readings),
        little(summary, readings),
        queue(readings),
    ];
    let findings: Vec<Finding> = findings.into_iter().flatten().collect();
    if findings.is_empty() {
        Validity::Valid
    } else {
        Validity::Invalid { findings }
    }
}

fn too_short(summary: &Summary) -> Option<String> {
    let seconds = summary.window_seconds.unwrap_or_default();
    if seconds < SHORTEST_SECONDS {
        return Some(format!(
            "{seconds:.1} s were measured, it takes {SHORTEST_SECONDS} s or more"
        ));
    }
    let requests = summary.total.requests;
    (requests < FEWEST_REQUESTS)
        .then(|| format!("{requests} requests were measured, it takes {FEWEST_REQUESTS} or more"))
}

fn lag(summary: &Summary, readings: &Readings) -> Option<Finding> {
    if readings.model != LoadModel::OpenLoop || readings.held_back > 0 {
        return None;
    }
    let lag = readings.schedule_lag.as_ref()?.percentile(0.99)?;
    let median = summary.total.service.as_ref()?.median_ms;
    (lag > LARGEST_LAG * median).then(|| Finding {
        reason: format!(
            "requests were sent late: p99 of the schedule lag is {lag:.3} ms, more than {} % of the \
             median service time of {median:.3} ms",
            LARGEST_LAG * 100.0
        ),
        advice: "lower --rate, or give the load client a machine of its own".to_owned(),
    })
}

fn processors(readings: &Readings) -> Option<Finding> {
    let (used, cores) = (readings.cpu.as_ref()?.process, readings.cores as f64);
    (used > LARGEST_CPU * cores).then(|| Finding {
        reason: format!(
            "the load client used {used:.2} of its {cores} core(s), more than {} %",
            LARGEST_CPU * 100.0
        ),
        advice: "lower --users or --rate, or give the load client more cores".to_owned(),
    })
}

fn busiest_thread(readings: &Readings) -> Option<Finding> {
    let (name, used) = readings.cpu.as_ref()?.busiest.as_ref()?;
    (*used > LARGEST_CPU).then(|| Finding {
        reason: format!(
            "the thread {name} of the load client was busy for {:.0} % of the time, more than {} %",
            used * 100.0,
            LARGEST_CPU * 100.0
        ),
        advice: "lower --users or --rate, or spread the load over several load clients".to_owned(),
    })
}

fn little(summary: &Summary, readings: &Readings) -> Option<Finding> {
    let LoadModel::ClosedLoop { users: Some(users) } = readings.model else {
        return None;
    };
    let is_clean = summary.total.failures == 0 && summary.total.censored == 0;
    let is_long = summary.total.requests >= u64::from(users) * REQUESTS_PER_USER;
    if !is_clean || !is_long {
        return None;
    }
    let rate = summary.throughput?;
    let mean = summary.total.response.as_ref()?.mean_ms;
    let busy = rate * mean / 1000.0;
    let deviation = busy / f64::from(users) - 1.0;
    let advice = if deviation < 0.0 {
        "its users waited for the load client between two requests: lower --users, or give the load client cores of its own"
    } else {
        "the figures contradict each other: please report this run"
    };
    (deviation.abs() > LARGEST_DEVIATION).then(|| Finding {
        reason: format!(
            "{rate:.1} replies per second of {mean:.3} ms keep {busy:.2} users busy, not {users} \
             (Little's law, {:+.1} %, limit {} %)",
            deviation * 100.0,
            LARGEST_DEVIATION * 100.0
        ),
        advice: advice.to_owned(),
    })
}

fn queue(readings: &Readings) -> Option<Finding> {
    let samples = &readings.queue;
    // In a closed loop the users bound the queue.
    if readings.model != LoadModel::OpenLoop || samples.len() < FEWEST_QUEUE_SAMPLES {
        return None;
    }
    let third = samples.len() / 3;
    let (first, last) = (&samples[..third], &samples[samples.len() - third..]);
    let mean = |part: &[u64]| part.iter().sum::<u64>() as f64 / part.len() as f64;
    // Every late sample above every early one: a burst or a sawtooth is no growth.
    let is_apart = last.iter().min() > first.iter().max();
    let (early, late) = (mean(first), mean(last));
    (is_apart && late >= SHORT_QUEUE && late > 2.0 * early).then(|| Finding {
        reason: format!("the producer's queue grew from {early:.0} to {late:.0} messages"),
        advice: "lower --rate: the broker or the client's connection does not take what is offered"
            .to_owned(),
    })
}

#[cfg(test)]
mod tests;
