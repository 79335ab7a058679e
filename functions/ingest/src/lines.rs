//! What the function says: one wide line per publish.

use std::time::Instant;

use pillarbox_domain::publish::Published;
use pillarbox_runtime::http::Problem;

use crate::handler::Outcome;
use crate::noted::{Note, Noted};

/// A request: a line for each of its events; one where it failed as a whole.
pub(crate) fn answered(
    tenant: Option<&str>,
    noted: &Noted,
    outcome: &Result<Outcome, Problem>,
    started: Instant,
) {
    let unknown = Note::default();
    let only = match noted.notes() {
        [note] => note,
        _ => &unknown,
    };
    match outcome {
        Ok(Outcome::One(published)) => line(tenant, only, Ok(published), started),
        Ok(Outcome::Batch(outcomes)) => {
            for (note, outcome) in noted.notes().iter().zip(outcomes) {
                line(tenant, note, outcome.as_ref(), started);
            }
        }
        Err(problem) => line(tenant, only, Err(problem), started),
    }
}

fn line(tenant: Option<&str>, note: &Note, answer: Result<&Published, &Problem>, started: Instant) {
    let (outcome, event_id, status) = match answer {
        Ok(Published::Accepted(id)) => ("accepted", Some(*id), 201),
        Ok(Published::Duplicate(id)) => ("duplicate", Some(*id), 200),
        Ok(Published::Conflict(first)) => ("conflict", Some(first.event_id), 409),
        Err(problem) => ("refused", None, problem.status()),
    };
    let trace_id = note.trace_id(event_id);
    let duration_ms = started.elapsed().as_secs_f64() * 1_000.0;
    tracing::info!(
        tenant.id = tenant,
        trace.id = trace_id.map(|trace_id| trace_id.to_string()),
        event.id = event_id.map(|event_id| event_id.to_string()),
        event.r#type = note.event_type,
        status,
        outcome,
        duration_ms,
        "publish.answered"
    );
}
