//! Whether the load client itself was the bottleneck. The rules are pure; `process` takes the readings.
//!
//! A generator at its limit measures itself: its users wait for the processor, its schedule slips, its
//! queue grows, and all of it looks like a slow service. The limits are the constants below.

mod process;

use serde::{Deserialize, Serialize};

use crate::measure::summary::{Latency, Summary};
use crate::measure::window::Occupied;

pub(crate) use process::{CpuReading, CpuUse, Stalled, Stillness, available_cores, cpu_use};

/// Whether the figures of a run speak of the service, or of the load client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub(crate) enum Validity {
    Valid,
    /// The run is too short to tell.
    NotJudged {
        reason: String,
    },
    /// A worker of several was lost: the figures are of what the others have sent.
    Partial {
        reason: String,
    },
    /// The load client was a bottleneck, or did not send what it should: the figures must not be used.
    Invalid {
        /// At least one.
        findings: Vec<Finding>,
    },
}

/// One reason against a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    /// What was found, with its figures.
    pub reason: String,
    pub advice: String,
}

impl Validity {
    /// Whether the figures must not be used.
    pub(crate) fn is_invalid(&self) -> bool {
        matches!(self, Self::Invalid { .. })
    }

    /// One line for each thing to know, the verdict first.
    pub(crate) fn lines(&self) -> Vec<String> {
        let (verdict, findings) = match self {
            Self::Valid => (
                "valid: the load client was not the bottleneck".to_owned(),
                &[][..],
            ),
            Self::NotJudged { reason } => {
                let verdict = "not judged whether the load client was the bottleneck";
                (format!("{verdict}: {reason}"), &[][..])
            }
            Self::Partial { reason } => (format!("PARTIAL: {reason}"), &[][..]),
            Self::Invalid { findings } => {
                let verdict = "INVALID: do not use these figures";
                (verdict.to_owned(), &**findings)
            }
        };
        let findings = findings.iter();
        let findings = findings.map(|own| format!("{}; {}", own.reason, own.advice));
        std::iter::once(verdict).chain(findings).collect()
    }
}

// The rules, each with its limit. A rule that lacks its reading says nothing.
//
// | rule | limit | why |
// |---|---|---|
// | schedule lag (open loop; without what was held back, and what was late behind it) | p99, or the highest percentile below it that has ten requests above, at most 10 % of the median service time | what waits to be sent is measured as slow |
// | stalls | the whole client stood still for at most 1 % of the window, or 0.25 s; gaps from 0.1 s on count | nothing was sent or stamped meanwhile |
// | recorder | holds nothing back | a user that waits for the disk asks less of the service |
// | processors | 80 % of the cores that the process may use | the others must run the users in time |
// | busiest thread | 80 % of one core | one thread takes all replies, another sends all requests |
// | Little's law (closed loop) | of the users, all but 5 % wait for a reply, on average over the window, or each is back within 0.1 ms | users that do neither wait for a reply nor send wait for the client |
// | queue of the producer (open loop) | does not grow | what is offered is not what is sent |
//
// Little's law (Little, "A Proof for the Queuing Formula L = λW", Operations Research 9, 1961) is held
// against closed loops without think time. The times of all requests are added up as far as they lie in the
// window, so that the law holds for windows of any length, and for any course of the users. A time-out waited
// until its deadline. A send error or a failure of the reply consumer kept its user for an unknown time, at
// most until its deadline, and counts for the client.

/// Shorter measured windows are not judged.
const SHORTEST_SECONDS: f64 = 1.0;
/// Runs of fewer requests are not judged.
const FEWEST_REQUESTS: u64 = 100;
/// Largest p99 of the schedule lag, as a share of the median service time.
const LARGEST_LAG: f64 = 0.10;
/// Largest use of all cores, and of one core by one thread.
const LARGEST_CPU: f64 = 0.80;
/// Largest deviation from Little's law.
const LARGEST_DEVIATION: f64 = 0.05;
/// What a user may take from a reply to its next request, in seconds. Typically it takes 0.05 ms: a large share of a
/// round trip of half a millisecond, but no sign of a bottleneck.
const LARGEST_TURNAROUND: f64 = 0.000_1;
/// Largest share of the window in which the client may stand still.
const LARGEST_STALLED: f64 = 0.01;
/// Less than this in seconds is forgiven whatever its share.
const FORGIVEN_STALL: f64 = 0.25;
/// Queue samples needed to tell growth from noise.
const FEWEST_QUEUE_SAMPLES: usize = 6;
/// A queue this short is no bottleneck, whatever its trend.
const SHORT_QUEUE: f64 = 100.0;

/// What was read of the client while it measured.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Readings {
    /// Whether requests were sent by a schedule.
    pub is_open_loop: bool,
    /// Users over the measured window, on average, of a closed loop without think time; `None` where they are not
    /// known.
    pub users: Option<f64>,
    /// How many of them waited for their replies, on average.
    pub in_flight: Option<Occupied>,
    /// How often a request waited for the recorder.
    pub held_back_by_recorder: u64,
    /// What the client lost of the window by standing still.
    pub stalled: Stalled,
    pub cores: usize,
    /// What it used of them; `None` where the system does not tell.
    pub cpu: Option<CpuUse>,
    /// How long requests waited to be sent, without those that a bound held back and those behind them: that is
    /// not the client's fault.
    pub schedule_lag: Option<Latency>,
    /// Messages in the producer's queue, once a second of the measured window.
    pub queue: Vec<u64>,
}

pub(crate) fn check(summary: &Summary, readings: &Readings) -> Validity {
    let (seconds, requests) = (
        summary.window_seconds.unwrap_or_default(),
        summary.total.requests,
    );
    let too_short = match seconds < SHORTEST_SECONDS {
        true => Some(format!(
            "{seconds:.1} s were measured, it takes {SHORTEST_SECONDS} s or more"
        )),
        false => (requests < FEWEST_REQUESTS).then(|| {
            format!("{requests} requests were measured, it takes {FEWEST_REQUESTS} or more")
        }),
    };
    if let Some(reason) = too_short {
        return Validity::NotJudged { reason };
    }
    let found = [
        stalls(seconds, readings.stalled),
        lag(summary, readings),
        recorder(readings.held_back_by_recorder),
        processors(readings),
        busiest_thread(readings),
        little(summary, readings),
        queue(readings),
    ];
    let findings: Vec<Finding> = found
        .into_iter()
        .flatten()
        .map(|(reason, advice)| Finding {
            reason,
            advice: advice.to_owned(),
        })
        .collect();
    match findings.is_empty() {
        true => Validity::Valid,
        false => Validity::Invalid { findings },
    }
}

/// What a rule finds: the reason, and the advice.
type Found = Option<(String, &'static str)>;

fn stalls(window: f64, stalled: Stalled) -> Found {
    let [lost, longest] = [stalled.total, stalled.longest].map(|own| own.as_secs_f64());
    (lost > LARGEST_STALLED * window && lost > FORGIVEN_STALL).then(|| {
        let reason = format!(
            "the load client stood still for {lost:.2} of {window:.1} s (at most {longest:.2} s on end), more than {} %",
            LARGEST_STALLED * 100.0
        );
        (reason, "give the load client cores of its own, on a machine that is not paused")
    })
}

fn lag(summary: &Summary, readings: &Readings) -> Found {
    // Of few requests there is no 99th percentile.
    let mut told = readings.schedule_lag.as_ref()?.percentiles.iter();
    let told = told.rfind(|own| own.quantile <= 0.99)?;
    let (lag, percent) = (told.ms, told.quantile * 100.0);
    let median = summary.total.service.as_ref()?.median_ms;
    (readings.is_open_loop && lag > LARGEST_LAG * median).then(|| {
        let reason = format!(
            "requests were sent late: p{percent} of the schedule lag is {lag:.3} ms, more than {} % of the \
             median service time of {median:.3} ms",
            LARGEST_LAG * 100.0
        );
        (reason, "lower --rate, or give the load client a machine of its own")
    })
}

fn recorder(waits: u64) -> Found {
    (waits > 0).then(|| {
        let reason =
            format!("requests waited {waits} time(s) for the recorder, which could not keep up");
        (
            reason,
            "put --requests-record-file on a faster disk, or leave it out",
        )
    })
}

fn processors(readings: &Readings) -> Found {
    let (used, cores) = (readings.cpu.as_ref()?.process, readings.cores as f64);
    (used > LARGEST_CPU * cores).then(|| {
        let reason = format!(
            "the load client used {used:.2} of its {cores} core(s), more than {} %",
            LARGEST_CPU * 100.0
        );
        (
            reason,
            "lower --users or --rate, or give the load client more cores",
        )
    })
}

fn busiest_thread(readings: &Readings) -> Found {
    let (name, used) = readings.cpu.as_ref()?.busiest.as_ref()?;
    (*used > LARGEST_CPU).then(|| {
        let reason = format!(
            "the thread {name} of the load client was busy for {:.0} % of the time, more than {} %",
            used * 100.0,
            LARGEST_CPU * 100.0
        );
        (
            reason,
            "lower --users or --rate, or spread the load over several load clients",
        )
    })
}

fn little(summary: &Summary, readings: &Readings) -> Found {
    let (users, busy) = (readings.users?, readings.in_flight?);
    let turnaround = (users - busy.at_most) / busy.ended_per_second;
    let deviation = |busy: f64| busy / users - 1.0;
    let (busy, advice) = if deviation(busy.known) > LARGEST_DEVIATION {
        (
            busy.known,
            "the figures contradict each other: please report this run",
        )
    } else if deviation(busy.at_most) < -LARGEST_DEVIATION && turnaround > LARGEST_TURNAROUND {
        let advice = "its users waited for the load client between two requests: lower --users, or give the load client cores of its own";
        (busy.at_most, advice)
    } else {
        return None;
    };
    // What was in flight when the run was cut short is in neither count.
    (summary.total.censored == 0).then(|| {
        let reason = format!(
            "of {users:.2} users {busy:.2} waited for a reply (Little's law, {:+.1} %, limit {} %)",
            deviation(busy) * 100.0,
            LARGEST_DEVIATION * 100.0
        );
        (reason, advice)
    })
}

fn queue(readings: &Readings) -> Found {
    let samples = &readings.queue;
    // In a closed loop the users bound the queue.
    if !readings.is_open_loop || samples.len() < FEWEST_QUEUE_SAMPLES {
        return None;
    }
    let third = samples.len() / 3;
    let (first, last) = (&samples[..third], &samples[samples.len() - third..]);
    let mean = |part: &[u64]| part.iter().sum::<u64>() as f64 / part.len() as f64;
    // Every late sample above every early one: a burst or a sawtooth is no growth.
    let is_apart = last.iter().min() > first.iter().max();
    let (early, late) = (mean(first), mean(last));
    (is_apart && late >= SHORT_QUEUE && late > 2.0 * early).then(|| {
        let reason = format!("the producer's queue grew from {early:.0} to {late:.0} messages");
        (
            reason,
            "lower --rate: the broker or the client's connection does not take what is offered",
        )
    })
}

#[cfg(test)]
mod tests;
