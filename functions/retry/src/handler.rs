//! From reminders to the domain and back.

use std::time::Instant;

use aws_lambda_events::sqs::SqsMessage;
use futures::future::join_all;
use pillarbox_domain::dead_letter::{DeadLetterQueue, Failure as Failed};
use pillarbox_domain::dispatch::{DeliveryQueues, Subscriptions};
use pillarbox_domain::publish::EventReader;
use pillarbox_domain::registry::{Suspension, Suspensions};
use pillarbox_domain::retry::{Pass, Retried, Retrier, Retry as Outcome};
use pillarbox_domain::schema::delivery::{UPCAST_FAILED, Upcasts};
use pillarbox_domain::trouble::{DeliveryKey, RetryQueue, TroubledDeliveries};
use pillarbox_domain::{Clock, ErrorChain, StoreError};
use pillarbox_runtime::batch::{BatchAnswer, Panicked, guarded, read};
use pillarbox_runtime::metrics::Metrics;
use pillarbox_runtime::metrics::catalogue::{BATCH_SIZE, DELIVERY_RETRIES};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Everything that a retry needs.
pub(crate) struct Retry<T, N, L, S, U, Q, D, P, C> {
    /// Deliveries in trouble.
    pub(crate) rows: T,
    /// What reminds of them.
    pub(crate) reminders: N,
    /// The log.
    pub(crate) log: L,
    /// Who is subscribed.
    pub(crate) subscriptions: S,
    /// What brings old events up to the version that a subscription asks for.
    pub(crate) upcasts: U,
    /// Where deliveries go.
    pub(crate) queues: Q,
    /// Where they go that are given up.
    pub(crate) dead_letters: D,
    /// What stops deliveries to queues that are gone.
    pub(crate) suspensions: P,
    /// What time it is.
    pub(crate) clock: C,
    /// What is measured.
    pub(crate) metrics: Metrics,
}

/// Reminders, or, when there are no records, the schedule's call for a pass over overdue rows.
#[derive(Debug, Deserialize)]
pub(crate) struct Input {
    #[serde(rename = "Records")]
    records: Option<Vec<Box<RawValue>>>,
}

/// What a reminder says.
#[derive(Deserialize)]
struct Reminder {
    tenant: String,
    event_id: String,
    subscription: String,
}

/// Why a reminder has to come again.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the message is not a reminder: {0}")]
    Malformed(String),
    #[error("it is not known what came of the delivery")]
    Store(#[from] StoreError),
    #[error("the retry panicked")]
    Panicked(#[from] Panicked),
}

/// Why an invocation as a whole has to come again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvocationError {
    /// Lambda itself malformed a message: it has no id by which its failure could be reported.
    #[error("a record of the batch is not an SQS message with an id")]
    NotAMessage(#[source] Option<serde_json::Error>),
    #[error("overdue deliveries could not be found")]
    Pass(#[source] StoreError),
}

impl<T, N, L, S, U, Q, D, P, C> Retry<T, N, L, S, U, Q, D, P, C>
where
    T: TroubledDeliveries + Sync,
    N: RetryQueue + Sync,
    L: EventReader + Sync,
    S: Subscriptions + Sync,
    U: Upcasts + Sync,
    Q: DeliveryQueues + Sync,
    D: DeadLetterQueue + Sync,
    P: Suspensions + Sync,
    C: Clock + Sync,
{
    /// Looks at the rows that are reminded of, or at those that nobody looked at in time.
    pub(crate) async fn handle(&self, input: Input) -> Result<BatchAnswer, InvocationError> {
        match input.records {
            Some(records) => self.retry_all(&records).await,
            None => {
                let pass = self.retrier().remind_of_overdue().await;
                log_pass(&pass.map_err(InvocationError::Pass)?);
                Ok(BatchAnswer::default())
            }
        }
    }

    async fn retry_all(&self, records: &[Box<RawValue>]) -> Result<BatchAnswer, InvocationError> {
        let messages = records.iter().map(|record| message(record));
        let messages = messages.collect::<Result<Vec<_>, _>>()?;
        self.metrics.record(&BATCH_SIZE, (), messages.len() as f64);
        let work = messages.into_iter().map(|(id, body)| async move {
            let retried = self.retry(&id, &body).await;
            retried.is_err().then_some(id)
        });
        Ok(join_all(work).await.into_iter().flatten().collect())
    }

    async fn retry(&self, message_id: &str, body: &str) -> Result<Outcome, Failure> {
        let started = Instant::now();
        let key = key(body);
        let retried = match &key {
            Ok(key) => self.retry_guarded(key).await,
            Err(reason) => Err(Failure::Malformed(reason.clone())),
        };
        log(message_id, key.as_ref().ok(), &retried, started);
        if let (Ok(key), Ok(outcome)) = (&key, &retried) {
            self.measure(key, outcome);
            outcome.suspended.iter().for_each(log_suspended);
        }
        retried
    }

    fn measure(&self, key: &DeliveryKey, outcome: &Outcome) {
        let is_tried = outcome.retried != Retried::NotDue;
        let subscription = Some(&key.subscription);
        self.metrics
            .add(&DELIVERY_RETRIES, subscription, usize::from(is_tried));
        self.metrics
            .suspended(usize::from(outcome.suspended.is_some()));
    }

    async fn retry_guarded(&self, key: &DeliveryKey) -> Result<Outcome, Failure> {
        Ok(guarded(self.retrier().retry(key)).await??)
    }

    fn retrier(&self) -> Retrier<'_, T, N, L, S, U, Q, D, P, C> {
        Retrier {
            rows: &self.rows,
            reminders: &self.reminders,
            log: &self.log,
            subscriptions: &self.subscriptions,
            upcasts: &self.upcasts,
            queues: &self.queues,
            dead_letters: &self.dead_letters,
            suspensions: &self.suspensions,
            clock: &self.clock,
        }
    }
}

fn message(record: &RawValue) -> Result<(String, String), InvocationError> {
    let message = read::<SqsMessage>(record);
    let message = message.map_err(|error| InvocationError::NotAMessage(Some(error)))?;
    let id = message
        .message_id
        .ok_or(InvocationError::NotAMessage(None))?;
    Ok((id, message.body.unwrap_or_default()))
}

fn key(body: &str) -> Result<DeliveryKey, String> {
    let reminder: Reminder = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let part = |name: &str, error: &dyn std::fmt::Display| format!("{name} {error}");
    Ok(DeliveryKey {
        tenant: reminder
            .tenant
            .parse()
            .map_err(|error| part("tenant", &error))?,
        event_id: reminder
            .event_id
            .parse()
            .map_err(|error| part("event_id", &error))?,
        subscription: reminder
            .subscription
            .parse()
            .map_err(|error| part("subscription", &error))?,
    })
}

/// One line per reminder.
fn log(
    message_id: &str,
    key: Option<&DeliveryKey>,
    retried: &Result<Outcome, Failure>,
    started: Instant,
) {
    let (outcome, attempt, failure) = match retried.as_ref().map(|outcome| &outcome.retried) {
        Ok(Retried::NotDue) => ("not_due", None, None),
        Ok(Retried::Recovered { attempt }) => ("recovered", Some(*attempt), None),
        Ok(Retried::Failed { attempt, failure }) => {
            ("failed", Some(*attempt), Some(shown(failure)))
        }
        Ok(Retried::GivenUp { attempt, failure }) => {
            ("given_up", Some(*attempt), Some(shown(failure)))
        }
        Err(error) => ("unknown", None, Some(ErrorChain(error).to_string())),
    };
    let trace_id = retried.as_ref().ok().and_then(|outcome| outcome.trace_id);
    tracing::info!(
        tenant.id = key.map(|key| key.tenant.to_string()),
        trace.id = trace_id.map(|trace_id| trace_id.to_string()),
        event.id = key.map(|key| key.event_id.to_string()),
        subscription.id = key.map(|key| key.subscription.to_string()),
        message.id = message_id,
        attempt,
        outcome,
        error = failure,
        duration_ms = started.elapsed().as_secs_f64() * 1_000.0,
        "delivery.retried"
    );
}

/// What a line tells of an attempt that failed. An upcaster's own error quotes data, which only the dead letter has.
fn shown(failure: &Failed) -> String {
    match &*failure.class {
        UPCAST_FAILED => UPCAST_FAILED.to_owned(),
        _ => failure.to_string(),
    }
}

/// One line per subscription that was suspended.
fn log_suspended(suspension: &Suspension) {
    tracing::error!(
        tenant.id = %suspension.owner, subscription.id = %suspension.id,
        reason = suspension.reason, "subscription.suspended"
    );
}

/// One line per pass that found something.
fn log_pass(pass: &Pass) {
    for (key, error) in &pass.failed {
        tracing::error!(
            tenant.id = %key.tenant, event.id = %key.event_id, subscription.id = %key.subscription,
            error = %ErrorChain(error), "delivery.not_reminded"
        );
    }
    if pass.reminded > 0 {
        tracing::warn!(reminded = pass.reminded, "deliveries.overdue");
    }
}

#[cfg(test)]
mod tests;
