//! Reading the log: `GET /v1/events` and `GET /v1/events/{event_id}`.

use aws_lambda_events::http::StatusCode;
use pillarbox_aws::{Clients, DynamoActiveHours, DynamoLogIndex, S3Payloads};
use pillarbox_domain::active_hours::MarkedHours;
use pillarbox_domain::cloud_event::STRUCTURED_CONTENT_TYPE;
use pillarbox_domain::credential::Scope;
use pillarbox_domain::event_query::{
    BadParameter, Bounds, EventBodies, EventQuery, LogIndex, LogReader, ShownEvent,
};
use pillarbox_domain::tenant_settings::TenantSettingsReader;
use pillarbox_domain::{Clock, EventId, LoggedEvent, TenantId};
use pillarbox_runtime::clock::SystemClock;
use pillarbox_runtime::http::{
    Caller, FieldError, Problem, Request, Response, json, json_as, query_parameters,
};
use serde::Serialize;

use crate::config::Names;

/// What the log is read with.
pub(crate) struct Events<L, M, C> {
    /// The log.
    pub(crate) log: L,
    /// In which hours it has events.
    pub(crate) marks: M,
    /// What has expired by its time is not shown.
    pub(crate) clock: C,
}

/// A page as it is answered.
#[derive(Serialize)]
struct EventList<'a> {
    events: Vec<ShownEvent<'a>>,
    next_cursor: Option<String>,
}

impl Events<DynamoLogIndex<S3Payloads>, DynamoActiveHours, SystemClock> {
    /// In the stack's tables.
    pub(crate) fn on_aws(
        clients: &Clients,
        names: &Names,
        payloads: S3Payloads,
        clock: SystemClock,
    ) -> Self {
        let (log, outbox) = (names.event_log_table.clone(), names.outbox_table.clone());
        Self {
            log: DynamoLogIndex::new(clients.dynamodb(), log, payloads),
            marks: DynamoActiveHours::new(clients.dynamodb(), outbox),
            clock,
        }
    }
}

impl<L, M, C> Events<L, M, C>
where
    L: LogIndex + EventBodies + Sync,
    M: MarkedHours + Sync,
    C: Clock,
{
    /// The events that the query's parameters ask for.
    pub(crate) async fn list<S>(&self, settings: &S, request: &Request) -> Result<Response, Problem>
    where
        S: TenantSettingsReader + Sync,
    {
        let caller = Caller::of(request)?;
        let tenant = caller.require(Scope::Read)?;
        let query = EventQuery::parse(tenant, &query_parameters(request)?).map_err(refused)?;
        let page = self.reader(settings).list(tenant, &query).await?;
        let shown = EventList {
            events: page.events.iter().map(ShownEvent).collect(),
            next_cursor: page.next_cursor,
        };
        Ok(json(StatusCode::OK, &shown))
    }

    /// The event that the path names.
    pub(crate) async fn show<S>(&self, settings: &S, request: &Request) -> Result<Response, Problem>
    where
        S: TenantSettingsReader + Sync,
    {
        let caller = Caller::of(request)?;
        let tenant = caller.require(Scope::Read)?;
        let event = self.named(settings, tenant, request).await?;
        Ok(json_as(
            STRUCTURED_CONTENT_TYPE,
            StatusCode::OK,
            &ShownEvent(&event),
        ))
    }

    /// The event that the path names, 404 when there is none.
    pub(crate) async fn named<S>(
        &self,
        settings: &S,
        tenant: &TenantId,
        request: &Request,
    ) -> Result<LoggedEvent, Problem>
    where
        S: TenantSettingsReader + Sync,
    {
        let named = request.path_parameters.get("event_id");
        let event_id: EventId = named
            .map(String::as_str)
            .unwrap_or_default()
            .parse()
            .map_err(|error| Problem::invalid_field("event_id", error))?;
        let found = self.reader(settings).find(tenant, event_id).await?;
        found.ok_or_else(|| Problem::not_found(format!("There is no event '{event_id}'.")))
    }

    pub(crate) fn reader<'a, S>(&'a self, settings: &'a S) -> LogReader<'a, S, M, L> {
        LogReader {
            settings,
            marks: &self.marks,
            log: &self.log,
            now: self.clock.now(),
            bounds: Bounds::default(),
        }
    }
}

/// Every fault of a query, by the name of its parameter.
pub(crate) fn refused(faults: Vec<BadParameter>) -> Problem {
    let errors = faults.into_iter().map(|fault| FieldError {
        field: fault.name,
        detail: fault.detail,
    });
    Problem::invalid(errors.collect())
}

#[cfg(test)]
mod tests;
