//! Consuming deliveries.

use std::time::{Duration, Instant};

use aws_lambda_events::sqs::SqsMessage;
use futures::future::join_all;
use pillarbox_domain::cloud_event::ParseError;
use pillarbox_domain::delivery::{Received, TENANT_ATTRIBUTE, parse_tenant};
use pillarbox_domain::inbox::{Claim, ClaimToken, Inbox, InboxKey};
use pillarbox_domain::{ErrorChain, StoreError, TenantId};
use pillarbox_runtime::batch::{Batch, BatchAnswer, Panicked, guarded, read};
use serde_json::value::RawValue;

/// One delivery, as a handler sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Whose event it is.
    pub tenant: TenantId,
    /// The event, its id, and why it is here.
    pub received: Received,
}

/// What a subscriber does with an event.
pub trait Handler {
    /// Why it could not. The delivery comes again, until its queue gives up on it.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Makes the effect and returns its result, JSON text that is kept with the event.
    fn handle(
        &self,
        delivery: &Delivery,
    ) -> impl Future<Output = Result<String, Self::Error>> + Send;
}

/// A handler behind an inbox.
pub struct Subscriber<H, I> {
    /// Makes the effect.
    pub handler: H,
    /// Makes it happen once.
    pub inbox: I,
    /// How long a claim is held: as long as the function may run. Whoever holds one for longer is dead.
    pub hold: Duration,
}

/// How a delivery ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handled {
    /// The effect was made now.
    Done,
    /// It had been made before.
    Repeat,
}

/// Why a delivery has to come again.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the message is not a delivery")]
    Malformed(#[source] ParseError),
    #[error("another consumer is at this event")]
    Held,
    #[error("the claim ran out before the effect was made: it may happen twice")]
    Late,
    #[error("the inbox failed")]
    Inbox(#[source] StoreError),
    #[error("the handler failed")]
    Handler(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the handler panicked")]
    Panicked(#[source] Panicked),
}

/// A message that Lambda itself malformed: it has no id by which its failure could be reported.
#[derive(Debug, thiserror::Error)]
#[error("a record of the batch is not an SQS message with an id")]
pub struct NotAMessage(#[source] Option<serde_json::Error>);

impl<H: Handler + Sync, I: Inbox + Sync> Subscriber<H, I> {
    /// Handles a batch, all records side by side, and answers with those that have to come again.
    pub async fn handle(&self, batch: Batch) -> Result<BatchAnswer, NotAMessage> {
        let messages = batch.records.iter().map(|record| message(record));
        let messages = messages.collect::<Result<Vec<_>, _>>()?;
        let work = messages.into_iter().map(|(id, message)| async move {
            let handled = self.handle_message(&message).await;
            handled.is_err().then_some(id)
        });
        Ok(join_all(work).await.into_iter().flatten().collect())
    }

    async fn handle_message(&self, message: &SqsMessage) -> Result<Handled, Failure> {
        let started = Instant::now();
        let delivery = delivery(message);
        let outcome = match &delivery {
            Ok(delivery) => self.handle_once(delivery).await,
            Err(error) => Err(Failure::Malformed(error.clone())),
        };
        log(message, delivery.as_ref().ok(), &outcome, started);
        outcome
    }

    async fn handle_once(&self, delivery: &Delivery) -> Result<Handled, Failure> {
        let key = InboxKey {
            tenant: delivery.tenant.clone(),
            subscription: delivery.received.subscription.clone(),
            event_id: delivery.received.event_id,
        };
        let token = match self
            .inbox
            .claim(&key, self.hold)
            .await
            .map_err(Failure::Inbox)?
        {
            Claim::Granted(token) => token,
            Claim::Held => return Err(Failure::Held),
            Claim::Done(_) => return Ok(Handled::Repeat),
        };
        match guarded(self.handler.handle(delivery)).await {
            Ok(Ok(result)) => self.close(&key, token, &result).await,
            Ok(Err(error)) => Err(self
                .give_back(&key, token, Failure::Handler(error.into()))
                .await),
            Err(panic) => Err(self.give_back(&key, token, Failure::Panicked(panic)).await),
        }
    }

    async fn close(
        &self,
        key: &InboxKey,
        token: ClaimToken,
        result: &str,
    ) -> Result<Handled, Failure> {
        match self.inbox.done(key, token, result).await {
            Ok(true) => Ok(Handled::Done),
            Ok(false) => Err(Failure::Late),
            Err(error) => Err(Failure::Inbox(error)),
        }
    }

    /// A claim that cannot be given back runs out by itself; the delivery is only later for it.
    async fn give_back(&self, key: &InboxKey, token: ClaimToken, failure: Failure) -> Failure {
        if let Err(error) = self.inbox.release(key, token).await {
            tracing::warn!(error = %ErrorChain(&error), "claim.kept");
        }
        failure
    }
}

fn message(record: &RawValue) -> Result<(String, SqsMessage), NotAMessage> {
    let message: SqsMessage = read(record).map_err(|error| NotAMessage(Some(error)))?;
    let id = message.message_id.clone().ok_or(NotAMessage(None))?;
    Ok((id, message))
}

fn delivery(message: &SqsMessage) -> Result<Delivery, ParseError> {
    let tenant = message.message_attributes.get(TENANT_ATTRIBUTE);
    let tenant = tenant.and_then(|attribute| attribute.string_value.as_deref());
    Ok(Delivery {
        tenant: parse_tenant(tenant)?,
        received: Received::parse(message.body.as_deref().unwrap_or_default())?,
    })
}

/// One line per record.
fn log(
    message: &SqsMessage,
    delivery: Option<&Delivery>,
    outcome: &Result<Handled, Failure>,
    started: Instant,
) {
    let tenant = delivery.map(|delivery| delivery.tenant.to_string());
    let event = delivery.map(|delivery| delivery.received.event_id.to_string());
    let subscription = delivery.map(|delivery| delivery.received.subscription.to_string());
    let receives = message.attributes.get("ApproximateReceiveCount");
    let duration_ms = started.elapsed().as_secs_f64() * 1_000.0;
    let (done, error) = match outcome {
        Ok(Handled::Done) => ("done", None),
        Ok(Handled::Repeat) => ("repeat", None),
        Err(error) => ("failed", Some(ErrorChain(error).to_string())),
    };
    tracing::info!(
        tenant.id = tenant,
        event.id = event,
        subscription.id = subscription,
        message.id = message.message_id,
        receives,
        duration_ms,
        outcome = done,
        error,
        "delivery.handled"
    );
}
