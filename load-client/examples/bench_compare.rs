//! Measures how long `compare` takes for two files of a million requests, on one core: `make bench-compare`.
//!
//! It writes the same files each time, and runs the release program on them, pinned by `taskset` if that is installed.
//! Time and memory come from /proc, so it runs on Linux only. Wall-clock time depends on the load of the machine.
//! Processor time does not.

#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use load_client::stats::SplitMix64;

const REQUESTS: u64 = 1_000_000;
const PROGRAM: &str = "target/release/load-client";
const FOLDER: &str = "target/bench-compare";
/// The interval between two readings of /proc. The last reading misses up to this time.
const POLL: Duration = Duration::from_millis(5);
const LARGEST_SECONDS: f64 = 5.0;
const LARGEST_MEGABYTES: f64 = 500.0;
const LARGEST_PAGE_MEGABYTES: f64 = 8.0;
/// Ticks of /proc/PID/stat in a second. This is the usual value on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

fn main() -> std::io::Result<ExitCode> {
    let folder = Path::new(FOLDER);
    fs::create_dir_all(folder)?;
    let files = [("baseline.csv", 1, 6.0), ("changed.csv", 2, 4.2)];
    for (name, seed, median) in files {
        write_run(&folder.join(name), seed, median)?;
    }
    let page = folder.join("report.html");
    let started = Instant::now();
    let used = watch(&mut start(folder, &page)?)?;
    let wall = started.elapsed().as_secs_f64();
    let page_megabytes = fs::metadata(&page)?.len() as f64 / 1e6;
    println!("wall-clock time  {wall:8.2} s");
    println!(
        "processor time   {:8.2} s   (limit {LARGEST_SECONDS})",
        used.seconds
    );
    println!(
        "peak memory      {:8.1} MB  (limit {LARGEST_MEGABYTES})",
        used.megabytes
    );
    println!("report           {page_megabytes:8.2} MB  (limit {LARGEST_PAGE_MEGABYTES})");
    let is_within = used.seconds < LARGEST_SECONDS
        && used.megabytes < LARGEST_MEGABYTES
        && page_megabytes < LARGEST_PAGE_MEGABYTES;
    Ok(if is_within {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Writes a run of 1,000 requests a second with a skewed body, a slow tail and similar neighbours.
fn write_run(path: &Path, seed: u64, median: f64) -> std::io::Result<()> {
    let mut random = SplitMix64::new(seed);
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(
        file,
        "request_type,name,response_time,status,intended_ns,sent_ns,replied_ns,user,warm_up,error,acked_ns,response_length"
    )?;
    let mut state = 0.0;
    for index in 0..REQUESTS {
        state = 0.9 * state + 0.1 * (random.below(2_000) as f64 / 1_000.0 - 1.0);
        let skew = (random.below(1_000) * random.below(1_000)) as f64 / 1e6;
        let tail = if random.below(200) == 0 { 4.0 } else { 0.0 };
        let latency = median * (0.7 + 0.8 * skew + 0.5 * state + tail);
        let (sent, taken) = (index * 1_000_000, (latency * 1e6) as u64);
        let warm_up = index < REQUESTS / 100;
        writeln!(
            file,
            "KAFKA,createOrder,{latency:.6},ok,{sent},{sent},{},{},{warm_up},,{},180",
            sent + taken,
            index % 10,
            sent + taken / 4
        )?;
    }
    file.flush()
}

fn start(folder: &Path, page: &Path) -> std::io::Result<Child> {
    let mut command = match pinned() {
        true => {
            let mut command = Command::new("taskset");
            command.args(["-c", "0", PROGRAM]);
            command
        }
        false => Command::new(PROGRAM),
    };
    let file = |name: &str| -> PathBuf { folder.join(name) };
    command
        .arg("compare")
        .arg(file("baseline.csv"))
        .arg("--with")
        .arg(file("changed.csv"))
        .arg("--html")
        .arg(page)
        .arg("--json")
        .arg(file("comparison.json"))
        .arg("--markdown")
        .arg(file("summary.md"))
        .stdout(Stdio::null())
        .spawn()
}

fn pinned() -> bool {
    let probe = Command::new("taskset").args(["-c", "0", "true"]).status();
    probe.is_ok_and(|status| status.success())
}

#[derive(Default)]
struct Used {
    seconds: f64,
    megabytes: f64,
}

fn watch(child: &mut Child) -> std::io::Result<Used> {
    let folder = PathBuf::from(format!("/proc/{}", child.id()));
    let mut used = Used::default();
    loop {
        // A program that has just ended has no readings any more, so the last ones count.
        used.seconds = seconds(&folder).unwrap_or(used.seconds).max(used.seconds);
        used.megabytes = megabytes(&folder)
            .unwrap_or(used.megabytes)
            .max(used.megabytes);
        if let Some(status) = child.try_wait()? {
            let failed = || std::io::Error::other(format!("{PROGRAM} ended with {status}"));
            return if status.success() {
                Ok(used)
            } else {
                Err(failed())
            };
        }
        std::thread::sleep(POLL);
    }
}

/// Returns the sum of fields 14 and 15 of proc_pid_stat(5), in seconds. The name before them ends at the last bracket.
fn seconds(folder: &Path) -> Option<f64> {
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    let mut fields = stat
        .get(stat.rfind(')')? + 1..)?
        .split_whitespace()
        .skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS_PER_SECOND)
}

fn megabytes(folder: &Path) -> Option<f64> {
    let status = fs::read_to_string(folder.join("status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024.0 / 1e6)
}
