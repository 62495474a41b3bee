//! Passwords over TLS with Apache Kafka: all three programs connect with the right password and authority, none with a
//! wrong one, and no log and no command line shows the password.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use harness::service::{Service, ServiceOptions};
use harness::stack::{Login, SecureListener, Stack, StackKind, StackOptions, authority};
use support::requester::{ORDER, Requester};
use tokio_util::sync::CancellationToken;

async fn secure_stack() -> Stack {
    let options = StackOptions {
        secure: true,
        ..StackOptions::default()
    };
    Stack::start(StackKind::Native, options).await.unwrap()
}

/// The URL of the secure listener, from parts, so that a test can make each part wrong.
fn url(listener: &SecureListener, login: &Login, parameters: &str, ca: &Path) -> String {
    let Login { user, password } = login;
    let (servers, ca) = (listener.servers(), ca.display());
    format!("kafka+sasl://{user}:{password}@{servers}?{parameters}&ca={ca}")
}

/// The two users, each with the URL's parameter for its mechanism.
fn logins(listener: &SecureListener) -> [(&'static str, &Login); 2] {
    [
        ("mechanism=PLAIN", &listener.plain),
        // SCRAM is the default mechanism.
        ("security=tls", &listener.scram),
    ]
}

fn program(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_harness")).with_file_name(name)
}

fn options(prefix: &str, url: String) -> ServiceOptions {
    // All debug output of librdkafka.
    let talkative = ["--log", "debug", "-X", "debug=all"].map(str::to_owned);
    ServiceOptions {
        program: Some(program("order-service")),
        topic_prefix: prefix.to_owned(),
        kafka_url: Some(url),
        arguments: talkative.into(),
        ..ServiceOptions::default()
    }
}

fn log_of(service: &mut Service) -> String {
    fs::read_to_string(service.child().log()).unwrap()
}

/// Whether another process of this machine has the text on its command line.
fn on_a_command_line(text: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap();
    let lines = processes.filter_map(|process| fs::read(process.ok()?.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).into_owned())
        .any(|line| line.contains(text))
}

#[tokio::test]
async fn apache_kafka_only_a_password_over_tls_is_served_and_seen_nowhere() {
    let stack = secure_stack().await;
    let listener = stack.secure().unwrap();
    for (parameters, login) in logins(listener) {
        let prefix = format!("{}-", login.user);
        let requester = Requester::new(&stack, &prefix, 1).await;
        let url = url(listener, login, parameters, &listener.ca);
        let mut service = Service::start(&stack, options(&prefix, url)).await.unwrap();
        assert_eq!(requester.ask("good", ORDER).await.status(), "200");
        assert!(!on_a_command_line(&login.password));
        let log = log_of(&mut service);
        assert!(log.contains("sasl_ssl://"), "librdkafka told nothing");
        let shown = log.lines().find(|line| line.contains(&login.password));
        assert_eq!(shown, None);
        service.stop().await.unwrap();
    }
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn apache_kafka_only_load_client_and_harness_take_the_same_urls() {
    let stack = secure_stack().await;
    let listener = stack.secure().unwrap();
    for (parameters, login) in logins(listener) {
        let prefix = format!("{}-", login.user);
        let requester = Requester::new(&stack, &prefix, 1).await;
        let url = url(listener, login, parameters, &listener.ca);
        let service = options(&prefix, url.clone());
        let service = Service::start(&stack, service).await.unwrap();
        let mut load = Command::new(program("load-client"));
        load.args(["--headless", "--users", "2", "--run-time", "1s"])
            .args(["--topic", &format!("{prefix}createOrder")])
            .args(["--reply-topic", &requester.reply_topic])
            .env("LOAD_CLIENT_HOST", &url)
            .env("LOAD_CLIENT_LOG", "debug");
        succeeds(&mut load, &login.password);
        service.stop().await.unwrap();

        let mut demo = Command::new(program("harness"));
        demo.args(["demo", "--store", stack.store_url()])
            .env("HARNESS_KAFKA", &url);
        succeeds(&mut demo, &login.password);
    }
    stack.stop().await.unwrap();
}

fn succeeds(command: &mut Command, password: &str) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    assert!(status.success(), "{command:?}: {said}");
    assert!(!said.contains(password), "{said}");
}

#[tokio::test]
async fn apache_kafka_only_wrong_passwords_and_unknown_authorities_are_refused() {
    let stack = secure_stack().await;
    let listener = stack.secure().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    let another = authority(folder.path(), "another", &stop).await.unwrap();
    // The topic exists, so a service that connects would get ready.
    let requester = Requester::new(&stack, "refused-", 1).await;
    for (parameters, login) in logins(listener) {
        let wrong = Login {
            user: login.user.clone(),
            password: "hunter2-hunter2".to_owned(),
        };
        let rows = [
            (&wrong, &listener.ca, "uthentication failed"),
            (login, &another, "certificate verify failed"),
        ];
        for (login, ca, cause) in rows {
            let url = url(listener, login, parameters, ca);
            let mut options = options("refused-", url);
            options.arguments = Vec::new();
            let log = folder.path().join(format!("{}-{cause}", login.user));
            options.log = Some(log.clone());
            let mut service = Service::spawn(&stack, &options).unwrap();
            support::wait_for(cause, || log_of(&mut service).contains(cause));
            support::wait_for("the admin port", || {
                std::net::TcpStream::connect(service.admin()).is_ok()
            });
            let (ready, why) = support::get(service.admin(), "/readyz").await;
            assert_eq!(ready, 503, "{cause}: {why}");
            assert!(!on_a_command_line(&login.password));
            // It keeps trying, and stops in order.
            service.stop().await.unwrap();
            let log = fs::read_to_string(log).unwrap();
            assert!(!log.contains(&login.password), "{log}");
        }
    }
    assert_eq!(requester.replies_in_all(), 0);
    stack.stop().await.unwrap();
}
