//! The tables of a run, in the form that users of Locust know.

use std::fmt::Write;

use crate::moment::Moment;
use crate::summary::{Latency, Rates, Row, Summary};
use crate::tally::AGGREGATED;

const TYPE: &str = "KAFKA";
/// The percentiles of Locust's table.
const PERCENTILES: [(&str, f64); 10] = [
    ("50%", 0.5),
    ("66%", 0.66),
    ("75%", 0.75),
    ("80%", 0.8),
    ("90%", 0.9),
    ("95%", 0.95),
    ("98%", 0.98),
    ("99%", 0.99),
    ("99.9%", 0.999),
    ("99.99%", 0.9999),
];

/// The table that is printed every other second: figures of the whole run, rates of the moment.
#[must_use]
pub fn live_table(summary: &Summary, moment: Option<&Moment>) -> String {
    let width = name_width(summary);
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
            row.name,
            columns(row, rates)
        );
    }
    let rates = moment.map_or(summary.total.rates, |moment| moment.total.rates);
    let total = columns(&summary.total, rates);
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
#[must_use]
pub fn run_end(summary: &Summary) -> String {
    let mut text = live_table(summary, None);
    let _ = write_throughput(&mut text, summary);
    let _ = write_percentiles(&mut text, summary);
    let _ = write_errors(&mut text, summary);
    text
}

fn name_width(summary: &Summary) -> usize {
    let names = summary.kinds.iter().map(|row| row.name.len());
    names.max().unwrap_or(0).max(AGGREGATED.len())
}

fn columns(row: &Row, rates: Rates) -> String {
    let share = match row.requests {
        0 => 0.0,
        requests => 100.0 * row.failures as f64 / requests as f64,
    };
    let fails = format!("{}({share:.2}%)", row.failures);
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
    if summary.total.censored > 0 {
        writeln!(
            text,
            "{} request(s) were still in flight when the run was cut short; they are in no figure",
            summary.total.censored
        )?;
    }
    Ok(())
}

fn write_percentiles(text: &mut String, summary: &Summary) -> std::fmt::Result {
    if summary.total.response.is_none() {
        return Ok(());
    }
    let width = name_width(summary);
    writeln!(
        text,
        "\nResponse time percentiles (a dash where fewer than ten replies lie above)"
    )?;
    write!(text, "{:<8} {:<width$}", "Type", "Name")?;
    for (title, _) in PERCENTILES {
        write!(text, " {title:>8}")?;
    }
    writeln!(text, " {:>8} {:>9}", "100%", "# replies")?;
    for row in &summary.kinds {
        write!(text, "{TYPE:<8} {:<width$}", row.name)?;
        write_percentile_row(text, row.response.as_ref())?;
    }
    write!(text, "{:<8} {AGGREGATED:<width$}", "")?;
    write_percentile_row(text, summary.total.response.as_ref())
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
            "{:>13}  {:<18} {}",
            entry.count,
            entry.status.as_str(),
            entry.error
        )?;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sample::{Outcome, Sample};
    use crate::tally::Tally;

    fn summary() -> Summary {
        let mut tally = Tally::new(&["createOrder".to_owned()]);
        for index in 0..250_u64 {
            let outcome = match index {
                7 => Outcome::ErrorStatus("status 500".to_owned()),
                8 | 9 => Outcome::TimeOut,
                _ => Outcome::Ok,
            };
            let sent_ns = index * 10_000_000;
            let mut sample = Sample::test(sent_ns, 4_000_000 + index * 10_000, outcome);
            sample.warm_up = index < 5;
            tally.record(&sample, Duration::from_nanos(sent_ns));
        }
        tally.summary()
    }

    #[test]
    fn the_tables_of_a_run() {
        insta::assert_snapshot!(run_end(&summary()));
    }

    #[test]
    fn a_run_that_has_not_begun_has_dashes_not_zeroes() {
        let empty = Tally::new(&["createOrder".to_owned()]).summary();
        insta::assert_snapshot!(live_table(&empty, None));
    }
}
