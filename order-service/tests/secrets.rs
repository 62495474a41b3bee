//! Passwords on the command line: the error names the safe way, and does not show the password.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use assert_cmd::Command;

/// Without TLS, so that every build of the service accepts it.
const PLAIN: &str = "?security=plaintext&mechanism=PLAIN";

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    // Nothing listens at port 1: the service ends when it connects to its store.
    let store = ["--store", "redis://127.0.0.1:1"];
    run_without_store(&[&store, arguments].concat(), variables)
}

fn run_without_store(arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let mut command = Command::cargo_bin("order-service").unwrap();
    let output = command
        .args(["--log", "debug"])
        .args(arguments)
        .envs(variables.iter().copied())
        .timeout(std::time::Duration::from_secs(60))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(!said.contains("hunter2"), "{arguments:?}: {said}");
    (output.status.code().unwrap(), said)
}

fn url(parameters: &str) -> String {
    format!("kafka+sasl://me:hunter2@127.0.0.1:1{parameters}")
}

#[test]
fn a_password_on_the_command_line_is_refused_with_the_way_that_is_safe() {
    let url = url(PLAIN);
    let rows: [(&[&str], &str, &str); 5] = [
        (&["--kafka", &url], "--kafka", "ORDER_SERVICE_KAFKA"),
        (&["--kafka", &url], "--kafka", "--kafka-file"),
        (
            &["-X", "sasl.password=hunter2"],
            "-X sasl.password",
            "ORDER_SERVICE_PROPERTIES",
        ),
        (
            &[
                "-X",
                "linger.ms=0",
                "-X",
                "sasl.oauthbearer.client.secret=hunter2",
            ],
            "-X sasl.oauthbearer.client.secret",
            "ORDER_SERVICE_PROPERTIES",
        ),
        (
            &["--kafka", &url, "--kafka-file", "x"],
            "--kafka-file",
            "cannot be used with",
        ),
    ];
    for (arguments, flag, hint) in rows {
        let (code, said) = run(arguments, &[]);
        assert_eq!(code, 2, "{arguments:?}: {said}");
        assert!(
            said.contains(flag) && said.contains(hint),
            "{arguments:?}: {said}"
        );
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    }
}

#[test]
fn a_wrong_url_or_property_is_told_without_its_text() {
    let wrong = ["kafka+sasl://me:hunter2", "kafka://me:hunter2@a", "hunter2"];
    for url in wrong {
        for (arguments, variables, named) in [
            (vec!["--kafka", url], vec![], "--kafka"),
            (
                vec![],
                vec![("ORDER_SERVICE_KAFKA", url)],
                "ORDER_SERVICE_KAFKA",
            ),
        ] {
            let (code, said) = run(&arguments, &variables);
            assert_eq!(code, 2, "{said}");
            assert!(
                said.contains(named) && said.contains("kafka+sasl://user:"),
                "{said}"
            );
        }
    }
    let lines = "linger.ms=0\nsasl.password hunter2";
    let (code, said) = run(&[], &[("ORDER_SERVICE_PROPERTIES", lines)]);
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("ORDER_SERVICE_PROPERTIES") && said.contains("key=value"),
        "{said}"
    );
    let misspelt = "sasl.passwrod=hunter2";
    let (code, said) = run(&[], &[("ORDER_SERVICE_PROPERTIES", misspelt)]);
    assert_ne!(code, 0, "{said}");
}

#[test]
fn variable_and_file_are_taken() {
    let url = url(PLAIN);
    let file = std::env::temp_dir().join(format!("order-service-url-{}", std::process::id()));
    std::fs::write(&file, format!("{url}\n")).unwrap();
    let path = file.to_str().unwrap();
    for (arguments, variables) in [
        (vec!["--kafka-file", path], vec![]),
        (vec![], vec![("ORDER_SERVICE_KAFKA_FILE", path)]),
        (vec![], vec![("ORDER_SERVICE_KAFKA", &*url)]),
        (
            vec![],
            vec![("ORDER_SERVICE_PROPERTIES", "sasl.password=hunter2")],
        ),
    ] {
        let (code, said) = run(&arguments, &variables);
        assert_eq!(
            (code, said.contains("--store")),
            (1, true),
            "{arguments:?}: {said}"
        );
    }
    std::fs::write(&file, "kafka+sasl://me:hunter2\n").unwrap();
    let (code, said) = run(&["--kafka-file", path], &[]);
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains(path) && said.contains("not a Kafka URL"),
        "{said}"
    );
    std::fs::remove_file(&file).unwrap();
    let (code, said) = run(&["--kafka-file", path], &[]);
    assert_eq!((code, said.contains(path)), (2, true), "{said}");
}

#[test]
fn the_store_s_file_is_taken_and_its_password_is_not_shown() {
    let file = std::env::temp_dir().join(format!("order-service-store-{}", std::process::id()));
    std::fs::write(&file, "redis://me:hunter2@127.0.0.1:1\n").unwrap();
    let path = file.to_str().unwrap();
    let (code, said) = run_without_store(&["--store-file", path], &[]);
    assert_eq!((code, said.contains("--store")), (1, true), "{said}");
    let both = run(&["--store-file", path], &[]);
    assert_eq!(
        (both.0, both.1.contains("--store-file")),
        (2, true),
        "{}",
        both.1
    );
    std::fs::remove_file(&file).unwrap();
    let (code, said) = run_without_store(&["--store-file", path], &[]);
    assert_eq!((code, said.contains(path)), (2, true), "{said}");
}

#[test]
fn without_tls_the_error_names_the_feature() {
    if cfg!(feature = "tls") {
        return;
    }
    let over_tls = url("");
    for (arguments, variables) in [
        (vec!["--kafka", "kafka+ssl://a"], vec![]),
        (vec!["-X", "security.protocol=ssl"], vec![]),
        (vec![], vec![("ORDER_SERVICE_KAFKA", &*over_tls)]),
    ] {
        let (code, said) = run(&arguments, &variables);
        assert_eq!(code, 2, "{said}");
        assert!(
            said.contains("built without it: build with --features tls"),
            "{said}"
        );
    }
}

#[test]
fn help_shows_no_value_of_a_variable() {
    let secret = [
        ("ORDER_SERVICE_KAFKA", &*url(PLAIN)),
        ("ORDER_SERVICE_PROPERTIES", "sasl.password=hunter2"),
    ];
    assert_eq!(run(&["--help"], &secret).0, 0);
}
