//! What the function says: one wide line per run and per message, and lines of the events that were found.

use std::time::Instant;

use pillarbox_domain::receipt::HandedOver;
use pillarbox_domain::sweep::{End, Handed, MAX_TOLD, Swept};
use pillarbox_domain::{ErrorChain, EventId, TraceId};
use pillarbox_runtime::metrics::millis_since;
use time::UtcDateTime;

use crate::handler::Failure;
use crate::summary::{Summary, rfc3339};

/// A run.
pub(crate) fn swept(swept: &Swept, summary: &Summary, now: UtcDateTime, started: Instant) {
    handed(&swept.handed, now);
    for found in &swept.told {
        tracing::info!(
            tenant.id = %found.tenant, event.id = %found.entry.event_id,
            event.r#type = found.entry.event_type, outcome = "asked", "event.swept"
        );
    }
    for (slice, error) in &swept.blocked {
        tracing::error!(
            from = rfc3339(slice.from()), to = rfc3339(slice.to()), error = %ErrorChain(error),
            "sweep.blocked"
        );
    }
    for (slice, error) in &swept.unasked {
        tracing::error!(
            from = rfc3339(slice.from()), to = rfc3339(slice.to()), error = %ErrorChain(error),
            "sweep.not_asked"
        );
    }
    log_swept(swept, summary, now, started);
}

fn log_swept(swept: &Swept, summary: &Summary, now: UtcDateTime, started: Instant) {
    let Summary {
        end,
        swept_before,
        open,
        slices,
        logged,
        receipted,
        missing,
        dispatched,
        asked,
        waiting,
        unreadable,
        failed,
        blocked,
    } = summary;
    let lag = swept
        .swept_before
        .map(|before| (now - before).whole_seconds());
    let error = swept.fault.as_ref();
    tracing::info!(
        end,
        swept_before,
        lag_seconds = lag,
        open,
        slices,
        logged,
        receipted,
        missing,
        dispatched,
        asked,
        waiting,
        unreadable,
        failed,
        blocked,
        error = error.map(|error| ErrorChain(error).to_string()),
        duration_ms = millis(started),
        "log.swept"
    );
    if swept.end == End::Full {
        tracing::error!(open, "sweep.full");
    }
}

/// A message.
pub(crate) fn taken(
    message_id: &str,
    taken: &Result<Option<Handed>, Failure>,
    (started, now): (Instant, UtcDateTime),
) {
    let outcome = match taken {
        Ok(Some(_)) => "handed_over",
        Ok(None) => "dispatch_is_off",
        Err(_) => "failed",
    };
    let done = taken.as_ref().ok().and_then(Option::as_ref);
    if let Some(done) = done {
        handed(done, now);
    }
    let error = taken.as_ref().err();
    tracing::info!(
        message.id = message_id,
        outcome,
        dispatched = done.map(|handed| handed.dispatched.len()),
        receipted = done.map(|handed| handed.receipted),
        unreadable = done.map(|handed| handed.unreadable.len()),
        error = error.map(|error| ErrorChain(error).to_string()),
        duration_ms = millis(started),
        "found.taken"
    );
}

/// Events that were handed over, up to a number of them; and each that was not.
pub(crate) fn handed(handed: &Handed, now: UtcDateTime) {
    for event in handed.dispatched.iter().take(MAX_TOLD) {
        log_dispatched(event, trace_of(handed, event.event_id), now);
    }
    for (found, failure) in &handed.unreadable {
        tracing::error!(
            tenant.id = %found.tenant, trace.id = trace_of(handed, found.entry.event_id),
            event.id = %found.entry.event_id, event.r#type = found.entry.event_type,
            event.source = found.entry.source, event.source_id = found.entry.id,
            error = %failure, "sweep.unreadable"
        );
    }
    for (found, error) in &handed.failed {
        tracing::error!(
            tenant.id = %found.tenant, trace.id = trace_of(handed, found.entry.event_id),
            event.id = %found.entry.event_id, event.r#type = found.entry.event_type,
            error = %ErrorChain(error), outcome = "failed", "event.swept"
        );
    }
    log_subscriptions(handed);
}

/// The trace of an event, if the event was read.
fn trace_of(handed: &Handed, event_id: EventId) -> Option<String> {
    let trace_id = handed.traces.get(&event_id);
    trace_id.map(TraceId::to_string)
}

fn log_dispatched(event: &HandedOver, trace_id: Option<String>, now: UtcDateTime) {
    let matched = event.subscriptions.len() + event.withheld.len();
    tracing::info!(
        tenant.id = %event.tenant, trace.id = trace_id, event.id = %event.event_id,
        event.r#type = event.event_type, matched, withheld = event.withheld.len(), retrying = event.retrying,
        dead_lettered = event.dead_lettered, latency_ms = millis_since(event.event_id, now),
        outcome = "handed_over", "event.swept"
    );
}

fn log_subscriptions(handed: &Handed) {
    for suspension in &handed.suspended {
        tracing::error!(
            tenant.id = %suspension.owner, subscription.id = %suspension.id,
            reason = suspension.reason, "subscription.suspended"
        );
    }
    for (suspension, error) in &handed.unsuspended {
        tracing::error!(
            tenant.id = %suspension.owner, subscription.id = %suspension.id,
            error = %ErrorChain(error), "subscription.not_suspended"
        );
    }
    for (key, error) in &handed.unreminded {
        tracing::warn!(
            tenant.id = %key.tenant, trace.id = trace_of(handed, key.event_id),
            event.id = %key.event_id, subscription.id = %key.subscription,
            error = %ErrorChain(error), "delivery.not_reminded"
        );
    }
}

fn millis(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1_000.0
}
