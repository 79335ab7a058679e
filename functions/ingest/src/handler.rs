//! From a request to the log and back.

use std::time::Instant;

use pillarbox_domain::cloud_event::{BATCH_CONTENT_TYPE, BINARY_MARK, STRUCTURED_CONTENT_TYPE};
use pillarbox_domain::credential::Scope;
use pillarbox_domain::publish::{
    EventLog, Published, Terms, publish, publish_all, publish_atomically,
};
use pillarbox_domain::schema::SchemaReader;
use pillarbox_domain::schema::publishing::SchemaCheck;
use pillarbox_domain::tenant_settings::{
    CachedTenantSettings, TenantSettings, TenantSettingsReader,
};
use pillarbox_domain::{Clock, CloudEvent, TenantId};
use pillarbox_runtime::http::{Caller, Problem, Request, Response, body, media_type};
use pillarbox_runtime::metrics::Metrics;

use crate::answers::{answer, answer_batch, not_a_batch, not_atomic, refusal};
use crate::noted::{Noted, caller_s_trace};
use crate::parameters::Parameters;
use crate::schemas::fitting;
use crate::{figures, lines};

/// What the media types of CloudEvents begin with, known to us or not.
const CLOUD_EVENTS: &str = "application/cloudevents";

/// What is said to a caller whose request is in neither form.
const FORMS: &str = "Send the event as application/cloudevents+json; a batch as \
                     application/cloudevents-batch+json; or the data, of any type, with its \
                     attributes in the headers ce-specversion, ce-id, ce-source, ce-type.";

/// Takes events in.
pub(crate) struct Ingest<L, T, S, C> {
    /// Where they go.
    pub(crate) log: L,
    /// What is set for their tenants.
    pub(crate) tenants: CachedTenantSettings<T, C>,
    /// What their data have to look like.
    pub(crate) schemas: SchemaCheck<S>,
    /// Dates and names them.
    pub(crate) clock: C,
    /// What is measured.
    pub(crate) metrics: Metrics,
}

/// What a request brought: one event, or a batch with an outcome each.
pub(crate) enum Outcome {
    One(Published),
    Batch(Vec<Result<Published, Problem>>),
}

impl<L: EventLog, T: TenantSettingsReader, S: SchemaReader, C: Clock> Ingest<L, T, S, C> {
    /// Answers a request, whatever it is, and logs it.
    pub(crate) async fn handle(&self, request: &Request) -> Response {
        let started = Instant::now();
        let caller = Caller::of(request);
        let tenant = caller
            .as_ref()
            .ok()
            .map(|caller| caller.tenant().to_string());
        let mut noted = Noted::default();
        let outcome = match caller {
            Ok(caller) => self.publish(&caller, request, &mut noted).await,
            Err(problem) => Err(problem),
        };
        figures::measure(&self.metrics, &noted, &outcome);
        lines::answered(tenant.as_deref(), &noted, &outcome, started);
        match outcome {
            Ok(Outcome::One(published)) => answer(published),
            Ok(Outcome::Batch(outcomes)) => answer_batch(outcomes),
            Err(problem) => problem.into_response(),
        }
    }

    /// Takes in what a request brings, and notes what it was.
    async fn publish(
        &self,
        caller: &Caller,
        request: &Request,
        noted: &mut Noted,
    ) -> Result<Outcome, Problem> {
        let tenant = caller.require(Scope::Publish)?;
        let parameters = Parameters::of(request)?;
        if media_type(request) == BATCH_CONTENT_TYPE {
            let published = self
                .publish_batch(tenant, request, parameters, noted)
                .await?;
            return Ok(Outcome::Batch(published));
        }
        if parameters.atomic {
            return Err(Problem::invalid_field("atomic", "is for batches only"));
        }
        let event = event(request);
        noted.push(&event);
        let event = event?;
        let settings = self.tenants.of(tenant).await?;
        let fitting = fitting(&self.schemas, tenant, &settings.schemas, event).await;
        let event = fitting.map_err(refusal)?;
        let terms = terms(&settings, parameters);
        let event_id = self.clock.next_id();
        let published = publish(&self.log, tenant, event, event_id, &terms).await;
        published.map(Outcome::One).map_err(refusal)
    }

    async fn publish_batch(
        &self,
        tenant: &TenantId,
        request: &Request,
        parameters: Parameters,
        noted: &mut Noted,
    ) -> Result<Vec<Result<Published, Problem>>, Problem> {
        let mut events = CloudEvent::from_batch(&body(request)?).map_err(not_a_batch)?;
        if let Some(parent) = caller_s_trace(&request.headers) {
            let traced = |event: Result<CloudEvent, _>| event.map(|event| event.traced(parent));
            events = events.into_iter().map(traced).collect();
        }
        events.iter().for_each(|event| noted.push(event));
        let settings = self.tenants.of(tenant).await?;
        let mut fit = Vec::with_capacity(events.len());
        for event in events {
            fit.push(match event {
                Ok(event) => fitting(&self.schemas, tenant, &settings.schemas, event).await,
                Err(error) => Err(error.into()),
            });
        }
        let (events, terms) = (fit, terms(&settings, parameters));
        let (log, clock) = (&self.log, &self.clock);
        if parameters.atomic {
            let published = publish_atomically(log, tenant, events, clock, &terms).await;
            return Ok(published.map_err(not_atomic)?.into_iter().map(Ok).collect());
        }
        let published = publish_all(log, tenant, events, clock, &terms).await;
        Ok(published
            .into_iter()
            .map(|outcome| outcome.map_err(refusal))
            .collect())
    }
}

fn terms(settings: &TenantSettings, parameters: Parameters) -> Terms {
    Terms {
        retention: settings.retention,
        log_shards: settings.log_shards,
        outbox: parameters.outbox,
    }
}

/// The event of a request, as part of the caller's trace unless it names one itself.
fn event(request: &Request) -> Result<CloudEvent, Problem> {
    let event = untraced_event(request)?;
    Ok(match caller_s_trace(&request.headers) {
        Some(parent) => event.traced(parent),
        None => event,
    })
}

/// The event of a request, in whichever form its headers say.
fn untraced_event(request: &Request) -> Result<CloudEvent, Problem> {
    let media_type = media_type(request);
    if media_type == STRUCTURED_CONTENT_TYPE {
        return Ok(CloudEvent::from_structured(&body(request)?)?);
    }
    if media_type.starts_with(CLOUD_EVENTS) || !request.headers.contains_key(BINARY_MARK) {
        return Err(Problem::unsupported_media_type(FORMS));
    }
    let headers = request.headers.iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
    Ok(CloudEvent::from_binary(headers, &body(request)?)?)
}

#[cfg(test)]
mod tests;
