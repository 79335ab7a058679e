//! What is measured of a record.

use pillarbox_runtime::metrics::catalogue::{DELIVERY_RETRIES, END_TO_END_LATENCY};
use pillarbox_runtime::metrics::{Metrics, millis_since};
use time::UtcDateTime;

use super::attempt::{Failed, Handled};
use super::record::Record;
use super::settle::Outcome;

/// What ended by now. A message that is no delivery has no figures: it is a dead letter, and counted as one.
pub(super) fn measure(metrics: &Metrics, record: &Record, outcome: &Outcome, now: UtcDateTime) {
    let Ok(delivery) = &record.delivery else {
        return;
    };
    let received = &delivery.received;
    let subscription = Some(&received.subscription);
    let is_retried = record.receives > 1 && is_tried(outcome);
    metrics.add(&DELIVERY_RETRIES, subscription, usize::from(is_retried));
    let is_done = matches!(outcome, Outcome::Handled(Handled::Done));
    if is_done && received.job.is_none() {
        let latency_ms = millis_since(received.event_id, now);
        metrics.record(&END_TO_END_LATENCY, subscription, latency_ms);
    }
}

/// Whether the record was begun, and not only found done already or put off.
fn is_tried(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Handled(handled) => *handled == Handled::Done,
        Outcome::DeadLettered(_) => true,
        Outcome::Again { failed, .. } => !matches!(failed, Failed::OutOfTime | Failed::Behind),
    }
}
