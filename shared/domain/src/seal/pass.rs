//! What one pass of sealing came to.

use std::time::Duration;

use crate::archive::{Archived, NotArchived};
use crate::event_id::EventId;
use crate::log_hour::LogHour;
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// What a pass did, and how far sealing is after it.
#[derive(Debug, Default)]
pub struct Pass {
    /// Whether another was at it, so that nothing was done.
    pub is_held: bool,
    /// Hours that are sealed now and were not before, in order.
    pub sealed: Vec<LogHour>,
    /// Hours that something came late to, and that have another seal now.
    pub resealed: Vec<LogHour>,
    /// Events that were archived.
    pub events: u64,
    /// Bytes of their lines, not compressed.
    pub bytes: u64,
    /// Events that were in no receipt, and were dispatched again.
    pub dispatched: u64,
    /// Events that could not be archived, since they cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// Hours that could not be sealed now, and why.
    pub left: Vec<Left>,
    /// What ended the pass early, where that was in the way of no single hour.
    pub fault: Option<StoreError>,
    /// Hours that should be sealed and are not.
    pub waiting: u64,
    /// How long ago the first hour ended that is not sealed: 24 to 25 h where nothing waits, and as
    /// much more as the index of the log is given to follow.
    pub lag: Duration,
}

/// An event that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which it is.
    pub event_id: EventId,
}

/// An hour that could not be sealed now.
#[derive(Debug)]
pub struct Left {
    /// Which it is.
    pub hour: LogHour,
    /// Why.
    pub why: Unsealed,
}

/// Why an hour is not sealed. The next pass begins with it again.
#[derive(Debug, thiserror::Error)]
pub enum Unsealed {
    /// Nothing told that some events were handed over. They are dispatched now.
    #[error("{events} events were in no receipt, {first} of {tenant} the first of them")]
    Unproven {
        /// How many.
        events: u64,
        /// Whose the first one is.
        tenant: TenantId,
        /// Which it is.
        first: EventId,
    },
    /// A store failed, or holds something that cannot be understood.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another wrote something else in the same place meanwhile.
    #[error("another has written {key} meanwhile")]
    Contended {
        /// The place.
        key: String,
    },
    /// Another put a seal at the end of the chain meanwhile.
    #[error("another has sealed meanwhile")]
    Raced,
    /// The time that there was is over.
    #[error("the time is over")]
    OutOfTime,
}

impl From<NotArchived> for Unsealed {
    fn from(error: NotArchived) -> Self {
        match error {
            NotArchived::Store(error) => Self::Store(error),
            NotArchived::Contended { key } => Self::Contended { key },
            NotArchived::Unreceipted { tenant, event_id } => Self::Unproven {
                events: 1,
                tenant,
                first: event_id,
            },
            NotArchived::OutOfTime => Self::OutOfTime,
        }
    }
}

impl Pass {
    /// Counts what was archived of an hour of a tenant.
    pub(super) fn count(&mut self, tenant: &TenantId, archived: &Archived) {
        self.events += archived.events;
        self.bytes += archived.bytes;
        let unreadable = archived.unreadable.iter().map(|event_id| Unreadable {
            tenant: tenant.clone(),
            event_id: *event_id,
        });
        self.unreadable.extend(unreadable);
    }
}
