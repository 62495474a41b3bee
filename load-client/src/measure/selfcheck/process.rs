//! How much of the processors this process used, and for how long it stood still.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::load::Control;
use crate::load::plan::Plan;

/// Processor time since the start of the process, at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CpuReading {
    pub at: Instant,
    /// Time of all threads, including those that have ended.
    pub process: Duration,
    /// Name and time of each running thread, by its number. Empty where the system does not show it.
    pub threads: BTreeMap<u64, (String, Duration)>,
}

/// The use of processors over a span, in cores: 0.5 is half a core.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CpuUse {
    pub process: f64,
    /// Name and use of the busiest thread.
    pub busiest: Option<(String, f64)>,
}

/// Returns the use between two readings, `None` when no time lies between them.
pub(crate) fn cpu_use(before: &CpuReading, after: &CpuReading) -> Option<CpuUse> {
    let wall = after.at.checked_duration_since(before.at)?.as_secs_f64();
    let process = after.process.saturating_sub(before.process);
    let threads = after.threads.iter().map(|(id, (name, used))| {
        let earlier = before.threads.get(id).map_or(Duration::ZERO, |own| own.1);
        let used = used.saturating_sub(earlier).as_secs_f64() / wall;
        (name.clone(), used)
    });
    (wall > 0.0).then(|| CpuUse {
        process: process.as_secs_f64() / wall,
        busiest: threads.max_by(|one, other| one.1.total_cmp(&other.1)),
    })
}

/// Returns the name and the processor time of a thread from its line in `/proc/PID/task/TID/stat`; see
/// proc_pid_stat(5), fields 2 (comm), 14 (utime) and 15 (stime), in ticks.
fn thread_seconds(stat: &str, ticks_per_second: u64) -> Option<(String, Duration)> {
    // The name is in brackets, and may contain spaces and brackets.
    let (start, end) = (stat.find('(')?, stat.rfind(')')?);
    let name = stat.get(start + 1..end)?;
    let mut fields = stat.get(end + 1..)?.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let seconds = (user + system) as f64 / ticks_per_second.max(1) as f64;
    Some((name.to_owned(), Duration::from_secs_f64(seconds)))
}

// The client stands still when it is stopped by a signal, paused with its machine, or gets no processor. Everything
// planned for this time happens late, and no other reading shows it.

/// A busy machine causes shorter gaps between two looks for any thread.
const SHORTEST_STALL: Duration = Duration::from_millis(100);
/// Fifty looks a second have no measurable cost.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Time that was lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stalled {
    pub total: Duration,
    pub longest: Duration,
}

impl Stalled {
    /// Compares two consecutive looks, which are `LOOK_INTERVAL` apart if nothing stood still. Only a gap needs the
    /// window, and counts as far as it lies in it.
    fn look(&mut self, last: Duration, now: Duration, window: impl FnOnce() -> Range<Duration>) {
        let due = last + LOOK_INTERVAL;
        if now.saturating_sub(due) >= SHORTEST_STALL {
            let window = window();
            let gap = now.min(window.end).saturating_sub(due.max(window.start));
            self.total += gap;
            self.longest = self.longest.max(gap);
        }
    }
}

/// Returns the measured window. It ends with the run time, even if the end of sending is not noted yet.
fn window(
    warm_up: Duration,
    run_time: Option<Duration>,
    ended: Option<Duration>,
) -> Range<Duration> {
    let end = run_time.into_iter().chain(ended).min();
    warm_up..end.unwrap_or(Duration::MAX)
}

// Reads what this process uses of the processors.

impl CpuReading {
    pub(crate) fn now() -> Self {
        let process = clock_gettime(ClockId::ProcessCPUTime);
        Self {
            at: Instant::now(),
            process: Duration::try_from(process).unwrap_or_default(),
            threads: threads(),
        }
    }
}

/// Returns the cores that this process may use. The limits of its container count.
pub(crate) fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Returns the running threads, none where there is no /proc.
fn threads() -> BTreeMap<u64, (String, Duration)> {
    let ticks = rustix::param::clock_ticks_per_second();
    let Ok(folder) = fs::read_dir("/proc/self/task") else {
        return BTreeMap::new();
    };
    let thread = |entry: fs::DirEntry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        // A thread may end between the two reads.
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        Some((id, thread_seconds(&stat, ticks)?))
    };
    folder.flatten().filter_map(thread).collect()
}

/// The thread that notices when this process stands still. It does nothing else, so a delay of this thread also delays
/// the threads that measure.
pub(crate) struct Stillness {
    stop: Sender<()>,
    thread: std::thread::JoinHandle<Stalled>,
}

impl Stillness {
    /// Starts the thread just before the run, because the measured window ends with the run.
    pub(crate) fn watch(plan: &Plan, control: &Control) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let (start, control) = (Instant::now(), control.clone());
        let (warm_up, run_time) = (plan.warm_up, plan.run_time);
        let thread = std::thread::Builder::new().name("stillness".to_owned());
        let thread = thread.spawn(move || {
            let (mut stalled, mut last) = (Stalled::default(), Duration::ZERO);
            while stopped.recv_timeout(LOOK_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                let now = start.elapsed();
                stalled.look(last, now, || window(warm_up, run_time, control.ended()));
                last = now;
            }
            stalled
        })?;
        Ok(Self { stop, thread })
    }

    /// Ends the thread. Returns how much of the measured window was lost.
    pub(crate) fn stop(self) -> Stalled {
        drop(self.stop);
        match self.thread.join() {
            Ok(stalled) => stalled,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
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
        let start = Instant::now();
        let reading = |at, process, one, two| CpuReading {
            at: start + Duration::from_secs(at),
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
        // A thread that started in between had used nothing before.
        before.threads.remove(&2);
        assert_eq!(cpu_use(&before, &after).unwrap().busiest.unwrap().1, 0.9);
        assert_eq!(cpu_use(&after, &after), None);
        assert_eq!(cpu_use(&after, &before), None);
    }

    /// Returns the loss of a window with looks at these milliseconds, in total and at most.
    fn lost(window: Range<u64>, looks: &[u64]) -> (u128, u128) {
        let at = Duration::from_millis;
        let window = at(window.start)..at(window.end);
        let mut stalled = Stalled::default();
        for pair in looks.windows(2) {
            stalled.look(at(pair[0]), at(pair[1]), || window.clone());
        }
        (stalled.total.as_millis(), stalled.longest.as_millis())
    }

    #[test]
    fn gaps_count_as_far_as_they_lie_in_the_window() {
        let looks = [0, 20, 60, 1080, 1100, 1119, 2139, 2160];
        assert_eq!(lost(0..5000, &looks), (2000, 1000));
        assert_eq!(lost(580..1639, &looks), (1000, 500));
        assert_eq!(lost(1080..1139, &looks), (0, 0));
    }

    #[test]
    fn the_window_ends_with_the_run_time_or_when_sending_ended_before() {
        let at = Duration::from_secs;
        let window = |run_time, ended| super::window(at(1), run_time, ended);
        assert_eq!(window(None, None), at(1)..Duration::MAX);
        assert_eq!(window(Some(at(9)), None), at(1)..at(9), "not noted yet");
        assert_eq!(window(Some(at(9)), Some(at(5))), at(1)..at(5));
        assert_eq!(window(None, Some(at(5))), at(1)..at(5));
    }

    #[test]
    fn short_gaps_of_a_busy_machine_are_not_stalls() {
        let mut stalled = Stalled::default();
        for look in (0..9000).step_by(90).map(Duration::from_millis) {
            let next = look + Duration::from_millis(90);
            stalled.look(look, next, || panic!("the window was asked for"));
        }
        assert_eq!(stalled, Stalled::default());
    }

    #[test]
    fn this_process_is_read() {
        let before = CpuReading::now();
        let mut sum = 0_u64;
        while clock_gettime(ClockId::ProcessCPUTime).tv_sec == 0
            && CpuReading::now().process <= before.process
        {
            sum = std::hint::black_box(sum + 1);
        }
        let after = CpuReading::now();
        assert!(after.at > before.at);
        assert!(cfg!(not(target_os = "linux")) || !after.threads.is_empty());
        assert!(available_cores() > 0);
    }
}
