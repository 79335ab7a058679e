//! From how a publish ended to what its caller is told.

use aws_lambda_events::http::StatusCode;
use pillarbox_domain::EventId;
use pillarbox_domain::cloud_event::BatchError;
use pillarbox_domain::limits::MAX_ATOMIC_EVENTS;
use pillarbox_domain::publish::{AtomicError, PublishError, Published, Refusal};
use pillarbox_runtime::http::{FieldError, Problem, Response, json};
use serde::Serialize;

/// The answer to a publish that ended well.
#[derive(Serialize)]
struct Acceptance {
    event_id: EventId,
    duplicate: bool,
}

/// The answer to one event of a batch.
#[derive(Serialize)]
struct BatchResult {
    status: u16,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    acceptance: Option<Acceptance>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

/// The answer to a batch: a result per event, in the order in which they were sent.
#[derive(Serialize)]
struct BatchResults {
    results: Vec<BatchResult>,
}

/// 201 or 200 with the event's id; a conflict is a problem.
pub(crate) fn answer(published: Published) -> Response {
    match settle(published) {
        Ok((status, acceptance)) => json(status, &acceptance),
        Err(problem) => problem.into_response(),
    }
}

/// 201 when every event is in the log, 207 when any is not.
pub(crate) fn answer_batch(outcomes: Vec<Result<Published, Problem>>) -> Response {
    let results: Vec<BatchResult> = outcomes.into_iter().map(BatchResult::of).collect();
    let all_stored = results.iter().all(|result| result.problem.is_none());
    let status = if all_stored {
        StatusCode::CREATED
    } else {
        StatusCode::MULTI_STATUS
    };
    json(status, &BatchResults { results })
}

impl BatchResult {
    fn of(outcome: Result<Published, Problem>) -> Self {
        match outcome.and_then(settle) {
            Ok((status, acceptance)) => Self {
                status: status.as_u16(),
                acceptance: Some(acceptance),
                problem: None,
            },
            Err(problem) => Self {
                status: problem.status(),
                acceptance: None,
                problem: Some(problem),
            },
        }
    }
}

fn settle(published: Published) -> Result<(StatusCode, Acceptance), Problem> {
    let acceptance = |event_id, duplicate| Acceptance {
        event_id,
        duplicate,
    };
    match published {
        Published::Accepted(event_id) => Ok((StatusCode::CREATED, acceptance(event_id, false))),
        Published::Duplicate(event_id) => Ok((StatusCode::OK, acceptance(event_id, true))),
        Published::Conflict(conflict) => Err(Problem::event_conflict(&conflict)),
    }
}

/// Why an event is not in the log, for its producer.
pub(crate) fn refusal(error: PublishError) -> Problem {
    match error {
        PublishError::Parse(error) => error.into(),
        PublishError::Invalid(violation) => Problem::invalid(vec![violation.into()]),
        PublishError::Unfit(violations) => Problem::unfit(violations),
        PublishError::Store(error) => error.into(),
        PublishError::FirstNotStored => Problem::failed_dependency(
            "An earlier event of the batch has the same source and id and was not stored. Send this one by itself.",
        ),
    }
}

/// Why a body is not a batch.
pub(crate) fn not_a_batch(error: BatchError) -> Problem {
    match error {
        BatchError::Malformed(_) => Problem::malformed(error.to_string()),
        BatchError::Events(_) => Problem::invalid_field("batch", error),
    }
}

/// Why a batch that is stored as a whole is not stored: 400 when an event of it is at fault, 409 when what is
/// in the log or in the batch itself stands in the way. Every event that does is named by its place.
pub(crate) fn not_atomic(error: AtomicError) -> Problem {
    let refused = match error {
        AtomicError::Store(error) => return error.into(),
        AtomicError::TooMany(count) => {
            let detail =
                format!("has {count} events; with atomic, {MAX_ATOMIC_EVENTS} is the most");
            return Problem::invalid_field("batch", detail);
        }
        AtomicError::Refused(refused) => refused,
    };
    let invalid = refused
        .iter()
        .any(|(_, refusal)| matches!(refusal, Refusal::Invalid(_)));
    let errors = refused
        .into_iter()
        .flat_map(|(index, refusal)| in_the_way(index, refusal));
    let errors = errors.collect();
    if invalid {
        Problem::invalid(errors)
    } else {
        Problem::conflicts(errors)
    }
}

fn in_the_way(index: usize, refusal: Refusal) -> Vec<FieldError> {
    let place = format!("batch[{index}]");
    let at = |detail: String| {
        vec![FieldError {
            field: place.clone(),
            detail,
        }]
    };
    match refusal {
        Refusal::Conflict(conflict) => at(format!(
            "has the source and id of the event {} in the log, and differs in {}",
            conflict.event_id,
            conflict.differing.join(", ")
        )),
        Refusal::Differs { first, differing } => at(format!(
            "has the source and id of batch[{first}], and differs in {}",
            differing.join(", ")
        )),
        Refusal::Invalid(error) => self::refusal(error).within(&place),
    }
}
