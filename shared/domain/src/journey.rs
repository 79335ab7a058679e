//! What became of an event, and why (P6).
//!
//! Everything is read when it is asked for: the event's receipts tell who asked for it, rows tell of deliveries
//! in trouble, dead letters of those that failed for good. Whose pattern did not match is worked out anew, from the
//! subscriptions that there are now.

use time::UtcDateTime;

use crate::logged_event::{LoggedEvent, OutboxMode};
use crate::pattern::{Decision, EventDocument, Verdict};
use crate::receipt::Receipted;
use crate::subscription::{Registered, SubscriptionId};
use crate::trouble::{Attempt, TroubleStatus, TroubledDelivery};

/// The outbox's state of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventState {
    /// Dispatch has not seen it yet.
    Pending,
    /// A delivery is tried again.
    Processing,
    /// It is with the queue of every subscription that asked for it and was active.
    Completed,
    /// A delivery failed for good.
    Failed,
    /// It is in the log and not dispatched, as its producer wanted.
    Logged,
}

impl EventState {
    /// The state of an event with these receipts and rows. What lies before the watermark is sealed: its
    /// receipts were held against the log, and may be gone.
    pub fn of(
        event: &LoggedEvent,
        receipts: &[Receipted],
        rows: &[TroubledDelivery],
        sealed_before: Option<UtcDateTime>,
    ) -> Self {
        let any = |is: fn(&TroubleStatus) -> bool| rows.iter().any(|row| is(&row.status));
        let is_sealed = sealed_before.is_some_and(|mark| event.event_id.accepted_at() < mark);
        if event.outbox == OutboxMode::None {
            Self::Logged
        } else if any(|status| matches!(status, TroubleStatus::Failed { .. })) {
            Self::Failed
        } else if any(|status| matches!(status, TroubleStatus::Retrying { .. })) {
            Self::Processing
        } else if !receipts.is_empty() || is_sealed {
            Self::Completed
        } else {
            Self::Pending
        }
    }

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Processing => "PROCESSING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Logged => "LOGGED",
        }
    }
}

/// An event to one subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryJourney {
    /// Who asked for it.
    pub subscription: SubscriptionId,
    /// Where it is.
    pub state: DeliveryState,
    /// When its queue took it.
    pub handed_over_at: Option<UtcDateTime>,
    /// Attempts that failed.
    pub attempts: Vec<Attempt>,
    /// When it is tried again.
    pub next_attempt_at: Option<UtcDateTime>,
}

/// Where a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// Its queue took it at the first attempt.
    HandedOver,
    /// Its subscription was paused or suspended.
    Withheld,
    /// Its queue did not take it, and is asked again.
    Retrying,
    /// Its queue took it at a later attempt.
    Recovered,
    /// Its queue never took it; it is a dead letter.
    Failed,
}

impl DeliveryState {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::HandedOver => "HANDED_OVER",
            Self::Withheld => "WITHHELD",
            Self::Retrying => "RETRYING",
            Self::Recovered => "RECOVERED",
            Self::Failed => "FAILED",
        }
    }
}

/// The deliveries of an event that its receipts and rows tell of, in the order of their subscriptions' ids.
///
/// An event whose batch came again has several receipts. The first that has a subscription tells when it was
/// handed over; what was withheld at first and handed over later was handed over.
pub fn deliveries(receipts: &[Receipted], rows: &[TroubledDelivery]) -> Vec<DeliveryJourney> {
    let of_rows = rows.iter().map(|row| row.key.subscription.clone());
    let of_receipts = receipts.iter().flat_map(|receipt| {
        let withheld = receipt.withheld.iter();
        receipt.subscriptions.iter().chain(withheld).cloned()
    });
    let mut ids: Vec<SubscriptionId> = of_rows.chain(of_receipts).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter()
        .map(|id| delivery(id, receipts, rows))
        .collect()
}

fn delivery(
    subscription: SubscriptionId,
    receipts: &[Receipted],
    rows: &[TroubledDelivery],
) -> DeliveryJourney {
    let row = rows.iter().find(|row| row.key.subscription == subscription);
    let receipt = receipts
        .iter()
        .find(|receipt| receipt.subscriptions.contains(&subscription));
    let handed_over_at = receipt.map(|receipt| receipt.handed_over_at);
    let (state, handed_over_at, next_attempt_at) = match row.map(|row| row.status) {
        Some(TroubleStatus::Retrying { next_attempt_at }) => {
            (DeliveryState::Retrying, None, Some(next_attempt_at))
        }
        Some(TroubleStatus::Recovered { at }) => (DeliveryState::Recovered, Some(at), None),
        Some(TroubleStatus::Failed { .. }) => (DeliveryState::Failed, None, None),
        None if handed_over_at.is_some() => (DeliveryState::HandedOver, handed_over_at, None),
        None => (DeliveryState::Withheld, None, None),
    };
    DeliveryJourney {
        subscription,
        state,
        handed_over_at,
        attempts: row.map(|row| row.attempts.clone()).unwrap_or_default(),
        next_attempt_at,
    }
}

/// A subscription that does not have the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotMatched {
    /// Which it is.
    pub subscription: SubscriptionId,
    /// The field and test that decided; none when its pattern matches now.
    pub decided_by: Option<Decision>,
    /// Why a subscription does not have what its pattern matches now.
    pub note: Option<&'static str>,
}

/// Why each of these subscriptions that has no delivery of the event has none.
pub fn not_matched(
    event: &LoggedEvent,
    deliveries: &[DeliveryJourney],
    subscriptions: &[Registered],
) -> Vec<NotMatched> {
    let document = EventDocument::of(&event.event);
    let has_it = |registered: &&Registered| {
        let id = &registered.subscription.id;
        deliveries
            .iter()
            .any(|delivery| delivery.subscription == *id)
    };
    let others = subscriptions
        .iter()
        .filter(|registered| !has_it(registered));
    others
        .map(|registered| {
            let (decided_by, note) = match registered.subscription.pattern.explain(&document) {
                Verdict::Missed(decision) => (Some(decision), None),
                Verdict::Matched => (None, Some(note(event, registered))),
            };
            NotMatched {
                subscription: registered.subscription.id.clone(),
                decided_by,
                note,
            }
        })
        .collect()
}

fn note(event: &LoggedEvent, registered: &Registered) -> &'static str {
    let accepted_at = event.event_id.accepted_at();
    if event.outbox == OutboxMode::None {
        "the event was logged without being dispatched"
    } else if registered.created_at > accepted_at {
        "its pattern matches, but the subscription was made after the event"
    } else if registered.updated_at > accepted_at {
        "its pattern matches now; the subscription was changed after the event"
    } else {
        "its pattern matches; the event has not been dispatched yet"
    }
}
