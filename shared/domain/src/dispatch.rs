//! From the log to every subscriber that asked (P1, P3).
//!
//! Order is what makes this safe: the queues accept, then the receipt is written, then the caller may
//! forget the events. A crash between any two steps repeats deliveries; it never loses one.

mod versions;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::iter::repeat_with;
use std::sync::Arc;

use futures::future::{join, join_all};
use time::UtcDateTime;

use crate::active_hours::HourMarks;
use crate::clock::Clock;
use crate::dead_letter::DeadLetters;
use crate::delivery::{Delivery, Message};
use crate::event_id::EventId;
use crate::log_hour::LogHour;
use crate::logged_event::{LoggedEvent, OutboxMode};
use crate::receipt::{HandedOver, Receipts, receipts};
use crate::schema::delivery::{UpcastError, Upcasts};
use crate::store_error::StoreError;
use crate::subscription::{QueueUrl, Subscription};
use crate::tenant::TenantId;
use versions::{Form, Versions, Wanted};

/// Who is subscribed.
pub trait Subscriptions {
    /// The subscriptions that this tenant owns; for [`TenantId::bus`], those across tenants. They may be
    /// some seconds old.
    fn of(
        &self,
        tenant: &TenantId,
    ) -> impl Future<Output = Result<Arc<[Subscription]>, StoreError>> + Send;
}

/// The subscribers' queues.
pub trait DeliveryQueues {
    /// Sends messages to one queue; answers for each, in the order given.
    fn send(
        &self,
        queue: &QueueUrl,
        messages: &[Message],
    ) -> impl Future<Output = Vec<Result<(), SendError>>> + Send;
}

/// Why a queue did not take a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct SendError {
    /// The queue's own code: `QueueDoesNotExist`.
    pub code: String,
    /// The queue's own words.
    pub detail: String,
    /// Whether sending the same again can help.
    pub retryable: bool,
}

impl SendError {
    /// The queue's answer left the message out.
    pub fn unanswered() -> Self {
        Self {
            code: "Unanswered".to_owned(),
            detail: "the queue's answer does not mention the message".to_owned(),
            retryable: true,
        }
    }
}

/// Where the parts of a dispatch are.
pub struct Dispatcher<'a, S, Q, R, M, U, D, C> {
    /// Who is subscribed.
    pub subscriptions: &'a S,
    /// Where deliveries go.
    pub queues: &'a Q,
    /// Where it is written down.
    pub receipts: &'a R,
    /// Where readers learn in which hours there are events.
    pub marks: &'a M,
    /// What brings old events up to the version that a subscription asks for.
    pub upcasts: &'a U,
    /// Where a delivery goes whose event cannot be brought up.
    pub dead_letters: &'a D,
    /// What time it is.
    pub clock: &'a C,
}

/// Why an event is not known to be handed over. The same event has to be dispatched again.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DispatchError {
    /// It is not known who is subscribed.
    #[error("the subscriptions of {tenant} could not be read")]
    Subscriptions {
        /// The owner whose subscriptions were asked for.
        tenant: TenantId,
        /// Why.
        #[source]
        source: Arc<StoreError>,
    },
    /// A queue did not take it.
    #[error("subscription {subscription} did not take the event")]
    Refused {
        /// The first subscription whose queue refused.
        subscription: String,
        /// What the queue said.
        #[source]
        source: SendError,
    },
    /// It could not be brought up to the version that a subscription asks for, and may be later.
    #[error("the event could not be brought up to the version that was asked for")]
    Version(#[source] Arc<UpcastError>),
    /// It can never be brought up for this subscription, and that could not be put away.
    #[error(
        "the delivery to subscription {subscription} could not be put into the dead letter queue"
    )]
    DeadLetter {
        /// The subscription.
        subscription: String,
        /// Why.
        #[source]
        source: Arc<StoreError>,
    },
    /// Every queue took it, and that could not be written down.
    #[error("the receipt could not be written")]
    Receipt(#[source] Arc<StoreError>),
    /// Readers of the log would not find it.
    #[error("the hour of the event could not be marked")]
    Mark(#[source] Arc<StoreError>),
}

/// For each event in the order given: the subscriptions that have it, or why it has to come again.
pub type Outcomes = Vec<Result<HandedOver, DispatchError>>;

impl<S, Q, R, M, U, D, C> Dispatcher<'_, S, Q, R, M, U, D, C>
where
    S: Subscriptions + Sync,
    Q: DeliveryQueues + Sync,
    R: Receipts + Sync,
    M: HourMarks + Sync,
    U: Upcasts + Sync,
    D: DeadLetters + Sync,
    C: Clock + Sync,
{
    /// Hands the events over and writes it down.
    pub async fn dispatch(&self, events: &[LoggedEvent]) -> Outcomes {
        let registry = self.read_subscriptions(events).await;
        let routes = self.routes(&registry, events).await;
        let (outcomes, unmarked) = join(self.send(events, routes), self.mark_hours(events)).await;
        let outcomes = take_back_unmarked(events, outcomes, &unmarked);
        self.write_receipts(events, outcomes).await
    }

    /// Who gets each event, and in which version.
    async fn routes(&self, registry: &Owned, events: &[LoggedEvent]) -> Vec<Route> {
        let versions = Versions {
            upcasts: self.upcasts,
            dead_letters: self.dead_letters,
        };
        let routes = events
            .iter()
            .map(|event| versions.bring_up(event, route(registry, event)));
        join_all(routes).await
    }

    /// Marks the hour of every event, of those that are only logged, too. The tenants whose hours could not
    /// be marked are returned.
    async fn mark_hours(&self, events: &[LoggedEvent]) -> Unmarked {
        let mut hours: BTreeMap<&TenantId, BTreeSet<LogHour>> = BTreeMap::new();
        for event in events {
            let of_tenant = hours.entry(&event.tenant).or_default();
            of_tenant.insert(LogHour::of(event.event_id));
        }
        let marks = hours
            .iter()
            .map(|(tenant, hours)| self.marks.mark(tenant, hours));
        let marked = join_all(marks).await;
        let failed = hours.keys().zip(marked).filter_map(|(tenant, marked)| {
            let error = marked.err()?;
            Some(((*tenant).clone(), Arc::new(error)))
        });
        failed.collect()
    }

    async fn read_subscriptions(&self, events: &[LoggedEvent]) -> Owned {
        let mut owners: Vec<TenantId> = events.iter().map(|event| event.tenant.clone()).collect();
        owners.push(TenantId::bus());
        owners.sort_unstable();
        owners.dedup();
        let read = owners.iter().map(|owner| self.subscriptions.of(owner));
        let read = join_all(read).await;
        owners
            .into_iter()
            .zip(read.into_iter().map(|read| read.map_err(Arc::new)))
            .collect()
    }

    async fn send(&self, events: &[LoggedEvent], routes: Vec<Route>) -> Outcomes {
        let batches = batches(events, &routes);
        let sends = batches
            .iter()
            .map(|(queue, batch)| self.queues.send(queue, &batch.messages));
        let answers = join_all(sends).await;
        let mut refused: HashMap<usize, DispatchError> = HashMap::new();
        for (batch, answers) in batches.values().zip(answers) {
            // An entry that the queue does not mention was not taken.
            let answers = answers
                .into_iter()
                .chain(repeat_with(|| Err(SendError::unanswered())));
            for ((event, subscription), answer) in batch.pairs.iter().zip(answers) {
                if let Err(source) = answer {
                    let subscription = subscription.clone();
                    refused.entry(*event).or_insert(DispatchError::Refused {
                        subscription,
                        source,
                    });
                }
            }
        }
        let outcome = |(index, (event, route)): (usize, (&LoggedEvent, Route))| match refused
            .remove(&index)
        {
            Some(error) => Err(error),
            None => route.map(|matched| handed_over(event, &matched)),
        };
        events.iter().zip(routes).enumerate().map(outcome).collect()
    }

    /// A receipt that cannot be written takes back every event that it tells of.
    /// What is only logged has no receipt: nothing was handed over.
    async fn write_receipts(&self, events: &[LoggedEvent], mut outcomes: Outcomes) -> Outcomes {
        let done = events
            .iter()
            .zip(&outcomes)
            .filter(|(event, _)| event.outbox == OutboxMode::Dispatch);
        let done: Vec<HandedOver> = done.filter_map(|(_, done)| done.clone().ok()).collect();
        let expires_at = events.iter().map(|event| event.expires_at).max();
        let receipts = receipts(
            &done,
            self.clock.next_id(),
            self.clock.now(),
            expires_at.unwrap_or(UtcDateTime::MAX),
        );
        let written = join_all(receipts.iter().map(|receipt| self.receipts.put(receipt))).await;
        for (receipt, written) in receipts.iter().zip(written) {
            let Err(error) = written.map_err(Arc::new) else {
                continue;
            };
            let lost: Vec<EventId> = receipt
                .groups
                .iter()
                .flat_map(|group| group.event_ids.iter().copied())
                .collect();
            for outcome in &mut outcomes {
                if matches!(outcome, Ok(event) if lost.contains(&event.event_id)) {
                    *outcome = Err(DispatchError::Receipt(Arc::clone(&error)));
                }
            }
        }
        outcomes
    }
}

type Unmarked = BTreeMap<TenantId, Arc<StoreError>>;

fn take_back_unmarked(events: &[LoggedEvent], outcomes: Outcomes, unmarked: &Unmarked) -> Outcomes {
    let take_back = |(event, outcome): (&LoggedEvent, Result<_, _>)| {
        outcome.and_then(|handed_over| match unmarked.get(&event.tenant) {
            None => Ok(handed_over),
            Some(error) => Err(DispatchError::Mark(Arc::clone(error))),
        })
    };
    events.iter().zip(outcomes).map(take_back).collect()
}

type Owned = BTreeMap<TenantId, Result<Arc<[Subscription]>, Arc<StoreError>>>;
type Route = Result<Vec<Wanted>, DispatchError>;

/// The subscriptions that want the event: its tenant's, then the bus's. The bus's own events have one owner.
fn route(registry: &Owned, event: &LoggedEvent) -> Route {
    if event.outbox == OutboxMode::None {
        return Ok(vec![]);
    }
    let mut matched = Vec::new();
    let mut owners = vec![event.tenant.clone(), TenantId::bus()];
    owners.dedup();
    for owner in owners {
        match registry.get(&owner) {
            Some(Ok(subscriptions)) => matched.extend(
                subscriptions
                    .iter()
                    .filter(|wanted| wanted.matches(&event.tenant, event.event.event_type()))
                    .cloned()
                    .map(Wanted::as_logged),
            ),
            Some(Err(source)) => {
                return Err(DispatchError::Subscriptions {
                    tenant: owner,
                    source: Arc::clone(source),
                });
            }
            None => {}
        }
    }
    Ok(matched)
}

/// The messages for one queue, and for each the event (by index) and subscription that it is of.
#[derive(Default)]
struct Batch {
    messages: Vec<Message>,
    pairs: Vec<(usize, String)>,
}

fn batches(events: &[LoggedEvent], routes: &[Route]) -> BTreeMap<QueueUrl, Batch> {
    let mut batches: BTreeMap<QueueUrl, Batch> = BTreeMap::new();
    for (index, (event, route)) in events.iter().zip(routes).enumerate() {
        for wanted in route.iter().flatten() {
            let Some(event) = wanted.event(event) else {
                continue;
            };
            let subscription = &wanted.subscription;
            let delivery = Delivery {
                event,
                subscription: &subscription.id,
                attempt: 1,
            };
            let batch = batches.entry(subscription.queue_url.clone()).or_default();
            batch.messages.push(delivery.to_message());
            batch.pairs.push((index, subscription.id.to_string()));
        }
    }
    batches
}

fn handed_over(event: &LoggedEvent, matched: &[Wanted]) -> HandedOver {
    let is_dead = |wanted: &&Wanted| matches!(wanted.form, Form::Dead);
    HandedOver {
        tenant: event.tenant.clone(),
        event_type: event.event.event_type().to_owned(),
        event_id: event.event_id,
        subscriptions: matched
            .iter()
            .map(|wanted| wanted.subscription.id.clone())
            .collect(),
        dead_lettered: matched.iter().filter(is_dead).count(),
    }
}
