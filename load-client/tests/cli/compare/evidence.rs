//! What the files can prove, by their resolution, their number, their copies and their failures.

use std::fs;
use std::path::Path;

use load_client::stats::SplitMix64;
use serde_json::{Value, json};

use super::schema::Schema;
use super::{EQUIVALENT, FASTER, compare, compare_blocks, error_of, six_blocks, write_run};

/// Returns the comparison's JSON of six blocks of runs. `write` makes a run from name, side (0 or 1) and block.
fn written(folder: &Path, write: impl Fn(&Path, usize, usize)) -> Value {
    let names = six_blocks(folder, EQUIVALENT);
    for (side, name) in [(0, "base"), (1, "new")] {
        for block in 0..6 {
            write(&folder.join(format!("{name}-{block}.csv")), side, block);
        }
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    json_of(folder, &names)
}

fn json_of(folder: &Path, arguments: &[&str]) -> Value {
    let output = compare(folder, &[arguments, &["--json", "c.json"]].concat());
    error_of(&output, 0);
    let text = String::from_utf8(output.stdout).unwrap();
    let json: Value = serde_json::from_slice(&fs::read(folder.join("c.json")).unwrap()).unwrap();
    assert!(text.starts_with(json["conclusion"].as_str().unwrap()));
    Schema::new().check(&json).unwrap();
    json
}

#[track_caller]
fn assert_no_verdict(json: &Value, reason: &str) {
    assert!(json["verdict"].is_null(), "{}", json["conclusion"]);
    let refusal = json["refusal"].as_str().unwrap();
    assert!(refusal.contains(reason), "{refusal}");
    let conclusion = json["conclusion"].as_str().unwrap();
    assert!(
        conclusion.starts_with(&format!("No verdict: {refusal}")),
        "{conclusion}"
    );
}

/// Writes Locust's log of 400 requests around `median`, in whole steps of `step` milliseconds.
fn write_rounded(path: &Path, median: f64, step: f64, seed: u64) {
    let mut random = SplitMix64::new(seed);
    let mut text = String::from("timestamp,request_type,name,response_time_ms,exception\n");
    for index in 0..400 {
        let latency = median * (0.7 + 0.6 * random.unit());
        let latency = (latency / step).round() * step;
        text.push_str(&format!(
            "{}.{:03},GET,/orders,{latency:.3},\n",
            1_700_000_000 + index / 100,
            index % 100 * 10
        ));
    }
    fs::write(path, text).unwrap();
}

fn rounded(step: f64, factor: f64) -> Value {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), |path, side, block| {
        let median = if side == 0 { 6.0 } else { 6.0 * factor };
        write_rounded(path, median, step, (side * 6 + block) as u64);
    })
}

#[test]
fn resolution_whole_milliseconds_do_not_show_smaller_changes() {
    for factor in [0.97, 1.0, 1.05] {
        let json = rounded(1.0, factor);
        assert_eq!(
            json["verdict"]["kind"], "inconclusive",
            "{}",
            json["conclusion"]
        );
        assert!(json["verdict"]["further_blocks"].is_null());
        let conclusion = json["conclusion"].as_str().unwrap();
        assert!(conclusion.contains("steps of 1 ms"), "{conclusion}");
        for effect in json["blocks"]["effects"].as_array().unwrap() {
            if effect["metric"] == "throughput" {
                continue;
            }
            let [low, high] = ["low", "high"].map(|end| effect[end].as_f64().unwrap());
            assert!(high - low > 0.2, "{effect}");
        }
    }
    // A change larger than a step is still found.
    assert_eq!(rounded(1.0, 0.5)["verdict"]["kind"], "faster");
}

#[test]
fn resolution_of_a_microsecond_changes_nothing() {
    let json = rounded(0.001, 0.9);
    assert_eq!(json["verdict"]["kind"], "faster", "{}", json["conclusion"]);
    assert!(!json["conclusion"].as_str().unwrap().contains("steps of"));
}

#[test]
fn copies_are_one_measurement() {
    let folder = tempfile::tempdir().unwrap();
    let names = six_blocks(folder.path(), EQUIVALENT);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for link in [false, true] {
        let (from, to) = (
            folder.path().join("base-2.csv"),
            folder.path().join("new-4.csv"),
        );
        fs::remove_file(&to).unwrap();
        if link {
            fs::hard_link(&from, &to).unwrap();
        } else {
            fs::copy(&from, &to).unwrap();
        }
        let json = json_of(folder.path(), &names);
        assert_no_verdict(&json, "base-2 and new-4 have the same content");
    }
    // Otherwise the write would go through the link.
    fs::remove_file(folder.path().join("new-4.csv")).unwrap();
    write_run(folder.path(), "new-4.csv", 6.03);
    for name in ["base-1", "new-5"] {
        let summary = json!({"run_id": "r7", "validity": {"verdict": "valid"}});
        let path = folder.path().join(format!("{name}.json"));
        fs::write(path, summary.to_string()).unwrap();
    }
    let json = json_of(folder.path(), &names);
    assert_no_verdict(&json, "base-1 and new-5 have the same run_id, r7");
}

#[test]
fn one_reply_a_run_is_no_median() {
    let folder = tempfile::tempdir().unwrap();
    let json = written(folder.path(), |path, side, block| {
        let latency = 6.0 - 2.0 * side as f64 + 0.01 * block as f64;
        let text = format!("request_type,name,response_time\nK,c,{latency:.6}\n");
        fs::write(path, text).unwrap();
    });
    assert_no_verdict(&json, "has 1 reply, but a median needs 20");
}

#[test]
fn fewer_than_five_blocks_show_figures_and_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let names = six_blocks(folder.path(), FASTER);
    for (count, is_judged) in [(2, false), (4, false), (5, true)] {
        let sides = [&names[..count], &names[6..7 + count]].concat();
        let sides: Vec<&str> = sides.iter().map(String::as_str).collect();
        let json = json_of(folder.path(), &sides);
        if is_judged {
            assert_eq!(json["verdict"]["kind"], "faster");
            continue;
        }
        let reason = format!("{count} blocks, but a verdict needs at least 5");
        assert_no_verdict(&json, &reason);
        let effects = json["blocks"]["effects"].as_array().unwrap();
        assert!(effects.iter().all(|effect| effect["verdict"].is_null()));
        assert!(effects[0]["change"].as_f64().unwrap() < -0.25);
    }
}

/// Writes 400 requests, of which `share` per thousand are fast reads and the others slow writes.
fn write_mixed(path: &Path, share: u64, seed: u64) {
    let mut random = SplitMix64::new(seed);
    let mut text = String::from("request_type,name,response_time,status,sent_ns,warm_up\n");
    for index in 0_u64..400 {
        let is_read = index * 173 % 400 < share * 400 / 1000;
        let (name, median) = if is_read {
            ("read", 2.0)
        } else {
            ("write", 20.0)
        };
        // The latencies are narrow, so that six blocks show that nothing changed.
        let latency = median * (0.99 + 0.02 * random.unit());
        text.push_str(&format!(
            "K,{name},{latency:.6},ok,{},false\n",
            index * 5_000_000
        ));
    }
    fs::write(path, text).unwrap();
}

#[test]
fn a_mixture_in_other_shares_is_no_change() {
    let folder = tempfile::tempdir().unwrap();
    let mixed = |shares: [u64; 2]| {
        written(folder.path(), |path, side, block| {
            write_mixed(path, shares[side], (side * 6 + block) as u64);
        })
    };
    let json = mixed([700, 300]);
    assert_no_verdict(
        &json,
        "the shares of the kinds of request differ: K read is 70.0 %",
    );
    for (index, kind) in ["K read", "K write"].into_iter().enumerate() {
        assert_eq!(json["kinds"][index]["kind"], kind);
        assert_eq!(json["kinds"][index]["verdict"]["kind"], "equivalent");
    }
    let json = mixed([700, 700]);
    assert_eq!(
        json["verdict"]["kind"], "equivalent",
        "{}",
        json["conclusion"]
    );
}

/// Compares six runs on each side, each started at its minute.
fn started(folder: &Path, minutes: [[u32; 6]; 2]) -> Value {
    for (name, minutes) in [("base", minutes[0]), ("new", minutes[1])] {
        for (block, minute) in minutes.into_iter().enumerate() {
            let started = format!("2026-01-02T{:02}:{:02}:00.000Z", minute / 60, minute % 60);
            let summary = json!({"run_id": format!("{name}-{block}"), "started": started});
            let path = folder.join(format!("{name}-{block}.json"));
            fs::write(path, summary.to_string()).unwrap();
        }
    }
    error_of(&compare_blocks(folder, FASTER, &["--json", "c.json"]), 0);
    let json = serde_json::from_slice(&fs::read(folder.join("c.json")).unwrap()).unwrap();
    Schema::new().check(&json).unwrap();
    json
}

#[test]
fn a_verdict_on_runs_not_made_in_turns_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for (minutes, expected) in [
        (
            [[0, 1, 2, 3, 4, 5], [300, 301, 302, 303, 304, 305]],
            Some("all runs of the baseline side were made before those of the changed side"),
        ),
        (
            [[0, 1, 2, 6, 7, 8], [3, 4, 5, 9, 10, 11]],
            Some("the runs were not made in turns"),
        ),
        (
            [[0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9, 11]],
            Some("the baseline run came first in each block"),
        ),
        ([[0, 3, 4, 7, 8, 11], [1, 2, 5, 6, 9, 10]], None),
    ] {
        let json = started(folder.path(), minutes);
        assert_eq!(json["verdict"]["kind"], "faster");
        let conclusion = json["conclusion"].as_str().unwrap();
        let warnings = json["warnings"].to_string();
        match expected {
            Some(expected) => {
                assert!(
                    conclusion.contains("turns") || conclusion.contains("order"),
                    "{conclusion}"
                );
                assert!(warnings.contains(expected), "{warnings}");
            }
            None => {
                assert!(!conclusion.contains("turns"), "{conclusion}");
                assert!(!conclusion.contains("order"), "{conclusion}");
            }
        }
    }
}

#[test]
fn a_drift_over_the_blocks_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let drifting = |rise: f64| {
        let names = six_blocks(folder.path(), EQUIVALENT);
        for (block, factor) in (0_u8..6).zip(EQUIVALENT) {
            let median = 6.0 * (1.0 + rise * f64::from(block));
            write_run(folder.path(), &format!("base-{block}.csv"), median);
            write_run(
                folder.path(),
                &format!("new-{block}.csv"),
                median * factor * 1.0001,
            );
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        json_of(folder.path(), &names)["warnings"].to_string()
    };
    let warnings = drifting(0.05);
    assert!(warnings.contains("rose from block to block"), "{warnings}");
}

#[test]
fn fair_failures_at_random_do_not_forbid_a_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let json = written(folder.path(), |path, side, block| {
        let mut random = SplitMix64::new((side * 6 + block) as u64);
        let mut text = String::from("request_type,name,response_time,status\n");
        // One request in a hundred fails. One side has a few more failures by chance.
        let failures = [[4, 4, 3, 5, 4, 4], [5, 3, 6, 5, 7, 4]][side][block];
        for index in 0..400 {
            let latency = 6.0 * (1.0 - 0.3 * side as f64) * (0.9 + 0.2 * random.unit());
            match index < failures {
                true => text.push_str("K,c,,timeout\n"),
                false => text.push_str(&format!("K,c,{latency:.6},ok\n")),
            }
        }
        fs::write(path, text).unwrap();
    });
    assert_eq!(json["verdict"]["kind"], "faster", "{}", json["conclusion"]);
}

#[test]
fn stamps_of_whole_seconds_give_no_order() {
    let folder = tempfile::tempdir().unwrap();
    let json = written(folder.path(), |path, side, block| {
        let mut random = SplitMix64::new((side * 6 + block) as u64);
        let mut text = String::from("metric_name,timestamp,metric_value,name\n");
        for index in 0..2000 {
            let latency = 6.0 * (0.5 + random.unit());
            let stamp = 1_700_000_000 + index / 100;
            text.push_str(&format!("http_req_duration,{stamp},{latency:.6},/orders\n"));
        }
        fs::write(path, text).unwrap();
    });
    for run in json["baseline"]["runs"].as_array().unwrap() {
        let dependence = &run["dependence"];
        assert!(dependence["autocorrelation"].is_null(), "{dependence}");
        assert!(dependence["effective_size"].is_null(), "{dependence}");
        let bins = run["timeline"].as_array().unwrap();
        assert!(bins.len() <= 21, "{}", bins.len());
        let middle = |bin: &Value| bin["median_ms"].as_f64().unwrap();
        assert!(
            bins.iter().all(|bin| (5.0..7.0).contains(&middle(bin))),
            "{bins:?}"
        );
    }
    assert!(json["blocks"]["effects"][0]["bootstrap"].is_null());
    assert_eq!(json["shape"]["shift_function"], json!([]));
    let warnings = json["warnings"].to_string();
    assert!(
        warnings.contains("the order of the requests is not known"),
        "{warnings}"
    );
}
