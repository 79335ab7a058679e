//! Taking an event in: stored once per key, or told why not (P1, P2).

use std::collections::HashMap;
use std::time::Duration;

use crate::clock::Clock;
use crate::cloud_event::{CloudEvent, ParseError, Violation};
use crate::event_id::EventId;
use crate::fingerprint::Fingerprint;
use crate::logged_event::LoggedEvent;
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// The append-only log of every tenant's events.
pub trait EventLog {
    /// Writes the event unless its key is taken, in one conditional write.
    ///
    /// A key is taken by an event that has not expired, whether or not the store has removed it yet.
    /// `Ok` means that the event, or the one that was there before, is durably in the log.
    fn append(
        &self,
        event: &LoggedEvent,
    ) -> impl Future<Output = Result<Appended, AppendError>> + Send;

    /// Writes each event unless its key is taken, as [`EventLog::append`] does, in as few calls as the store
    /// allows; answers for each, in the order given. No two of them may have the same key.
    fn append_all(
        &self,
        events: &[LoggedEvent],
    ) -> impl Future<Output = Vec<Result<Appended, AppendError>>> + Send;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The key was free; the event is stored.
    New,
    /// The key is taken by an event with this id and this fingerprint; nothing was written.
    Taken {
        /// The id that the first event was given.
        event_id: EventId,
        /// What the first event's content was.
        fingerprint: Fingerprint,
    },
}

/// Why an event is not in the log.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// It does not fit an item of the store, even compressed.
    #[error("the event needs {actual} bytes of storage; {limit} is the most")]
    TooLarge {
        /// Bytes that the stored form may have.
        limit: usize,
        /// Bytes that this event's stored form has.
        actual: usize,
    },
    /// The store did not write it, or did not say so.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How a publish ended, when it ended well or in a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// Stored now, under this id.
    Accepted(EventId),
    /// Stored before with the same content, under this id.
    Duplicate(EventId),
    /// Stored before with other content, under this id. Nothing was written.
    Conflict(EventId),
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
    /// See [`AppendError`].
    #[error(transparent)]
    Append(#[from] AppendError),
    /// An earlier event of the batch has the same key, and could not be stored.
    #[error("the first event of the batch with this source and id was not stored")]
    FirstNotStored,
}

/// How each event of a batch ended.
pub type BatchPublished = Vec<Result<Published, PublishError>>;

/// Stores the event under its key, for `retention` from its acceptance.
pub async fn publish<L: EventLog>(
    log: &L,
    tenant: &TenantId,
    event: CloudEvent,
    event_id: EventId,
    retention: Duration,
) -> Result<Published, PublishError> {
    let logged = logged(tenant, event, event_id, retention)?;
    let appended = log.append(&logged).await?;
    Ok(published(&logged, appended))
}

/// Stores each event under its key, as [`publish`] does, and answers for each in the order given.
///
/// Of several events with one key the first is stored, and the others are held against it: what it became
/// they are a duplicate of, or a conflict with.
pub async fn publish_all<L: EventLog, C: Clock>(
    log: &L,
    tenant: &TenantId,
    events: Vec<Result<CloudEvent, ParseError>>,
    clock: &C,
    retention: Duration,
) -> BatchPublished {
    let mut batch = Batch::default();
    let entries: Vec<Entry> = events
        .into_iter()
        .map(|event| logged(tenant, event?, clock.next_id(), retention))
        .map(|event| event.map_or_else(Entry::Refused, |event| batch.add(event)))
        .collect();
    let appended = log.append_all(&batch.firsts).await;
    batch.settle(entries, appended)
}

/// The events of a batch that are written: the first of each key.
#[derive(Default)]
struct Batch {
    firsts: Vec<LoggedEvent>,
    places: HashMap<(String, String), usize>,
}

/// What becomes of an event of a batch.
enum Entry {
    Refused(PublishError),
    /// It is written; the index is its place among the firsts.
    First(usize),
    /// It is held against the first of its key.
    Repeat(usize, Fingerprint),
}

impl Batch {
    fn add(&mut self, event: LoggedEvent) -> Entry {
        let key = (event.event.source().to_owned(), event.event.id().to_owned());
        let next = self.firsts.len();
        match *self.places.entry(key).or_insert(next) {
            place if place == next => {
                self.firsts.push(event);
                Entry::First(place)
            }
            place => Entry::Repeat(place, event.fingerprint),
        }
    }

    fn settle(
        &self,
        entries: Vec<Entry>,
        appended: Vec<Result<Appended, AppendError>>,
    ) -> BatchPublished {
        let held: Vec<Option<(EventId, Fingerprint)>> = self
            .firsts
            .iter()
            .zip(&appended)
            .map(|(first, appended)| held(first, appended))
            .collect();
        // The firsts were written in the order of their entries, so their answers come in it.
        let mut appended = appended.into_iter();
        let settle = |entry| match entry {
            Entry::Refused(error) => Err(error),
            Entry::First(place) => {
                let appended = appended.next().ok_or(PublishError::FirstNotStored)??;
                Ok(published(&self.firsts[place], appended))
            }
            Entry::Repeat(place, fingerprint) => match held.get(place).copied().flatten() {
                Some((event_id, first)) if first == fingerprint => {
                    Ok(Published::Duplicate(event_id))
                }
                Some((event_id, _)) => Ok(Published::Conflict(event_id)),
                None => Err(PublishError::FirstNotStored),
            },
        };
        entries.into_iter().map(settle).collect()
    }
}

/// What a key holds after a write to it, if that is known.
fn held(
    event: &LoggedEvent,
    appended: &Result<Appended, AppendError>,
) -> Option<(EventId, Fingerprint)> {
    match appended {
        Ok(Appended::New) => Some((event.event_id, event.fingerprint)),
        Ok(Appended::Taken {
            event_id,
            fingerprint,
        }) => Some((*event_id, *fingerprint)),
        Err(_) => None,
    }
}

fn logged(
    tenant: &TenantId,
    event: CloudEvent,
    event_id: EventId,
    retention: Duration,
) -> Result<LoggedEvent, PublishError> {
    let fingerprint = Fingerprint::of(&event).map_err(PublishError::Invalid)?;
    Ok(LoggedEvent {
        tenant: tenant.clone(),
        event_id,
        event,
        fingerprint,
        expires_at: event_id.accepted_at() + retention,
    })
}

fn published(event: &LoggedEvent, appended: Appended) -> Published {
    match appended {
        Appended::New => Published::Accepted(event.event_id),
        // The write had been applied, its answer was lost, and the client beneath us tried again.
        Appended::Taken { event_id, .. } if event_id == event.event_id => {
            Published::Accepted(event_id)
        }
        Appended::Taken {
            event_id,
            fingerprint,
        } if fingerprint == event.fingerprint => Published::Duplicate(event_id),
        Appended::Taken { event_id, .. } => Published::Conflict(event_id),
    }
}
