//! `GET /v1/correlations/{correlation_id}`: all events of one operation, in order, each with its state.

use aws_lambda_events::http::StatusCode;
use pillarbox_domain::active_hours::MarkedHours;
use pillarbox_domain::archive::ArchiveReader;
use pillarbox_domain::event_query::{EventBodies, EventQuery, LogIndex};
use pillarbox_domain::journey::{DeliveryJourney, EventState, deliveries};
use pillarbox_domain::operation::{OperationReader, Step};
use pillarbox_domain::receipt::ReceiptLedger;
use pillarbox_domain::registry::Registry;
use pillarbox_domain::seal::SealStore;
use pillarbox_domain::tenant_settings::TenantSettingsReader;
use pillarbox_domain::trouble::TroubledDeliveries;
use pillarbox_domain::{Clock, EventId, StoreError};
use pillarbox_runtime::http::{Problem, Request, Response, json};
use serde::Serialize;
use time::UtcDateTime;

use crate::events::{Events, refused};
use crate::integrity::Vault;
use crate::journey::Deliveries;
use crate::stats::asked;
use crate::subscriptions::rfc3339;

/// A page as it is answered.
#[derive(Serialize)]
struct Operation<'a> {
    correlation_id: &'a str,
    events: Vec<ShownStep<'a>>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct ShownStep<'a> {
    event_id: EventId,
    state: &'static str,
    source: &'a str,
    id: &'a str,
    r#type: &'a str,
    subject: Option<&'a str>,
    causation_id: Option<&'a str>,
    accepted_at: String,
    handed_over_at: Option<String>,
    latency_ms: Option<u64>,
    deliveries: Vec<ShownDelivery>,
}

#[derive(Serialize)]
struct ShownDelivery {
    subscription: String,
    state: &'static str,
    handed_over_at: Option<String>,
    failed_attempts: usize,
}

/// The events of the operation that the path names.
pub(crate) async fn show<S, L, M, C, R, T, V, A>(
    registry: &S,
    events: &Events<L, M, C>,
    outbox: &Deliveries<R, T>,
    vault: &Vault<V, A>,
    request: &Request,
) -> Result<Response, Problem>
where
    S: Registry + TenantSettingsReader + Sync,
    L: LogIndex + EventBodies + Sync,
    M: MarkedHours + Sync,
    C: Clock,
    R: ReceiptLedger + Sync,
    T: TroubledDeliveries + Sync,
    V: SealStore + Sync,
    A: ArchiveReader + Sync,
{
    let (tenant, parameters) = asked(registry, request).await?;
    let named = request.path_parameters.get("correlation_id");
    let named = named.map(String::as_str).unwrap_or_default();
    let query = EventQuery::of_operation(&tenant, named, &parameters).map_err(refused)?;
    let reader = OperationReader {
        log: events.reader(registry),
        receipts: &outbox.receipts,
        rows: &outbox.rows,
    };
    let page = reader.page(&tenant, &query).await?;
    let sealed_before = sealed_before(vault, &page.steps).await?;
    let shown = Operation {
        correlation_id: named,
        events: page
            .steps
            .iter()
            .map(|step| ShownStep::of(step, sealed_before))
            .collect(),
        next_cursor: page.next_cursor,
    };
    Ok(json(StatusCode::OK, &shown))
}

/// Receipts of what is sealed may be gone. Only where there is nothing else of an event does it cost another call.
async fn sealed_before<V, A>(
    vault: &Vault<V, A>,
    steps: &[Step],
) -> Result<Option<UtcDateTime>, StoreError>
where
    V: SealStore + Sync,
    A: ArchiveReader + Sync,
{
    let is_unknown = |step: &Step| step.receipts.is_empty() && step.rows.is_empty();
    match steps.iter().any(is_unknown) {
        true => vault.sealed_before().await,
        false => Ok(None),
    }
}

impl<'a> ShownStep<'a> {
    fn of(step: &'a Step, sealed_before: Option<UtcDateTime>) -> Self {
        let Step {
            event,
            receipts,
            rows,
        } = step;
        let accepted_at = event.event_id.accepted_at();
        let handed_over_at = receipts.first().map(|receipt| receipt.handed_over_at);
        let latency = |at: UtcDateTime| (at - accepted_at).whole_milliseconds();
        let deliveries = deliveries(receipts, rows);
        Self {
            event_id: event.event_id,
            state: EventState::of(event, receipts, rows, sealed_before).name(),
            source: event.event.source(),
            id: event.event.id(),
            r#type: event.event.event_type(),
            subject: event.event.text("subject"),
            causation_id: event.event.text("causationid"),
            accepted_at: rfc3339(accepted_at),
            handed_over_at: handed_over_at.map(rfc3339),
            latency_ms: handed_over_at.map(|at| u64::try_from(latency(at)).unwrap_or_default()),
            deliveries: deliveries.iter().map(ShownDelivery::of).collect(),
        }
    }
}

impl ShownDelivery {
    fn of(delivery: &DeliveryJourney) -> Self {
        Self {
            subscription: delivery.subscription.to_string(),
            state: delivery.state.name(),
            handed_over_at: delivery.handed_over_at.map(rfc3339),
            failed_attempts: delivery.attempts.len(),
        }
    }
}

#[cfg(test)]
mod tests;
