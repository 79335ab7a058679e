//! An event as the log holds it.

use time::UtcDateTime;

use crate::cloud_event::CloudEvent;
use crate::event_id::EventId;
use crate::fingerprint::Fingerprint;
use crate::log_shard::LogShard;
use crate::tenant::TenantId;

/// One immutable entry of a tenant's log.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedEvent {
    /// Whose log it is in.
    pub tenant: TenantId,
    /// Given at acceptance.
    pub event_id: EventId,
    /// What the producer sent.
    pub event: CloudEvent,
    /// Tells a repeated publish from a conflicting one.
    pub fingerprint: Fingerprint,
    /// Whether it is to be dispatched.
    pub outbox: OutboxMode,
    /// Where it stands within its hour.
    pub shard: LogShard,
    /// From when on the store may forget it, to the second.
    pub expires_at: UtcDateTime,
}

/// Whether an event goes to subscribers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutboxMode {
    /// To every subscription that wants it.
    #[default]
    Dispatch,
    /// It is logged, and can be replayed; nobody is told.
    None,
}
