//! One wide line per record.

use std::time::Instant;

use pillarbox_domain::ErrorChain;
use pillarbox_runtime::metrics::millis_since;
use time::UtcDateTime;

use super::attempt::Handled;
use super::event::DATA_MISMATCH;
use super::record::Record;
use super::settle::Outcome;

/// Bytes of an earlier result that a line tells.
const MAX_SHOWN_BYTES: usize = 1_024;

/// What a line tells of an outcome.
#[derive(Default)]
struct Shown<'a> {
    outcome: &'static str,
    result: Option<&'a str>,
    class: Option<String>,
    error: Option<String>,
    retry_in_ms: Option<u64>,
}

pub(super) fn log(record: &Record, outcome: &Outcome, now: UtcDateTime, started: Instant) {
    let delivery = record.delivery.as_ref().ok();
    let received = delivery.map(|delivery| &delivery.received);
    let tenant = delivery.map(|delivery| delivery.tenant.to_string());
    let event = received.map(|received| received.event_id.to_string());
    let event_type = received.map(|received| received.event.event_type());
    let subscription = received.map(|received| received.subscription.to_string());
    let trace = received.map(|received| received.trace_id().to_string());
    let job = received.and_then(|received| received.job.as_deref());
    let latency_ms = received.map(|received| millis_since(received.event_id, now));
    let duration_ms = started.elapsed().as_secs_f64() * 1_000.0;
    let shown = shown(outcome);
    tracing::info!(
        tenant.id = tenant,
        trace.id = trace,
        event.id = event,
        event.r#type = event_type,
        subscription.id = subscription,
        job.id = job,
        message.id = record.message_id,
        receives = record.receives,
        latency_ms,
        duration_ms,
        outcome = shown.outcome,
        result = shown.result,
        error.class = shown.class,
        error = shown.error,
        retry_in_ms = shown.retry_in_ms,
        "delivery.handled"
    );
}

fn shown(outcome: &Outcome) -> Shown<'_> {
    let of = |outcome| Shown {
        outcome,
        ..Shown::default()
    };
    match outcome {
        Outcome::Handled(Handled::Done) => of("done"),
        Outcome::Handled(Handled::Skipped) => of("skipped"),
        Outcome::Handled(Handled::Repeat(result)) => Shown {
            result: Some(&result[..result.floor_char_boundary(MAX_SHOWN_BYTES)]),
            ..of("repeat")
        },
        Outcome::DeadLettered(failure) => Shown {
            class: Some(failure.class.to_string()),
            // What says how data do not match quotes them. Their dead letter has it.
            error: (failure.class != DATA_MISMATCH).then(|| failure.message.clone()),
            ..of("dead_lettered")
        },
        Outcome::Again { failed, after } => Shown {
            class: failed.class().map(|class| class.to_string()),
            error: Some(ErrorChain(failed).to_string()),
            retry_in_ms: Some(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
            ..of("failed")
        },
    }
}
