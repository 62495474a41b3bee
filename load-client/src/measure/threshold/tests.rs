//! Reading, writing and judging of thresholds.

use std::time::Duration;

use proptest::prelude::*;

use crate::measure::sample::{Outcome, Sample};
use crate::measure::summary::Summary;
use crate::measure::tally::Tally;
use crate::measure::threshold::{Limit, Metric, Operator, Statistic, Threshold, Time, Unit, *};

fn parse(text: &str) -> Threshold {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// 400 requests, 1 to 400 ms, of which 1 % fail by status and 0.5 % by the time-out.
fn summary(thresholds: &[Threshold]) -> Summary {
    let mut tally = Tally::new(&["createOrder".to_owned(), "cancel:Order".to_owned()]);
    for index in 1..=400_u64 {
        let outcome = match index {
            397..=400 => Outcome::ErrorStatus("status 500".to_owned()),
            395 | 396 => Outcome::TimeOut,
            _ => Outcome::Ok,
        };
        let mut sample = Sample::test(index * 10_000_000, index * 1_000_000, outcome);
        sample.intended_ns -= 1_000_000;
        sample.kind = u16::from(index % 4 == 0);
        tally.record(&sample, Duration::from_millis(index * 10));
    }
    tally.summary_at(u64::MAX, &extra_quantiles(thresholds))
}

fn judge(text: &str) -> Judgement {
    let thresholds = [parse(text)];
    evaluate(&thresholds, &summary(&thresholds))
        .judgements
        .remove(0)
}

#[test]
fn texts_of_every_form_are_read() {
    for (text, normal) in [
        ("p95<20ms", "p95<20ms"),
        (" p99.9 <= 1.50 s ", "p99.9<=1.5s"),
        ("createOrder:p50>100us", "createOrder:p50>100us"),
        ("a:b:service.avg>=2ms", "a:b:service.avg>=2ms"),
        ("response.max<1s", "max<1s"),
        ("failures<1%", "failures<1%"),
        ("failures<=0", "failures<=0"),
        ("timeouts<0.5%", "timeouts<0.5%"),
        ("rps>=500", "rps>=500"),
        ("med<4.471µs", "med<4.471us"),
    ] {
        assert_eq!(parse(text).to_string(), normal);
    }
}

#[test]
fn errors_say_what_is_wrong_and_show_the_grammar() {
    for (text, expected) in [
        ("", "there is no <"),
        ("p95", "there is no <"),
        ("p95=20ms", "there is no <"),
        ("p95<", "\"\" does not begin with a number"),
        ("p95<-1ms", "does not begin with a number"),
        ("p95<nanms", "does not begin with a number"),
        ("p95<20", "p95 needs a time with its unit"),
        ("p95<20%", "p95 needs a time with its unit"),
        ("p95<20m", "\"m\" is no unit"),
        ("p100<20ms", "\"p100\" is no metric"),
        ("p0<20ms", "\"p0\" is no metric"),
        ("p9e1<20ms", "\"p9e1\" is no metric"),
        ("service.rps>1", "\"service.rps\" is no metric"),
        ("latency<20ms", "\"latency\" is no metric"),
        ("rps>5ms", "rps needs a plain number"),
        ("failures<1ms", "failures needs a share"),
        (":p95<1ms", "no kind stands before the colon"),
        ("a:timeouts<1", "timeouts are counted over all kinds"),
    ] {
        let error = text.parse::<Threshold>().unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
        assert!(error.contains("createOrder:p99<0.1s") && !error.contains('\n'));
    }
}

#[test]
fn figures_are_held_against_their_limits() {
    for (text, verdict, measured) in [
        ("min<2.001ms", Verdict::Holds, "2.000 ms"),
        ("service.min<1ms", Verdict::Broken, "1.000 ms"),
        ("service.min<=1000us", Verdict::Holds, "1.000 ms"),
        ("max<0.396s", Verdict::Holds, "395.000 ms"),
        ("service.avg>=197.5ms", Verdict::Holds, "197.500 ms"),
        ("failures<1.5%", Verdict::Broken, "1.500 %"),
        ("failures<=6", Verdict::Holds, "6"),
        ("cancel:Order:failures<=2%", Verdict::Holds, "2.000 %"),
        ("timeouts<1", Verdict::Broken, "2"),
        ("rps>100", Verdict::Holds, "100.25 per second"),
    ] {
        let judgement = judge(text);
        assert_eq!(judgement.verdict, verdict, "{text}: {judgement:?}");
        assert_eq!(judgement.measured.as_deref(), Some(measured), "{text}");
    }
}

#[test]
fn any_percentile_that_the_replies_carry_is_judged() {
    assert_eq!(judge("p97<385ms").verdict, Verdict::Holds);
    assert_eq!(judge("p97<382ms").verdict, Verdict::Broken);
    assert_eq!(judge("service.p12.5>48ms").verdict, Verdict::Holds);
}

#[test]
fn a_percentile_of_too_few_replies_is_undecided_and_does_not_hold() {
    let thresholds = [parse("p95<20s"), parse("p99.9<20s"), parse("p99.9>0ms")];
    let answer = evaluate(&thresholds, &summary(&thresholds));
    let verdicts: Vec<_> = answer.judgements.iter().map(|own| own.verdict).collect();
    assert_eq!(
        verdicts,
        [Verdict::Holds, Verdict::Undecided, Verdict::Undecided]
    );
    assert!(!answer.all_hold() && Answer::default().all_hold());
    let reason = answer.judgements[1].reason.clone().unwrap();
    assert!(
        reason.starts_with("394 replies are too few: it takes 10000,"),
        "{reason}"
    );
    let reason = judge("p99.999<1s").reason.unwrap();
    assert!(reason.contains("it takes 1000000,"), "{reason}");
}

#[test]
fn a_run_without_requests_decides_nothing() {
    let empty = Tally::new(&["createOrder".to_owned()]).summary();
    for text in ["p95<1s", "failures<=0", "timeouts<1%", "rps>0", "max<1s"] {
        let answer = evaluate(&[parse(text)], &empty);
        assert_eq!(answer.judgements[0].verdict, Verdict::Undecided, "{text}");
    }
}

#[test]
fn only_what_cannot_mend_itself_ends_a_run_early() {
    for (text, may) in [
        ("p95<20ms", true),
        ("failures<=0", true),
        ("timeouts<1%", true),
        ("failures>=5", false),
        ("rps>=500", false),
        ("rps<500", false),
    ] {
        assert_eq!(parse(text).may_abort(), may, "{text}");
    }
}

#[test]
fn a_kind_that_the_run_has_not_is_found() {
    let kinds = ["createOrder".to_owned()];
    assert_eq!(unknown_kind(&[parse("p95<1s")], &kinds), None);
    assert_eq!(unknown_kind(&[parse("createOrder:p95<1s")], &kinds), None);
    let thresholds = [parse("other:p95<1s")];
    assert_eq!(unknown_kind(&thresholds, &kinds), Some("other"));
}

fn statistic() -> impl Strategy<Value = Statistic> {
    prop_oneof![
        Just(Statistic::Mean),
        Just(Statistic::Minimum),
        Just(Statistic::Maximum),
        Just(Statistic::Median),
        (1..1_000_000_u32).prop_map(|n| Statistic::Percentile(f64::from(n) / 10_000.0)),
    ]
}

fn metric_and_unit() -> impl Strategy<Value = (Metric, Unit)> {
    let time = prop_oneof![Just(Time::Response), Just(Time::Service)];
    let unit = prop_oneof![
        Just(Unit::Microseconds),
        Just(Unit::Milliseconds),
        Just(Unit::Seconds)
    ];
    prop_oneof![
        (time, statistic(), unit).prop_map(|(time, own, unit)| (Metric::Latency(time, own), unit)),
        prop_oneof![Just(Unit::One), Just(Unit::Percent)].prop_map(|unit| (Metric::Failures, unit)),
        Just((Metric::RequestsPerSecond, Unit::One)),
    ]
}

fn threshold() -> impl Strategy<Value = Threshold> {
    let kind = proptest::option::of("[^\\s]([^\\r\\n]{0,18}[^\\s])?");
    let operator = prop_oneof![
        Just(Operator::Below),
        Just(Operator::AtMost),
        Just(Operator::Above),
        Just(Operator::AtLeast)
    ];
    (kind, metric_and_unit(), operator, 0.0..1e9_f64).prop_map(
        |(kind, (metric, unit), operator, number)| Threshold {
            kind,
            metric,
            operator,
            limit: Limit { number, unit },
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_reads_back_the_same(threshold in threshold()) {
        prop_assert_eq!(threshold.to_string().parse::<Threshold>(), Ok(threshold));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,40}", tail in "[a-z.:<>=0-9%µ ]{0,20}") {
        for text in [text.clone(), tail.clone(), text + &tail] {
            if let Ok(threshold) = text.parse::<Threshold>() {
                let again = threshold.to_string().parse::<Threshold>();
                prop_assert_eq!(again, Ok(threshold));
            }
        }
    }
}
