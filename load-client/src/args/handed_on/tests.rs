use super::*;
use crate::args::read;

fn typed_run(arguments: &[&str]) -> RunArguments {
    let start = ["load-client", "run", "--host", "kafka://a:1"];
    let all = start.iter().chain(arguments).map(OsString::from);
    match read(all)
        .map_err(|error| wrong_use(&error))
        .unwrap()
        .0
        .command
    {
        Command::Run(run) => *run,
        other => panic!("not a run: {other:?}"),
    }
}

fn share() -> Option<Share> {
    Share::new(1, 3)
}

/// A flag in neither list would not reach the workers, or would let a plan read their files.
#[test]
fn each_flag_of_run_is_the_workers_or_the_coordinators() {
    const COORDINATORS: &str = "host headless requests_record_file json config segment until metrics_url csv \
        csv_full_history html only_summary fail_on junit hdr prometheus abort_on_fail abort_delay exit_code_on_error \
        exit_code_on_invalid web web_allow_remote web_name autostart autoquit workers resume run max_skew \
        start_delay on_worker_loss live_interval control control_topic results_topic patience help";
    let command = Cli::command();
    let run = command.find_subcommand("run").unwrap();
    for flag in run.get_arguments() {
        let id = flag.get_id().as_str();
        let of = [HANDED_ON, COORDINATORS].map(|list| list.split_whitespace().any(|own| own == id));
        assert_ne!(of[0], of[1], "{id} is of one of them");
    }
}

#[test]
fn a_worker_gets_the_load_that_was_typed_with_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("bodies")).unwrap();
    std::fs::write(at("bodies/create.json"), "{\"items\":[]}").unwrap();
    let scenario = "[[request]]\nname = \"create\"\nbody_file = \"./bodies/create.json\"\n";
    std::fs::write(at("orders.toml"), scenario).unwrap();
    let path = at("orders.toml").display().to_string();
    let given = "--rate 300/s --arrivals poisson -t 10s --header tenant=a,b --header colour=red --workers 3 \
        --json x.json --publish-only -X linger.ms=3 -X sasl.username=me -X ssl.ca.location=ca.crt --scenario";
    let run = typed_run(&given.split_whitespace().chain([&*path]).collect::<Vec<_>>());
    let (plan, typed, mix) = run.prepared("id".to_owned()).unwrap();
    let load = planned(&run, &mix.files).unwrap();
    let files: Vec<_> = load.files.keys().collect();
    assert_eq!(
        files,
        ["scenario/bodies/create.json", "scenario/orders.toml"]
    );
    let elsewhere = tempfile::tempdir().unwrap();
    let own = unpacked(&load, share(), elsewhere.path()).unwrap();
    let (own_plan, settings, own_mix) = own.prepared("id".to_owned()).unwrap();
    assert_eq!(own_plan.share.to_string(), "2/3");
    assert_eq!(own_plan.load_model(), plan.load_model());
    assert_eq!(own_plan.run_time, plan.run_time);
    assert_eq!(settings.headers, typed.headers);
    // Each client sets its own connection properties.
    let linger = ("linger.ms".to_owned(), "3".to_owned());
    assert_eq!(settings.properties, [linger]);
    assert!(settings.publish_only && own.json.is_none());
    assert_eq!(own_mix.parts()[0].name, "create");
}

#[test]
fn a_scenario_that_workers_cannot_be_sent_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(folder.path().join("body.json"), "{}").unwrap();
    std::fs::write(inner.join("lines"), "x\n".repeat(400_000)).unwrap();
    let refused = |request: &str| {
        let path = inner.join("orders.toml");
        std::fs::write(
            &path,
            format!("[[request]]\nname = \"create\"\n{request}\n"),
        )
        .unwrap();
        let run = typed_run(&["--scenario", path.to_str().unwrap(), "--workers", "2"]);
        let (_, _, mix) = run.prepared("id".to_owned()).unwrap();
        planned(&run, &mix.files).unwrap_err().to_string()
    };
    let told = refused("body_file = \"../body.json\"");
    assert!(
        told.contains("is not below the folder of --scenario"),
        "{told}"
    );
    let lines = inner.join("lines").display().to_string();
    let told = refused(&format!("body_lines = \"{lines}\""));
    assert!(told.contains("names the absolute path"), "{told}");
    let told = refused("body_lines = \"lines\"");
    assert!(told.contains("has room for 525 KB"), "{told}");
}

/// Returns a worker's error for a plan with a flag, `name=value` or `name@file`, and with a file.
fn refused(flag: &str, file: Option<(&str, &str)>) -> String {
    let place = flag.find(['=', '@']);
    let flags = place.map(|place| PlanFlag {
        name: flag[..place].to_owned(),
        value: Some(flag[place + 1..].to_owned()),
        is_file: flag.as_bytes()[place] == b'@',
    });
    let files = file.map(|(path, text)| (path.to_owned(), BASE64_STANDARD.encode(text)));
    let load = LoadNote {
        brokers: "a:1".to_owned(),
        flags: flags.into_iter().collect(),
        files: files.into_iter().collect(),
        interval_seconds: 1,
    };
    let own = tempfile::tempdir().unwrap();
    let told = unpacked(&load, share(), own.path()).unwrap_err();
    assert!(!told.contains('\n'), "{told}");
    told
}

/// A plan decides what is sent, not what a worker reads, writes, loads or runs.
#[test]
fn a_plan_that_reaches_for_the_workers_machine_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().join("secret");
    std::fs::write(&outside, "[]").unwrap();
    let outside = outside.display().to_string();
    for (flag, expected) in [
        ("json=x.json".to_owned(), "which workers do not take"),
        (format!("config={outside}"), "which workers do not take"),
        ("web=0.0.0.0:80".to_owned(), "which workers do not take"),
        (format!("body={outside}"), "is not JSON"),
        (format!("body@{outside}"), "that the plan lacks"),
        (format!("feeder={outside}"), "that the plan lacks"),
        (format!("topic@{outside}"), "that the plan lacks"),
        (
            "X=sasl.kerberos.kinit.cmd=touch x".to_owned(),
            "each worker sets",
        ),
        ("X=plugin.library.paths=x.so".to_owned(), "each worker sets"),
        ("X=metadata.broker.list=b:1".to_owned(), "each worker sets"),
        ("rate=fast".to_owned(), "--rate"),
    ] {
        let told = refused(&flag, None);
        assert!(told.contains(expected), "{told}");
    }
    for path in ["../x", &outside, ""] {
        let told = refused("", Some((path, "")));
        assert!(told.contains("leaves its folder"), "{told}");
    }
    for file in ["../../secret", &outside] {
        let text = format!("[[request]]\nname = \"create\"\nbody_file = \"{file}\"\n");
        let told = refused("scenario@scenario/x.toml", Some(("scenario/x.toml", &text)));
        assert!(told.contains("which the plan lacks"), "{told}");
    }
}
