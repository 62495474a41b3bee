//! The status line of a run on a terminal: `00:12 of 01:00, 10 users, 1,234 req/s`.

use std::time::Duration;

/// What the line tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Progress {
    /// Since the start of the run.
    pub elapsed: Duration,
    /// What the run takes; `None` goes on until it is stopped.
    pub run_time: Option<Duration>,
    /// Users that are active.
    pub users: u32,
    /// Requests per second at the moment.
    pub rate: f64,
    /// Requests that failed so far.
    pub failures: u64,
    /// Whether the warm-up is still on.
    pub warm_up: bool,
}

/// The line, cut to a terminal of `columns`.
#[must_use]
pub(crate) fn progress_line(progress: &Progress, columns: usize) -> String {
    let mut line = clock(progress.elapsed);
    if let Some(run_time) = progress.run_time {
        line += &format!(" of {}", clock(run_time));
    }
    if progress.warm_up {
        line += " (warm-up)";
    }
    let users = grouped(u64::from(progress.users));
    let plural = if progress.users == 1 { "" } else { "s" };
    let rate = grouped(progress.rate.round() as u64);
    line += &format!(", {users} user{plural}, {rate} req/s");
    if progress.failures > 0 {
        line += &format!(", {} failed", grouped(progress.failures));
    }
    line.chars().take(columns.saturating_sub(1)).collect()
}

fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes:02}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_time_users_rate_and_failures() {
        let mut progress = Progress {
            elapsed: Duration::from_millis(12_900),
            run_time: Some(Duration::from_secs(60)),
            users: 10,
            rate: 1234.4,
            failures: 0,
            warm_up: false,
        };
        assert_eq!(
            progress_line(&progress, 80),
            "00:12 of 01:00, 10 users, 1,234 req/s"
        );
        progress.warm_up = true;
        progress.failures = 1_000_000;
        progress.users = 1;
        progress.run_time = None;
        progress.elapsed = Duration::from_secs(3725);
        assert_eq!(
            progress_line(&progress, 80),
            "1:02:05 (warm-up), 1 user, 1,234 req/s, 1,000,000 failed"
        );
        assert_eq!(progress_line(&progress, 8), "1:02:05");
    }
}
