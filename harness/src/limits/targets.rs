//! The targets of the bridge: bounds on ratios, memory and processor time. Pure.

use serde::Serialize;

use super::figures::{Cell, Metric, ratio, typical};
use super::footprint::Footprint;
use super::load::Load;
use super::subject::Subject;

/// A bound, and the measured value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Target {
    /// The figure in words.
    pub(super) what: String,
    /// The bound in words, such as `at least 0.90`.
    pub(super) bound: String,
    /// The measured value; `None` if no cell counts.
    pub(super) measured: Option<f64>,
    /// Whether the bound was kept; `None` if unknown.
    pub(super) met: Option<bool>,
}

/// A bound on a median ratio.
struct Bound {
    subject: Subject,
    reference: Subject,
    users: u32,
    metric: Metric,
    limit: Limit,
}

#[derive(Clone, Copy)]
enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

impl Limit {
    fn is_kept_by(self, measured: f64) -> bool {
        match self {
            Self::AtLeast(bound) => measured >= bound,
            Self::AtMost(bound) => measured <= bound,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(bound) => format!("at least {bound:.2}"),
            Self::AtMost(bound) => format!("at most {bound:.2}"),
        }
    }
}

/// Subject, reference, numbers of users, figure, and bound of its ratio.
type Row = (Subject, Subject, &'static [u32], Metric, Limit);

#[rustfmt::skip]
const ROWS: [Row; 9] = [
    (Subject::BridgeTasks, Subject::EchoPipelined, &[1, 10, 100, 1000], Metric::P50, Limit::AtMost(1.05)),
    (Subject::BridgeTasks, Subject::EchoPipelined, &[10, 100], Metric::P99, Limit::AtMost(1.2)),
    (Subject::BridgeTasks, Subject::EchoPipelined, &[100, 1000], Metric::Throughput, Limit::AtLeast(1.0)),
    (Subject::BridgeTasks, Subject::EchoPipelined, &[10, 100], Metric::ServiceCpu, Limit::AtMost(1.25)),
    (Subject::BridgeSerial, Subject::EchoSerial, &[1, 10, 100, 1000], Metric::Throughput, Limit::AtLeast(0.97)),
    (Subject::BridgeKeyed, Subject::BridgeTasks, &[100, 1000], Metric::Throughput, Limit::AtLeast(0.85)),
    (Subject::BridgeTasks, Subject::FranzGo, &[100], Metric::Throughput, Limit::AtLeast(1.0)),
    (Subject::BridgeTasks, Subject::FranzGo, &[100], Metric::P99, Limit::AtMost(1.0)),
    (Subject::OrdersTasks, Subject::OrdersSerial, &[100], Metric::Throughput, Limit::AtLeast(5.0)),
];

/// The only target with busy loops, because other work affects all figures.
#[rustfmt::skip]
const BUSY_ROWS: [Row; 1] = [
    (Subject::BridgeTasks, Subject::EchoPipelined, &[100], Metric::Throughput, Limit::AtLeast(0.8)),
];

fn bounds(is_busy: bool) -> impl Iterator<Item = Bound> {
    let rows: &[Row] = if is_busy { &BUSY_ROWS } else { &ROWS };
    let of_row = |&(subject, reference, users, metric, limit): &Row| {
        users.iter().map(move |&users| Bound {
            subject,
            reference,
            users,
            metric,
            limit,
        })
    };
    rows.iter().flat_map(of_row)
}

/// Bounds on memory in MiB and on processor time in percent of a core.
const MANY_MIB: f64 = 96.0;
const IDLE_MIB: f64 = 24.0;
const IDLE_PERCENT: f64 = 0.3;

/// Compares the measured values with the bounds. Leaves out what was not measured.
pub(super) fn targets(cells: &[Cell], footprints: &[Footprint], is_busy: bool) -> Vec<Target> {
    let ratios = bounds(is_busy).filter_map(|bound| {
        let Bound {
            subject,
            reference,
            users,
            metric,
            limit,
        } = bound;
        let load = Load::users(users);
        // No cell at all: leave the target out. Cells that do not count: show it without a value.
        typical(cells, subject, load, metric).and(typical(cells, reference, load, metric))?;
        let measured = ratio(cells, subject, reference, load, metric).map(|own| own.median);
        let (subject, reference) = (subject.name(), reference.name());
        Some(Target {
            what: format!(
                "{} of {subject} to {reference}, {}",
                metric.name(),
                load.name()
            ),
            bound: limit.text(),
            measured,
            met: measured.map(|measured| limit.is_kept_by(measured)),
        })
    });
    ratios
        .chain(footprints.iter().flat_map(of_footprint))
        .collect()
}

fn of_footprint(footprint: &Footprint) -> Vec<Target> {
    if footprint.subject == Subject::EchoPipelined {
        return Vec::new();
    }
    let (subject, state) = (footprint.subject.name(), &footprint.state);
    let below = |unit: &str, measured: f64, bound: f64| Target {
        what: format!("{unit} of {subject}, {state}"),
        bound: format!("below {bound}"),
        measured: footprint.valid.then_some(measured),
        met: footprint.valid.then_some(measured < bound),
    };
    let is_idle = footprint.cpu_share.is_some();
    let mebibytes = footprint.peak_bytes as f64 / f64::from(1 << 20);
    let memory = below("MiB", mebibytes, if is_idle { IDLE_MIB } else { MANY_MIB });
    let share = footprint.cpu_share;
    let share = share.map(|share| below("CPU, % of a core,", share * 100.0, IDLE_PERCENT));
    [Some(memory), share].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::cell;
    use super::*;

    #[test]
    fn bounds_are_judged_on_their_own_side() {
        let load = Load::users(100);
        let cells = [
            cell(1, Subject::EchoPipelined, load, 1000.0),
            cell(1, Subject::BridgeTasks, load, 899.0),
            cell(1, Subject::BridgeKeyed, load, 800.0),
        ];
        let judged = targets(&cells, &[], false);
        let told = |what: &str| {
            let mut judged = judged.iter();
            judged.find(|one| one.what == what).map(|one| one.met)
        };
        let floor = told("throughput of bridge-tasks to echo-pipelined, 100 users");
        assert_eq!(floor, Some(Some(false)));
        let keyed = told("throughput of bridge-keyed to bridge-tasks, 100 users");
        assert_eq!(keyed, Some(Some(true)));
        let absent = told("throughput of bridge-tasks to franz-go, 100 users");
        assert_eq!(absent, None, "not measured");

        let load = Load::users(1);
        let cells = [
            cell(1, Subject::EchoPipelined, load, 1000.0),
            cell(1, Subject::BridgeTasks, load, 900.0),
        ];
        let met: Vec<_> = targets(&cells, &[], false)
            .iter()
            .map(|one| one.met)
            .collect();
        assert_eq!(met, [Some(false)], "p50, of 1.11");
    }

    #[test]
    fn a_busy_machine_has_a_bound_of_its_own() {
        let load = Load::users(100);
        let cells = [
            cell(1, Subject::EchoPipelined, load, 1000.0),
            cell(1, Subject::BridgeTasks, load, 801.0),
        ];
        let met = |is_busy| {
            let judged = targets(&cells, &[], is_busy);
            judged.iter().map(|one| one.met).collect::<Vec<_>>()
        };
        assert_eq!(met(true), [Some(true)]);
        // p50 and p99 have 1.25 each. Throughput and processor time are equal.
        assert_eq!(
            met(false),
            [Some(false), Some(false), Some(false), Some(true)]
        );
    }

    #[test]
    fn cells_in_which_the_client_was_the_bottleneck_meet_nothing() {
        let load = Load::users(100);
        let mut cells = [
            cell(1, Subject::EchoPipelined, load, 1000.0),
            cell(1, Subject::BridgeTasks, load, 1000.0),
        ];
        cells[1].valid = false;
        let judged = targets(&cells, &[], false);
        assert_eq!(judged.len(), 4);
        assert!(
            judged
                .iter()
                .all(|one| (one.measured, one.met) == (None, None))
        );
    }

    #[test]
    fn footprints_have_bounds_by_state_and_the_floor_has_none() {
        let footprint = |subject, mebibytes: u64, cpu_share| Footprint {
            subject,
            state: "idle".to_owned(),
            peak_bytes: mebibytes << 20,
            cpu_share,
            throughput: None,
            valid: true,
        };
        let met = |footprint| {
            let judged = targets(&[], &[footprint], false);
            judged.iter().map(|one| one.met).collect::<Vec<_>>()
        };
        assert_eq!(
            met(footprint(Subject::BridgeTasks, 23, Some(0.02))),
            [Some(true), Some(false)]
        );
        assert_eq!(
            met(footprint(Subject::OrdersTasks, 25, Some(0.002))),
            [Some(false), Some(true)]
        );
        assert_eq!(met(footprint(Subject::BridgeTasks, 95, None)), [Some(true)]);
        let mut bound = footprint(Subject::BridgeTasks, 95, None);
        bound.valid = false;
        assert_eq!(
            met(bound),
            [None],
            "fewer requests were in flight than intended"
        );
        assert!(met(footprint(Subject::EchoPipelined, 500, Some(0.5))).is_empty());
    }
}
