//! Taking events in: each stored once per key, or told why not (P1, P2).

mod atomic;
mod batch;

pub use atomic::{AtomicError, Refusal, publish_atomically};
pub use batch::{BatchPublished, publish_all};

use crate::cloud_event::{CloudEvent, ParseError, Violation};
use crate::event_id::EventId;
use crate::fingerprint::Fingerprint;
use crate::log_shard::LogShards;
use crate::logged_event::{LoggedEvent, OutboxMode};
use crate::schema::DataViolations;
use crate::store_error::StoreError;
use crate::tenant::TenantId;
use crate::tenant_settings::Retention;

/// The append-only log of every tenant's events.
///
/// A key is taken by an event that has not expired, whether or not the store has removed it yet. No two events
/// of one call may have the same key.
pub trait EventLog {
    /// Writes the event unless its key is taken, in one conditional write.
    ///
    /// `Ok` means that the event, or the one that was there before, is durably in the log.
    fn append(
        &self,
        event: &LoggedEvent,
    ) -> impl Future<Output = Result<Appended, StoreError>> + Send;

    /// Writes each event unless its key is taken, as [`EventLog::append`] does, in as few calls as the store
    /// allows; answers for each, in the order given.
    fn append_all(
        &self,
        events: &[LoggedEvent],
    ) -> impl Future<Output = Vec<Result<Appended, StoreError>>> + Send;

    /// Writes all events, or none when the key of any is taken by other content. An event that is in the log
    /// already, with the same content, is as good as written.
    ///
    /// Answers for each, in the order given, and never with [`Appended::Other`]. They may be
    /// [`crate::limits::MAX_ATOMIC_EVENTS`] at most.
    fn append_atomically(
        &self,
        events: &[LoggedEvent],
    ) -> impl Future<Output = Result<Vec<Appended>, AtomicAppendError>> + Send;
}

/// The way back from a key to its event.
pub trait EventReader {
    /// The event under this key, unless it has expired.
    fn get(
        &self,
        tenant: &TenantId,
        source: &str,
        id: &str,
    ) -> impl Future<Output = Result<Option<LoggedEvent>, StoreError>> + Send;
}

/// What a write to the log found.
#[derive(Clone, Debug, PartialEq)]
pub enum Appended {
    /// The key was free; the event is stored.
    New,
    /// The key is taken by an event with this id and the same fingerprint; nothing was written.
    Same(EventId),
    /// The key is taken by this event, which has another fingerprint; nothing was written.
    Other(Box<LoggedEvent>),
}

/// Why no event of an atomic write is in the log that was not there before.
#[derive(Debug, thiserror::Error)]
pub enum AtomicAppendError {
    /// Keys are taken by events with other content: which of those to write, and what holds its key.
    #[error("{} key(s) are taken by other events", .0.len())]
    Taken(Vec<(usize, LoggedEvent)>),
    /// The store did not write them, or did not say so.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How a tenant's events are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// For how long.
    pub retention: Retention,
    /// Over how many shards.
    pub log_shards: LogShards,
    /// Whether they are dispatched.
    pub outbox: OutboxMode,
}

/// How a publish ended, when it ended well or in a conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// Stored now, under this id.
    Accepted(EventId),
    /// Stored before with the same content, under this id.
    Duplicate(EventId),
    /// Stored before with other content. Nothing was written.
    Conflict(Conflict),
}

/// Two events under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The id of the first, which is in the log.
    pub event_id: EventId,
    /// In what the second differs: names of attributes, and `data`.
    pub differing: Vec<String>,
}

impl Conflict {
    fn between(first: &LoggedEvent, second: &LoggedEvent) -> Self {
        Self {
            event_id: first.event_id,
            differing: Fingerprint::differing(&first.event, &second.event),
        }
    }
}

/// Why a publish did not end.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// It is not an event.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The event's data cannot be read.
    #[error("{0}")]
    Invalid(Violation),
    /// The event does not fit the schema of its type.
    #[error("the event does not fit its schema: {0}")]
    Unfit(DataViolations),
    /// The log did not take it, or did not say so.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An earlier event of the batch has the same key, and could not be stored.
    #[error("the first event of the batch with this source and id was not stored")]
    FirstNotStored,
}

/// Stores the event under its key, on these terms.
pub async fn publish<L: EventLog>(
    log: &L,
    tenant: &TenantId,
    event: CloudEvent,
    event_id: EventId,
    terms: &Terms,
) -> Result<Published, PublishError> {
    let logged = logged(tenant, event, event_id, terms).map_err(PublishError::Invalid)?;
    let appended = log.append(&logged).await?;
    Ok(published(&logged, &appended))
}

/// The event as the log is to hold it. Fails when its data cannot be read.
pub fn logged(
    tenant: &TenantId,
    event: CloudEvent,
    event_id: EventId,
    terms: &Terms,
) -> Result<LoggedEvent, Violation> {
    let fingerprint = Fingerprint::of(&event)?;
    Ok(LoggedEvent {
        tenant: tenant.clone(),
        event_id,
        event,
        fingerprint,
        outbox: terms.outbox,
        shard: terms.log_shards.shard_of(event_id),
        expires_at: terms.retention.expiry_of(event_id),
    })
}

fn published(event: &LoggedEvent, appended: &Appended) -> Published {
    match appended {
        Appended::New => Published::Accepted(event.event_id),
        // The write had been applied, its answer was lost, and the client beneath us tried again.
        Appended::Same(event_id) if *event_id == event.event_id => Published::Accepted(*event_id),
        Appended::Same(event_id) => Published::Duplicate(*event_id),
        Appended::Other(first) => Published::Conflict(Conflict::between(first, event)),
    }
}
