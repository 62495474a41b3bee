//! The tables of a run, in the form that users of Locust know.

use std::fmt::Write;

use crate::measure::history::Moment;
use crate::measure::selfcheck::Validity;
use crate::measure::summary::{Latency, PERCENTILES, Rates, Row, Summary};
use crate::measure::tally::AGGREGATED;
use crate::measure::threshold::{Judgement, Judgements, Standing};
use crate::report::text::table::{Column, Table, column};
use crate::report::{TYPE, rows};

const OMISSION: &str = "Response times count from when a request was to be sent, service times from when it was: \
    requests waited, and a user would have felt the response times (coordinated omission).";

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

/// How soon a narrow terminal goes without each of [`PERCENTILES`].
const RANKS: [u8; PERCENTILES.len()] = [0, 6, 5, 4, 2, 0, 3, 0, 1, 7];

/// The table that is printed every other second: figures of the whole run, rates of the moment. Names are
/// cut to a terminal of `columns`, and columns left out; `None` keeps them whole.
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
    if summary.warm_up.requests > 0 {
        let _ = writeln!(
            text,
            "{:<8} warm-up: {} requests, {} failed, in none of the figures",
            "", summary.warm_up.requests, summary.warm_up.failures
        );
    }
    text
}

/// The final tables: totals, percentiles, errors.
pub(crate) fn run_end(summary: &Summary, columns: Option<usize>) -> String {
    let mut text = live_table(summary, None, columns);
    let _ = write_throughput(&mut text, summary);
    let _ = write_percentiles(&mut text, summary, columns);
    let _ = write_errors(&mut text, summary);
    text
}

/// The cells of [`REQUESTS`].
fn figures(row: &Row, rates: Rates) -> [String; REQUESTS.len()] {
    let latency = row.response.as_ref();
    let ms = |figure: fn(&Latency) -> f64| {
        latency.map_or_else(|| "-".to_owned(), |own| milliseconds(figure(own)))
    };
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

fn write_throughput(text: &mut String, summary: &Summary) -> std::fmt::Result {
    if let (Some(throughput), Some(seconds)) = (summary.throughput, summary.window_seconds) {
        writeln!(
            text,
            "\n{throughput:.2} good replies per second over {seconds:.1} s, times in ms"
        )?;
    }
    if let Some(lag) = &summary.schedule_lag {
        writeln!(text, "{}", lag.sentence())?;
        if let Some(warning) = lag.warning() {
            writeln!(text, "warning: {warning}; response times count the wait")?;
        }
    }
    if summary.total.censored > 0 {
        writeln!(
            text,
            "{} request(s) were still in flight when the run was cut short; they are in no figure",
            summary.total.censored
        )?;
    }
    Ok(())
}

fn write_percentiles(
    text: &mut String,
    summary: &Summary,
    columns: Option<usize>,
) -> std::fmt::Result {
    if summary.total.response.is_none() {
        return Ok(());
    }
    let percentiles = PERCENTILES.iter().zip(RANKS);
    let mut all: Vec<_> = percentiles
        .map(|((title, _), rank)| column(title, " ", 8, rank))
        .collect();
    all.extend([column("100%", " ", 8, 0), column("# replies", " ", 9, 0)]);
    let table = Table::fitting(&all, summary, columns);
    writeln!(
        text,
        "\nResponse time percentiles (a dash where fewer than ten replies lie above)"
    )?;
    text.push_str(&table.head());
    let both = summary.total.times_differ();
    for (kind, row) in rows(summary) {
        text.push_str(&table.line(kind, &row.name, &percentiles_of(row.response.as_ref())));
        if both {
            let cells = percentiles_of(row.service.as_ref());
            text.push_str(&table.line("", ".. service", &cells));
        }
    }
    if both {
        writeln!(text, "{OMISSION}")?;
    }
    Ok(())
}

fn percentiles_of(latency: Option<&Latency>) -> Vec<String> {
    let show = |figure: Option<f64>| figure.map_or_else(|| "-".to_owned(), milliseconds);
    let percentiles = PERCENTILES.iter();
    let percentiles = percentiles.map(|(_, quantile)| latency?.percentile(*quantile));
    let longest = latency.map(|latency| latency.max_ms);
    let replies = latency.map_or(0, |latency| latency.count).to_string();
    let cells = percentiles.chain([longest]).map(show);
    cells.chain([replies]).collect()
}

fn write_errors(text: &mut String, summary: &Summary) -> std::fmt::Result {
    if summary.errors.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "\nError report\n{:>13}  {:<18} Error",
        "# occurrences", "Outcome"
    )?;
    for entry in &summary.errors {
        writeln!(
            text,
            "{:>13}  {:<18} {}: {}",
            entry.count,
            entry.status.as_str(),
            entry.name,
            entry.error
        )?;
        if let Some(body) = &entry.first_body {
            writeln!(text, "{:34}first body: {body}", "")?;
        }
    }
    Ok(())
}

/// Milliseconds with as many decimals as fit the column: 4.471, 151.2, 12345.
fn milliseconds(value: f64) -> String {
    match value {
        value if value < 100.0 => format!("{value:.3}"),
        value if value < 10_000.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

/// Renders both for a terminal.
pub(crate) fn run_verdicts(thresholds: &Judgements, validity: &Validity) -> String {
    let mut text = String::new();
    if !thresholds.judgements.is_empty() {
        text.push_str("\nThresholds\n");
    }
    for judgement in &thresholds.judgements {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", line(judgement));
    }
    text.push('\n');
    for line in validity.lines() {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn line(judgement: &Judgement) -> String {
    let verdict = match judgement.verdict {
        Standing::Holds => "holds",
        Standing::Broken => "BROKEN",
        Standing::Undecided => "UNDECIDED",
    };
    let measured = judgement.measured.as_ref();
    let detail = measured.or(judgement.reason.as_ref());
    let detail = detail.map_or("", String::as_str);
    format!("  {verdict:<9}  {}  ({detail})", judgement.threshold)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::measure::selfcheck::Finding;
    use crate::measure::summary::{Sample, Status};
    use crate::measure::tally::Tally;

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

    #[test]
    fn a_long_name_is_cut_to_the_terminal() {
        let names = ["createOrder".repeat(10)];
        let table = live_table(&Tally::new(&names).summary(), None, Some(120));
        let longest = table.lines().map(|line| line.chars().count()).max();
        assert_eq!(longest, Some(120), "{table}");
        assert!(table.contains("createOrdercreateOrde…"), "{table}");
    }

    #[test]
    fn a_narrow_terminal_goes_without_columns_and_wraps_nothing() {
        let text = run_end(&summary(0), Some(80));
        let tables = text.split("\nError report").next().unwrap();
        let longest = tables.lines().map(|line| line.chars().count()).max();
        assert!(longest.is_some_and(|longest| longest <= 80), "{text}");
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
        let judgement = |verdict, measured: Option<&str>, reason: Option<&str>| Judgement {
            threshold: "p95<20ms".to_owned(),
            verdict,
            measured: measured.map(str::to_owned),
            reason: reason.map(str::to_owned),
        };
        let answer = Judgements {
            judgements: vec![
                judgement(Standing::Holds, Some("4.000 ms"), None),
                judgement(Standing::Broken, Some("24.000 ms"), None),
                judgement(Standing::Undecided, None, Some("3 replies are too few")),
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

        INVALID: the load client was a bottleneck; do not use these figures
        busy; rest
        ");
        assert!(run_verdicts(&Judgements::default(), &Validity::Valid).starts_with("\nvalid: "));
    }
}
