//! The verdicts as Markdown, for a terminal and for docs. Pure.

use load_client::compare::percent;

use super::change::Measured;
use super::judge::{Answer, Part, share_interval};

/// One row for each part, and a summary of the verdicts.
pub(super) fn of_parts(parts: &[Part], threshold: f64) -> String {
    let answers = Answer::ALL.map(|(_, name)| name).join(" | ");
    let mut text = format!(
        "| meant | busy loop | true change, 95 % interval | experiments | {answers} | wrong | coverage | all experiments together |\n\
         |{}\n",
        "--:|".repeat(7 + Answer::ALL.len())
    );
    for part in parts {
        text += &row(part, threshold);
    }
    text + &summary(parts, threshold)
}

fn row(part: &Part, threshold: f64) -> String {
    let counts = Answer::ALL.map(|(answer, _)| part.count(answer).to_string());
    let spin = match part.change.is_none() {
        true => "none".to_owned(),
        false => format!("{:.1} µs", part.spin_us),
    };
    let (covered, intervals) = part.covered();
    let done = match part.trials.len() {
        done if done < part.planned as usize => format!("{done} of {}", part.planned),
        done => done.to_string(),
    };
    format!(
        "| {} | {spin} | {} | {done} | {} | {} | {covered} of {intervals} | {} |\n",
        part.change.name(),
        truth(part),
        counts.join(" | "),
        part.wrong(threshold),
        part.pooled().map_or_else(|| "-".to_owned(), interval),
    )
}

fn truth(part: &Part) -> String {
    match part.change.is_none() {
        true => "none".to_owned(),
        false => interval(part.truth),
    }
}

fn interval(measured: Measured) -> String {
    let [change, low, high] = [measured.change, measured.low, measured.high].map(percent);
    format!("{change} ({low} to {high})")
}

/// The number of wrong verdicts, and how often each change was found.
fn summary(parts: &[Part], threshold: f64) -> String {
    let wrong = parts.iter().map(|part| part.wrong(threshold)).sum();
    let all = parts.iter().map(|part| part.trials.len()).sum();
    let mut text = format!("\nWrong verdicts: {}.\n", share(wrong, all));
    for part in parts.iter().filter(|part| !part.change.is_none()) {
        let found = share(part.count(Answer::Slower), part.trials.len());
        text += &format!("{} found: {found}.\n", part.change.name());
    }
    text
}

/// A count, and its share with the interval, which is wide for few experiments.
fn share(count: usize, all: usize) -> String {
    let interval = share_interval(count, all).map_or_else(String::new, |(low, high)| {
        let [share, low, high] = [count as f64 / all as f64, low, high].map(|one| one * 100.0);
        format!(", {share:.1} % (95 % interval {low:.1} to {high:.1})")
    });
    format!("{count} of {all}{interval}")
}

#[cfg(test)]
mod tests {
    use super::super::judge::tests::part;
    use super::*;

    #[test]
    fn each_part_has_a_row_and_all_have_a_summary() {
        use Answer::{Equivalent, Faster, Inconclusive, NoVerdict, Slower};
        let same = part(
            "aa",
            0.0,
            &[(Faster, -0.05), (Inconclusive, 0.005), (Equivalent, 0.0)],
        );
        let mut slowed = part(
            "30%",
            0.32,
            &[(Slower, 0.315), (Slower, 0.325), (NoVerdict, 0.4)],
        );
        slowed.planned = 3;
        let text = of_parts(&[same, slowed], 0.02);
        let expected = "\
| meant | busy loop | true change, 95 % interval | experiments | faster | slower | equivalent | inconclusive | no verdict | wrong | coverage | all experiments together |
|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
| none | none | none | 3 of 20 | 1 | 0 | 1 | 1 | 0 | 1 | 2 of 3 | -1.5 % (-8.9 % to +6.4 %) |
| +30 % | 120.0 µs | +32.0 % (+31.0 % to +33.0 %) | 3 | 0 | 2 | 0 | 0 | 1 | 0 | 2 of 3 | +34.6 % (+23.7 % to +46.5 %) |

Wrong verdicts: 1 of 6, 16.7 % (95 % interval 3.0 to 56.4).
+30 % found: 2 of 3, 66.7 % (95 % interval 20.8 to 93.9).
";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_was_not_measured_is_not_a_figure() {
        let text = of_parts(&[part("3%", 0.03, &[])], 0.02);
        assert!(
            text.contains("| 0 of 20 | 0 | 0 | 0 | 0 | 0 | 0 | 0 of 0 | - |"),
            "{text}"
        );
        assert!(
            text.ends_with("\nWrong verdicts: 0 of 0.\n+3 % found: 0 of 0.\n"),
            "{text}"
        );
    }
}
