//! Reads what this process uses of the processors.

use std::collections::BTreeMap;
use std::fs;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::measure::selfcheck::{CpuReading, thread_seconds};
use rustix::time::{ClockId, clock_gettime};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The processor time up to now.
pub(crate) fn read() -> CpuReading {
    let process = clock_gettime(ClockId::ProcessCPUTime);
    CpuReading {
        at: START.elapsed(),
        process: Duration::try_from(process).unwrap_or_default(),
        threads: threads(),
    }
}

/// Cores that this process may use, limits of its container included.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Empty where there is no /proc.
fn threads() -> BTreeMap<u64, (String, Duration)> {
    let ticks = rustix::param::clock_ticks_per_second();
    let Ok(folder) = fs::read_dir("/proc/self/task") else {
        return BTreeMap::new();
    };
    let thread = |entry: fs::DirEntry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        // A thread may end between the two looks.
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        Some((id, thread_seconds(&stat, ticks)?))
    };
    folder.flatten().filter_map(thread).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_read() {
        let before = read();
        let mut sum = 0_u64;
        while clock_gettime(ClockId::ProcessCPUTime).tv_sec == 0 && read().process <= before.process
        {
            sum = std::hint::black_box(sum + 1);
        }
        let after = read();
        assert!(after.at > before.at);
        assert!(cfg!(not(target_os = "linux")) || !after.threads.is_empty());
        assert!(cores() > 0);
    }
}
