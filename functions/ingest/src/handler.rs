//! From a request to the log and back.

use std::time::Instant;

use aws_lambda_events::http::StatusCode;
use pillarbox_domain::cloud_event::{BINARY_MARK, STRUCTURED_CONTENT_TYPE};
use pillarbox_domain::credential::Scope;
use pillarbox_domain::limits::DEFAULT_RETENTION;
use pillarbox_domain::publish::{AppendError, EventLog, PublishError, Published, publish};
use pillarbox_domain::{Clock, CloudEvent, EventId};
use pillarbox_runtime::http::{Caller, Problem, Request, Response, body, json, media_type};
use serde::Serialize;

/// What the media types of CloudEvents begin with, known to us or not.
const CLOUD_EVENTS: &str = "application/cloudevents";

/// What is said to a caller whose request is in neither form.
const FORMS: &str = "Send the event as application/cloudevents+json; or its data, of any type, with its \
                     attributes in the headers ce-specversion, ce-id, ce-source, ce-type.";

/// Takes events in.
pub(crate) struct Ingest<L, C> {
    /// Where they go.
    pub(crate) log: L,
    /// Dates and names them.
    pub(crate) clock: C,
}

/// The answer to a publish that ended well.
#[derive(Serialize)]
struct Acceptance {
    event_id: EventId,
    duplicate: bool,
}

impl<L: EventLog, C: Clock> Ingest<L, C> {
    /// Answers a request, whatever it is, and logs it.
    pub(crate) async fn handle(&self, request: &Request) -> Response {
        let started = Instant::now();
        let caller = Caller::of(request);
        let tenant = caller
            .as_ref()
            .ok()
            .map(|caller| caller.tenant().to_string());
        let answer = match caller {
            Ok(caller) => self.publish(&caller, request).await,
            Err(problem) => Err(problem),
        };
        log(tenant.as_deref(), &answer, started);
        answer.map_or_else(Problem::into_response, respond)
    }

    async fn publish(&self, caller: &Caller, request: &Request) -> Result<Published, Problem> {
        let tenant = caller.require(Scope::Publish)?;
        let event = event(request)?;
        let event_id = self.clock.next_id();
        let published = publish(&self.log, tenant, event, event_id, DEFAULT_RETENTION);
        published.await.map_err(refusal)
    }
}

/// The event of a request, in whichever form its headers say.
fn event(request: &Request) -> Result<CloudEvent, Problem> {
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

/// One line per publish.
fn log(tenant: Option<&str>, answer: &Result<Published, Problem>, started: Instant) {
    let (outcome, event_id, status) = match answer {
        Ok(Published::Accepted(id)) => ("accepted", Some(id), 201),
        Ok(Published::Duplicate(id)) => ("duplicate", Some(id), 200),
        Ok(Published::Conflict(id)) => ("conflict", Some(id), 409),
        Err(problem) => ("refused", None, problem.status()),
    };
    let event_id = event_id.map(ToString::to_string);
    let duration_ms = started.elapsed().as_secs_f64() * 1_000.0;
    tracing::info!(
        tenant.id = tenant,
        event.id = event_id,
        status,
        outcome,
        duration_ms,
        "publish.answered"
    );
}

fn respond(published: Published) -> Response {
    let acceptance = |event_id, duplicate| Acceptance {
        event_id,
        duplicate,
    };
    match published {
        Published::Accepted(event_id) => json(StatusCode::CREATED, &acceptance(event_id, false)),
        Published::Duplicate(event_id) => json(StatusCode::OK, &acceptance(event_id, true)),
        Published::Conflict(event_id) => Problem::event_conflict(event_id).into_response(),
    }
}

fn refusal(error: PublishError) -> Problem {
    match error {
        PublishError::Invalid(violation) => Problem::invalid(vec![violation.into()]),
        PublishError::Append(AppendError::TooLarge { limit, actual }) => {
            Problem::too_large(limit, actual)
        }
        PublishError::Append(AppendError::Store(error)) => error.into(),
    }
}

#[cfg(test)]
mod tests;
