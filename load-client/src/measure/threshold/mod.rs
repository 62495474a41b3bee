//! Thresholds: what must hold of a run, or it fails. Pure: text in, figures in, answers out.
//!
//! `[KIND:][service.]METRIC OPERATOR VALUE`, for example `p95<20ms`, `service.p99<=1.5s`,
//! `createOrder:failures<1%`, `rps>=500`. The grammar is given by [`GRAMMAR`].

mod evaluate;

use std::fmt::{self, Display, Formatter};

pub(crate) use evaluate::{
    GRAMMAR, Judgement, Judgements, Standing, evaluate, extra_quantiles, first_broken,
    requests_needed, unknown_kind,
};

/// One condition that a run must hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Threshold {
    /// The request kind that it speaks of; `None` for all kinds together.
    pub kind: Option<String>,
    pub metric: Metric,
    pub operator: Operator,
    pub limit: Limit,
}

/// A figure of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Metric {
    /// A statistic of the good replies' times.
    Latency(Time, Statistic),
    /// Requests that failed: a count, or a share of the requests.
    Failures,
    /// Requests that ended by the time-out: a count, or a share of the requests.
    Timeouts,
    /// Requests that ended per second of the measured window, as Locust's `Requests/s`.
    RequestsPerSecond,
}

/// Which time of a request is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Time {
    /// From the intended instant: what a user of the service would feel.
    Response,
    /// From the hand-over.
    Service,
}

/// A statistic of latencies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Statistic {
    Mean,
    Minimum,
    Maximum,
    /// Whatever the number of replies.
    Median,
    /// Above 0 and below 100.
    Percentile(f64),
}

/// A comparison that must be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// A number with its unit, as it was typed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limit {
    /// The number, finite and not negative.
    pub number: f64,
    pub unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Microseconds,
    Milliseconds,
    Seconds,
    Percent,
    /// A plain number: a count, or requests per second.
    One,
}

// How each of these is written. Where two names mean the same, the first is shown.

const STATISTICS: [(&str, Statistic); 4] = [
    ("avg", Statistic::Mean),
    ("min", Statistic::Minimum),
    ("max", Statistic::Maximum),
    ("med", Statistic::Median),
];
const METRICS: [(&str, Metric); 3] = [
    ("failures", Metric::Failures),
    ("timeouts", Metric::Timeouts),
    ("rps", Metric::RequestsPerSecond),
];
/// The longer first, of which a shorter one is the beginning.
const OPERATORS: [(&str, Operator); 4] = [
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("<", Operator::Below),
    (">", Operator::Above),
];
const UNITS: [(&str, Unit); 6] = [
    ("us", Unit::Microseconds),
    ("µs", Unit::Microseconds),
    ("ms", Unit::Milliseconds),
    ("s", Unit::Seconds),
    ("%", Unit::Percent),
    ("", Unit::One),
];

/// What a name stands for.
fn named<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    let found = table.iter().find(|(own, _)| *own == name);
    found.map(|(_, value)| *value)
}

/// The name of a value that is in its table.
fn name_of<T: PartialEq>(table: &[(&'static str, T)], value: &T) -> &'static str {
    let found = table.iter().find(|(_, own)| own == value);
    found.map_or("", |(name, _)| name)
}

impl Operator {
    /// Whether `value OPERATOR limit` is true.
    pub(crate) fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Below => value < limit,
            Self::AtMost => value <= limit,
            Self::Above => value > limit,
            Self::AtLeast => value >= limit,
        }
    }
}

impl Statistic {
    /// The quantile (0 to 1) of a percentile.
    pub(crate) fn quantile(self) -> Option<f64> {
        match self {
            // Rounded, so that 99.9 gives the very 0.999 that the tables use.
            Self::Percentile(percent) => Some((percent * 1e10).round() / 1e12),
            _ => None,
        }
    }
}

impl Limit {
    /// The limit in the unit that figures have: milliseconds, a share of 1, or as it is.
    pub(crate) fn value(self) -> f64 {
        match self.unit {
            Unit::Microseconds => self.number / 1000.0,
            Unit::Milliseconds | Unit::One => self.number,
            Unit::Seconds => self.number * 1000.0,
            Unit::Percent => self.number / 100.0,
        }
    }
}

impl Display for Threshold {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        if let Some(kind) = &self.kind {
            write!(formatter, "{kind}:")?;
        }
        let operator = name_of(&OPERATORS, &self.operator);
        let (number, unit) = (self.limit.number, name_of(&UNITS, &self.limit.unit));
        write!(formatter, "{}{operator}{number}{unit}", self.metric)
    }
}

impl Display for Metric {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Self::Latency(time, statistic) = self else {
            return formatter.write_str(name_of(&METRICS, self));
        };
        if *time == Time::Service {
            formatter.write_str("service.")?;
        }
        match statistic {
            Statistic::Percentile(percent) => write!(formatter, "p{percent}"),
            named => formatter.write_str(name_of(&STATISTICS, named)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::measure::summary::{Outcome, Sample, Summary};
    use crate::measure::tally::Tally;

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
            let error = text.parse::<Threshold>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(error.contains("createOrder:p99<0.1s") && !error.contains('\n'));
        }
    }

    #[test]
    fn figures_are_held_against_their_limits() {
        for (text, verdict, measured) in [
            ("min<2.001ms", Standing::Holds, "2.000 ms"),
            ("service.min<1ms", Standing::Broken, "1.000 ms"),
            ("service.min<=1000us", Standing::Holds, "1.000 ms"),
            ("max<0.396s", Standing::Holds, "395.000 ms"),
            ("service.avg>=197.5ms", Standing::Holds, "197.500 ms"),
            ("failures<1.5%", Standing::Broken, "1.500 %"),
            ("failures<=6", Standing::Holds, "6"),
            ("cancel:Order:failures<=2%", Standing::Holds, "2.000 %"),
            ("timeouts<1", Standing::Broken, "2"),
            ("rps>100", Standing::Holds, "100.25 per second"),
        ] {
            let judgement = judge(text);
            assert_eq!(judgement.verdict, verdict, "{text}: {judgement:?}");
            assert_eq!(judgement.measured.as_deref(), Some(measured), "{text}");
        }
    }

    #[test]
    fn any_percentile_that_the_replies_carry_is_judged() {
        assert_eq!(judge("p97<385ms").verdict, Standing::Holds);
        assert_eq!(judge("p97<382ms").verdict, Standing::Broken);
        assert_eq!(judge("service.p12.5>48ms").verdict, Standing::Holds);
    }

    #[test]
    fn a_percentile_of_too_few_replies_is_undecided_and_does_not_hold() {
        let thresholds = [parse("p95<20s"), parse("p99.9<20s"), parse("p99.9>0ms")];
        let answer = evaluate(&thresholds, &summary(&thresholds));
        let verdicts: Vec<_> = answer.judgements.iter().map(|own| own.verdict).collect();
        assert_eq!(
            verdicts,
            [Standing::Holds, Standing::Undecided, Standing::Undecided]
        );
        assert!(!answer.all_hold() && Judgements::default().all_hold());
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
            assert_eq!(answer.judgements[0].verdict, Standing::Undecided, "{text}");
        }
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
        let time = select(vec![Time::Response, Time::Service]);
        let unit = select(vec![Unit::Microseconds, Unit::Milliseconds, Unit::Seconds]);
        prop_oneof![
            (time, statistic(), unit)
                .prop_map(|(time, own, unit)| (Metric::Latency(time, own), unit)),
            select(vec![Unit::One, Unit::Percent]).prop_map(|unit| (Metric::Failures, unit)),
            Just((Metric::RequestsPerSecond, Unit::One)),
        ]
    }

    fn threshold() -> impl Strategy<Value = Threshold> {
        let kind = proptest::option::of("[^\\s]([^\\r\\n]{0,18}[^\\s])?");
        let operator = select(vec![
            Operator::Below,
            Operator::AtMost,
            Operator::Above,
            Operator::AtLeast,
        ]);
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
}
