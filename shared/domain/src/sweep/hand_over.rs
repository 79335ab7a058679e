//! What is missing, handed over: read once more, dispatched, or put away where it cannot be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Found;
use super::ledger::read_all;
use crate::clock::Clock;
use crate::dead_letter::{DeadLetterQueue, Failure, GivenUp, Origin};
use crate::delivery::{EVENT_ID_ATTRIBUTE, Message, TENANT_ATTRIBUTE, escape_for_sqs};
use crate::dispatch::{DispatchError, Dispatched, Dispatching};
use crate::event_id::EventId;
use crate::event_query::{EventBodies, IndexEntry, ShownEvent};
use crate::guarded::{Panicked, guarded};
use crate::logged_event::LoggedEvent;
use crate::receipt::{Bucket, HandedOver, ReceiptLedger, Receipts, receipts};
use crate::registry::Suspension;
use crate::store_error::StoreError;
use crate::tenant::TenantId;
use crate::tenant_settings::Retention;
use crate::trace::TraceId;
use crate::trouble::DeliveryKey;

/// Events that are dispatched together, as a stream brings them.
const MAX_BATCH_EVENTS: usize = 100;

/// Bytes of data that are in memory at a time.
const MAX_BATCH_BYTES: usize = 16_000_000;

/// The class of the error of an event that is in the index and cannot be read.
const UNREADABLE: &str = "Unreadable";

/// The class of the error of an event that dispatch cannot bear.
const PANICKED: &str = "Panicked";

/// Where the parts of a hand-over are.
pub struct HandOver<'a, R, L, D, X, C> {
    /// Where it is written down.
    pub receipts: &'a R,
    /// The log.
    pub log: &'a L,
    /// What hands over.
    pub dispatcher: D,
    /// Where events go that cannot be dispatched.
    pub dead_letters: &'a X,
    /// What time it is.
    pub clock: &'a C,
}

/// Why it is not known what became of a missing event. It has to be looked at again.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HandOverError {
    /// Whether it has a receipt by now.
    #[error("its receipts could not be read")]
    Receipts(#[source] Arc<StoreError>),
    /// What it is.
    #[error("the event could not be read")]
    Body(#[source] Arc<StoreError>),
    /// The log did not answer for it.
    #[error("the log left the event out of its answer")]
    LeftOut,
    /// Whether everybody has it.
    #[error("the event could not be dispatched")]
    Dispatch(#[source] DispatchError),
    /// The code that hands over failed.
    #[error("handing the event over")]
    Panicked(#[source] Panicked),
    /// It cannot be dispatched, and that could not be written down.
    #[error("the event could not be put into the dead letter queue")]
    PutAway(#[source] Arc<StoreError>),
}

/// What became of missing events.
#[derive(Debug, Default)]
pub struct Handed {
    /// They were dispatched.
    pub dispatched: Vec<HandedOver>,
    /// They had a receipt by then: another was faster.
    pub receipted: usize,
    /// They cannot be dispatched, and are dead letters now.
    pub unreadable: Vec<(Found, Failure)>,
    /// They are as they were.
    pub failed: Vec<(Found, HandOverError)>,
    /// The subscriptions that were suspended by it.
    pub suspended: Vec<Suspension>,
    /// Those that could not be, and why.
    pub unsuspended: Vec<(Suspension, StoreError)>,
    /// Rows whose reminders were not taken.
    pub unreminded: Vec<(DeliveryKey, StoreError)>,
    /// The traces of the events that were read.
    pub traces: BTreeMap<EventId, TraceId>,
}

impl Handed {
    /// Adds what became of others.
    pub fn add(&mut self, other: Self) {
        self.receipted += other.receipted;
        self.dispatched.extend(other.dispatched);
        self.unreadable.extend(other.unreadable);
        self.failed.extend(other.failed);
        self.suspended.extend(other.suspended);
        self.unsuspended.extend(other.unsuspended);
        self.unreminded.extend(other.unreminded);
        self.traces.extend(other.traces);
    }

    fn fail(&mut self, found: impl IntoIterator<Item = Found>, error: &HandOverError) {
        let failed = found.into_iter().map(|found| (found, error.clone()));
        self.failed.extend(failed);
    }
}

/// Events that are dispatched together, each beside what was found of it.
#[derive(Default)]
struct Batch {
    found: Vec<Found>,
    events: Vec<LoggedEvent>,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, found: Found, event: LoggedEvent) {
        let data = event.event.data();
        self.bytes += data.map_or(0, |data| data.bytes().len());
        self.found.push(found);
        self.events.push(event);
    }

    fn is_full(&self) -> bool {
        self.events.len() >= MAX_BATCH_EVENTS || self.bytes >= MAX_BATCH_BYTES
    }
}

impl<R, L, D, X, C> HandOver<'_, R, L, D, X, C>
where
    R: ReceiptLedger + Receipts + Sync,
    L: EventBodies + Sync,
    D: Dispatching,
    X: DeadLetterQueue + Sync,
    C: Clock + Sync,
{
    /// Hands these events over, but those that have a receipt by now.
    pub async fn hand_over(&self, found: Vec<Found>) -> Handed {
        let mut handed = Handed::default();
        let mut batch = Batch::default();
        for (tenant, found) in self.without_receipt(found, &mut handed).await {
            self.read(&tenant, found, &mut batch, &mut handed).await;
        }
        self.dispatch(&mut batch, &mut handed).await;
        handed
    }

    /// What is missing still, by tenant. It was missing some time ago, when the stream may have been at it.
    async fn without_receipt(
        &self,
        found: Vec<Found>,
        handed: &mut Handed,
    ) -> BTreeMap<TenantId, Vec<Found>> {
        let bucket = |found: &Found| Bucket::of(found.entry.event_id);
        let buckets: BTreeSet<Bucket> = found.iter().map(bucket).collect();
        let read = read_all(self.receipts, buckets).await;
        let known = read.into_iter();
        let known: BTreeMap<_, _> = known
            .map(|(bucket, read)| (bucket, read.map_err(Arc::new)))
            .collect();
        let mut missing: BTreeMap<TenantId, Vec<Found>> = BTreeMap::new();
        for found in found {
            match known.get(&bucket(&found)) {
                Some(Ok(receipted)) if receipted.has(&found.tenant, found.entry.event_id) => {
                    handed.receipted += 1;
                }
                Some(Err(error)) => {
                    let error = HandOverError::Receipts(Arc::clone(error));
                    handed.fail([found], &error);
                }
                _ => missing.entry(found.tenant.clone()).or_default().push(found),
            }
        }
        missing
    }

    /// Reads the events of one tenant, and dispatches whenever a batch is full.
    async fn read(
        &self,
        tenant: &TenantId,
        mut found: Vec<Found>,
        batch: &mut Batch,
        handed: &mut Handed,
    ) {
        while !found.is_empty() {
            let entries: Vec<IndexEntry> = found.iter().map(|found| found.entry.clone()).collect();
            let bodies = self.log.bodies(tenant, &entries, MAX_BATCH_BYTES).await;
            let bodies = match bodies {
                Ok(bodies) if bodies.is_empty() => {
                    return handed.fail(found, &HandOverError::LeftOut);
                }
                Ok(bodies) => bodies,
                Err(error) => {
                    return handed.fail(found, &HandOverError::Body(Arc::new(error)));
                }
            };
            let later = found.split_off(bodies.len().min(found.len()));
            for (found, body) in found.into_iter().zip(bodies) {
                match body.filter(|body| is_of(body, &found)) {
                    Some(event) => batch.push(found, event),
                    None => self.give_up(found, None, unreadable(), handed).await,
                }
                if batch.is_full() {
                    self.dispatch(batch, handed).await;
                }
            }
            found = later;
        }
    }

    async fn dispatch(&self, batch: &mut Batch, handed: &mut Handed) {
        let Batch { found, events, .. } = std::mem::take(batch);
        if events.is_empty() {
            return;
        }
        let traces = events.iter();
        let traces = traces.map(|event| (event.event_id, event.trace_id()));
        handed.traces.extend(traces);
        let Dispatched {
            outcomes,
            suspended,
            unsuspended,
            unreminded,
        } = match guarded(self.dispatcher.dispatch(&events)).await {
            Ok(dispatched) => dispatched,
            Err(panicked) => return handed.fail(found, &HandOverError::Panicked(panicked)),
        };
        handed.suspended.extend(suspended);
        handed.unsuspended.extend(unsuspended);
        handed.unreminded.extend(unreminded);
        for ((found, event), outcome) in found.into_iter().zip(&events).zip(outcomes) {
            match outcome {
                Ok(handed_over) => handed.dispatched.push(handed_over),
                // It would fail in the same way whenever it came; the stream gives up on it after some times.
                Err(DispatchError::Panicked(Panicked(reason))) => {
                    let failure = Failure::new(PANICKED, reason);
                    self.give_up(found, Some(event), failure, handed).await;
                }
                Err(error) => handed.fail([found], &HandOverError::Dispatch(error)),
            }
        }
    }

    async fn give_up(
        &self,
        found: Found,
        event: Option<&LoggedEvent>,
        failure: Failure,
        handed: &mut Handed,
    ) {
        match self.put_away(&found, event, &failure).await {
            Ok(()) => handed.unreadable.push((found, failure)),
            Err(error) => handed.fail([found], &HandOverError::PutAway(Arc::new(error))),
        }
    }

    /// An event that cannot be dispatched is a dead letter, and then in a receipt without any subscription: it is
    /// done with. A crash in between repeats the letter.
    async fn put_away(
        &self,
        found: &Found,
        event: Option<&LoggedEvent>,
        failure: &Failure,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let given_up = GivenUp {
            origin: Origin::Dispatch,
            error: failure.clone(),
            attempts: 1,
            first_failed_at: now,
            last_failed_at: now,
            message: message(found, event),
        };
        self.dead_letters.put(&given_up).await?;
        let event_id = found.entry.event_id;
        let expires_at = event.map(|event| event.expires_at);
        let expires_at = expires_at.unwrap_or_else(|| Retention::default().expiry_of(event_id));
        let done = [done(found)];
        for receipt in receipts(&done, self.clock.next_id(), now, expires_at) {
            self.receipts.put(&receipt).await?;
        }
        Ok(())
    }
}

/// Whether what is under an event's key is that event: it may have expired and lost its key to another.
fn is_of(body: &LoggedEvent, found: &Found) -> bool {
    body.tenant == found.tenant && body.event_id == found.entry.event_id
}

fn unreadable() -> Failure {
    let message = "dispatch never saw the event, and nothing that can be read as it is in the log";
    Failure::new(UNREADABLE, message)
}

fn done(found: &Found) -> HandedOver {
    HandedOver {
        tenant: found.tenant.clone(),
        event_type: found.entry.event_type.clone(),
        event_id: found.entry.event_id,
        subscriptions: vec![],
        withheld: vec![],
        retrying: 0,
        dead_lettered: 1,
    }
}

/// The event; where it cannot be read, what the index has of it.
fn message(found: &Found, event: Option<&LoggedEvent>) -> Message {
    let Found { tenant, entry } = found;
    let known = || {
        serde_json::json!({
            "tenant": tenant.as_str(), "pbeventid": entry.event_id,
            "source": entry.source, "id": entry.id, "type": entry.event_type,
        })
    };
    // Strings, numbers and raw JSON cannot fail to be written to memory.
    let whole = event.and_then(|event| serde_json::to_string(&ShownEvent(event)).ok());
    Message {
        body: escape_for_sqs(whole.unwrap_or_else(|| known().to_string())),
        attributes: vec![
            (TENANT_ATTRIBUTE, tenant.to_string()),
            (EVENT_ID_ATTRIBUTE, entry.event_id.to_string()),
        ],
        group: tenant.to_string(),
    }
}
