//! From a request to the log and back.

use std::time::Instant;

use aws_lambda_events::http::StatusCode;
use pillarbox_domain::cloud_event::STRUCTURED_CONTENT_TYPE;
use pillarbox_domain::credential::Scope;
use pillarbox_domain::limits::DEFAULT_RETENTION;
use pillarbox_domain::publish::{AppendError, EventLog, PublishError, Published, publish};
use pillarbox_domain::{Clock, CloudEvent, EventId};
use pillarbox_runtime::http::{Caller, Problem, Request, Response, body, json, media_type};
use serde::Serialize;

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
            .map(|caller| caller.tenant().to_string())
            .unwrap_or_default();
        let response = match self.publish(caller, request).await {
            Ok(published) => respond(published),
            Err(problem) => problem.into_response(),
        };
        let duration_ms = started.elapsed().as_secs_f64() * 1_000.0;
        tracing::info!(
            tenant.id = tenant,
            status = response.status_code,
            duration_ms,
            "publish.answered"
        );
        response
    }

    async fn publish(
        &self,
        caller: Result<Caller, Problem>,
        request: &Request,
    ) -> Result<Published, Problem> {
        let caller = caller?;
        let tenant = caller.require(Scope::Publish)?;
        if media_type(request) != STRUCTURED_CONTENT_TYPE {
            return Err(Problem::unsupported_media_type(STRUCTURED_CONTENT_TYPE));
        }
        let event = CloudEvent::from_structured(&body(request)?)?;
        let published = publish(
            &self.log,
            tenant,
            event,
            self.clock.next_id(),
            DEFAULT_RETENTION,
        )
        .await;
        published.map_err(refusal)
    }
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
