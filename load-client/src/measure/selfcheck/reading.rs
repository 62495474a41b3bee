//! What the process used of the processors between two readings.

use std::collections::BTreeMap;
use std::time::Duration;

/// Processor time since the start of the process, at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct CpuReading {
    /// The moment, on any steady clock.
    pub at: Duration,
    /// Of all threads, those that have ended included.
    pub process: Duration,
    /// Of each running thread, by its number, with its name; empty where the system does not tell.
    pub threads: BTreeMap<u64, (String, Duration)>,
}

/// The use of processors over a span, in cores: 0.5 is half a core.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CpuUse {
    /// Of the whole process.
    pub process: f64,
    /// Name and use of the busiest thread.
    pub busiest: Option<(String, f64)>,
}

/// The use between two readings; `None` when no time lies between them.
#[must_use]
pub(crate) fn cpu_use(before: &CpuReading, after: &CpuReading) -> Option<CpuUse> {
    let wall = after.at.checked_sub(before.at)?.as_secs_f64();
    if wall <= 0.0 {
        return None;
    }
    let process = after.process.saturating_sub(before.process);
    let threads = after.threads.iter().map(|(id, (name, used))| {
        let earlier = before.threads.get(id).map_or(Duration::ZERO, |own| own.1);
        let used = used.saturating_sub(earlier).as_secs_f64() / wall;
        (name.clone(), used)
    });
    Some(CpuUse {
        process: process.as_secs_f64() / wall,
        busiest: threads.max_by(|one, other| one.1.total_cmp(&other.1)),
    })
}

/// Name and processor time of a thread from its line in `/proc/PID/task/TID/stat`; see proc_pid_stat(5),
/// fields 2 (comm), 14 (utime) and 15 (stime), in ticks.
#[must_use]
pub(crate) fn thread_seconds(stat: &str, ticks_per_second: u64) -> Option<(String, Duration)> {
    // The name stands in brackets, and may hold blanks and brackets itself.
    let (start, end) = (stat.find('(')?, stat.rfind(')')?);
    let name = stat.get(start + 1..end)?;
    let mut fields = stat.get(end + 1..)?.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let seconds = (user + system) as f64 / ticks_per_second.max(1) as f64;
    Some((name.to_owned(), Duration::from_secs_f64(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_is_read_whatever_the_name() {
        let line = "7 (a) (b 1) S 1 7 7 0 -1 4194560 9 0 0 0 150 50 0 0 20 0 9 0 5";
        assert_eq!(
            thread_seconds(line, 100),
            Some(("a) (b 1".to_owned(), Duration::from_secs(2)))
        );
        for broken in ["", "7 (a", "7 (a) S 1", "7 )a( S"] {
            assert_eq!(thread_seconds(broken, 100), None, "{broken}");
        }
    }

    #[test]
    fn use_is_the_difference_over_the_time_between() {
        let reading = |at, process, one, two| CpuReading {
            at: Duration::from_secs(at),
            process: Duration::from_secs(process),
            threads: BTreeMap::from([
                (1, ("main".to_owned(), Duration::from_secs(one))),
                (2, ("poll".to_owned(), Duration::from_secs(two))),
            ]),
        };
        let mut before = reading(10, 5, 4, 1);
        let after = reading(20, 14, 5, 9);
        let busiest = Some(("poll".to_owned(), 0.8));
        assert_eq!(
            cpu_use(&before, &after),
            Some(CpuUse {
                process: 0.9,
                busiest
            })
        );
        // A thread that came in between has used nothing before.
        before.threads.remove(&2);
        assert_eq!(cpu_use(&before, &after).unwrap().busiest.unwrap().1, 0.9);
        assert_eq!(cpu_use(&after, &after), None);
        assert_eq!(cpu_use(&after, &before), None);
    }
}
