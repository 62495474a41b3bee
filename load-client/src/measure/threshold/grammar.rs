//! Parses thresholds.

use std::fmt::Display;
use std::str::FromStr;

use super::{Metric, Statistic, Threshold, Time};

/// The grammar, in lines that fit the help. Messages have it in one line.
pub(crate) const GRAMMAR: &str = "\
[KIND:]METRIC OPERATOR VALUE, such as p95<20ms, service.avg<=1.5s, failures<1%,
timeouts<=0, rps>=500 or createOrder:p99<0.1s. METRIC is p50, p95, p99.9 (any
percentile), avg, min, max or med, each also as service.p95; or it is failures,
timeouts or rps. OPERATOR is <, <=, > or >=. VALUE is a time (us, ms, s), a
share (%) or a number";

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

/// A comparison that must be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Below,
    AtMost,
    Above,
    AtLeast,
}

impl Operator {
    /// Returns whether `value OPERATOR limit` is true.
    pub(super) fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Below => value < limit,
            Self::AtMost => value <= limit,
            Self::Above => value > limit,
            Self::AtLeast => value >= limit,
        }
    }
}

/// Longer operators come first, because they begin with shorter ones.
const OPERATORS: [(&str, Operator); 4] = [
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("<", Operator::Below),
    (">", Operator::Above),
];

/// The quantity that a unit measures.
#[derive(Clone, Copy, PartialEq)]
enum Quantity {
    Time,
    Share,
    /// A count, or requests per second.
    Plain,
}

/// The text of a unit, its quantity, and the conversion of a number into the unit of the figures.
type Unit = (&'static str, Quantity, fn(f64) -> f64);

const UNITS: [Unit; 5] = [
    ("us", Quantity::Time, |number| number / 1000.0),
    ("ms", Quantity::Time, |number| number),
    ("s", Quantity::Time, |number| number * 1000.0),
    ("%", Quantity::Share, |number| number / 100.0),
    ("", Quantity::Plain, |number| number),
];

/// Makes the message for a text that is not a threshold.
fn problem(text: impl Display) -> String {
    format!("{text}; takes {}", GRAMMAR.replace('\n', " "))
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        // A kind's name may contain a colon. The condition after it cannot.
        let (kind, condition) = match text.rsplit_once(':') {
            Some((kind, condition)) => (Some(kind.trim()), condition),
            None => (None, text),
        };
        if kind == Some("") {
            return Err(problem("there is no kind before the colon"));
        }
        let at = condition.find(['<', '>']).unwrap_or(condition.len());
        let (metric, rest) = condition.split_at(at);
        let mut signs = OPERATORS.iter();
        let found = signs.find_map(|(sign, own)| Some((sign, *own, rest.strip_prefix(sign)?)));
        let (sign, operator, limit) = found.ok_or_else(|| problem("there is no <, <=, > or >="))?;
        let (metric, name) = read_metric(metric.trim())?;
        let (number, unit) = split_limit(limit.trim())?;
        let known = UNITS.iter().find(|(own, ..)| *own == unit);
        let (_, quantity, scaled) =
            known.ok_or_else(|| problem(format_args!("{unit:?} is not a unit")))?;
        check_unit(metric, &name, *quantity)?;
        if kind.is_some() && metric == Metric::Timeouts {
            return Err(problem(
                "timeouts are counted over all kinds, so they take no kind",
            ));
        }
        let of_kind = kind.map(|kind| format!("{kind}:")).unwrap_or_default();
        Ok(Self {
            text: format!("{of_kind}{name}{sign}{number}{unit}"),
            kind: kind.map(str::to_owned),
            metric,
            operator,
            limit: scaled(number),
            is_share: *quantity == Quantity::Share,
        })
    }
}

/// Parses a metric. Returns it with its name in the normal form.
fn read_metric(text: &str) -> Result<(Metric, String), String> {
    if let Some((name, metric)) = METRICS.iter().find(|(name, _)| *name == text) {
        return Ok((*metric, (*name).to_owned()));
    }
    let (time, prefix, statistic) = match text.split_once('.') {
        Some(("service", statistic)) => (Time::Service, "service.", statistic),
        Some(("response", statistic)) => (Time::Response, "", statistic),
        _ => (Time::Response, "", text),
    };
    let named = STATISTICS.iter().find(|(name, _)| *name == statistic);
    let named = named.map(|(name, statistic)| (*statistic, (*name).to_owned()));
    let found = named.or_else(|| read_percentile(statistic));
    let (statistic, name) =
        found.ok_or_else(|| problem(format_args!("{text:?} is not a metric")))?;
    Ok((Metric::Latency(time, statistic), format!("{prefix}{name}")))
}

fn read_percentile(text: &str) -> Option<(Statistic, String)> {
    let percent = read_number(text.strip_prefix('p')?)?;
    // p0 and p100 are min and max. No run is long enough for more than six decimals.
    let is_between = percent > 0.0 && percent < 100.0;
    let is_coarse = text.split_once('.').is_none_or(|(_, part)| part.len() <= 6);
    // Rounded, so that 99.9 gives exactly the 0.999 that the tables use.
    let quantile = (percent * 1e10).round() / 1e12;
    let statistic = Statistic::Percentile(quantile);
    (is_between && is_coarse).then(|| (statistic, format!("p{percent}")))
}

/// Splits a limit into its number and its unit.
fn split_limit(text: &str) -> Result<(f64, &str), String> {
    let end = text.find(|character: char| !character.is_ascii_digit() && character != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let number = read_number(number)
        .ok_or_else(|| problem(format_args!("{text:?} does not begin with a number")))?;
    match unit.trim() {
        "µs" => Ok((number, "us")),
        unit => Ok((number, unit)),
    }
}

/// Parses digits with at most one point. A sign, an exponent or infinity is not allowed.
fn read_number(text: &str) -> Option<f64> {
    let is_plain = |character: char| character.is_ascii_digit() || character == '.';
    if !text.starts_with(|first: char| first.is_ascii_digit()) || !text.chars().all(is_plain) {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn check_unit(metric: Metric, name: &str, quantity: Quantity) -> Result<(), String> {
    let (is_fit, needs) = match metric {
        Metric::Latency(..) => (
            quantity == Quantity::Time,
            "a time with its unit, such as 20ms",
        ),
        Metric::RequestsPerSecond => (
            quantity == Quantity::Plain,
            "a plain number, requests per second",
        ),
        Metric::Failures | Metric::Timeouts => (
            quantity != Quantity::Time,
            "a share such as 1%, or a number of requests",
        ),
    };
    let wrong = || problem(format_args!("{name} needs {needs}"));
    is_fit.then_some(()).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn parse(text: &str) -> Threshold {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
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
            ("p95<20m", "\"m\" is not a unit"),
            ("p100<20ms", "\"p100\" is not a metric"),
            ("p0<20ms", "\"p0\" is not a metric"),
            ("p9e1<20ms", "\"p9e1\" is not a metric"),
            ("service.rps>1", "\"service.rps\" is not a metric"),
            ("latency<20ms", "\"latency\" is not a metric"),
            ("rps>5ms", "rps needs a plain number"),
            ("failures<1ms", "failures needs a share"),
            (":p95<1ms", "there is no kind before the colon"),
            ("a:timeouts<1", "timeouts are counted over all kinds"),
        ] {
            let error = text.parse::<Threshold>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(error.contains("createOrder:p99<0.1s") && !error.contains('\n'));
        }
    }

    #[test]
    fn limits_are_in_the_unit_of_the_figures() {
        for (text, limit, is_share) in [
            ("p95<20ms", 20.0, false),
            ("p95<1.5s", 1500.0, false),
            ("p95<100us", 0.1, false),
            ("failures<1%", 0.01, true),
            ("failures<=3", 3.0, false),
        ] {
            let threshold = parse(text);
            assert_eq!((threshold.limit, threshold.is_share), (limit, is_share));
        }
    }

    fn metric_and_unit() -> impl Strategy<Value = (String, &'static str)> {
        let time = select(vec!["", "response.", "service."]);
        let percentile = (1..1_000_000_u32).prop_map(|n| format!("p{}", f64::from(n) / 10_000.0));
        let named = select(vec!["avg", "min", "max", "med"]).prop_map(str::to_owned);
        let statistic = prop_oneof![percentile, named];
        prop_oneof![
            (time, statistic, select(vec!["us", "µs", "ms", "s"]))
                .prop_map(|(time, own, unit)| (format!("{time}{own}"), unit)),
            select(vec!["", "%"]).prop_map(|unit| ("failures".to_owned(), unit)),
            Just(("rps".to_owned(), "")),
        ]
    }

    fn typed() -> impl Strategy<Value = String> {
        let kind = proptest::option::of("[^\\s]([^\\r\\n]{0,18}[^\\s])?");
        let operator = select(vec!["<", "<=", ">", ">="]);
        (kind, metric_and_unit(), operator, 0.0..1e9_f64).prop_map(
            |(kind, (metric, unit), operator, number)| {
                let kind = kind.map(|kind| format!("{kind}:")).unwrap_or_default();
                format!("{kind}{metric}{operator}{number}{unit}")
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(text in typed()) {
            let threshold = parse(&text);
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
