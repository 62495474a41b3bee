//! Renders the tables of a run in Locust's form.

use crate::measure::history::Moment;
use crate::measure::selfcheck::Validity;
use crate::measure::summary::{Ended, Latency, PERCENTILES, Rates, Row, Summary};
use crate::measure::tally::AGGREGATED;
use crate::measure::threshold::{Judgement, Judgements, Standing};
use crate::report::{self, TYPE, figure_or_reason, rows};

const OMISSION: &str = "Requests waited to be sent. Response times include that wait, service times do not. A user \
    would have felt the response times (coordinated omission).\n";

const REQUESTS: [Column; 8] = [
    column("# reqs", " ", 9, 0),
    column("# fails", " ", 15, 0),
    column("Avg", " |", 8, 2),
    column("Min", " ", 9, 3),
    column("Max", " ", 9, 1),
    column("Med", " ", 9, 0),
    column("req/s", " |", 9, 0),
    column("failures/s", " ", 11, 4),
];

/// The ranks of [`PERCENTILES`]: a narrow terminal drops those of the highest rank first.
const RANKS: [u8; PERCENTILES.len()] = [0, 6, 5, 4, 2, 0, 3, 0, 1, 7];

/// Renders the table that is printed every other second: figures of the whole run, rates of the moment. To fit a
/// terminal of `columns`, names are cut and columns are left out. `None` keeps all.
pub(crate) fn live_table(
    summary: &Summary,
    moment: Option<&Moment>,
    columns: Option<usize>,
) -> String {
    let table = Table::fitting(&REQUESTS, summary, columns);
    let rule = table.rule();
    let mut text = table.head() + &rule;
    for (index, row) in summary.kinds.iter().enumerate() {
        let lately = moment.and_then(|moment| moment.kinds.get(index));
        let rates = lately.map_or(row.rates, |lately| lately.rates);
        text += &table.line(TYPE, &row.name, &figures(row, rates));
    }
    let rates = moment.map_or(summary.total.rates, |moment| moment.total.rates);
    text += &rule;
    text += &table.line("", AGGREGATED, &figures(&summary.total, rates));
    let Ended { requests, failures } = summary.warm_up;
    if requests > 0 {
        text += &format!(
            "{:8} warm-up: {requests} requests, {failures} failed, not part of the figures\n",
            ""
        );
    }
    text
}

/// Renders the final tables: totals, percentiles, errors.
pub(crate) fn run_end(summary: &Summary, columns: Option<usize>) -> String {
    let table = live_table(summary, None, columns);
    table + &throughput(summary) + &percentiles(summary, columns) + &errors(summary)
}

/// Returns the cells of [`REQUESTS`].
fn figures(row: &Row, rates: Rates) -> [String; REQUESTS.len()] {
    let latency = row.response.as_ref();
    let ms = |figure: fn(&Latency) -> f64| milliseconds(latency.map(figure));
    [
        row.requests.to_string(),
        format!("{}({:.2}%)", row.failures, row.failure_percent()),
        ms(|own| own.mean_ms),
        ms(|own| own.min_ms),
        ms(|own| own.max_ms),
        ms(|own| own.median_ms),
        format!("{:.2}", rates.requests),
        format!("{:.2}", rates.failures),
    ]
}

fn throughput(summary: &Summary) -> String {
    let mut text = String::new();
    if let (Some(throughput), Some(seconds)) = (summary.throughput, summary.window_seconds) {
        text += &format!(
            "\n{throughput:.2} good replies per second over {seconds:.1} s, times in ms\n"
        );
    }
    if let Some(lag) = &summary.schedule_lag {
        text += &format!("{}\n", lag.sentence());
        if let Some(warning) = lag.warning() {
            text += &format!("warning: {warning}; response times include the wait\n");
        }
    }
    if summary.total.censored > 0 {
        text += &format!(
            "{} request(s) were still in flight when the run was cut short; they are not part of the figures\n",
            summary.total.censored
        );
    }
    text
}

fn percentiles(summary: &Summary, columns: Option<usize>) -> String {
    if summary.total.response.is_none() {
        return String::new();
    }
    let all = PERCENTILES.iter().zip(RANKS);
    let all = all.map(|((title, _), rank)| column(title, " ", 8, rank));
    let last = [column("100%", " ", 8, 0), column("# replies", " ", 9, 0)];
    let all: Vec<_> = all.chain(last).collect();
    let table = Table::fitting(&all, summary, columns);
    let both = summary.total.times_differ();
    let mut text =
        "\nResponse time percentiles (a dash: fewer than ten replies lie above)\n".to_owned();
    text += &table.head();
    for (kind, row) in rows(summary) {
        text += &table.line(kind, &row.name, &percentiles_of(row.response.as_ref()));
        if both {
            let cells = percentiles_of(row.service.as_ref());
            text += &table.line("", ".. service", &cells);
        }
    }
    if both {
        text += OMISSION;
    }
    text
}

fn percentiles_of(latency: Option<&Latency>) -> Vec<String> {
    let replies = latency.map_or(0, |latency| latency.count).to_string();
    let cells = report::percentiles(latency).map(milliseconds);
    cells.chain([replies]).collect()
}

fn errors(summary: &Summary) -> String {
    if summary.errors.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\nError report\n{:>13}  {:<18} Error\n",
        "# occurrences", "Outcome"
    );
    for entry in &summary.errors {
        let (count, outcome) = (entry.count, entry.status.as_str());
        text += &format!(
            "{count:>13}  {outcome:<18} {}: {}\n",
            entry.name, entry.error
        );
        if let Some(body) = &entry.first_body {
            text += &format!("{:34}first body: {body}\n", "");
        }
    }
    text
}

/// Formats milliseconds with as many decimals as fit the column: 4.471, 151.2, 12345. `None` is a dash.
fn milliseconds(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value < 100.0 => format!("{value:.3}"),
        Some(value) if value < 10_000.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.0}"),
    }
}

/// Renders thresholds and validity for a terminal.
pub(crate) fn run_verdicts(thresholds: &Judgements, validity: &Validity) -> String {
    let mut text = String::new();
    if !thresholds.judgements.is_empty() {
        text.push_str("\nThresholds\n");
    }
    text.extend(thresholds.judgements.iter().map(line));
    text + "\n" + &validity.lines().join("\n") + "\n"
}

fn line(judgement: &Judgement) -> String {
    let verdict = match judgement.verdict {
        Standing::Holds => "holds",
        Standing::Broken => "BROKEN",
        Standing::Undecided => "UNDECIDED",
    };
    let (threshold, told) = (&judgement.threshold, figure_or_reason(judgement));
    format!("  {verdict:<9}  {threshold}  ({told})\n")
}

// The table itself. To fit a terminal, it first cuts names, then leaves columns out.

/// A column of figures. A narrow terminal drops the columns of the highest rank first. Rank 0 always stays.
struct Column {
    title: &'static str,
    lead: &'static str,
    width: usize,
    rank: u8,
}

const fn column(title: &'static str, lead: &'static str, width: usize, rank: u8) -> Column {
    Column {
        title,
        lead,
        width,
        rank,
    }
}

/// A table with the columns that fit a terminal of `room`. Without a terminal it has all columns.
struct Table<'a> {
    columns: &'a [Column],
    shown: Vec<usize>,
    /// The width of the names.
    width: usize,
}

/// The width of the type and the blank after it.
const TYPE_WIDTH: usize = 9;

impl<'a> Table<'a> {
    fn fitting(columns: &'a [Column], summary: &Summary, room: Option<usize>) -> Self {
        let mut shown: Vec<usize> = (0..columns.len()).collect();
        let width = |at: &usize| columns[*at].lead.len() + columns[*at].width;
        let taken = |shown: &[usize]| TYPE_WIDTH + shown.iter().map(width).sum::<usize>();
        while room.is_some_and(|room| taken(&shown) + AGGREGATED.len() > room)
            && let Some(worst) = (0..shown.len()).max_by_key(|at| columns[shown[*at]].rank)
            && columns[shown[worst]].rank > 0
        {
            shown.remove(worst);
        }
        let names = summary.kinds.iter().map(|row| row.name.chars().count());
        let width = name_width(names.max().unwrap_or(0), room, taken(&shown));
        Self {
            columns,
            shown,
            width,
        }
    }

    fn line(&self, kind: &str, name: &str, cells: &[impl AsRef<str>]) -> String {
        let (name, width) = (fitted(name, self.width), self.width);
        let cells = self.shown.iter().map(|at| {
            let Column { lead, width, .. } = self.columns[*at];
            format!("{lead}{:>width$}", cells[*at].as_ref())
        });
        format!("{kind:<8} {name:<width$}{}\n", cells.collect::<String>())
    }

    fn head(&self) -> String {
        let titles: Vec<_> = self.columns.iter().map(|column| column.title).collect();
        self.line("Type", "Name", &titles)
    }

    fn rule(&self) -> String {
        let columns = self.shown.iter().map(|at| &self.columns[*at]);
        let widths = columns.map(|column| column.lead.len() - 1 + column.width);
        let widths = [TYPE_WIDTH - 1, self.width].into_iter().chain(widths);
        let dashes: Vec<_> = widths.map(|width| "-".repeat(width)).collect();
        dashes.join("|") + "\n"
    }
}

/// Longer names are always cut, as in Locust.
const WIDEST: usize = 80;

/// Returns the width of the names. The longest name needs `wanted`, the terminal has `columns`, and the figures take
/// `taken` of them. Without a terminal, names are whole.
fn name_width(wanted: usize, columns: Option<usize>, taken: usize) -> usize {
    let wanted = wanted.max(AGGREGATED.len());
    let room = columns.map(|columns| columns.saturating_sub(taken));
    room.map_or(wanted, |room| {
        wanted.min(room.clamp(AGGREGATED.len(), WIDEST))
    })
}

/// Returns the name, cut if it is too long.
fn fitted(name: &str, width: usize) -> String {
    if name.chars().count() <= width {
        return name.to_owned();
    }
    let cut = name.chars().take(width.saturating_sub(1));
    cut.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::measure::selfcheck::Finding;
    use crate::measure::summary::{Sample, Status};
    use crate::measure::tally::Tally;
    use crate::report::tests::judgement;

    fn summary(lag_ms: u64) -> Summary {
        let mut tally = Tally::new(&["createOrder".to_owned()]);
        for index in 0..250_u64 {
            let outcome = match index {
                7 => Status::ErrorStatus,
                8 | 9 => Status::Timeout,
                _ => Status::Ok,
            };
            let sent_ns = (index + 1) * 10_000_000;
            let mut sample = Sample::test(sent_ns, 4_000_000 + index * 10_000, outcome);
            sample.intended_ns -= lag_ms * 1_000_000;
            sample.warm_up = index < 5;
            sample.refused_body = (index == 7).then(|| r#"{"title":"out of stock"}"#.into());
            tally.record(&sample, Duration::from_nanos(sent_ns));
        }
        tally.summary()
    }

    #[test]
    fn the_tables_of_a_run() {
        insta::assert_snapshot!(run_end(&summary(0), None));
    }

    #[test]
    fn service_times_stand_beside_response_times_where_requests_waited() {
        let text = run_end(&summary(5), None);
        assert_eq!(text.matches(".. service").count(), 2, "{text}");
        assert!(text.contains("coordinated omission"), "{text}");
    }

    fn longest(text: &str) -> usize {
        let lines = text.lines().map(|line| line.chars().count());
        lines.max().unwrap()
    }

    #[test]
    fn a_long_name_is_cut_to_the_terminal() {
        let names = ["createOrder".repeat(10)];
        let table = live_table(&Tally::new(&names).summary(), None, Some(120));
        assert_eq!(longest(&table), 120, "{table}");
        assert!(table.contains("createOrdercreateOrde…"), "{table}");
    }

    #[test]
    fn a_narrow_terminal_goes_without_columns_and_wraps_nothing() {
        let text = run_end(&summary(0), Some(80));
        let tables = text.split("\nError report").next().unwrap();
        assert!(longest(tables) <= 80, "{text}");
        for title in [
            "# reqs", "# fails", "Med", "req/s", "50%", "95%", "99%", "100%",
        ] {
            assert!(tables.contains(&format!(" {title}")), "{title} in {tables}");
        }
        assert!(
            !tables.contains("failures/s") && !tables.contains("66%"),
            "{tables}"
        );
    }

    #[test]
    fn a_run_that_has_not_begun_has_dashes_not_zeroes() {
        let empty = Tally::new(&["createOrder".to_owned()]).summary();
        insta::assert_snapshot!(live_table(&empty, None, None));
    }

    #[test]
    fn thresholds_and_validity_in_words() {
        let answer = Judgements {
            judgements: vec![
                judgement("p95<20ms", Standing::Holds, "4.000 ms"),
                judgement("p95<20ms", Standing::Broken, "24.000 ms"),
                judgement("p95<20ms", Standing::Undecided, "3 replies are too few"),
            ],
        };
        let invalid = Validity::Invalid {
            findings: vec![Finding {
                reason: "busy".to_owned(),
                advice: "rest".to_owned(),
            }],
        };
        insta::assert_snapshot!(run_verdicts(&answer, &invalid), @r"

        Thresholds
          holds      p95<20ms  (4.000 ms)
          BROKEN     p95<20ms  (24.000 ms)
          UNDECIDED  p95<20ms  (3 replies are too few)

        INVALID: do not use these figures
        busy; rest
        ");
        assert!(run_verdicts(&Judgements::default(), &Validity::Valid).starts_with("\nvalid: "));
    }

    #[test]
    fn names_take_what_the_figures_leave() {
        for (length, columns, width) in [
            (3, None, 10),
            (200, None, 200),
            (200, Some(40), 10),
            (200, Some(140), 37),
            (200, Some(1000), 80),
            (20, Some(1000), 20),
        ] {
            assert_eq!(name_width(length, columns, 103), width);
        }
        assert_eq!(fitted("häuser", 6), "häuser");
        assert_eq!(fitted("häuser", 4), "häu…");
    }
}
