//! What the page asks for, as plan and settings; what the command line proposes, as a form.

use crate::plan::{Model, OpenLoop, Pause, Plan};
use crate::scenario::Mix;
use crate::shape::{Arrivals, show_rate};
use crate::transport::kafka::KafkaSettings;
use crate::web::{Defaults, Refusal, StartOrder};

use crate::args::RunArguments;
use crate::args::parse;

/// Whether a new run may have a rate.
pub(super) const RATE_OFFERED: bool = true;

/// The form as the command line fills it.
pub(super) fn defaults(plan: &Plan) -> Defaults {
    let run_time = plan.run_time.map(humantime::format_duration);
    Defaults {
        users: plan.users.max(1),
        spawn_rate: plan.spawn_rate,
        run_time: run_time.map_or_else(String::new, |time| time.to_string().replace(' ', "")),
        rate: match &plan.model {
            Model::Open(open) => show_rate(open.rate),
            Model::Closed(_) => String::new(),
        },
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
    let model = model(plan.model, rate, arguments);
    let plan = Plan {
        users: if matches!(model, Model::Open(_)) {
            0
        } else {
            order.users
        },
        spawn_rate: order.spawn_rate,
        run_time,
        model,
        ..plan
    };
    let plan = plan
        .validated()
        .map_err(|error| refused(error.to_string()))?;
    Ok((plan, settings, scenario))
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
