//! Judges whether the load client itself was the bottleneck. `process` takes the readings.
//!
//! A load client at its limit measures itself: its users wait for the processor, its schedule slips, and its queue
//! grows. All of this looks like a slow service. The constants below are the limits.

mod process;

use serde::{Deserialize, Serialize};

use crate::measure::summary::{Latency, Summary};
use crate::measure::window::Occupied;

pub(crate) use process::{CpuReading, CpuUse, Stalled, Stillness, available_cores, cpu_use};

/// Whether the figures of a run describe the service, or the load client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub(crate) enum Validity {
    Valid,
    /// The run is too short to judge.
    NotJudged {
        reason: String,
    },
    /// One of several workers was lost. The figures cover only what the others sent.
    Partial {
        reason: String,
    },
    /// The load client was a bottleneck, or did not send all that it should. The figures must not be used.
    Invalid {
        /// At least one.
        findings: Vec<Finding>,
    },
}

/// One reason against the figures of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    /// The finding, with its figures.
    pub reason: String,
    pub advice: String,
}

impl Validity {
    /// Returns whether the figures must not be used.
    pub(crate) fn is_invalid(&self) -> bool {
        matches!(self, Self::Invalid { .. })
    }

    /// Returns the verdict and the findings, one line each.
    pub(crate) fn lines(&self) -> Vec<String> {
        let (verdict, findings) = match self {
            Self::Valid => (
                "valid: the load client was not the bottleneck".to_owned(),
                &[][..],
            ),
            Self::NotJudged { reason } => {
                let verdict = "not judged, so the load client may have been the bottleneck";
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

// The rules, each with its limit and its reason. A rule without its reading finds nothing.
//
// - Schedule lag (open loop): p99 is at most 10 % of the median service time. With fewer requests, the highest
//   percentile with ten requests above it counts. Requests that were held back, and those late behind them, are left
//   out. The wait to be sent would be measured as a slow service.
// - Stalls: the whole client stands still for at most 1 % of the window, or 0.25 s. Gaps count from 0.1 s on. Nothing
//   is sent or stamped meanwhile.
// - Recorder: it holds nothing back. A user that waits for the disk sends fewer requests.
// - Processors: at most 80 % of the cores that the process may use. The others must run the users in time.
// - Busiest thread: at most 80 % of one core. One thread takes all replies, another sends all requests.
// - Little's law (closed loop): on average over the window at least 95 % of the users wait for a reply, or each sends
//   again within 0.1 ms. Users that neither wait for a reply nor send wait for the client.
// - Queue of the producer (open loop): it does not grow. Otherwise requests are not sent as fast as they are due.
//
// Little's law (Little, "A Proof for the Queuing Formula L = λW", Operations Research 9, 1961) applies to closed loops
// without think time. The rule adds up the times of all requests within the window. The law therefore holds for windows
// of any length, and for any number of users over time. A time-out waited until its deadline. A send error or a failure
// of the reply consumer kept its user for an unknown time, at most until its deadline. This time counts in favour of
// the client.

/// Shorter measured windows are not judged, in seconds.
const SHORTEST_SECONDS: f64 = 1.0;
/// Runs with fewer requests are not judged.
const FEWEST_REQUESTS: u64 = 100;
/// The largest p99 of the schedule lag, as a share of the median service time.
const LARGEST_LAG: f64 = 0.10;
/// The largest use of all cores, and of one core by one thread.
const LARGEST_CPU: f64 = 0.80;
/// The largest deviation from Little's law.
const LARGEST_DEVIATION: f64 = 0.05;
/// The longest time from a reply to the user's next request, in seconds. Typically it is 0.05 ms. That is a large share
/// of a round trip of half a millisecond, but not a sign of a bottleneck.
const LARGEST_TURNAROUND: f64 = 0.000_1;
/// The largest share of the window in which the client may stand still.
const LARGEST_STALLED: f64 = 0.01;
/// Shorter stalls in total, in seconds, are accepted whatever their share is.
const FORGIVEN_STALL: f64 = 0.25;
/// The fewest queue samples that show growth rather than noise.
const FEWEST_QUEUE_SAMPLES: usize = 6;
/// A shorter queue is not a bottleneck, even if it grows.
const SHORT_QUEUE: f64 = 100.0;

/// The readings of the client during the measurement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Readings {
    /// Whether requests were sent by a schedule.
    pub is_open_loop: bool,
    /// Average users of a closed loop without think time over the measured window. `None` if the number is not known.
    pub users: Option<f64>,
    /// How many users waited for their replies, on average.
    pub in_flight: Option<Occupied>,
    /// How often a request waited for the recorder.
    pub held_back_by_recorder: u64,
    /// How much of the window the client lost by standing still.
    pub stalled: Stalled,
    pub cores: usize,
    /// How much of the cores the client used. `None` where the system does not show it.
    pub cpu: Option<CpuUse>,
    /// How long requests waited to be sent. Requests that a bound held back, and those behind them, are left out,
    /// because that is not the client's fault.
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
            "{seconds:.1} s were measured, but at least {SHORTEST_SECONDS} s is needed"
        )),
        false => (requests < FEWEST_REQUESTS).then(|| {
            format!("{requests} requests were measured, but at least {FEWEST_REQUESTS} are needed")
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

/// The finding of a rule: the reason and the advice.
type Found = Option<(String, &'static str)>;

fn stalls(window: f64, stalled: Stalled) -> Found {
    let [lost, longest] = [stalled.total, stalled.longest].map(|own| own.as_secs_f64());
    (lost > LARGEST_STALLED * window && lost > FORGIVEN_STALL).then(|| {
        let reason = format!(
            "the load client stood still for {lost:.2} of {window:.1} s (up to {longest:.2} s at a time), more \
             than {} %",
            LARGEST_STALLED * 100.0
        );
        (reason, "give the load client its own cores, on a machine that is not paused")
    })
}

fn lag(summary: &Summary, readings: &Readings) -> Found {
    // With few requests there is no 99th percentile.
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
        (reason, "lower --rate, or run the load client on its own machine")
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
        let advice = "its users also waited for the load client between two requests: lower --users, or give the \
                      load client its own cores";
        (busy.at_most, advice)
    } else {
        return None;
    };
    // Neither count includes the requests in flight when the run was cut short.
    (summary.total.censored == 0).then(|| {
        let reason = format!(
            "on average {busy:.2} of {users:.2} users waited for a reply (Little's law, {:+.1} %, limit {} %)",
            deviation(busy) * 100.0,
            LARGEST_DEVIATION * 100.0
        );
        (reason, advice)
    })
}

fn queue(readings: &Readings) -> Found {
    let samples = &readings.queue;
    // In a closed loop the users limit the queue.
    if !readings.is_open_loop || samples.len() < FEWEST_QUEUE_SAMPLES {
        return None;
    }
    let third = samples.len() / 3;
    let (first, last) = (&samples[..third], &samples[samples.len() - third..]);
    let mean = |part: &[u64]| part.iter().sum::<u64>() as f64 / part.len() as f64;
    // All late samples must exceed all early ones, because a burst or a sawtooth is not growth.
    let is_apart = last.iter().min() > first.iter().max();
    let (early, late) = (mean(first), mean(last));
    (is_apart && late >= SHORT_QUEUE && late > 2.0 * early).then(|| {
        let reason = format!("the producer's queue grew from {early:.0} to {late:.0} messages");
        (
            reason,
            "lower --rate: the broker or the client's connection does not accept messages as fast as they come",
        )
    })
}

#[cfg(test)]
mod tests;
