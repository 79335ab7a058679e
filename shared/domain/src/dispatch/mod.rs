//! From the log to every subscriber that asked (P1, P3).
//!
//! Order is what makes this safe: the queues accept, then a row is written for each delivery that they did not
//! take, then the receipt, then the caller may forget the events. A crash between any two steps repeats
//! deliveries; it never loses one.

mod late;
mod refused;
mod route;
mod send;
mod versions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::{join_all, join3};
use time::UtcDateTime;

use crate::active_hours::HourMarks;
use crate::clock::Clock;
use crate::dead_letter::DeadLetterQueue;
use crate::delivery::Message;
use crate::event_id::EventId;
use crate::guarded::Panicked;
use crate::log_hour::LogHour;
use crate::logged_event::{LoggedEvent, OutboxMode};
use crate::receipt::{HandedOver, Receipts, receipts};
use crate::registry::{Suspension, Suspensions};
use crate::schema::delivery::{UpcastError, Upcasts};
use crate::seal::Reopenings;
use crate::store_error::StoreError;
use crate::subscription::{QueueUrl, Roster};
use crate::tenant::TenantId;
use crate::trouble::{DeliveryKey, RetryQueue, TroubledDeliveries};
use late::Unnoted;
use refused::Settled;
use route::Route;

pub(crate) use versions::{Form, form};

/// Who is subscribed.
pub trait Subscriptions {
    /// The subscriptions that this tenant owns; for [`TenantId::bus`], those across tenants. They may be
    /// some seconds old.
    fn of(&self, owner: &TenantId) -> impl Future<Output = Result<Arc<Roster>, StoreError>> + Send;
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
    /// What can help.
    pub refusal: Refusal,
}

/// What a refused message needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Time: the same may be taken later.
    Transient,
    /// A person: the queue is gone, or does not let the bus send.
    Queue,
    /// Nothing: the queue will never take this message.
    Message,
}

impl SendError {
    /// The queue's answer left the message out.
    pub fn unanswered() -> Self {
        Self {
            code: "Unanswered".to_owned(),
            detail: "the queue's answer does not mention the message".to_owned(),
            refusal: Refusal::Transient,
        }
    }
}

/// Where deliveries go that a queue did not take.
pub struct Trouble<'a, T, Q, D, S> {
    /// The rows of deliveries in trouble.
    pub rows: &'a T,
    /// What reminds of a row when it is due.
    pub reminders: &'a Q,
    /// Where a delivery goes that can never be made.
    pub dead_letters: &'a D,
    /// What stops deliveries to queues that are gone.
    pub suspensions: &'a S,
}

/// Hands events over: a [`Dispatcher`], for who need not know what it is made of.
pub trait Dispatching {
    /// Hands the events over and writes it down.
    fn dispatch(&self, events: &[LoggedEvent]) -> impl Future<Output = Dispatched>;
}

/// Where the parts of a dispatch are.
pub struct Dispatcher<'a, S, Q, R, M, O, U, C, T> {
    /// Who is subscribed.
    pub subscriptions: &'a S,
    /// Where deliveries go.
    pub queues: &'a Q,
    /// Where it is written down.
    pub receipts: &'a R,
    /// Where readers learn in which hours there are events.
    pub marks: &'a M,
    /// Where it is noted that something came late to a closed hour.
    pub reopenings: &'a O,
    /// What brings old events up to the version that a subscription asks for.
    pub upcasts: &'a U,
    /// What time it is.
    pub clock: &'a C,
    /// Where deliveries go that cannot be made, now or ever.
    pub trouble: T,
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
    /// It could not be brought up to the version that a subscription asks for, and may be later.
    #[error("the event could not be brought up to the version that was asked for")]
    Version(#[source] Arc<UpcastError>),
    /// A queue did not take it, and that could not be written down.
    #[error("the row of the delivery to subscription {subscription} could not be written")]
    Row {
        /// The subscription.
        subscription: String,
        /// Why.
        #[source]
        source: Arc<StoreError>,
    },
    /// It can never be delivered to this subscription, and that could not be put away.
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
    /// Every queue was asked, and that could not be written down.
    #[error("the receipt could not be written")]
    Receipt(#[source] Arc<StoreError>),
    /// Readers of the log would not find it.
    #[error("the hour of the event could not be marked")]
    Mark(#[source] Arc<StoreError>),
    /// Its hour may be sealed without it.
    #[error("it could not be noted that the event came late to its hour")]
    Late(#[source] Arc<StoreError>),
    /// The code that looks for its subscriptions failed.
    #[error("routing the event")]
    Panicked(#[from] Panicked),
}

/// For each event in the order given: the subscriptions that have it, or why it has to come again.
pub type Outcomes = Vec<Result<HandedOver, DispatchError>>;

/// What a dispatch came to.
#[derive(Debug, Default)]
pub struct Dispatched {
    /// What became of each event.
    pub outcomes: Outcomes,
    /// The subscriptions that were suspended by it.
    pub suspended: Vec<Suspension>,
    /// Those that could not be, and why. Their deliveries have rows instead.
    pub unsuspended: Vec<(Suspension, StoreError)>,
    /// Rows whose reminders were not taken. They are found once they are overdue.
    pub unreminded: Vec<(DeliveryKey, StoreError)>,
}

impl<S, Q, R, M, O, U, C, T, N, D, P> Dispatcher<'_, S, Q, R, M, O, U, C, Trouble<'_, T, N, D, P>>
where
    S: Subscriptions + Sync,
    Q: DeliveryQueues + Sync,
    R: Receipts + Sync,
    M: HourMarks + Sync,
    O: Reopenings + Sync,
    U: Upcasts + Sync,
    C: Clock + Sync,
    T: TroubledDeliveries + Sync,
    N: RetryQueue + Sync,
    D: DeadLetterQueue + Sync,
    P: Suspensions + Sync,
{
    /// Hands the events over and writes it down.
    pub async fn dispatch(&self, events: &[LoggedEvent]) -> Dispatched {
        let rosters = self.read_rosters(events).await;
        let routes = self.routes(&rosters, events).await;
        let sent = send::send(self.queues, events, &routes);
        let late = late::note(self.reopenings, events, self.clock.now());
        let (refused, unmarked, unnoted) = join3(sent, self.mark_hours(events), late).await;
        let mut settled = self.trouble.settle(events, refused, self.clock.now()).await;
        let outcomes = outcomes(events, routes, &mut settled);
        let outcomes = take_back(events, outcomes, &unmarked, &unnoted);
        Dispatched {
            outcomes: self.write_receipts(events, outcomes).await,
            suspended: settled.suspended,
            unsuspended: settled.unsuspended,
            unreminded: settled.unreminded,
        }
    }

    /// Who gets each event, and in which version.
    async fn routes<'r>(&self, rosters: &'r Rosters, events: &[LoggedEvent]) -> Vec<Route<'r>> {
        let routes = events
            .iter()
            .map(|event| route::route(rosters, event, self.upcasts));
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

    async fn read_rosters(&self, events: &[LoggedEvent]) -> Rosters {
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

impl<S, Q, R, M, O, U, C, T, N, D, P> Dispatching
    for Dispatcher<'_, S, Q, R, M, O, U, C, Trouble<'_, T, N, D, P>>
where
    S: Subscriptions + Sync,
    Q: DeliveryQueues + Sync,
    R: Receipts + Sync,
    M: HourMarks + Sync,
    O: Reopenings + Sync,
    U: Upcasts + Sync,
    C: Clock + Sync,
    T: TroubledDeliveries + Sync,
    N: RetryQueue + Sync,
    D: DeadLetterQueue + Sync,
    P: Suspensions + Sync,
{
    async fn dispatch(&self, events: &[LoggedEvent]) -> Dispatched {
        Dispatcher::dispatch(self, events).await
    }
}

type Unmarked = BTreeMap<TenantId, Arc<StoreError>>;
type Rosters = BTreeMap<TenantId, Result<Arc<Roster>, Arc<StoreError>>>;

/// What readers would not find, or a sealed hour would lack, has to come again.
fn take_back(
    events: &[LoggedEvent],
    outcomes: Outcomes,
    unmarked: &Unmarked,
    unnoted: &Unnoted,
) -> Outcomes {
    let take_back = |(event, outcome): (&LoggedEvent, Result<_, _>)| {
        let handed_over = outcome?;
        let place = (event.tenant.clone(), LogHour::of(event.event_id));
        if let Some(error) = unmarked.get(&event.tenant) {
            Err(DispatchError::Mark(Arc::clone(error)))
        } else if let Some(error) = unnoted.get(&place) {
            Err(DispatchError::Late(Arc::clone(error)))
        } else {
            Ok(handed_over)
        }
    };
    events.iter().zip(outcomes).map(take_back).collect()
}

/// What became of each event, once it is known what became of the deliveries that were refused.
fn outcomes(events: &[LoggedEvent], routes: Vec<Route<'_>>, settled: &mut Settled) -> Outcomes {
    let routed = events.iter().zip(routes).enumerate();
    routed
        .map(
            |(index, (event, route))| match settled.failed.remove(&index) {
                Some(error) => Err(error),
                None => route.map(|routed| routed.handed_over(event, settled.of(index))),
            },
        )
        .collect()
}
