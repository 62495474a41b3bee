//! Writes flags as a user types them, for the command in a report. It writes no secret.

use std::time::Duration;

use humantime::format_duration;
use kafka_cluster_url::shown;

use super::arguments::TargetArguments;

/// A duration in the form that a flag takes, in one word.
pub(crate) fn duration(time: Duration) -> String {
    format_duration(time).to_string().replace(' ', "")
}

/// A share as a percentage, without the rounding error of the share.
pub(crate) fn percentage(share: f64) -> f64 {
    (share * 1e8).round() / 1e6
}

/// The flags of the stack that differ from the defaults, and the properties of the clients.
pub(crate) fn target(target: &TargetArguments) -> String {
    let mut typed = match (target.kafka.is_some(), target.kind().name()) {
        (true, _) => "--kafka URL --store URL".to_owned(),
        (false, kind) => format!("--stack {kind}"),
    };
    if target.start.brokers > 1 {
        typed += &format!(" --brokers {}", target.start.brokers);
    }
    for (key, value) in &target.properties {
        typed += &format!(" -X {key}={}", shown(key, value));
    }
    typed
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        target: TargetArguments,
    }

    #[track_caller]
    fn assert_typed(flags: &str, expected: &str) {
        let given = ["program"].into_iter().chain(flags.split(' '));
        assert_eq!(target(&Typed::parse_from(given).target), expected);
    }

    #[test]
    fn the_target_is_typed_as_it_was_given() {
        assert_typed("--stack native", "--stack native");
        let cluster = "--stack native --brokers 3 -X linger.ms=0";
        assert_typed(cluster, cluster);
    }

    #[test]
    fn no_secret_is_typed() {
        assert_typed(
            "--kafka kafka+sasl://u:p@host:9092 --store redis://u:p@host:6379 -X sasl.password=p",
            "--kafka URL --store URL -X sasl.password=***",
        );
    }

    #[test]
    fn a_percentage_and_a_duration_are_short() {
        assert_eq!(percentage(0.07), 7.0);
        assert_eq!(duration(Duration::from_millis(61_500)), "1m1s500ms");
    }
}
