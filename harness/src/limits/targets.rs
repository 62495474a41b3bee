//! What the bridge is held to: bounds on ratios, and on memory and processor time. Pure.

use serde::Serialize;

use super::figures::{Cell, Metric, ratio, typical};
use super::footprint::Footprint;
use super::load::Load;
use super::subject::Subject;

/// A bound, and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Target {
    /// In words.
    pub(super) what: String,
    /// In words, such as `at least 0.90`.
    pub(super) bound: String,
    /// What was measured; `None` where no cell judges.
    pub(super) measured: Option<f64>,
    /// Whether the bound was kept; `None` where that is not known.
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

fn bounds() -> Vec<Bound> {
    use Limit::{AtLeast, AtMost};
    use Metric::{P50, P99, Throughput};
    use Subject::{
        BridgeKeyed, BridgeSerial, BridgeTasks, EchoPipelined, EchoSerial, OrdersSerial,
        OrdersTasks,
    };
    let bound = |subject, reference, users, metric, limit| Bound {
        subject,
        reference,
        users,
        metric,
        limit,
    };
    let tasks = |users, metric, limit| bound(BridgeTasks, EchoPipelined, users, metric, limit);
    let mut bounds = vec![
        tasks(100, Throughput, AtLeast(0.9)),
        tasks(1000, Throughput, AtLeast(0.9)),
    ];
    for users in [1, 10] {
        bounds.push(tasks(users, P50, AtMost(1.05)));
        bounds.push(tasks(users, P99, AtMost(1.15)));
    }
    for users in [1, 10, 100, 1000] {
        bounds.push(bound(
            BridgeSerial,
            EchoSerial,
            users,
            Throughput,
            AtLeast(0.95),
        ));
    }
    for users in [100, 1000] {
        bounds.push(bound(
            BridgeKeyed,
            BridgeTasks,
            users,
            Throughput,
            AtLeast(0.85),
        ));
    }
    bounds.push(bound(
        OrdersTasks,
        OrdersSerial,
        100,
        Throughput,
        AtLeast(5.0),
    ));
    bounds
}

/// Bounds on memory in MiB and on processor time in percent of a core.
const MANY_MIB: f64 = 96.0;
const IDLE_MIB: f64 = 24.0;
const IDLE_PERCENT: f64 = 1.0;

/// Holds what was measured against the bounds; what was not measured is left out.
pub(super) fn targets(cells: &[Cell], footprints: &[Footprint]) -> Vec<Target> {
    let ratios = bounds().into_iter().filter_map(|bound| {
        let Bound {
            subject,
            reference,
            users,
            metric,
            limit,
        } = bound;
        let load = Load::users(users);
        // Not measured at all is left out, measured in vain is told.
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
        let judged = targets(&cells, &[]);
        let texts: Vec<_> = judged
            .iter()
            .map(|one| (one.what.as_str(), one.met))
            .collect();
        let expected = [
            (
                "throughput of bridge-tasks to echo-pipelined, 100 users",
                Some(false),
            ),
            (
                "throughput of bridge-keyed to bridge-tasks, 100 users",
                Some(true),
            ),
        ];
        assert_eq!(texts, expected);

        let load = Load::users(1);
        let cells = [
            cell(1, Subject::EchoPipelined, load, 1000.0),
            cell(1, Subject::BridgeTasks, load, 900.0),
        ];
        let met: Vec<_> = targets(&cells, &[]).iter().map(|one| one.met).collect();
        assert_eq!(met, [Some(false), Some(true)], "p50 and p99, of 1.11 each");
    }

    #[test]
    fn cells_in_which_the_client_was_the_bottleneck_meet_nothing() {
        let load = Load::users(100);
        let mut cells = [
            cell(1, Subject::EchoPipelined, load, 1000.0),
            cell(1, Subject::BridgeTasks, load, 1000.0),
        ];
        cells[1].valid = false;
        let judged = targets(&cells, &[]);
        let judged: Vec<_> = judged.iter().map(|one| (one.measured, one.met)).collect();
        assert_eq!(judged, [(None, None)]);
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
            let judged = targets(&[], &[footprint]);
            judged.iter().map(|one| one.met).collect::<Vec<_>>()
        };
        assert_eq!(
            met(footprint(Subject::BridgeTasks, 23, Some(0.02))),
            [Some(true), Some(false)]
        );
        assert_eq!(
            met(footprint(Subject::OrdersTasks, 25, Some(0.005))),
            [Some(false), Some(true)]
        );
        assert_eq!(met(footprint(Subject::BridgeTasks, 95, None)), [Some(true)]);
        let mut bound = footprint(Subject::BridgeTasks, 95, None);
        bound.valid = false;
        assert_eq!(
            met(bound),
            [None],
            "fewer were under way than were asked for"
        );
        assert!(met(footprint(Subject::EchoPipelined, 500, Some(0.5))).is_empty());
    }
}
