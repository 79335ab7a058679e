//! Taking an event in: stored once per key, or told why not (P1, P2).

use std::time::Duration;

use crate::cloud_event::{CloudEvent, Violation};
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
    /// The event's data cannot be read.
    #[error("{0}")]
    Invalid(Violation),
    /// See [`AppendError`].
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// Stores the event under its key, for `retention` from its acceptance.
pub async fn publish<L: EventLog>(
    log: &L,
    tenant: &TenantId,
    event: CloudEvent,
    event_id: EventId,
    retention: Duration,
) -> Result<Published, PublishError> {
    let fingerprint = Fingerprint::of(&event).map_err(PublishError::Invalid)?;
    let logged = LoggedEvent {
        tenant: tenant.clone(),
        event_id,
        event,
        fingerprint,
        expires_at: event_id.accepted_at() + retention,
    };
    Ok(match log.append(&logged).await? {
        Appended::New => Published::Accepted(event_id),
        // The write had been applied, its answer was lost, and the client beneath us tried again.
        Appended::Taken {
            event_id: first, ..
        } if first == event_id => Published::Accepted(event_id),
        Appended::Taken {
            event_id,
            fingerprint,
        } if fingerprint == logged.fingerprint => Published::Duplicate(event_id),
        Appended::Taken { event_id, .. } => Published::Conflict(event_id),
    })
}
