//! The tables of a run, in the form that users of Locust know.

use std::fmt::Write;

use crate::summary::{Rates, Summary};

const TYPE: &str = "KAFKA";
const AGGREGATED: &str = "Aggregated";
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

/// The table that is printed every other second. `name` is the topic.
#[must_use]
pub fn live_table(name: &str, summary: &Summary, rates: Rates) -> String {
    let width = name.len().max(AGGREGATED.len());
    let rule = format!(
        "{:-<8}|{:-<width$}|{:-<9}|{:-<15}|{:-<9}|{:-<9}|{:-<9}|{:-<9}|{:-<10}|{:-<11}\n",
        "", "", "", "", "", "", "", "", "", ""
    );
    let mut table = format!(
        "{:<8} {:<width$} {:>9} {:>15} |{:>8} {:>9} {:>9} {:>9} |{:>9} {:>11}\n{rule}",
        "Type", "Name", "# reqs", "# fails", "Avg", "Min", "Max", "Med", "req/s", "failures/s"
    );
    let row = columns(summary, rates);
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(table, "{TYPE:<8} {name:<width$} {row}");
    let _ = writeln!(table, "{rule}{:<8} {AGGREGATED:<width$} {row}", "");
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
pub fn run_end(name: &str, summary: &Summary) -> String {
    let mut text = live_table(name, summary, summary.total_rates());
    let _ = write_throughput(&mut text, summary);
    let _ = write_percentiles(&mut text, name, summary);
    let _ = write_errors(&mut text, summary);
    text
}

fn columns(summary: &Summary, rates: Rates) -> String {
    let share = match summary.requests {
        0 => 0.0,
        requests => 100.0 * summary.failures as f64 / requests as f64,
    };
    let fails = format!("{}({share:.2}%)", summary.failures);
    let latency = summary.latency.as_ref();
    let ms = |figure: Option<f64>| figure.map_or_else(|| "-".to_owned(), milliseconds);
    format!(
        "{:>9} {fails:>15} |{:>8} {:>9} {:>9} {:>9} |{:>9.2} {:>11.2}",
        summary.requests,
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
    if summary.censored > 0 {
        writeln!(
            text,
            "{} request(s) were still in flight when the run was cut short; they are in no figure",
            summary.censored
        )?;
    }
    Ok(())
}

fn write_percentiles(text: &mut String, name: &str, summary: &Summary) -> std::fmt::Result {
    let Some(latency) = &summary.latency else {
        return Ok(());
    };
    let width = name.len().max(AGGREGATED.len());
    writeln!(
        text,
        "\nResponse time percentiles (a dash where fewer than ten replies lie above)"
    )?;
    write!(text, "{:<8} {:<width$}", "Type", "Name")?;
    for (title, _) in PERCENTILES {
        write!(text, " {title:>8}")?;
    }
    writeln!(text, " {:>8} {:>9}", "100%", "# replies")?;
    write!(text, "{TYPE:<8} {name:<width$}")?;
    for (_, quantile) in PERCENTILES {
        let found = latency
            .percentiles
            .iter()
            .find(|found| found.quantile == quantile);
        let figure = found.map_or_else(|| "-".to_owned(), |found| milliseconds(found.ms));
        write!(text, " {figure:>8}")?;
    }
    let replies = summary.requests - summary.failures;
    writeln!(text, " {:>8} {replies:>9}", milliseconds(latency.max_ms))
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
    use super::*;
    use crate::sample::{Outcome, Sample};
    use crate::tally::Tally;

    fn summary() -> Summary {
        let mut tally = Tally::default();
        for index in 0..250_u64 {
            let outcome = match index {
                7 => Outcome::ErrorStatus("status 500".to_owned()),
                8 | 9 => Outcome::TimeOut,
                _ => Outcome::Ok,
            };
            let sent_ns = index * 10_000_000;
            let sample = Sample {
                user: 0,
                intended_ns: sent_ns,
                sent_ns,
                replied_ns: Some(sent_ns + 4_000_000 + index * 10_000),
                outcome,
                warm_up: index < 5,
            };
            tally.record(&sample, sent_ns / 1_000_000_000);
        }
        tally.summary()
    }

    #[test]
    fn the_tables_of_a_run() {
        insta::assert_snapshot!(run_end("createOrder", &summary()));
    }

    #[test]
    fn a_run_that_has_not_begun_has_dashes_not_zeroes() {
        let empty = Tally::default().summary();
        insta::assert_snapshot!(live_table("createOrder", &empty, empty.total_rates()));
    }
}
