//! `/v1/subscriptions`: which events go to which queues.

mod body;
mod testing;

pub(crate) use testing::{ShownDecision, test, test_registered};

use std::time::Duration;

use aws_lambda_events::http::StatusCode;
use pillarbox_domain::credential::Scope;
use pillarbox_domain::registry::{Added, Removed, Replaced, SubscriptionRegistry};
use pillarbox_domain::retry_policy::RetryPolicy;
use pillarbox_domain::subscription::{Registered, SubscriptionQuery, SubscriptionState};
use pillarbox_domain::subscription_cache;
use pillarbox_domain::{Clock, Subscription, SubscriptionId, TenantId, whole_millis};
use pillarbox_runtime::http::{
    Caller, Problem, Request, Response, json, no_content, query_parameters,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json as object};
use time::UtcDateTime;
use time::format_description::well_known::Rfc3339;

use crate::events::refused;
use crate::requests;

/// Characters of the reason for a pause.
const MAX_REASON_CHARS: usize = 256;

/// Times that a pause or resume is tried again when somebody else changes the subscription meanwhile.
const MAX_TRIES: usize = 3;

/// How long events may be withheld after a resume: dispatch knows of it by then, and an event takes a moment to get
/// there.
const RESUME_LAG: Duration = subscription_cache::MAX_AGE.saturating_mul(2);

/// `POST /v1/subscriptions/{subscription}/pause`
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PauseBody {
    reason: Option<String>,
}

/// `POST /v1/subscriptions/{subscription}/resume`
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResumeBody {}

/// `POST /v1/subscriptions`
pub(crate) async fn add<R: SubscriptionRegistry>(
    registry: &R,
    request: &Request,
    queue_prefix: &str,
    now: UtcDateTime,
) -> Result<Response, Problem> {
    let caller = Caller::of(request)?;
    let owner = caller.require(Scope::Operate)?;
    let wanted = body::new_subscription(request, owner, queue_prefix)?;
    let (added, there) = registry.add_subscription(&wanted, now).await?;
    let status = match added {
        Added::New => StatusCode::CREATED,
        Added::Unchanged => StatusCode::OK,
        Added::Differs => {
            let detail = format!(
                "Subscription '{}' exists, with other settings, in version {}. Nothing was changed.",
                wanted.id, there.version
            );
            return Err(Problem::conflict(detail));
        }
    };
    Ok(json(status, &shown(&there)))
}

/// `GET /v1/subscriptions`
pub(crate) async fn list<R: SubscriptionRegistry>(
    registry: &R,
    request: &Request,
) -> Result<Response, Problem> {
    let caller = Caller::of(request)?;
    let owner = caller.require(Scope::Read)?;
    let query = SubscriptionQuery::parse(owner, &query_parameters(request)?).map_err(refused)?;
    // One more than asked for tells whether there is another page.
    let mut found = registry
        .subscriptions(owner, query.after.as_ref(), query.limit + 1)
        .await?;
    let is_last = found.len() <= query.limit;
    found.truncate(query.limit);
    let last = found.last().map(|last| &last.subscription.id);
    let next_cursor = match is_last {
        true => None,
        false => last.map(|last| query.cursor(owner, last)),
    };
    let listed = Listed {
        subscriptions: found.iter().map(shown).collect(),
        next_cursor,
    };
    Ok(json(StatusCode::OK, &listed))
}

/// `GET /v1/subscriptions/{subscription}`
pub(crate) async fn show<R: SubscriptionRegistry>(
    registry: &R,
    request: &Request,
) -> Result<Response, Problem> {
    let caller = Caller::of(request)?;
    let owner = caller.require(Scope::Read)?;
    let found = registered(registry, owner, request).await?;
    Ok(json(StatusCode::OK, &shown(&found)))
}

/// `PATCH /v1/subscriptions/{subscription}`
pub(crate) async fn change<R: SubscriptionRegistry>(
    registry: &R,
    request: &Request,
    queue_prefix: &str,
    now: UtcDateTime,
) -> Result<Response, Problem> {
    let caller = Caller::of(request)?;
    let owner = caller.require(Scope::Operate)?;
    let there = registered(registry, owner, request).await?;
    let (seen, wanted) = body::changed(request, &there.subscription, queue_prefix)?;
    let id = wanted.id.clone();
    match registry.replace_subscription(&wanted, seen, now).await? {
        Replaced::Done(there) => Ok(json(StatusCode::OK, &shown(&there))),
        Replaced::Gone => Err(no_such_subscription(&id)),
        Replaced::Changed(version) => Err(another_version(&id, version, seen)),
    }
}

/// `DELETE /v1/subscriptions/{subscription}`
pub(crate) async fn remove<R: SubscriptionRegistry>(
    registry: &R,
    request: &Request,
) -> Result<Response, Problem> {
    let caller = Caller::of(request)?;
    let owner = caller.require(Scope::Operate)?;
    let id = named(request)?;
    let seen = body::seen_version(&query_parameters(request)?)?;
    match registry.remove_subscription(owner, &id, seen).await? {
        Removed::Done => Ok(no_content()),
        Removed::Gone => Err(no_such_subscription(&id)),
        Removed::Changed(version) => Err(another_version(&id, version, seen.unwrap_or_default())),
    }
}

/// `POST /v1/subscriptions/{subscription}/pause`
pub(crate) async fn pause<R: SubscriptionRegistry, C: Clock>(
    registry: &R,
    request: &Request,
    clock: &C,
) -> Result<Response, Problem> {
    let caller = Caller::of(request)?;
    let owner = caller.require(Scope::Operate)?;
    let PauseBody { reason } = requests::parse_optional(request)?;
    let fits = |reason: &String| (1..=MAX_REASON_CHARS).contains(&reason.chars().count());
    if !reason.as_ref().is_none_or(fits) {
        let detail = format!("must be 1 to {MAX_REASON_CHARS} characters");
        return Err(Problem::invalid_field("reason", detail));
    }
    let paused = SubscriptionState::Paused {
        since: clock.now(),
        reason,
    };
    let stop = |state: &SubscriptionState| match state {
        SubscriptionState::Active => Some(paused.clone()),
        // What is suspended stays so until a person resumes it; since when is not lost.
        SubscriptionState::Paused { .. } | SubscriptionState::Suspended { .. } => None,
    };
    let (_, there) = set_state(registry, owner, request, clock.now(), stop).await?;
    Ok(json(StatusCode::OK, &shown(&there)))
}

/// `POST /v1/subscriptions/{subscription}/resume`
pub(crate) async fn resume<R: SubscriptionRegistry, C: Clock>(
    registry: &R,
    request: &Request,
    clock: &C,
) -> Result<Response, Problem> {
    let caller = Caller::of(request)?;
    let owner = caller.require(Scope::Operate)?;
    let ResumeBody {} = requests::parse_optional(request)?;
    let go = |state: &SubscriptionState| {
        let is_stopped = !state.is_active();
        is_stopped.then_some(SubscriptionState::Active)
    };
    let (before, there) = set_state(registry, owner, request, clock.now(), go).await?;
    let since = before.since();
    let resumed = Resumed {
        subscription: shown(&there),
        gap: since.map(|since| gap(&there.subscription.id, since, clock.now())),
    };
    Ok(json(StatusCode::OK, &resumed))
}

/// What was withheld, and the body of the replay that brings it.
fn gap(id: &SubscriptionId, since: UtcDateTime, now: UtcDateTime) -> Value {
    let (from, to) = (rfc3339(since), rfc3339(now + RESUME_LAG));
    object!({
        "from": from, "to": to,
        "replay": {
            "filter": { "from": from, "to": to },
            "target": { "subscription": id.as_str() },
        },
    })
}

/// Puts the subscription of the path into the state that `next` makes of its own, if it makes one. The state before
/// and the subscription after it are returned.
async fn set_state<R: SubscriptionRegistry>(
    registry: &R,
    owner: &TenantId,
    request: &Request,
    now: UtcDateTime,
    next: impl Fn(&SubscriptionState) -> Option<SubscriptionState>,
) -> Result<(SubscriptionState, Registered), Problem> {
    let mut version = 0;
    for _ in 0..MAX_TRIES {
        let there = registered(registry, owner, request).await?;
        let before = there.subscription.state.clone();
        let Some(state) = next(&before) else {
            return Ok((before, there));
        };
        let wanted = Subscription {
            state,
            ..there.subscription
        };
        let replaced = registry.replace_subscription(&wanted, there.version, now);
        match replaced.await? {
            Replaced::Done(there) => return Ok((before, *there)),
            Replaced::Gone => return Err(no_such_subscription(&wanted.id)),
            Replaced::Changed(other) => version = other,
        }
    }
    Err(another_version(
        &named(request)?,
        version,
        version.saturating_sub(1),
    ))
}

/// The subscription that the path names.
fn named(request: &Request) -> Result<SubscriptionId, Problem> {
    let named = request.path_parameters.get("subscription");
    let id = named.map(String::as_str).unwrap_or_default().parse();
    id.map_err(|error| Problem::invalid_field("subscription", error))
}

async fn registered<R: SubscriptionRegistry>(
    registry: &R,
    owner: &TenantId,
    request: &Request,
) -> Result<Registered, Problem> {
    let id = named(request)?;
    let found = registry.subscription(owner, &id).await?;
    found.ok_or_else(|| no_such_subscription(&id))
}

fn no_such_subscription(id: &SubscriptionId) -> Problem {
    Problem::not_found(format!("There is no subscription '{id}'."))
}

fn another_version(id: &SubscriptionId, there: u64, seen: u64) -> Problem {
    Problem::conflict(format!(
        "Subscription '{id}' is in version {there} by now, and version {seen} was to be changed. Nothing was changed."
    ))
}

/// A subscription as it is answered.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    /// As it was given: a number of a pattern may be spelled in a way that a double does not keep.
    pattern: &'a RawValue,
    queue_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_version: Option<u32>,
    retry: Value,
    message_group: &'a str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    version: u64,
    created_at: String,
    updated_at: String,
}

fn shown(registered: &Registered) -> Shown<'_> {
    let subscription = &registered.subscription;
    Shown {
        id: subscription.id.as_str(),
        pattern: raw(subscription.pattern.as_json()),
        queue_url: subscription.queue_url.as_str(),
        target_version: subscription.target_version.map(|version| version.number()),
        retry: retry(subscription.retry),
        message_group: subscription.message_group.as_str(),
        state: subscription.state.name(),
        since: subscription.state.since().map(rfc3339),
        reason: subscription.state.reason(),
        version: registered.version,
        created_at: rfc3339(registered.created_at),
        updated_at: rfc3339(registered.updated_at),
    }
}

/// A pattern is JSON.
fn raw(json: &str) -> &RawValue {
    serde_json::from_str(json).unwrap_or(RawValue::NULL)
}

/// A page of subscriptions.
#[derive(Serialize)]
struct Listed<'a> {
    subscriptions: Vec<Shown<'a>>,
    next_cursor: Option<String>,
}

/// A subscription that was resumed, and what it missed.
#[derive(Serialize)]
struct Resumed<'a> {
    #[serde(flatten)]
    subscription: Shown<'a>,
    gap: Option<Value>,
}

fn retry(policy: RetryPolicy) -> Value {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    object!({
        "retries": policy.retries(),
        "first_delay_ms": millis(policy.first_delay()),
        "factor": policy.factor(),
        "max_delay_ms": millis(policy.max_delay()),
    })
}

/// A time as it is kept, so that an answer to a change says what the next look says.
pub(crate) fn rfc3339(at: UtcDateTime) -> String {
    // No clock shows a year of five digits.
    whole_millis(at).format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests;
