//! The tables of a run, in the form that users of Locust know.

use std::fmt::Write;

use crate::measure::history::Moment;
use crate::measure::selfcheck::Validity;
use crate::measure::summary::{Latency, PERCENTILES, Rates, Row, Summary};
use crate::measure::tally::AGGREGATED;
use crate::measure::threshold::{Judgement, Judgements, Standing};
use crate::report::{TYPE, rows};

/// What the figures of the tables take beside the name.
const TABLE_COLUMNS: usize = 98;
const PERCENTILE_COLUMNS: usize = 118;
const OMISSION: &str = "Response times count from when a request was to be sent, service times from when it was: \
    requests waited, and a user would have felt the response times (coordinated omission).";

/// The table that is printed every other second: figures of the whole run, rates of the moment. Names are
/// cut to a terminal of `columns`; `None` keeps them whole.
pub(crate) fn live_table(
    summary: &Summary,
    moment: Option<&Moment>,
    columns: Option<usize>,
) -> String {
    let width = name_width(summary, columns, TABLE_COLUMNS);
    let rule = format!(
        "{:-<8}|{:-<width$}|{:-<9}|{:-<15}|{:-<9}|{:-<9}|{:-<9}|{:-<9}|{:-<10}|{:-<11}\n",
        "", "", "", "", "", "", "", "", "", ""
    );
    let mut table = format!(
        "{:<8} {:<width$} {:>9} {:>15} |{:>8} {:>9} {:>9} {:>9} |{:>9} {:>11}\n{rule}",
        "Type", "Name", "# reqs", "# fails", "Avg", "Min", "Max", "Med", "req/s", "failures/s"
    );
    for (index, row) in summary.kinds.iter().enumerate() {
        let lately = moment.and_then(|moment| moment.kinds.get(index));
        let rates = lately.map_or(row.rates, |lately| lately.rates);
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(
            table,
            "{TYPE:<8} {:<width$} {}",
            fitted(&row.name, width),
            figures(row, rates)
        );
    }
    let rates = moment.map_or(summary.total.rates, |moment| moment.total.rates);
    let total = figures(&summary.total, rates);
    let _ = writeln!(table, "{rule}{:<8} {AGGREGATED:<width$} {total}", "");
    if summary.warm_up.requests > 0 {
        let _ = writeln!(
            table,
            "{:<8} warm-up: {} requests, {} failed, in none of the figures",
            "", summary.warm_up.requests, summary.warm_up.failures
        );
    }
    table
}

/// The final tables: totals, percentiles, errors.
pub(crate) fn run_end(summary: &Summary, columns: Option<usize>) -> String {
    let mut text = live_table(summary, None, columns);
    let _ = write_throughput(&mut text, summary);
    let _ = write_percentiles(&mut text, summary, columns);
    let _ = write_errors(&mut text, summary);
    text
}

fn figures(row: &Row, rates: Rates) -> String {
    let fails = format!("{}({:.2}%)", row.failures, row.failure_percent());
    let latency = row.response.as_ref();
    let ms = |figure: Option<f64>| figure.map_or_else(|| "-".to_owned(), milliseconds);
    format!(
        "{:>9} {fails:>15} |{:>8} {:>9} {:>9} {:>9} |{:>9.2} {:>11.2}",
        row.requests,
        ms(latency.map(|latency| latency.mean_ms)),
        ms(latency.map(|latency| latency.min_ms)),
        ms(latency.map(|latency| latency.max_ms)),
        ms(latency.map(|latency| latency.median_ms)),
        rates.requests,
        rates.failures
    )
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
    let width = name_width(summary, columns, PERCENTILE_COLUMNS);
    writeln!(
        text,
        "\nResponse time percentiles (a dash where fewer than ten replies lie above)"
    )?;
    write!(text, "{:<8} {:<width$}", "Type", "Name")?;
    for (title, _) in PERCENTILES {
        write!(text, " {title:>8}")?;
    }
    writeln!(text, " {:>8} {:>9}", "100%", "# replies")?;
    let both = summary.total.times_differ();
    for (kind, row) in rows(summary) {
        write!(text, "{kind:<8} {:<width$}", fitted(&row.name, width))?;
        write_percentile_row(text, row.response.as_ref())?;
        if both {
            write!(text, "{:<8} {:<width$}", "", fitted(".. service", width))?;
            write_percentile_row(text, row.service.as_ref())?;
        }
    }
    if both {
        writeln!(text, "{OMISSION}")?;
    }
    Ok(())
}

fn write_percentile_row(text: &mut String, latency: Option<&Latency>) -> std::fmt::Result {
    let show = |figure: Option<f64>| figure.map_or_else(|| "-".to_owned(), milliseconds);
    for (_, quantile) in PERCENTILES {
        let figure = latency.and_then(|latency| latency.percentile(quantile));
        write!(text, " {:>8}", show(figure))?;
    }
    let longest = show(latency.map(|latency| latency.max_ms));
    let replies = latency.map_or(0, |latency| latency.count);
    writeln!(text, " {longest:>8} {replies:>9}")
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

// Fits the names of request kinds into a terminal, as Locust does: the figures keep their room, the names
// take what is left.

/// Longer names are cut whatever the room, as in Locust.
const WIDEST: usize = 80;

/// The width of the name column in a terminal of `columns`, of which the figures take `taken`; without a
/// terminal, names are whole.
fn name_width(summary: &Summary, columns: Option<usize>, taken: usize) -> usize {
    let names = summary.kinds.iter().map(|row| row.name.chars().count());
    let wanted = names.max().unwrap_or(0).max(AGGREGATED.len());
    match columns {
        None => wanted,
        Some(columns) => {
            let room = columns.saturating_sub(taken);
            wanted.min(room.clamp(AGGREGATED.len(), WIDEST))
        }
    }
}

/// The name, cut where it is too long.
fn fitted(name: &str, width: usize) -> String {
    if name.chars().count() <= width {
        return name.to_owned();
    }
    let mut cut: String = name.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::measure::selfcheck::Finding;
    use crate::measure::summary::{Outcome, Sample};
    use crate::measure::tally::Tally;

    fn summary(lag_ms: u64) -> Summary {
        let mut tally = Tally::new(&["createOrder".to_owned()]);
        for index in 0..250_u64 {
            let outcome = match index {
                7 => Outcome::ErrorStatus("status 500".to_owned()),
                8 | 9 => Outcome::TimeOut,
                _ => Outcome::Ok,
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

    #[test]
    fn names_take_what_the_figures_leave() {
        let summary = |length: usize| Tally::new(&["x".repeat(length)]).summary();
        for (length, columns, width) in [
            (3, None, 10),
            (200, None, 200),
            (200, Some(40), 10),
            (200, Some(140), 37),
            (200, Some(1000), 80),
            (20, Some(1000), 20),
        ] {
            assert_eq!(name_width(&summary(length), columns, 103), width);
        }
        assert_eq!(fitted("häuser", 6), "häuser");
        assert_eq!(fitted("häuser", 4), "häu…");
    }
}
