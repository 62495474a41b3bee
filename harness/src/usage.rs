//! Processor time and memory of processes, from Linux' /proc.

use std::fs;

use rustix::param::clock_ticks_per_second;
use serde::Serialize;

/// What one process, or several together, used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Processor time since its start, user and system, in seconds. It includes children that have ended.
    pub cpu_seconds: f64,
    /// Peak memory, in bytes.
    pub peak_bytes: u64,
}

impl Usage {
    /// The usage of a process; `None` if it has ended, or without /proc.
    pub(crate) fn of(process: u32) -> Option<Self> {
        let read = |file: &str| fs::read_to_string(format!("/proc/{process}/{file}")).ok();
        Some(Self {
            cpu_seconds: cpu_seconds(&read("stat")?)?,
            peak_bytes: peak_bytes(&read("status")?)?,
        })
    }

    /// The sum for several processes, without those that have ended; `None` if all have.
    pub(crate) fn sum(processes: &[u32]) -> Option<Self> {
        let each = processes.iter().filter_map(|process| Self::of(*process));
        each.reduce(Self::with)
    }

    fn with(self, other: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds + other.cpu_seconds,
            peak_bytes: self.peak_bytes + other.peak_bytes,
        }
    }

    /// The usage since an earlier measurement.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds - earlier.cpu_seconds,
            ..self
        }
    }
}

/// The processes with this entry in their environment, which child processes inherit, and those of this process group.
/// None without /proc.
pub(crate) fn family(entry: Option<&str>, group: Option<u32>) -> Vec<u32> {
    let belongs = |process: &u32| {
        let read = |file: &str| fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
        let stat = read("stat");
        let stat = String::from_utf8_lossy(&stat);
        if is_zombie(&stat) {
            return false;
        }
        // A program may overwrite its environment, with its title for example.
        if group.is_some() && field(&stat, GROUP) == group.map(u64::from) {
            return true;
        }
        entry.is_some_and(|entry| {
            let environment = read("environ");
            let mut entries = environment.split(|byte| *byte == 0);
            entries.any(|own| own == entry.as_bytes())
        })
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|one| one.file_name().to_str()?.parse().ok());
    ids.filter(belongs).collect()
}

/// Places of fields in proc_pid_stat(5), counted behind the program's name, which may have blanks and brackets.
const STATE: usize = 0;
const GROUP: usize = 2;
const TIMES: std::ops::Range<usize> = 11..15;

fn field(stat: &str, place: usize) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(place)?.parse().ok()
}

fn is_zombie(stat: &str) -> bool {
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields);
    fields.and_then(|fields| fields.split_whitespace().nth(STATE)) == Some("Z")
}

/// User and system time in clock ticks, with that of children that were waited for.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let ticks: Option<u64> = TIMES.map(|place| field(stat, place)).sum();
    Some(ticks? as f64 / clock_ticks_per_second() as f64)
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
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 30 20 20";
        let ticks = clock_ticks_per_second() as f64;
        assert_eq!(cpu_seconds(stat), Some(250.0 / ticks));
        assert_eq!(cpu_seconds("7 (a)"), None);
        assert_eq!(field(stat, GROUP), Some(2));
        assert!(!is_zombie(stat) && is_zombie("7 (a) b (c) Z 1 2"));
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
        assert!(Usage::sum(&[std::process::id(), u32::MAX]).is_some());
        assert_eq!(Usage::sum(&[u32::MAX]), None);
        assert_eq!(Usage::sum(&[]), None);
    }
}
