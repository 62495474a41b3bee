//! What the page asks for, as plan and settings; what the command line proposes, as a form.

use std::time::Duration;

use crate::load::plan::{Model, OpenLoop, Pause, Plan};
use crate::load::shape::{Arrivals, show_rate};
use crate::scenario::Mix;
use crate::transport::kafka::KafkaSettings;
use crate::web::{Defaults, Refusal, StartOrder};

use crate::args::RunArguments;
use crate::args::parse;

/// Whether a new run may have a rate.
pub(super) const RATE_OFFERED: bool = true;

/// The form as the command line fills it.
pub(super) fn defaults(arguments: &RunArguments, plan: &Plan) -> Defaults {
    let run_time = plan.run_time.map(humantime::format_duration);
    Defaults {
        users: arguments.users,
        spawn_rate: plan.spawn_rate,
        run_time: run_time.map_or_else(String::new, |time| time.to_string().replace(' ', "")),
        rate: arguments.load.rate.map_or_else(String::new, show_rate),
    }
}

/// Plan, settings and requests of an order: what it does not name is as on the command line.
pub(super) fn ordered(
    arguments: &RunArguments,
    order: &StartOrder,
    run_id: String,
) -> Result<(Plan, KafkaSettings, Mix), Refusal> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let invalid = |field: &str| {
        let field = field.to_owned();
        move |reason: String| Refusal::Invalid(format!("{field}: {reason}"))
    };
    let run_time = given(&order.run_time).map(|text| parse::duration(text.trim()));
    let run_time = run_time.transpose().map_err(invalid("run_time"))?;
    let rate = given(&order.rate).map(|text| parse::rate(text.trim()));
    let rate = rate.transpose().map_err(invalid("rate"))?;
    let refused = |error: String| Refusal::Invalid(error);
    let (plan, mut settings) = arguments
        .validated(run_id)
        .map_err(|error| refused(error.to_string()))?;
    let seed = arguments.load.seed();
    let scenario = arguments.service.apply(&mut settings, seed);
    let scenario = scenario.map_err(|error| refused(error.to_string()))?;
    let plan = match plan.stages.is_empty() {
        true => unstaged(plan, order, run_time, rate, arguments),
        false => arguments
            .load
            .staged_as(plan, (order.users, order.spawn_rate), run_time, rate)
            .map_err(|error| refused(error.to_string()))?,
    };
    let plan = plan
        .validated()
        .map_err(|error| refused(error.to_string()))?;
    Ok((plan, settings, scenario))
}

/// The load of the order, which is one.
fn unstaged(
    plan: Plan,
    order: &StartOrder,
    run_time: Option<Duration>,
    rate: Option<f64>,
    arguments: &RunArguments,
) -> Plan {
    let model = model(plan.model, rate, arguments);
    let is_open = matches!(model, Model::Open(_));
    Plan {
        users: if is_open { 0 } else { order.users },
        spawn_rate: order.spawn_rate,
        run_time,
        model,
        ..plan
    }
}

/// An open loop with a rate, users without one.
fn model(typed: Model, rate: Option<f64>, arguments: &RunArguments) -> Model {
    match (rate, typed) {
        (Some(rate), Model::Open(open)) => Model::Open(OpenLoop { rate, ..open }),
        (Some(rate), Model::Closed(_)) => Model::Open(OpenLoop {
            rate,
            arrivals: Arrivals::Constant,
            max_in_flight: arguments.load.max_in_flight(),
        }),
        (None, Model::Closed(pause)) => Model::Closed(pause),
        (None, Model::Open(_)) => Model::Closed(Pause::None),
    }
}
