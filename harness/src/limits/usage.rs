//! What processes take of the machine, as Linux tells it in /proc.

use std::fs;

use rustix::param::clock_ticks_per_second;
use serde::Serialize;

/// What one process, or several of one name together, took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Processor time since its start, user and system, in seconds.
    pub cpu_seconds: f64,
    /// The most that it has had in memory, in bytes.
    pub peak_bytes: u64,
}

impl Usage {
    /// That of a process; `None` of one that is gone, and where there is no /proc.
    pub(super) fn of(process: u32) -> Option<Self> {
        let read = |file: &str| fs::read_to_string(format!("/proc/{process}/{file}")).ok();
        Some(Self {
            cpu_seconds: cpu_seconds(&read("stat")?)?,
            peak_bytes: peak_bytes(&read("status")?)?,
        })
    }

    /// That of several together.
    pub(super) fn sum(processes: &[u32]) -> Option<Self> {
        let each = processes.iter().map(|process| Self::of(*process));
        each.reduce(|all, one| Some(all?.with(one?)))?
    }

    fn with(self, other: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds + other.cpu_seconds,
            peak_bytes: self.peak_bytes + other.peak_bytes,
        }
    }

    /// What was taken since an earlier look.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds - earlier.cpu_seconds,
            ..self
        }
    }
}

/// Fields 14 and 15 of proc_pid_stat(5), in clock ticks. The second field, the program's name, may hold blanks
/// and brackets, so counting starts behind its end.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / clock_ticks_per_second() as f64)
}

fn peak_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_blanks_and_brackets_do_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20";
        let ticks = clock_ticks_per_second() as f64;
        assert_eq!(cpu_seconds(stat), Some(200.0 / ticks));
        assert_eq!(cpu_seconds("7 (a)"), None);
        assert_eq!(
            peak_bytes("VmPeak:\t9 kB\nVmHWM:\t  2048 kB\n"),
            Some(2 << 20)
        );
    }

    #[test]
    fn this_process_uses_memory_and_a_gone_one_is_none() {
        let own = Usage::of(std::process::id()).unwrap();
        assert!(own.peak_bytes > 1 << 20, "{own:?}");
        let twice = Usage::sum(&[std::process::id(), std::process::id()]).unwrap();
        assert!(twice.peak_bytes >= 2 * own.peak_bytes);
        assert_eq!(Usage::of(u32::MAX), None);
        assert_eq!(Usage::sum(&[std::process::id(), u32::MAX]), None);
        assert_eq!(Usage::sum(&[]), None);
    }
}
