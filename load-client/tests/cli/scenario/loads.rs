//! Several loads at once.

use crate::measured::{NAME, assert_all_ok, assert_error, orders, run_for, write};
use crate::responder::Responder;
use crate::support::client;

const LOADS: &str = r#"
[[request]]
name = "browse"
body = "{}"
expect_status = "2xx"

[[request]]
name = "buy"
body = "{}"
expect_status = "2xx"

[[load]]
name = "visitors"
kinds = ["browse"]
users = 3
spawn_rate = 100
pace = "200ms"

[[load]]
name = "orders"
kinds = ["buy"]
[[load.stage]]
duration = "500ms"
rate = "20/s"
[[load.stage]]
duration = "500ms"
rate = "60/s"
"#;

#[test]
fn each_load_goes_its_own_way_and_the_last_one_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = write(&folder, "loads.toml", LOADS);
    let service = Responder::start(&["createOrder"], &["createOrder.reply"], orders);
    let run = run_for("2s", &service, &["--scenario", scenario.to_str().unwrap()]);
    assert_all_ok(&run);
    let count = |kind: &str| run.rows.iter().filter(|row| row[NAME] == kind).count();
    assert_eq!(count("buy"), 40, "its schedule, which ended after a second");
    // Three users for two seconds. A machine that stalls sends fewer.
    assert!((6..=33).contains(&count("browse")), "{}", count("browse"));
    assert_eq!(run.json["ended_by"], "run_time");
    assert_eq!(
        run.json["load_model"],
        "visitors: closed loop, one request per user each 200ms; \
         orders: open loop, rate by stages, constant spacing"
    );
    let loads = &run.json["plan"]["loads"];
    let told = [
        &loads[0]["target"],
        &loads[1]["kinds"][0],
        &loads[1]["stages"][1]["target"],
    ];
    assert_eq!(told, ["3 user(s)", "buy", "60/s"], "{loads}");
    let lag = run.json["summary"]["schedule_lag"]["requests"].as_u64();
    assert_eq!(lag, Some(run.rows.len() as u64), "both have a schedule");
}

#[test]
fn a_run_time_beside_stages_alone_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut staged = LOADS.replace("users = 3\nspawn_rate = 100", "");
    staged = staged.replace(
        "pace = \"200ms\"",
        "[[load.stage]]\nduration = \"1s\"\nusers = 3",
    );
    let scenario = write(&folder, "loads.toml", &staged);
    let output = client()
        .args(["--host", "kafka://127.0.0.1:1", "-t", "5s", "--scenario"])
        .arg(&scenario)
        .output()
        .unwrap();
    assert_error(&output, 2, &["--run-time is for a run with one load"]);
}

#[test]
fn a_flag_of_one_load_is_refused_beside_several() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = write(&folder, "loads.toml", LOADS);
    for (arguments, expected) in [
        (&["-u", "3"][..], "--users is for a run with one load"),
        (&["--rate", "5/s"], "--rate is for a run with one load"),
        (
            &["--preset", "soak", "-t", "1m"],
            "--preset is for a run with one load",
        ),
        (&["--until", "p95<1s"], "--until is for a run with stages"),
        (&["--warm-up", "1s"], "--warm-up 1s leaves nothing"),
    ] {
        let output = client()
            .args(["--host", "kafka://127.0.0.1:1", "--scenario"])
            .arg(&scenario)
            .args(arguments)
            .output()
            .unwrap();
        assert_error(&output, 2, &[expected]);
    }
}
