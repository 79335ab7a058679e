//! `GET /v1/events/{event_id}/journey`: who got the event, when, and why others did not.

use aws_lambda_events::http::StatusCode;
use futures::future::{try_join, try_join3};
use pillarbox_aws::{Clients, DynamoReceipts, DynamoTroubledDeliveries};
use pillarbox_domain::active_hours::MarkedHours;
use pillarbox_domain::archive::ArchiveReader;
use pillarbox_domain::credential::Scope;
use pillarbox_domain::event_query::{EventBodies, LogIndex};
use pillarbox_domain::job::{Job, JobId, JobStore, ShownTarget};
use pillarbox_domain::journey::{DeliveryJourney, EventState, NotMatched, deliveries, not_matched};
use pillarbox_domain::letters::{DeadLetter, LetterStore, Shown as ShownLetter};
use pillarbox_domain::receipt::ReceiptReader;
use pillarbox_domain::registry::SubscriptionRegistry;
use pillarbox_domain::seal::SealStore;
use pillarbox_domain::subscription::Registered;
use pillarbox_domain::tenant_settings::TenantSettingsReader;
use pillarbox_domain::trouble::{Attempt, TroubledDeliveries};
use pillarbox_domain::{Clock, LoggedEvent, StoreError, SubscriptionId, TenantId};
use pillarbox_runtime::http::{Caller, Problem, Request, Response, json};
use serde::Serialize;
use serde_json::{Value, json as object};

use crate::config::Names;
use crate::events::Events;
use crate::integrity::Vault;
use crate::subscriptions::{ShownDecision, rfc3339};

/// Subscriptions that are asked why they do not have the event. Beyond it, `…/test` tells.
const MAX_NOT_MATCHED: usize = 1_000;

/// Jobs that are asked whether they replay an event, the latest.
const MAX_JOBS: usize = 100;

/// What the outbox and the dead letters have of an event.
pub(crate) struct Deliveries<R, T> {
    /// What was handed over.
    pub(crate) receipts: R,
    /// What is in trouble.
    pub(crate) rows: T,
}

impl Deliveries<DynamoReceipts, DynamoTroubledDeliveries> {
    /// In the stack's table.
    pub(crate) fn on_aws(clients: &Clients, names: &Names) -> Self {
        let table = || names.outbox_table.clone();
        Self {
            receipts: DynamoReceipts::new(clients.dynamodb(), table()),
            rows: DynamoTroubledDeliveries::new(clients.dynamodb(), table()),
        }
    }
}

/// The answer.
#[derive(Serialize)]
struct Journey<'a> {
    event_id: String,
    state: &'static str,
    source: &'a str,
    id: &'a str,
    r#type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
    accepted_at: String,
    expires_at: String,
    handed_over_at: Option<String>,
    deliveries: Vec<ShownDelivery<'a>>,
    not_matched: Vec<ShownNotMatched>,
    replays: Vec<ShownReplay<'a>>,
}

#[derive(Serialize)]
struct ShownDelivery<'a> {
    subscription: &'a str,
    state: &'static str,
    handed_over_at: Option<String>,
    attempts: Vec<Value>,
    next_attempt_at: Option<String>,
    dead_letters: Vec<ShownLetter<'a>>,
}

/// A job that has the event in its set. What became of the event in it, where it failed, is among the job's failures.
#[derive(Serialize)]
struct ShownReplay<'a> {
    job_id: JobId,
    state: &'static str,
    target: Option<ShownTarget<'a>>,
    schedule: Option<&'a str>,
    created_at: String,
    finished_at: Option<String>,
}

#[derive(Serialize)]
struct ShownNotMatched {
    subscription: String,
    decided_by: Option<ShownDecision>,
    note: Option<&'static str>,
}

/// The journey of the event that the path names.
pub(crate) async fn show<S, L, M, C, R, T, D, V, A, J>(
    registry: &S,
    events: &Events<L, M, C>,
    outbox: &Deliveries<R, T>,
    letters: &D,
    vault: &Vault<V, A>,
    jobs: &J,
    request: &Request,
) -> Result<Response, Problem>
where
    S: TenantSettingsReader + SubscriptionRegistry + Sync,
    L: LogIndex + EventBodies + Sync,
    M: MarkedHours + Sync,
    C: Clock,
    R: ReceiptReader,
    T: TroubledDeliveries,
    D: LetterStore,
    V: SealStore + Sync,
    A: ArchiveReader + Sync,
    J: JobStore,
{
    let caller = Caller::of(request)?;
    let tenant = caller.require(Scope::Read)?;
    let event = events.named(registry, tenant, request).await?;
    let event_id = event.event_id;
    let (receipts, rows, letters) = try_join3(
        outbox.receipts.of_event(tenant, event_id),
        outbox.rows.of_event(tenant, event_id),
        letters.of_event(tenant, event_id),
    )
    .await?;
    let now = events.clock.now();
    let letters: Vec<DeadLetter> = letters.into_iter().map(|one| one.as_of(now)).collect();
    let jobs = jobs.list(tenant, None, MAX_JOBS).await?.jobs;
    let made = deliveries(&receipts, &rows);
    let others = not_matched(&event, &made, &subscriptions(registry, tenant).await?);
    // Receipts of what is sealed may be gone. Only where there is nothing else does it cost another call.
    let sealed_before = match receipts.is_empty() && rows.is_empty() {
        true => vault.sealed_before().await?,
        false => None,
    };
    let state = EventState::of(&event, &receipts, &rows, sealed_before);
    let handed_over_at = receipts.first().map(|receipt| receipt.handed_over_at);
    let journey = Journey {
        state: state.name(),
        handed_over_at: handed_over_at.map(rfc3339),
        deliveries: made
            .iter()
            .map(|delivery| shown_delivery(delivery, &letters))
            .collect(),
        not_matched: others.into_iter().map(shown_not_matched).collect(),
        replays: shown_replays(&jobs, &event),
        ..Journey::of(&event)
    };
    Ok(json(StatusCode::OK, &journey))
}

/// The tenant's subscriptions and those of the bus, which span tenants.
async fn subscriptions<S: SubscriptionRegistry + Sync>(
    registry: &S,
    tenant: &TenantId,
) -> Result<Vec<Registered>, StoreError> {
    let bus = TenantId::bus();
    let of = |owner| registry.subscriptions(owner, None, MAX_NOT_MATCHED);
    if tenant.is_bus() {
        return of(&bus).await;
    }
    let (mut own, of_bus) = try_join(of(tenant), of(&bus)).await?;
    own.extend(of_bus);
    Ok(own)
}

impl<'a> Journey<'a> {
    fn of(event: &'a LoggedEvent) -> Self {
        Self {
            event_id: event.event_id.to_string(),
            state: EventState::Pending.name(),
            source: event.event.source(),
            id: event.event.id(),
            r#type: event.event.event_type(),
            subject: event.event.text("subject"),
            correlation_id: event.event.correlation_id(),
            accepted_at: rfc3339(event.event_id.accepted_at()),
            expires_at: rfc3339(event.expires_at),
            handed_over_at: None,
            deliveries: vec![],
            not_matched: vec![],
            replays: vec![],
        }
    }
}

fn shown_delivery<'a>(
    delivery: &'a DeliveryJourney,
    letters: &'a [DeadLetter],
) -> ShownDelivery<'a> {
    let attempts = delivery.attempts.iter().enumerate();
    let its = letters
        .iter()
        .filter(|letter| is_of(letter, &delivery.subscription));
    ShownDelivery {
        subscription: delivery.subscription.as_str(),
        state: delivery.state.name(),
        handed_over_at: delivery.handed_over_at.map(rfc3339),
        attempts: attempts.map(shown_attempt).collect(),
        next_attempt_at: delivery.next_attempt_at.map(rfc3339),
        dead_letters: its.map(ShownLetter).collect(),
    }
}

fn is_of(letter: &DeadLetter, subscription: &SubscriptionId) -> bool {
    let delivery = letter.delivery.as_ref();
    delivery.is_some_and(|delivery| delivery.subscription == *subscription)
}

fn shown_attempt((index, attempt): (usize, &Attempt)) -> Value {
    let failure = &attempt.failure;
    object!({
        "attempt": index + 1,
        "at": rfc3339(attempt.at),
        "error": { "class": failure.class, "message": failure.message },
    })
}

fn shown_replays<'a>(jobs: &'a [Job], event: &LoggedEvent) -> Vec<ShownReplay<'a>> {
    let its = jobs.iter().filter(|job| job.spec.replays(event));
    its.map(|job| ShownReplay {
        job_id: job.id,
        state: job.state.name(),
        target: ShownTarget::of(&job.spec.work),
        schedule: job.spec.schedule.as_deref(),
        created_at: rfc3339(job.created_at),
        finished_at: job.finished_at.map(rfc3339),
    })
    .collect()
}

fn shown_not_matched(other: NotMatched) -> ShownNotMatched {
    ShownNotMatched {
        subscription: other.subscription.to_string(),
        decided_by: other.decided_by.map(ShownDecision::from),
        note: other.note,
    }
}

#[cfg(test)]
mod tests;
