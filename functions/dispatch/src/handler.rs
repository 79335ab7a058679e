//! From a stream's batch to the domain and back.

use std::time::Instant;

use aws_lambda_events::dynamodb::EventRecord;
use pillarbox_aws::decode_stream_image;
use pillarbox_domain::dead_letter::{DeadLetters, DeadRecord};
use pillarbox_domain::dispatch::{
    DeliveryQueues, DispatchError, Dispatcher, Outcomes, Subscriptions,
};
use pillarbox_domain::limits::DEFAULT_RETENTION;
use pillarbox_domain::receipt::{HandedOver, Receipts};
use pillarbox_domain::{Clock, ErrorChain, LoggedEvent, StoreError};
use pillarbox_runtime::batch::{Batch, BatchAnswer, read};
use serde_json::value::RawValue;

/// The name under which this function gives up on a record.
const ORIGIN: &str = "dispatch";

/// Everything that a dispatch needs.
pub(crate) struct Dispatch<S, Q, R, D, C> {
    /// Who is subscribed.
    pub(crate) subscriptions: S,
    /// Where deliveries go.
    pub(crate) queues: Q,
    /// Where it is written down.
    pub(crate) receipts: R,
    /// Where records go that are no events.
    pub(crate) dead_letters: D,
    /// Dates and names hand-overs.
    pub(crate) clock: C,
}

/// A record without a sequence number could not be put away either, so no answer can name it; the whole
/// batch has to come again.
#[derive(Debug, thiserror::Error)]
#[error("a record that cannot be named could not be put into the dead letter queue")]
pub(crate) struct Unnameable(#[source] StoreError);

/// A logged event, and what the stream calls its record.
struct Pending {
    sequence: String,
    event: LoggedEvent,
}

impl<S, Q, R, D, C> Dispatch<S, Q, R, D, C>
where
    S: Subscriptions + Sync,
    Q: DeliveryQueues + Sync,
    R: Receipts + Sync,
    D: DeadLetters + Sync,
    C: Clock + Sync,
{
    /// Dispatches a batch and answers with the first record that has to come again, if there is one:
    /// the stream repeats everything from there on.
    pub(crate) async fn handle(&self, batch: Batch) -> Result<BatchAnswer, Unnameable> {
        let started = Instant::now();
        let mut failed: Vec<(usize, String)> = Vec::new();
        let mut places = Vec::new();
        let mut pending = Vec::new();
        for (place, record) in batch.records.iter().enumerate() {
            match pending_event(record) {
                Ok(Some(found)) => {
                    places.push((place, found.sequence));
                    pending.push(found.event);
                }
                Ok(None) => {}
                Err(malformed) => failed.extend(self.put_away(place, record, malformed).await?),
            }
        }
        let outcomes = self.dispatcher().dispatch(&pending).await;
        log(&pending, &outcomes, started);
        let refused = places
            .into_iter()
            .zip(outcomes)
            .filter(|(_, outcome)| outcome.is_err());
        failed.extend(refused.map(|(place, _)| place));
        Ok(failed
            .into_iter()
            .min()
            .map(|(_, sequence)| sequence)
            .into_iter()
            .collect())
    }

    fn dispatcher(&self) -> Dispatcher<'_, S, Q, R, C> {
        Dispatcher {
            subscriptions: &self.subscriptions,
            queues: &self.queues,
            receipts: &self.receipts,
            clock: &self.clock,
            retention: DEFAULT_RETENTION,
        }
    }

    /// Puts a record away that is no event. When that fails it has to come again: its place and sequence
    /// number are returned.
    async fn put_away(
        &self,
        place: usize,
        record: &RawValue,
        malformed: Malformed,
    ) -> Result<Option<(usize, String)>, Unnameable> {
        let Malformed { sequence, reason } = malformed;
        tracing::error!(sequence = sequence.as_deref(), reason, "record.malformed");
        let dead = DeadRecord {
            origin: ORIGIN,
            reason,
            record: record.get().to_owned(),
        };
        match (self.dead_letters.put(&dead).await, sequence) {
            (Ok(()), _) => Ok(None),
            (Err(error), Some(sequence)) => {
                tracing::error!(
                    sequence,
                    error = %ErrorChain(&error),
                    "store.failed"
                );
                Ok(Some((place, sequence)))
            }
            (Err(error), None) => Err(Unnameable(error)),
        }
    }
}

/// A record that is not a logged event, and never will be.
struct Malformed {
    sequence: Option<String>,
    reason: String,
}

/// The event that this record brings. `None` for a removal: DynamoDB forgets what has expired.
fn pending_event(record: &RawValue) -> Result<Option<Pending>, Malformed> {
    let record: EventRecord = read(record).map_err(|error| Malformed {
        sequence: None,
        reason: error.to_string(),
    })?;
    let sequence = record.change.sequence_number;
    if record.event_name == "REMOVE" {
        return Ok(None);
    }
    let Some(sequence) = sequence else {
        return Err(Malformed {
            sequence: None,
            reason: "it has no sequence number".to_owned(),
        });
    };
    match decode_stream_image(record.change.new_image) {
        Ok(event) => Ok(Some(Pending { sequence, event })),
        Err(error) => Err(Malformed {
            sequence: Some(sequence),
            reason: error.to_string(),
        }),
    }
}

/// One line per event.
fn log(events: &[LoggedEvent], outcomes: &Outcomes, started: Instant) {
    let duration_ms = started.elapsed().as_secs_f64() * 1_000.0;
    for (event, outcome) in events.iter().zip(outcomes) {
        match outcome {
            Ok(handed_over) => log_handed_over(handed_over, duration_ms),
            Err(error) => log_failed(event, error, duration_ms),
        }
    }
}

fn log_handed_over(event: &HandedOver, duration_ms: f64) {
    let HandedOver {
        tenant,
        event_id,
        event_type,
        subscriptions,
    } = event;
    let matched = subscriptions.len();
    tracing::info!(
        tenant.id = %tenant, event.id = %event_id, event.r#type = event_type, matched, duration_ms,
        outcome = "handed_over", "event.dispatched"
    );
}

fn log_failed(event: &LoggedEvent, error: &DispatchError, duration_ms: f64) {
    tracing::error!(
        tenant.id = %event.tenant, event.id = %event.event_id, duration_ms,
        error = %ErrorChain(error), outcome = "failed", "event.dispatched"
    );
}

#[cfg(test)]
mod tests;
