//! From a stream's batch to the domain and back.

use std::time::Instant;

use aws_lambda_events::dynamodb::EventRecord;
use futures::future::join_all;
use pillarbox_aws::decode_stream_image;
use pillarbox_domain::active_hours::HourMarks;
use pillarbox_domain::dead_letter::{DeadLetterQueue, Failure, GivenUp, Origin};
use pillarbox_domain::delivery::Message;
use pillarbox_domain::dispatch::{
    DeliveryQueues, DispatchError, Dispatched, Dispatcher, Subscriptions, Trouble,
};
use pillarbox_domain::logged_event::OutboxMode;
use pillarbox_domain::payload::Payloads;
use pillarbox_domain::receipt::{HandedOver, Receipts};
use pillarbox_domain::registry::Suspensions;
use pillarbox_domain::schema::delivery::Upcasts;
use pillarbox_domain::seal::Reopenings;
use pillarbox_domain::store_error::Disposition;
use pillarbox_domain::trouble::{RetryQueue, TroubledDeliveries};
use pillarbox_domain::{Clock, ErrorChain, LoggedEvent, StoreError, TenantId, TraceId};
use pillarbox_runtime::batch::{Batch, BatchAnswer, guarded, read};
use pillarbox_runtime::metrics::catalogue::BATCH_SIZE;
use pillarbox_runtime::metrics::{Metrics, millis_since};
use serde_json::value::RawValue;
use time::UtcDateTime;

use crate::skew;

/// Everything that a dispatch needs.
pub(crate) struct Dispatch<P, S, Q, R, M, O, U, D, C, T, N, X> {
    /// Data that the log's items do not hold.
    pub(crate) payloads: P,
    /// Who is subscribed.
    pub(crate) subscriptions: S,
    /// Where deliveries go.
    pub(crate) queues: Q,
    /// Where it is written down.
    pub(crate) receipts: R,
    /// Where readers learn in which hours there are events.
    pub(crate) marks: M,
    /// Where it is noted that something came late to a closed hour.
    pub(crate) reopenings: O,
    /// What brings old events up to the version that a subscription asks for.
    pub(crate) upcasts: U,
    /// Where records go that are no events, and deliveries that cannot be made.
    pub(crate) dead_letters: D,
    /// Dates and names hand-overs.
    pub(crate) clock: C,
    /// Deliveries that a queue did not take.
    pub(crate) rows: T,
    /// What reminds of them.
    pub(crate) reminders: N,
    /// What stops deliveries to queues that are gone.
    pub(crate) suspensions: X,
    /// What is measured.
    pub(crate) metrics: Metrics,
}

/// The domain's dispatcher, on what this function has.
type Parts<'a, S, Q, R, M, O, U, C, T, N, D, X> =
    Dispatcher<'a, S, Q, R, M, O, U, C, Trouble<'a, T, N, D, X>>;

/// A record without a sequence number could not be put away either, so no answer can name it; the whole
/// batch has to come again.
#[derive(Debug, thiserror::Error)]
#[error("a record that cannot be named could not be put into the dead letter queue")]
pub(crate) struct Unnameable(#[source] StoreError);

/// A logged event, and what the stream calls its record.
struct Pending {
    sequence: String,
    event: LoggedEvent,
    id_skew_ms: Option<i64>,
}

impl<P, S, Q, R, M, O, U, D, C, T, N, X> Dispatch<P, S, Q, R, M, O, U, D, C, T, N, X>
where
    P: Payloads,
    S: Subscriptions + Sync,
    Q: DeliveryQueues + Sync,
    R: Receipts + Sync,
    M: HourMarks + Sync,
    O: Reopenings + Sync,
    U: Upcasts + Sync,
    D: DeadLetterQueue + Sync,
    C: Clock + Sync,
    T: TroubledDeliveries + Sync,
    N: RetryQueue + Sync,
    X: Suspensions + Sync,
{
    /// Dispatches a batch and answers with the first record that has to come again, if there is one:
    /// the stream repeats everything from there on.
    pub(crate) async fn handle(&self, batch: Batch) -> Result<BatchAnswer, Unnameable> {
        let started = Instant::now();
        let mut failed: Vec<(usize, String)> = Vec::new();
        let mut places = Vec::new();
        let mut pending = Vec::new();
        let mut skews = Vec::new();
        let read = batch
            .records
            .iter()
            .map(|record| self.pending_event(record));
        let read = join_all(read).await;
        for (place, (record, read)) in batch.records.iter().zip(read).enumerate() {
            match read {
                Ok(Some(found)) => {
                    places.push((place, found.sequence));
                    pending.push(found.event);
                    skews.push(found.id_skew_ms);
                }
                Ok(None) => {}
                Err(Unread::Malformed(malformed)) => {
                    failed.extend(self.put_away(place, record, malformed).await?);
                }
                Err(Unread::Unavailable { sequence, error }) => {
                    tracing::error!(sequence, error = %ErrorChain(&error), "store.failed");
                    failed.push((place, sequence));
                }
            }
        }
        let dispatched = self.dispatcher().dispatch(&pending).await;
        let now = self.clock.now();
        log(&pending, &skews, &dispatched, now, started);
        self.measure(batch.records.len(), &pending, &dispatched, now);
        let refused = places
            .into_iter()
            .zip(dispatched.outcomes)
            .filter(|(_, outcome)| outcome.is_err());
        failed.extend(refused.map(|(place, _)| place));
        Ok(failed
            .into_iter()
            .min()
            .map(|(_, sequence)| sequence)
            .into_iter()
            .collect())
    }

    /// The event that this record brings, if it brings one. A record that the code cannot bear is put away like
    /// one that is no event: it would fail in the same way whenever it came.
    async fn pending_event(&self, record: &RawValue) -> Result<Option<Pending>, Unread> {
        match guarded(self.read_event(record)).await {
            Ok(read) => read,
            Err(panic) => Err(Unread::Malformed(Malformed {
                sequence: sequence_of(record),
                class: "Panicked",
                reason: panic.to_string(),
            })),
        }
    }

    async fn read_event(&self, record: &RawValue) -> Result<Option<Pending>, Unread> {
        let Some(Image {
            sequence,
            taken_ms,
            item,
        }) = image(record).map_err(Unread::Malformed)?
        else {
            return Ok(None);
        };
        match decode_stream_image(item, &self.payloads).await {
            Ok(event) => Ok(Some(Pending {
                sequence,
                id_skew_ms: skew::measure(&event, taken_ms),
                event,
            })),
            Err(error) => Err(match error.disposition() {
                Disposition::Retry => Unread::Unavailable { sequence, error },
                Disposition::GiveUp => Unread::Malformed(Malformed {
                    sequence: Some(sequence),
                    class: MALFORMED,
                    reason: error.to_string(),
                }),
            }),
        }
    }

    fn dispatcher(&self) -> Parts<'_, S, Q, R, M, O, U, C, T, N, D, X> {
        Dispatcher {
            subscriptions: &self.subscriptions,
            queues: &self.queues,
            receipts: &self.receipts,
            marks: &self.marks,
            reopenings: &self.reopenings,
            upcasts: &self.upcasts,
            clock: &self.clock,
            trouble: Trouble {
                rows: &self.rows,
                reminders: &self.reminders,
                dead_letters: &self.dead_letters,
                suspensions: &self.suspensions,
            },
        }
    }

    /// What is only logged is handed over to nobody, and is none of dispatch's figures.
    fn measure(
        &self,
        records: usize,
        events: &[LoggedEvent],
        dispatched: &Dispatched,
        now: UtcDateTime,
    ) {
        self.metrics.record(&BATCH_SIZE, (), records as f64);
        self.metrics.suspended(dispatched.suspended.len());
        for (event, outcome) in events.iter().zip(&dispatched.outcomes) {
            if let (OutboxMode::Dispatch, Ok(handed_over)) = (event.outbox, outcome) {
                self.metrics.handed_over(handed_over, now);
            }
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
        let sequence = malformed.sequence.clone();
        tracing::error!(
            sequence = sequence.as_deref(),
            reason = malformed.reason,
            "record.malformed"
        );
        let given_up = given_up(record, malformed, self.clock.now());
        match (self.dead_letters.put(&given_up).await, sequence) {
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

/// Why a record brings no event.
enum Unread {
    /// It is none, and never will be.
    Malformed(Malformed),
    /// Its data could not be had. The record has to come again.
    Unavailable { sequence: String, error: StoreError },
}

/// The class of the error of a record that is no event.
const MALFORMED: &str = "Malformed";

/// A record that is not a logged event, and never will be.
struct Malformed {
    sequence: Option<String>,
    class: &'static str,
    reason: String,
}

fn given_up(record: &RawValue, malformed: Malformed, now: UtcDateTime) -> GivenUp {
    GivenUp {
        origin: Origin::Dispatch,
        error: Failure::new(malformed.class, malformed.reason),
        attempts: 1,
        first_failed_at: now,
        last_failed_at: now,
        message: Message {
            body: record.get().to_owned(),
            attributes: vec![],
            group: TenantId::bus().to_string(),
        },
    }
}

fn sequence_of(record: &RawValue) -> Option<String> {
    let record = read::<EventRecord>(record).ok()?;
    record.change.sequence_number
}

/// A record's number in its stream and its time, and the item that it brings.
struct Image {
    sequence: String,
    taken_ms: Option<i64>,
    item: serde_dynamo::Item,
}

/// The item that this record brings. `None` for a removal: DynamoDB forgets what has expired.
fn image(record: &RawValue) -> Result<Option<Image>, Malformed> {
    let malformed = |reason: String| Malformed {
        sequence: None,
        class: MALFORMED,
        reason,
    };
    let record: EventRecord = read(record).map_err(|error| malformed(error.to_string()))?;
    if record.event_name == "REMOVE" {
        return Ok(None);
    }
    let taken_ms = skew::taken_ms(&record.change);
    let sequence = record.change.sequence_number;
    let sequence = sequence.ok_or_else(|| malformed("it has no sequence number".to_owned()))?;
    Ok(Some(Image {
        sequence,
        taken_ms,
        item: record.change.new_image,
    }))
}

/// One line per event, and one per subscription that was suspended and per reminder that was not taken.
fn log(
    events: &[LoggedEvent],
    skews: &[Option<i64>],
    dispatched: &Dispatched,
    now: UtcDateTime,
    started: Instant,
) {
    let duration_ms = started.elapsed().as_secs_f64() * 1_000.0;
    let outcomes = &dispatched.outcomes;
    for ((event, id_skew_ms), outcome) in events.iter().zip(skews).zip(outcomes) {
        match outcome {
            Ok(handed_over) => {
                let latency_ms = millis_since(event.event_id, now);
                log_handed_over(
                    handed_over,
                    event.trace_id(),
                    *id_skew_ms,
                    latency_ms,
                    duration_ms,
                );
            }
            Err(error) => log_failed(event, *id_skew_ms, error, duration_ms),
        }
    }
    for suspension in &dispatched.suspended {
        tracing::error!(
            tenant.id = %suspension.owner, subscription.id = %suspension.id,
            reason = suspension.reason, "subscription.suspended"
        );
    }
    for (suspension, error) in &dispatched.unsuspended {
        tracing::error!(
            tenant.id = %suspension.owner, subscription.id = %suspension.id,
            error = %ErrorChain(error), "subscription.not_suspended"
        );
    }
    for (key, error) in &dispatched.unreminded {
        let mut events = events.iter();
        let event = events.find(|event| event.event_id == key.event_id);
        tracing::warn!(
            tenant.id = %key.tenant, trace.id = event.map(|event| event.trace_id().to_string()),
            event.id = %key.event_id, subscription.id = %key.subscription,
            error = %ErrorChain(error), "delivery.not_reminded"
        );
    }
}

fn log_handed_over(
    event: &HandedOver,
    trace_id: TraceId,
    id_skew_ms: Option<i64>,
    latency_ms: f64,
    duration_ms: f64,
) {
    let HandedOver {
        tenant,
        event_id,
        event_type,
        subscriptions,
        withheld,
        retrying,
        dead_lettered,
    } = event;
    let (matched, withheld) = (subscriptions.len() + withheld.len(), withheld.len());
    tracing::info!(
        tenant.id = %tenant, trace.id = %trace_id, event.id = %event_id, event.r#type = event_type,
        matched, withheld, retrying, dead_lettered, id_skew_ms, latency_ms, duration_ms,
        outcome = "handed_over", "event.dispatched"
    );
}

fn log_failed(
    event: &LoggedEvent,
    id_skew_ms: Option<i64>,
    error: &DispatchError,
    duration_ms: f64,
) {
    tracing::error!(
        tenant.id = %event.tenant, trace.id = %event.trace_id(), event.id = %event.event_id,
        event.r#type = event.event.event_type(), id_skew_ms, duration_ms,
        error = %ErrorChain(error), outcome = "failed", "event.dispatched"
    );
}

#[cfg(test)]
mod tests;
