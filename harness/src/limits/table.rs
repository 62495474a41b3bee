//! The figures as Markdown, for a terminal and for docs. Pure.

use load_client::stats::quantile;

use super::figures::{Cell, Metric, Ratio, loads, ratio, subjects, typical};
use super::footprint::Footprint;
use super::load::Load;
use super::subject::Subject;
use super::targets::Target;

/// Figures and ratios of each load.
pub(super) fn of_cells(cells: &[Cell]) -> String {
    let mut text = String::new();
    for load in loads(cells) {
        text += &format!("## {}\n\n", capital(&load.name()));
        text += &offered(cells, load);
        text += &figures(cells, load);
        text += "\n";
        text += &ratios(cells, load);
        text += "\n";
    }
    text
}

fn offered(cells: &[Cell], load: Load) -> String {
    let rate = |floor: Subject| {
        let mut own = cells
            .iter()
            .filter(|cell| cell.load == load && cell.subject.floor() == floor);
        let rate = own.find_map(|cell| cell.rate)?;
        Some(format!(
            "{rate} requests/s against the floor {}",
            floor.name()
        ))
    };
    let floors = [Subject::EchoSerial, Subject::EchoPipelined];
    let rates: Vec<String> = floors.into_iter().filter_map(rate).collect();
    match rates.is_empty() {
        true => String::new(),
        false => format!("Offered: {}.\n\n", rates.join(", ")),
    }
}

fn figures(cells: &[Cell], load: Load) -> String {
    let mut text =
        "| | requests/s | p50 ms | p95 ms | p99 ms | CPU s per 1,000: service | client | broker | \
                    peak MiB: service | client | failed | client-bound | overloaded |\n\
                    |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
            .to_owned();
    for subject in subjects(cells) {
        let own: Vec<&Cell> = cells
            .iter()
            .filter(|cell| cell.subject == subject && cell.load == load)
            .collect();
        if own.is_empty() {
            continue;
        }
        let of = |metric| typical(cells, subject, load, metric);
        let cpu = |part: &str| {
            let seconds = own.iter().filter_map(|cell| cell.cpu_per_thousand(part));
            quantile(&seconds.collect::<Vec<_>>(), 0.5)
        };
        let peak = |part: &str| {
            let bytes = own.iter().filter_map(|cell| cell.usage.get(part));
            let most = bytes.map(|usage| usage.peak_bytes).max();
            most.map(|bytes| bytes as f64 / f64::from(1 << 20))
        };
        let failed: u64 = own.iter().map(|cell| cell.failures).sum();
        let bound = own.iter().filter(|cell| !cell.valid).count();
        let overloaded = own.iter().filter(|cell| cell.is_overloaded()).count();
        // A star marks subjects with runs that do not count.
        let mark = if bound + overloaded > 0 { " \\*" } else { "" };
        let row = [
            format!("{}{mark}", subject.name()),
            number(of(Metric::Throughput), 0),
            number(of(Metric::P50), 2),
            number(of(Metric::P95), 2),
            number(of(Metric::P99), 2),
            number(cpu("service"), 3),
            number(cpu("client"), 3),
            number(cpu("broker"), 3),
            number(peak("service"), 0),
            number(peak("client"), 0),
            failed.to_string(),
            format!("{bound} of {}", own.len()),
            format!("{overloaded} of {}", own.len()),
        ];
        text += &format!("| {} |\n", row.join(" | "));
    }
    let marked = |cell: &Cell| cell.load == load && !cell.judges();
    if cells.iter().any(marked) {
        text += "\n\\* Runs in which the load client was the bottleneck, or the subject did not keep up with the \
                 rate, are in these figures, but in no ratio.\n";
    }
    text
}

/// The pairs to show: each subject and its floor, then the modes of one kind.
fn pairs(cells: &[Cell]) -> Vec<(Subject, Subject)> {
    let there = subjects(cells);
    let floors = there.iter().map(|subject| (*subject, subject.floor()));
    let ways = [
        (Subject::BridgeKeyed, Subject::BridgeTasks),
        (Subject::BridgeTasks, Subject::FranzGo),
        (Subject::OrdersTasks, Subject::OrdersSerial),
        (Subject::OrdersKeyed, Subject::OrdersTasks),
    ];
    floors
        .filter(|(subject, floor)| subject != floor)
        .chain(ways)
        .filter(|(subject, other)| there.contains(subject) && there.contains(other))
        .collect()
}

fn ratios(cells: &[Cell], load: Load) -> String {
    let mut text = "| ratio, median of the rounds (95 % interval) |".to_owned();
    for metric in Metric::ALL {
        text += &format!(" {} |", metric.name());
    }
    text += "\n|---|--:|--:|--:|--:|--:|\n";
    for (subject, reference) in pairs(cells) {
        let of = |metric| ratio(cells, subject, reference, load, metric);
        let row = Metric::ALL.map(|metric| ratio_text(of(metric).as_ref()));
        let names = format!("{} / {}", subject.name(), reference.name());
        text += &format!("| {names} | {} |\n", row.join(" | "));
    }
    text
}

fn ratio_text(ratio: Option<&Ratio>) -> String {
    let Some(ratio) = ratio else {
        return "-".to_owned();
    };
    match ratio.interval {
        Some((low, high)) => format!("{:.2} ({low:.2} to {high:.2})", ratio.median),
        None => format!("{:.2}", ratio.median),
    }
}

/// The targets, and whether they are met.
pub(super) fn of_targets(targets: &[Target]) -> String {
    let mut text = "## Targets\n\n| | bound | measured | |\n|---|--:|--:|---|\n".to_owned();
    for target in targets {
        let met = match target.met {
            Some(true) => "met",
            Some(false) => "missed",
            None => "not judged: the load client was the bottleneck",
        };
        let measured = number(target.measured, 2);
        text += &format!(
            "| {} | {} | {measured} | {met} |\n",
            target.what, target.bound
        );
    }
    text
}

/// Memory and processor time when idle, and with many records in flight.
pub(super) fn of_footprints(footprints: &[Footprint]) -> String {
    let mut text =
        "## Footprint\n\n| | | peak MiB | CPU, % of a core | requests/s |\n|---|---|--:|--:|--:|\n"
            .to_owned();
    for one in footprints {
        let mebibytes = one.peak_bytes as f64 / f64::from(1 << 20);
        text += &format!(
            "| {} | {} | {mebibytes:.1} | {} | {} |\n",
            one.subject.name(),
            one.state,
            number(one.cpu_share.map(|share| share * 100.0), 2),
            number(one.throughput, 0)
        );
    }
    text
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::cell;
    use super::super::load::Pressure;
    use super::super::targets::targets;
    use super::*;

    #[test]
    fn a_table_has_a_row_for_each_subject_and_each_ratio() {
        let load = Load::users(10);
        let mut cells = vec![
            cell(1, Subject::EchoPipelined, load, 1000.0),
            cell(1, Subject::BridgeTasks, load, 900.0),
            cell(2, Subject::EchoPipelined, load, 1000.0),
            cell(2, Subject::BridgeTasks, load, 900.0),
        ];
        cells[1].valid = false;
        let text = of_cells(&cells);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "## 10 users");
        let row = "| bridge-tasks \\* | 900 | 1.11 | 2.22 | 3.33 | 0.500 | - | - | 20 | - | 0 | 1 of 2 | 0 of 2 |";
        assert!(lines.contains(&row), "{text}");
        let ratios = "| bridge-tasks / echo-pipelined | 0.90 | 1.11 |";
        assert!(lines.iter().any(|line| line.starts_with(ratios)), "{text}");
        assert!(text.contains("in no ratio"), "{text}");
        cells[3].valid = false;
        let text = of_cells(&cells);
        assert!(
            text.contains("| bridge-tasks / echo-pipelined | - | - |"),
            "{text}"
        );
        let judged = of_targets(&targets(&cells_of_hundred(), &[], false));
        assert!(judged.contains("| - | not judged: "), "{judged}");
    }

    fn cells_of_hundred() -> Vec<Cell> {
        let load = Load::users(100);
        let mut bound = cell(1, Subject::BridgeTasks, load, 900.0);
        bound.valid = false;
        vec![cell(1, Subject::EchoPipelined, load, 1000.0), bound]
    }

    #[test]
    fn an_open_loop_says_what_was_offered() {
        let mut one = cell(
            1,
            Subject::EchoSerial,
            Load::alone(Pressure::HalfOfSlowest),
            10.0,
        );
        one.rate = Some(450);
        let text = of_cells(&[one]);
        assert!(
            text.contains("Offered: 450 requests/s against the floor echo-serial."),
            "{text}"
        );
    }
}
