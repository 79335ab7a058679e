//! Deliveries in trouble: an event and a subscription whose queue did not take it.
//!
//! Each has a row of its own, from the first failure on. The row is the truth; the message on the retry queue only
//! says when to look at it, and may come twice, late or never. Rows that nobody looked at in time are found by
//! [`TroubledDeliveries::overdue`].

use std::time::Duration;

use serde_json::json;
use time::UtcDateTime;

use crate::dead_letter::Failure;
use crate::delivery::{Delivery, Message, TENANT_ATTRIBUTE};
use crate::event_id::EventId;
use crate::gauges::Counted;
use crate::log_hour::IdRange;
use crate::logged_event::LoggedEvent;
use crate::store_error::StoreError;
use crate::subscription::SubscriptionId;
use crate::tenant::TenantId;

/// How long a row's time may be past before somebody else looks at it than the message that was sent for it.
pub const GRACE: Duration = Duration::from_secs(120);

/// How long whoever looks at a row has for it: longer than the function may run.
pub const HOLD: Duration = Duration::from_secs(60);

/// Times that a row is looked at beyond the retries of its policy. Whoever holds a row and dies leaves no attempt
/// behind, so looks are counted, too, and bounded.
pub const MAX_SPARE_HOLDS: u32 = 10;

/// Names a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryKey {
    /// Whose event it is.
    pub tenant: TenantId,
    /// Which event it is.
    pub event_id: EventId,
    /// Who is to get it.
    pub subscription: SubscriptionId,
}

/// A delivery that failed at least once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TroubledDelivery {
    /// Which it is.
    pub key: DeliveryKey,
    /// By which the event is found in the log, with [`TroubledDelivery::id`].
    pub source: String,
    /// Which of its source's events it is.
    pub id: String,
    /// What happened.
    pub event_type: String,
    /// What is to become of it.
    pub status: TroubleStatus,
    /// Every attempt that failed, in order.
    pub attempts: Vec<Attempt>,
    /// How often it was looked at.
    pub holds: u32,
    /// From when on the store may forget it.
    pub expires_at: UtcDateTime,
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When.
    pub at: UtcDateTime,
    /// Why.
    pub failure: Failure,
}

/// What is to become of a delivery in trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleStatus {
    /// It is tried again then.
    Retrying {
        /// When.
        next_attempt_at: UtcDateTime,
    },
    /// The queue has it.
    Recovered {
        /// Since when.
        at: UtcDateTime,
    },
    /// It is a dead letter.
    Failed {
        /// Since when.
        at: UtcDateTime,
    },
}

impl TroubledDelivery {
    /// The row of a delivery whose first attempt failed now.
    pub fn new(
        event: &LoggedEvent,
        subscription: &SubscriptionId,
        status: TroubleStatus,
        attempt: Attempt,
    ) -> Self {
        Self {
            key: DeliveryKey {
                tenant: event.tenant.clone(),
                event_id: event.event_id,
                subscription: subscription.clone(),
            },
            source: event.event.source().to_owned(),
            id: event.event.id().to_owned(),
            event_type: event.event.event_type().to_owned(),
            status,
            attempts: vec![attempt],
            holds: 0,
            expires_at: event.expires_at,
        }
    }

    /// How long it is from `now` until the next attempt, if there is to be one.
    pub fn wait(&self, now: UtcDateTime) -> Option<Duration> {
        match self.status {
            TroubleStatus::Retrying { next_attempt_at } => {
                Some(Duration::try_from(next_attempt_at - now).unwrap_or_default())
            }
            _ => None,
        }
    }

    /// The message that could not be delivered; without its event, which has expired, what is known of it.
    pub fn message(&self, event: Option<&LoggedEvent>) -> Message {
        let Self {
            key, source, id, ..
        } = self;
        match event {
            Some(event) => Delivery {
                event,
                subscription: &key.subscription,
                attempt: 1,
                job: None,
            }
            .to_message(),
            None => Message {
                body: json!({
                    "tenant": key.tenant.as_str(), "pbeventid": key.event_id,
                    "pbsubscription": key.subscription.as_str(),
                    "source": source, "id": id, "type": self.event_type,
                })
                .to_string(),
                attributes: vec![(TENANT_ATTRIBUTE, key.tenant.to_string())],
                group: key.tenant.to_string(),
            },
        }
    }

    /// Attempts that failed.
    pub fn failed_attempts(&self) -> u32 {
        u32::try_from(self.attempts.len()).unwrap_or(u32::MAX)
    }
}

/// Rows of deliveries in trouble.
pub trait TroubledDeliveries {
    /// Writes a row, unless the delivery has one. `Ok` means that one is durable; `true`, that it is this one.
    fn open(&self, row: &TroubledDelivery)
    -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Takes a row that is due at `now`, until [`HOLD`] is over: nobody else gets it meanwhile. `None` when
    /// there is none, or it is not due, settled, or held.
    fn hold(
        &self,
        key: &DeliveryKey,
        now: UtcDateTime,
    ) -> impl Future<Output = Result<Option<TroubledDelivery>, StoreError>> + Send;

    /// Writes down what became of a row that is held, and gives it back. `false` when it was held by somebody
    /// else meanwhile; then nothing is written.
    fn settle(
        &self,
        row: &TroubledDelivery,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The rows of an event.
    fn of_event(
        &self,
        tenant: &TenantId,
        event_id: EventId,
    ) -> impl Future<Output = Result<Vec<TroubledDelivery>, StoreError>> + Send;

    /// Some rows that are retrying and that nobody looked at in time: [`GRACE`] after they were due, or after
    /// their hold was over. The longest overdue come first.
    fn overdue(
        &self,
        now: UtcDateTime,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<DeliveryKey>, StoreError>> + Send;

    /// Says that a message was sent for an overdue row, so that the next pass leaves it alone for [`GRACE`].
    fn reminded(
        &self,
        key: &DeliveryKey,
        now: UtcDateTime,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A status that rows are found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenStatus {
    /// It is tried again.
    Retrying,
    /// It is a dead letter.
    Failed,
    /// Its queue took it at a later attempt.
    Recovered,
}

/// Events of a tenant that have deliveries in trouble.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TroubledEvents {
    /// Which, in the order of their ids, each once.
    pub event_ids: Vec<EventId>,
    /// What was not looked at: it begins after all that was.
    pub rest: Option<IdRange>,
}

/// Where a tenant's deliveries in trouble are found by what is to become of them. It may be some moments behind the
/// rows themselves.
pub trait TroubleLedger {
    /// The first events of a range that have rows of this status. `limit` rows are looked at, at the most.
    fn of_status(
        &self,
        tenant: &TenantId,
        status: OpenStatus,
        range: IdRange,
        limit: usize,
    ) -> impl Future<Output = Result<TroubledEvents, StoreError>> + Send;
}

/// How many rows are retrying, of all tenants together. It may be some moments behind the rows themselves.
pub trait RetryingCount {
    /// Counts them, up to `limit` in each of the few parts that the store keeps them in.
    fn retrying(&self, limit: usize) -> impl Future<Output = Result<Counted, StoreError>> + Send;
}

/// The queue that says when to look at a row.
pub trait RetryQueue {
    /// Sends a message for each, to come when its row is due. The keys whose messages were not taken are
    /// returned; their rows are found once they are overdue.
    fn remind(
        &self,
        due: &[(DeliveryKey, Duration)],
    ) -> impl Future<Output = Vec<(DeliveryKey, StoreError)>> + Send;
}
