//! `/v1/schedules`: replays and redrives that come again and again.

use aws_lambda_events::http::StatusCode;
use pillarbox_domain::credential::Scope;
use pillarbox_domain::limits::MAX_SCHEDULES;
use pillarbox_domain::registry::SubscriptionRegistry;
use pillarbox_domain::schedule::{
    KeptSchedule, Schedule, ScheduleError, ScheduleName, Scheduled, Schedules, WorkKind,
    request as asked,
};
use pillarbox_domain::subscription::request::FieldFault;
use pillarbox_runtime::http::{
    Caller, FieldError, Problem, Request, Response, json, no_content, query_parameters,
};
use serde::Serialize;
use serde_json::{Map, Value};
use time::UtcDateTime;

use crate::jobs::{at_fault, check_subscription};
use crate::requests;
use crate::subscriptions::rfc3339;

/// `POST /v1/schedules`
pub(crate) async fn add<S: Schedules, R: SubscriptionRegistry>(
    schedules: &S,
    registry: &R,
    queue_prefix: &str,
    request: &Request,
    now: UtcDateTime,
) -> Result<Response, Problem> {
    let caller = Caller::of(request)?;
    let tenant = caller.require(Scope::Operate)?;
    let body: Value = requests::parse(request)?;
    let (schedule, spec) = asked::read(&body, queue_prefix, now).map_err(at_fault)?;
    // One that goes later makes calls be refused.
    let place = format!("{}.", schedule.work.kind().member());
    check_subscription(tenant, registry, &spec, &place).await?;
    match schedules.add(tenant, &schedule, MAX_SCHEDULES).await {
        Ok(Scheduled::New(kept)) => {
            let name = kept.schedule.name.as_str();
            tracing::info!(tenant.id = %tenant, schedule.name = name, "schedule.created");
            Ok(json(StatusCode::CREATED, &shown(&kept)))
        }
        Ok(Scheduled::Unchanged(kept)) => Ok(json(StatusCode::OK, &shown(&kept))),
        Ok(Scheduled::Differs(_)) => Err(Problem::conflict(format!(
            "Schedule '{}' exists, with other settings. Nothing was changed: remove it first.",
            schedule.name
        ))),
        Ok(Scheduled::TooMany) => Err(Problem::conflict(format!(
            "{MAX_SCHEDULES} schedules are there, which is the most. Remove one first."
        ))),
        Err(ScheduleError::Refused(fault)) => Err(at_fault(vec![fault])),
        Err(ScheduleError::Store(error)) => Err(error.into()),
    }
}

/// `GET /v1/schedules`
pub(crate) async fn list<S: Schedules>(
    schedules: &S,
    request: &Request,
) -> Result<Response, Problem> {
    let caller = Caller::of(request)?;
    let tenant = caller.require(Scope::Read)?;
    no_parameters(request)?;
    let kept = schedules.list(tenant).await?;
    let listed = Listed {
        schedules: kept.iter().map(shown).collect(),
        next_cursor: None,
    };
    Ok(json(StatusCode::OK, &listed))
}

/// `GET /v1/schedules/{schedule}`
pub(crate) async fn show<S: Schedules>(
    schedules: &S,
    request: &Request,
) -> Result<Response, Problem> {
    let caller = Caller::of(request)?;
    let tenant = caller.require(Scope::Read)?;
    let name = named(request)?;
    let kept = schedules.get(tenant, &name).await?;
    let kept = kept.ok_or_else(|| no_such_schedule(&name))?;
    Ok(json(StatusCode::OK, &shown(&kept)))
}

/// `DELETE /v1/schedules/{schedule}`
pub(crate) async fn remove<S: Schedules>(
    schedules: &S,
    request: &Request,
) -> Result<Response, Problem> {
    let caller = Caller::of(request)?;
    let tenant = caller.require(Scope::Operate)?;
    let name = named(request)?;
    if !schedules.remove(tenant, &name).await? {
        return Err(no_such_schedule(&name));
    }
    tracing::info!(tenant.id = %tenant, schedule.name = name.as_str(), "schedule.removed");
    Ok(no_content())
}

/// All are in one answer, so there is nothing to ask for.
fn no_parameters(request: &Request) -> Result<(), Problem> {
    let given = query_parameters(request)?.into_iter();
    let errors = given.map(|(name, _)| {
        FieldError::from(FieldFault::new(name, "is not a parameter of this request"))
    });
    let errors: Vec<_> = errors.collect();
    match errors.is_empty() {
        true => Ok(()),
        false => Err(Problem::invalid(errors)),
    }
}

/// The schedule that the path names.
fn named(request: &Request) -> Result<ScheduleName, Problem> {
    let named = request.path_parameters.get("schedule");
    let name = named.map(String::as_str).unwrap_or_default().parse();
    name.map_err(|error| Problem::invalid_field("schedule", error))
}

fn no_such_schedule(name: &ScheduleName) -> Problem {
    Problem::not_found(format!("There is no schedule '{name}'."))
}

/// A schedule as it is answered.
#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    expression: &'a str,
    timezone: &'a str,
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redrive: Option<&'a Map<String, Value>>,
    created_at: String,
}

/// All of a tenant's schedules: they are few, so there is no other page.
#[derive(Serialize)]
struct Listed<'a> {
    schedules: Vec<Shown<'a>>,
    next_cursor: Option<String>,
}

fn shown(kept: &KeptSchedule) -> Shown<'_> {
    let Schedule {
        name,
        expression,
        timezone,
        work,
    } = &kept.schedule;
    let body_of = |kind| (work.kind() == kind).then(|| work.body());
    Shown {
        name: name.as_str(),
        expression: expression.as_str(),
        timezone: timezone.name(),
        enabled: kept.is_enabled,
        replay: body_of(WorkKind::Replay),
        redrive: body_of(WorkKind::Redrive),
        created_at: rfc3339(kept.created_at),
    }
}

#[cfg(test)]
mod tests;
