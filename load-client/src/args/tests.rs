use flags_and_variables::wrong_use;

use super::*;

fn parse(arguments: &str) -> Result<Cli, String> {
    let arguments = ["load-client"].into_iter().chain(arguments.split(' '));
    let read = read(arguments.map(OsString::from));
    read.map(|(cli, _)| cli).map_err(|error| wrong_use(&error))
}

#[test]
fn the_definition_is_sound() {
    help::command().debug_assert();
}

#[test]
fn run_may_be_left_out() {
    let cli = parse("--host kafka://localhost:9092 -u 10 -r 10 --headless").unwrap();
    let Command::Run(arguments) = cli.command else {
        panic!("not a run");
    };
    let (plan, settings, _) = arguments.prepared("id".to_owned()).unwrap();
    assert_eq!((plan.users, plan.run_time), (10, None));
    assert_eq!(plan.spawn_rate, 10.0);
    assert_eq!(plan.timeout, Duration::from_secs(30));
    assert_eq!(settings.brokers, "localhost:9092");
    assert_eq!(settings.topic, "createOrder");
}

#[test]
fn wrong_values_give_one_line_that_names_the_flag() {
    for (arguments, flag) in [
        ("--host localhost:9092", "--host"),
        ("--host kafka://a:1 --users 0", "--users"),
        ("--host kafka://a:1 -r -1", "--spawn-rate"),
        ("--host kafka://a:1 -t soon", "--run-time"),
        ("--host kafka://a:1 --body {", "--body"),
        ("--host kafka://a:1 --header x", "--header"),
        ("--host kafka://a:1 -X x", "-X"),
        ("--users 1", "--host"),
        ("compare a.csv", "--with"),
        ("compare a.csv --with b.csv --threshold x", "--threshold"),
    ] {
        let message = parse(arguments).unwrap_err();
        assert!(message.contains(flag), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn a_password_on_the_command_line_is_refused_with_the_way_that_is_safe() {
    for (arguments, variable) in [
        ("--host kafka+sasl://me:hunter2@a", "LOAD_CLIENT_HOST"),
        ("--host kafka://a -X sasl.password=hunter2", "LOAD_CLIENT_X"),
        ("--host kafka://me:hunter2@a", "--host"),
        ("--host kafka://a -X hunter2", "-X"),
    ] {
        let message = parse(arguments).unwrap_err();
        assert!(message.contains(variable), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
    assert!(parse("--host kafka+ssl://a -X sasl.username=me").is_ok());
}

#[test]
fn an_unknown_flag_is_answered_with_the_nearest() {
    let message = parse("--host kafka://a:1 --user 1").unwrap_err();
    assert!(message.contains("--users"), "{message}");
}
