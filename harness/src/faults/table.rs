//! The figures of all rounds by fault, as aligned text that is also Markdown.

use load_client::stats::quantile;

use super::plan::Round;
use super::verdict::Verdict;

const HEAD: [&str; 9] = [
    "fault",
    "rounds",
    "requests",
    "duplicates %",
    "dead-lettered",
    "failure replies",
    "replies deleted",
    "recovery s, median / longest",
    "lost",
];

/// One line for each fault, one for all mixes, and one for all rounds.
#[must_use]
pub fn table(verdicts: &[Verdict]) -> String {
    let mut names: Vec<String> = verdicts.iter().map(|one| group(&one.round)).collect();
    names.sort();
    names.dedup();
    let mut rows = vec![HEAD.map(str::to_owned)];
    for name in &names {
        let own = verdicts.iter().filter(|one| group(&one.round) == *name);
        rows.push(row(name, &own.collect::<Vec<_>>()));
    }
    rows.push(row("all", &verdicts.iter().collect::<Vec<_>>()));
    aligned(&rows)
}

fn group(round: &Round) -> String {
    match round.faults.len() {
        1 => round.name(),
        _ => "mixed".to_owned(),
    }
}

fn row(name: &str, verdicts: &[&Verdict]) -> [String; 9] {
    let figures = || verdicts.iter().filter_map(|one| one.figures.as_ref());
    let rounds = verdicts.len().to_string();
    if figures().next().is_none() {
        // A round that broke off proves nothing.
        let mut cells = [(); 9].map(|()| "none".to_owned());
        cells[0] = name.to_owned();
        cells[1] = rounds;
        return cells;
    }
    let requests: usize = figures().map(|one| one.requests).sum();
    let repeated: f64 = figures()
        .map(|one| one.duplicates * one.requests as f64)
        .sum();
    let times = figures().filter_map(|one| Some(one.recovery_ms? as f64 / 1000.0));
    let times: Vec<f64> = times.collect();
    let seconds = |share: f64| {
        let time = quantile(&times, share);
        time.map_or("none".to_owned(), |time| format!("{time:.1}"))
    };
    let recovery = format!("{} / {}", seconds(0.5), seconds(1.0));
    [
        name.to_owned(),
        rounds,
        requests.to_string(),
        format!("{:.3}", 100.0 * repeated / requests.max(1) as f64),
        figures()
            .map(|one| one.dead_lettered)
            .sum::<usize>()
            .to_string(),
        figures().map(|one| one.failed).sum::<usize>().to_string(),
        figures()
            .map(|one| one.replies_deleted)
            .sum::<usize>()
            .to_string(),
        recovery,
        figures().map(|one| one.lost).sum::<usize>().to_string(),
    ]
}

fn aligned(rows: &[[String; 9]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| {
                // Names are aligned to the left, numbers to the right.
                if column == 0 {
                    format!(" {cell:<width$} ")
                } else {
                    format!(" {cell:>width$} ")
                }
            });
        text += &format!("|{}|\n", cells.collect::<Vec<_>>().join("|"));
        if index == 0 {
            let rules = widths
                .iter()
                .enumerate()
                .map(|(column, width)| match column {
                    0 => "-".repeat(width + 2),
                    _ => format!("{}:", "-".repeat(width + 1)),
                });
            text += &format!("|{}|\n", rules.collect::<Vec<_>>().join("|"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::kind::Fault;
    use super::super::plan::plan;
    use super::super::verdict::Figures;
    use super::*;

    fn verdict(fault: Fault, requests: usize, recovery_ms: Option<i64>) -> Verdict {
        Verdict {
            round: plan(1, 1, &[fault]).remove(0),
            figures: Some(Figures {
                requests,
                duplicates: 0.01,
                dead_lettered: 1,
                failed: 2,
                replies_deleted: 0,
                recovery_ms,
                lost_by_kafka: 0,
                skipped: 0,
                told_to_end: 0,
                lost: 0,
                service_memory: None,
                commits: 3,
            }),
            findings: Vec::new(),
        }
    }

    #[test]
    fn rounds_of_a_fault_are_added_up() {
        let mut mixed = verdict(Fault::KillStore, 100, Some(100));
        mixed.round.faults.push(mixed.round.faults[0]);
        let verdicts = [
            verdict(Fault::KillStore, 1000, Some(1500)),
            verdict(Fault::KillStore, 3000, Some(2500)),
            verdict(Fault::BrokerCut, 500, None),
            mixed,
        ];
        let text = table(&verdicts);
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
            .collect();
        assert_eq!(lines[2][..3], ["broker-cut", "1", "500"]);
        assert_eq!(lines[2][7], "none / none");
        let store = [
            "kill-store",
            "2",
            "4000",
            "1.000",
            "2",
            "4",
            "0",
            "2.0 / 2.5",
            "0",
        ];
        assert_eq!(lines[3], store);
        assert_eq!(lines[4][0], "mixed");
        assert_eq!(lines[5][..3], ["all", "4", "4600"]);
        assert!(
            text.lines()
                .all(|line| line.len() == text.lines().next().unwrap().len())
        );
    }

    #[test]
    fn rounds_that_broke_off_have_no_figures_and_are_counted() {
        let mut broken_off = verdict(Fault::KillStore, 100, None);
        broken_off.figures = None;
        let text = table(&[broken_off, verdict(Fault::BrokerCut, 500, Some(100))]);
        let line = |name: &str| {
            let start = format!("| {name} ");
            let line = text.lines().find(|line| line.starts_with(&start)).unwrap();
            line.split('|').map(str::trim).skip(2).collect::<Vec<_>>()
        };
        assert_eq!(line("kill-store")[..3], ["1", "none", "none"]);
        assert_eq!(line("all")[..2], ["2", "500"]);
    }
}
