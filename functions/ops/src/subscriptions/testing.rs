//! `…/test`: would this pattern have this event, and if not, which field decides?

use aws_lambda_events::http::StatusCode;
use pillarbox_domain::active_hours::MarkedHours;
use pillarbox_domain::credential::Scope;
use pillarbox_domain::event_query::{EventBodies, EventFilter, EventQuery, LogIndex};
use pillarbox_domain::log_hour::Order;
use pillarbox_domain::pattern::{Decision, EventDocument, Pattern, Verdict};
use pillarbox_domain::registry::SubscriptionRegistry;
use pillarbox_domain::tenant_settings::TenantSettingsReader;
use pillarbox_domain::{Clock, CloudEvent, EventId, TenantId};
use pillarbox_runtime::http::{Caller, Problem, Request, Response, json};
use serde::{Deserialize, Serialize};
use serde_json::Number;
use serde_json::value::RawValue;

use super::{body, registered};
use crate::events::Events;
use crate::requests;

/// Events that one test may be held against.
const MAX_LAST: u64 = 100;

/// `POST /v1/subscriptions/test`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TestBody {
    types: Option<Vec<String>>,
    pattern: Option<Box<RawValue>>,
    event: Option<Box<RawValue>>,
    last: Option<Number>,
}

/// `POST /v1/subscriptions/{subscription}/test`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TestRegisteredBody {
    event: Option<Box<RawValue>>,
    last: Option<Number>,
}

/// What a pattern is held against.
enum Subject {
    Event(CloudEvent),
    Last(usize),
}

/// What came of one event.
#[derive(Serialize)]
struct Tested {
    event_id: Option<EventId>,
    r#type: String,
    matches: bool,
    decided_by: Option<ShownDecision>,
}

/// The field and test that decided.
#[derive(Serialize)]
pub(crate) struct ShownDecision {
    field: String,
    test: String,
    found: Option<String>,
}

impl From<Decision> for ShownDecision {
    fn from(decision: Decision) -> Self {
        let Decision { field, test, found } = decision;
        Self { field, test, found }
    }
}

/// What came of all of them.
#[derive(Serialize)]
struct Results {
    tested: usize,
    matched: usize,
    results: Vec<Tested>,
}

/// Tests a pattern that is registered nowhere.
pub(crate) async fn test<S, L, M, C>(
    settings: &S,
    events: &Events<L, M, C>,
    request: &Request,
) -> Result<Response, Problem>
where
    S: TenantSettingsReader + Sync,
    L: LogIndex + EventBodies + Sync,
    M: MarkedHours + Sync,
    C: Clock,
{
    let caller = Caller::of(request)?;
    let tenant = caller.require(Scope::Read)?;
    let body: TestBody = requests::parse(request)?;
    let mut errors = vec![];
    let pattern = body::pattern(body.types, body.pattern, &mut errors);
    let Some(pattern) = pattern else {
        return Err(match errors.is_empty() {
            true => Problem::invalid_field("pattern", "is missing: give it, or types"),
            false => Problem::invalid(errors),
        });
    };
    let subject = subject(body.event, body.last)?;
    hold_against(settings, events, tenant, &pattern, subject).await
}

/// Tests the pattern of a subscription.
pub(crate) async fn test_registered<S, L, M, C>(
    registry: &S,
    events: &Events<L, M, C>,
    request: &Request,
) -> Result<Response, Problem>
where
    S: SubscriptionRegistry + TenantSettingsReader + Sync,
    L: LogIndex + EventBodies + Sync,
    M: MarkedHours + Sync,
    C: Clock,
{
    let caller = Caller::of(request)?;
    let tenant = caller.require(Scope::Read)?;
    let there = registered(registry, tenant, request).await?;
    let body: TestRegisteredBody = requests::parse(request)?;
    let subject = subject(body.event, body.last)?;
    hold_against(
        registry,
        events,
        tenant,
        &there.subscription.pattern,
        subject,
    )
    .await
}

fn subject(event: Option<Box<RawValue>>, last: Option<Number>) -> Result<Subject, Problem> {
    match (event, last) {
        (Some(event), None) => {
            let event = CloudEvent::from_structured(event.get().as_bytes());
            event
                .map(Subject::Event)
                .map_err(|error| Problem::invalid(Problem::from(error).within("event")))
        }
        (None, Some(last)) => match requests::whole(&last) {
            Some(count @ 1..=MAX_LAST) => {
                Ok(Subject::Last(usize::try_from(count).unwrap_or(usize::MAX)))
            }
            _ => {
                let detail = format!("must be a whole number from 1 to {MAX_LAST}");
                Err(Problem::invalid_field("last", detail))
            }
        },
        _ => {
            let detail = "or last has to be given, and not both";
            Err(Problem::invalid_field("event", detail))
        }
    }
}

async fn hold_against<S, L, M, C>(
    settings: &S,
    events: &Events<L, M, C>,
    tenant: &TenantId,
    pattern: &Pattern,
    subject: Subject,
) -> Result<Response, Problem>
where
    S: TenantSettingsReader + Sync,
    L: LogIndex + EventBodies + Sync,
    M: MarkedHours + Sync,
    C: Clock,
{
    let results = match subject {
        Subject::Event(event) => vec![tested(pattern, &event, None)],
        Subject::Last(limit) => {
            let query = EventQuery {
                filter: EventFilter::default(),
                order: Order::Newest,
                limit,
                start: None,
            };
            let page = events.reader(settings).list(tenant, &query).await?;
            let found = page.events.iter();
            found
                .map(|logged| tested(pattern, &logged.event, Some(logged.event_id)))
                .collect()
        }
    };
    let results = Results {
        tested: results.len(),
        matched: results.iter().filter(|tested| tested.matches).count(),
        results,
    };
    Ok(json(StatusCode::OK, &results))
}

fn tested(pattern: &Pattern, event: &CloudEvent, event_id: Option<EventId>) -> Tested {
    let decided_by = match pattern.explain(&EventDocument::of(event)) {
        Verdict::Matched => None,
        Verdict::Missed(decision) => Some(decision.into()),
    };
    Tested {
        event_id,
        r#type: event.event_type().to_owned(),
        matches: decided_by.is_none(),
        decided_by,
    }
}
