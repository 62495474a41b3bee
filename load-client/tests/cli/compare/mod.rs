//! `compare` as a user runs it: bad files, reports, exit codes.

mod bad_input;
mod chromium;
mod evidence;
mod fail_on;
mod history;
mod markdown;
mod names;
mod packed;
mod schema;

use std::path::Path;
use std::process::{Command, Output};

use crate::support::client;

/// Makes the compare command, to run in a folder.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = client();
    command.current_dir(folder).env_remove("GITHUB_SHA");
    command.arg("compare").args(arguments);
    command
}

pub(crate) fn compare(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

/// Returns standard error of a command that ended with `code`.
#[track_caller]
pub(crate) fn error_of(output: &Output, code: i32) -> String {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{error}");
    error
}

/// Writes one run with times, whose latencies spread around `median` milliseconds.
pub(crate) fn write_run(folder: &Path, name: &str, median: f64) {
    write_run_of(folder, name, "createOrder", median);
}

pub(crate) fn write_run_of(folder: &Path, name: &str, kind: &str, median: f64) {
    let mut text = String::from(
        "request_type,name,response_time,status,intended_ns,sent_ns,replied_ns,user,warm_up,error\n",
    );
    // Two files with the same median are two measurements, so their times differ.
    let begun: u64 = name.bytes().map(u64::from).sum();
    for index in 0_u64..400 {
        // This stride has no pattern, so neighbours are not alike.
        let latency = median * (0.8 + 0.001 * (index * 173 % 401) as f64);
        let sent = begun + index * 5_000_000;
        let warm_up = index < 20;
        text.push_str(&format!(
            "KAFKA,{kind},{latency:.6},ok,{sent},{sent},{},0,{warm_up},\n",
            sent + (latency * 1e6) as u64
        ));
    }
    std::fs::write(folder.join(name), text).unwrap();
}

/// Writes six runs on each side, `base-N.csv` and `new-N.csv`. Returns the arguments that compare them.
pub(crate) fn six_blocks(folder: &Path, factors: [f64; 6]) -> Vec<String> {
    let names = |side: &str| {
        (0..6)
            .map(|block| format!("{side}-{block}.csv"))
            .collect::<Vec<_>>()
    };
    let (baseline, changed) = (names("base"), names("new"));
    for (block, factor) in factors.into_iter().enumerate() {
        let median = 6.0 + 0.01 * block as f64;
        write_run(folder, &baseline[block], median);
        write_run(folder, &changed[block], median * factor);
    }
    [baseline, vec!["--with".to_owned()], changed].concat()
}

pub(crate) const FASTER: [f64; 6] = [0.7, 0.71, 0.69, 0.7, 0.7, 0.72];
pub(crate) const SLOWER: [f64; 6] = [1.3, 1.31, 1.29, 1.3, 1.3, 1.32];
pub(crate) const EQUIVALENT: [f64; 6] = [1.0, 1.001, 0.999, 1.0, 1.001, 1.0];
pub(crate) const INCONCLUSIVE: [f64; 6] = [0.8, 1.3, 0.9, 1.2, 0.7, 1.1];

/// Compares six blocks with further arguments.
pub(crate) fn compare_blocks(folder: &Path, factors: [f64; 6], further: &[&str]) -> Output {
    let mut arguments: Vec<&str> = further.to_vec();
    let blocks = six_blocks(folder, factors);
    arguments.extend(blocks.iter().map(String::as_str));
    compare(folder, &arguments)
}
