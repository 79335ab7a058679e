//! From the dead letter queue's batch to the domain and back.

use std::time::Instant;

use aws_lambda_events::sqs::SqsMessage;
use futures::future::join_all;
use pillarbox_domain::letters::{Filed, Keeper, Kept, LetterStore, QueueMessage};
use pillarbox_domain::{Clock, ErrorChain, StoreError};
use pillarbox_runtime::batch::{Batch, BatchAnswer, Panicked, guarded, read};
use pillarbox_runtime::metrics::Metrics;
use pillarbox_runtime::metrics::catalogue::{BATCH_SIZE, DELIVERIES_DEAD_LETTERED};
use serde_json::value::RawValue;
use time::UtcDateTime;

/// The system attribute in which SQS names the queue whose redrive policy moved a message
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html>).
const SOURCE_QUEUE: &str = "DeadLetterQueueSourceArn";

/// When it was received first, in milliseconds since 1970 (same page).
const FIRST_RECEIVED: &str = "ApproximateFirstReceiveTimestamp";

/// Where dead letters go.
pub(crate) struct DeadLetterBox<L, C> {
    /// Keeps them.
    pub(crate) keeper: Keeper<L, C>,
    /// What is measured.
    pub(crate) metrics: Metrics,
}

/// A message that Lambda itself malformed: it has no id by which its failure could be reported.
#[derive(Debug, thiserror::Error)]
#[error("a record of the batch is not an SQS message with an id")]
pub(crate) struct NotAMessage(#[source] Option<serde_json::Error>);

/// Why a message has to come again.
#[derive(Debug, thiserror::Error)]
enum NotKept {
    #[error("it could not be kept")]
    Store(#[from] StoreError),
    #[error("keeping it panicked")]
    Panicked(#[from] Panicked),
}

impl<L: LetterStore + Sync, C: Clock + Sync> DeadLetterBox<L, C> {
    /// Keeps a batch, all messages side by side, and answers with those that have to come again.
    pub(crate) async fn handle(&self, batch: Batch) -> Result<BatchAnswer, NotAMessage> {
        let messages = batch.records.iter().map(|record| message(record));
        let messages = messages.collect::<Result<Vec<_>, _>>()?;
        self.metrics.record(&BATCH_SIZE, (), messages.len() as f64);
        let work = messages.iter().map(|(id, message)| async move {
            let kept = self.keep(id, message).await;
            kept.is_err().then(|| id.clone())
        });
        Ok(join_all(work).await.into_iter().flatten().collect())
    }

    async fn keep(&self, id: &str, message: &SqsMessage) -> Result<Filed, NotKept> {
        let started = Instant::now();
        let message = queue_message(id, message);
        let kept = match guarded(self.keeper.keep(&message)).await {
            Ok(kept) => kept.map_err(NotKept::from),
            Err(panic) => Err(panic.into()),
        };
        log(id, &kept, started);
        if let Ok(filed) = &kept {
            self.measure(filed);
        }
        kept
    }

    /// A letter that was kept already has been counted.
    fn measure(&self, filed: &Filed) {
        let delivery = filed.letter.delivery.as_ref();
        let subscription = delivery.map(|delivery| &delivery.subscription);
        let is_new = matches!(filed.kept, Kept::New);
        self.metrics
            .add(&DELIVERIES_DEAD_LETTERED, subscription, usize::from(is_new));
    }
}

fn message(record: &RawValue) -> Result<(String, SqsMessage), NotAMessage> {
    let message: SqsMessage = read(record).map_err(|error| NotAMessage(Some(error)))?;
    let id = message.message_id.clone().ok_or(NotAMessage(None))?;
    Ok((id, message))
}

fn queue_message<'a>(id: &'a str, message: &'a SqsMessage) -> QueueMessage<'a> {
    let attributes = message.message_attributes.iter();
    let system = |name| message.attributes.get(name).map(String::as_str);
    QueueMessage {
        id,
        body: message.body.as_deref().unwrap_or_default(),
        attributes: attributes
            .filter_map(|(name, value)| Some((name.as_str(), value.string_value.as_deref()?)))
            .collect(),
        source_queue: system(SOURCE_QUEUE),
        first_received_at: system(FIRST_RECEIVED).and_then(time_of),
    }
}

fn time_of(millis: &str) -> Option<UtcDateTime> {
    let millis: i64 = millis.parse().ok()?;
    UtcDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok()
}

/// One line per record.
fn log(message_id: &str, kept: &Result<Filed, NotKept>, started: Instant) {
    let duration_ms = started.elapsed().as_secs_f64() * 1_000.0;
    match kept {
        Ok(filed) => log_kept(message_id, filed, duration_ms),
        Err(error) => tracing::error!(
            message.id = message_id, duration_ms, error = %ErrorChain(error), outcome = "failed",
            "dead_letter.stored"
        ),
    }
}

fn log_kept(message_id: &str, filed: &Filed, duration_ms: f64) {
    let letter = &filed.letter;
    let delivery = letter.delivery.as_ref();
    let outcome = match filed.kept {
        Kept::New => "new",
        Kept::Repeat(_) => "repeat",
    };
    tracing::info!(
        tenant.id = %letter.tenant,
        trace.id = filed.trace_id.map(|trace_id| trace_id.to_string()),
        dead_letter.id = %filed.dead_letter_id(),
        event.id = delivery.map(|delivery| delivery.event_id.to_string()),
        event.r#type = delivery.map(|delivery| delivery.event_type.as_str()),
        subscription.id = delivery.map(|delivery| delivery.subscription.as_str()),
        message.id = message_id,
        origin = %letter.origin,
        error.class = letter.error.class,
        outcome,
        duration_ms,
        "dead_letter.stored"
    );
}

#[cfg(test)]
mod tests;
