//! What the page asks for, as plan and settings; what the command line proposes, as a form.

use load_client::plan::Plan;
use load_client::transport::kafka::KafkaSettings;
use load_client::web::{Defaults, Refusal, StartOrder};

use crate::cli::RunArguments;
use crate::parse;

/// Whether a new run may have a rate.
pub(super) const RATE_OFFERED: bool = false;

/// The form as the command line fills it.
pub(super) fn defaults(plan: &Plan) -> Defaults {
    let run_time = plan.run_time.map(humantime::format_duration);
    Defaults {
        users: plan.users,
        spawn_rate: plan.spawn_rate,
        run_time: run_time.map_or_else(String::new, |time| time.to_string().replace(' ', "")),
    }
}

/// Plan and settings of an order: what it does not name is as on the command line.
pub(super) fn ordered(
    arguments: &RunArguments,
    order: &StartOrder,
    run_id: String,
) -> Result<(Plan, KafkaSettings), Refusal> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    if given(&order.rate).is_some() && !RATE_OFFERED {
        let message =
            "rate: this build sends the next request when a reply is there; leave it empty";
        return Err(Refusal::Invalid(message.to_owned()));
    }
    let run_time = given(&order.run_time).map(|text| parse::duration(text.trim()));
    let run_time = run_time
        .transpose()
        .map_err(|reason| Refusal::Invalid(format!("run_time: {reason}")))?;
    let invalid = |error: load_client::plan::PlanError| Refusal::Invalid(error.to_string());
    let (plan, settings) = arguments.validated(run_id).map_err(invalid)?;
    let plan = Plan {
        users: order.users,
        spawn_rate: order.spawn_rate,
        run_time,
        ..plan
    };
    Ok((plan.validated().map_err(invalid)?, settings))
}
