//! The way back: a dead letter to its subscription's queue, and to no other.
//!
//! ```text
//! time  letter                                     the queue
//! 0     OPEN -> REDRIVING(redrive R, lease 60 s)
//! 1                                                has the event again, job R
//! 2     REDRIVING(R) -> REDRIVEN(R)
//! ```
//!
//! A second redrive at any of these times is refused. A crash between 0 and 1, or between 1 and 2, leaves the
//! letter REDRIVING. When the lease has run out it counts as OPEN, and can be redriven by a new redrive: where
//! the crash was after 1 that sends the event a second time, with the same event id, so a subscriber with an inbox
//! makes its effect once. Nothing that the redrive was for is ever lost; and since the letter remembers R, a
//! failure of either message is linked to it.
//!
//! A job redrives under its own name, so that a worker which takes over from a dead one goes on with the letter at
//! once, and knows the letters that are sent already.

use std::time::Duration;

use futures::{StreamExt, stream};

use super::{
    Change, Changed, DeadLetter, DeadLetterId, FailedDelivery, LetterStore, Redrive, RedriveId,
    StateName,
};
use crate::clock::{Clock, whole_millis};
use crate::cloud_event::CloudEvent;
use crate::delivery::{Message, Received};
use crate::dispatch::{DeliveryQueues, SendError};
use crate::fingerprint::Fingerprint;
use crate::log_shard::LogShard;
use crate::logged_event::{LoggedEvent, OutboxMode};
use crate::registry::SubscriptionRegistry;
use crate::schema::delivery::{UpcastError, UpcastFailure, Upcasts};
use crate::store_error::StoreError;
use crate::subscription::{Subscription, SubscriptionId};
use crate::tenant::TenantId;
use crate::trace::TraceId;

/// For how long one redrive keeps others off a letter: longer than a request to the API may take.
const LEASE: Duration = Duration::from_secs(60);

/// Letters of one request that are on their way at a time.
const MAX_UNDER_WAY: usize = 8;

/// Sends letters back.
pub struct Redriver<'a, L, S, Q, U, C> {
    /// Where they are kept.
    pub letters: &'a L,
    /// Where their subscriptions' queues are.
    pub subscriptions: &'a S,
    /// The queues.
    pub queues: &'a Q,
    /// What brings old events up to the version that a subscription asks for.
    pub upcasts: &'a U,
    /// Names redrives, and knows when a lease has run out.
    pub clock: &'a C,
}

/// A letter that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redriven {
    /// As it is now.
    pub letter: DeadLetter,
    /// Bytes of the message. None when this redrive had sent it before.
    pub bytes: usize,
    /// The trace that its event is part of; not known when this redrive had sent it before.
    pub trace_id: Option<TraceId>,
}

/// A message that the queue has.
struct Sent {
    bytes: usize,
    trace_id: TraceId,
}

/// A letter that a redrive may work on.
enum Taken {
    /// It is to be sent.
    Held(DeadLetter),
    /// The same redrive has sent it.
    Sent(DeadLetter),
}

/// Why a letter is not known to be sent.
#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    /// There is no such letter, or not for this tenant.
    #[error("there is no dead letter {0}")]
    Missing(DeadLetterId),
    /// It is no delivery, so there is nobody to send it to.
    #[error("the dead letter is no delivery, and has no way back")]
    NoDelivery,
    /// It was redriven or discarded, or is being redriven.
    #[error("the dead letter is {0}, and not OPEN")]
    NotOpen(StateName),
    /// Its subscription is not there any more.
    #[error("there is no subscription {0}")]
    NoSubscription(SubscriptionId),
    /// Its subscription is paused or suspended.
    #[error("subscription {0} is {1}: resume it first")]
    Inactive(SubscriptionId, &'static str),
    /// Its event can never be brought up to the version that the subscription asks for.
    #[error("the event cannot be brought up to the version that the subscription asks for: {0}")]
    Version(UpcastFailure),
    /// Its event cannot be brought up now.
    #[error("the event cannot be brought up now")]
    Unavailable(#[source] UpcastError),
    /// The queue did not take it.
    #[error("the queue did not take the event: {0}")]
    Refused(SendError),
    /// The event was sent, and the lease had run out by then: somebody else may have sent it, too.
    #[error("the event was sent, but too late: another redrive or a discard came first")]
    Late,
    /// The store failed. Where the event was sent before that, the letter can be redriven after the lease.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// A redrive that did not end well.
#[derive(Debug)]
pub struct NotRedriven {
    /// Why.
    pub error: RedriveError,
    /// Why the lease could not be given back, if that failed, too. It runs out by itself.
    pub still_held: Option<StoreError>,
}

impl<E: Into<RedriveError>> From<E> for NotRedriven {
    fn from(error: E) -> Self {
        Self {
            error: error.into(),
            still_held: None,
        }
    }
}

impl<L, S, Q, U, C> Redriver<'_, L, S, Q, U, C>
where
    L: LetterStore + Sync,
    S: SubscriptionRegistry + Sync,
    Q: DeliveryQueues + Sync,
    U: Upcasts + Sync,
    C: Clock + Sync,
{
    /// Sends a letter's event to its subscription's queue; the letter is returned as it is then.
    pub async fn redrive(
        &self,
        tenant: &TenantId,
        id: DeadLetterId,
    ) -> Result<Redriven, NotRedriven> {
        let redrive = RedriveId::new(self.clock.next_id());
        self.redrive_as(tenant, id, redrive).await
    }

    /// The same under this name. A letter that this redrive holds is sent again; one that it has sent is returned as
    /// it is.
    pub async fn redrive_as(
        &self,
        tenant: &TenantId,
        id: DeadLetterId,
        redrive: RedriveId,
    ) -> Result<Redriven, NotRedriven> {
        let letter = match self.take(tenant, id, redrive).await? {
            Taken::Held(letter) => letter,
            Taken::Sent(letter) => {
                return Ok(Redriven {
                    letter,
                    bytes: 0,
                    trace_id: None,
                });
            }
        };
        let Sent { bytes, trace_id } = match self.send(&letter, redrive).await {
            Ok(sent) => sent,
            Err(error) => return Err(self.give_back(&letter, redrive, error).await),
        };
        let close = Change::Close(redrive);
        match self.letters.change(tenant, id, &close).await? {
            Changed::Done(letter) => Ok(Redriven {
                letter,
                bytes,
                trace_id: Some(trace_id),
            }),
            Changed::Refused(_) | Changed::Missing => Err(RedriveError::Late.into()),
        }
    }

    /// Sends letters back, each by itself; answers for each, in the order given.
    pub async fn redrive_all(
        &self,
        tenant: &TenantId,
        ids: &[DeadLetterId],
    ) -> Vec<Result<Redriven, NotRedriven>> {
        let mut redrives = Vec::new();
        for id in ids {
            redrives.push(self.redrive(tenant, *id));
        }
        let redrives = stream::iter(redrives).buffered(MAX_UNDER_WAY);
        redrives.collect().await
    }

    /// Takes the lease of a letter that has a way back.
    async fn take(
        &self,
        tenant: &TenantId,
        id: DeadLetterId,
        redrive: RedriveId,
    ) -> Result<Taken, RedriveError> {
        let now = whole_millis(self.clock.now());
        let letter = self.letters.get(tenant, id).await?;
        let letter = letter.filter(|letter| letter.expires_at >= now);
        let letter = letter.ok_or(RedriveError::Missing(id))?;
        if letter.delivery.is_none() {
            return Err(RedriveError::NoDelivery);
        }
        let redrive = Redrive {
            id: redrive,
            at: now,
        };
        let take = Change::Take {
            redrive,
            held_until: now + LEASE,
        };
        match self.letters.change(tenant, id, &take).await? {
            Changed::Done(letter) => Ok(Taken::Held(letter)),
            Changed::Refused(letter) if letter.state.sent_by() == Some(redrive.id) => {
                Ok(Taken::Sent(letter))
            }
            Changed::Refused(letter) => Err(RedriveError::NotOpen(letter.state.name_at(now))),
            Changed::Missing => Err(RedriveError::Missing(id)),
        }
    }

    async fn give_back(
        &self,
        letter: &DeadLetter,
        redrive: RedriveId,
        error: RedriveError,
    ) -> NotRedriven {
        let give_back = Change::GiveBack(redrive);
        let given = self
            .letters
            .change(&letter.tenant, letter.id, &give_back)
            .await;
        NotRedriven {
            error,
            still_held: given.err(),
        }
    }

    /// Sends the event of a letter that is held. `Err` means that the queue is not known to have it.
    async fn send(&self, letter: &DeadLetter, redrive: RedriveId) -> Result<Sent, RedriveError> {
        let Some(delivery) = &letter.delivery else {
            return Err(RedriveError::NoDelivery);
        };
        let subscription = self.subscription(&letter.tenant, delivery).await?;
        let body = self.letters.body(letter).await?;
        let body = body.ok_or(RedriveError::Missing(letter.id))?;
        let event = event_of(&body)?;
        let trace_id = TraceId::of(&event, delivery.event_id);
        let event = self.bring_up(&letter.tenant, &subscription, event).await?;
        let message = message(letter, delivery, &subscription, event, redrive)?;
        let done = Sent {
            bytes: message.bytes(),
            trace_id,
        };
        let sent = self.queues.send(&subscription.queue_url, &[message]).await;
        let sent = sent.into_iter().next();
        let sent = sent.unwrap_or_else(|| Err(SendError::unanswered()));
        sent.map(|()| done).map_err(RedriveError::Refused)
    }

    /// The subscription, which its tenant owns, or the bus.
    async fn subscription(
        &self,
        tenant: &TenantId,
        delivery: &FailedDelivery,
    ) -> Result<Subscription, RedriveError> {
        let id = &delivery.subscription;
        let found = self
            .subscriptions
            .subscription(&id.owner(tenant), id)
            .await?;
        let Some(found) = found.map(|registered| registered.subscription) else {
            return Err(RedriveError::NoSubscription(id.clone()));
        };
        match found.state.is_active() {
            true => Ok(found),
            false => Err(RedriveError::Inactive(found.id, found.state.name())),
        }
    }

    async fn bring_up(
        &self,
        tenant: &TenantId,
        subscription: &Subscription,
        event: CloudEvent,
    ) -> Result<CloudEvent, RedriveError> {
        let Some(target) = subscription.target_version else {
            return Ok(event);
        };
        match self.upcasts.upcast(tenant, &event, target).await {
            Ok(brought_up) => Ok(brought_up.unwrap_or(event)),
            Err(UpcastError::Failed(failure)) => Err(RedriveError::Version(failure)),
            Err(error) => Err(RedriveError::Unavailable(error)),
        }
    }
}

/// The event of a body, which was read when it was kept.
fn event_of(body: &str) -> Result<CloudEvent, StoreError> {
    let received = Received::parse(body).map_err(|error| malformed(&error))?;
    Ok(received.event)
}

fn message(
    letter: &DeadLetter,
    delivery: &FailedDelivery,
    subscription: &Subscription,
    event: CloudEvent,
    redrive: RedriveId,
) -> Result<Message, StoreError> {
    let fingerprint = Fingerprint::of(&event).map_err(|violation| malformed(&violation))?;
    let event = LoggedEvent {
        tenant: letter.tenant.clone(),
        event_id: delivery.event_id,
        event,
        fingerprint,
        outbox: OutboxMode::Dispatch,
        shard: LogShard::default(),
        expires_at: letter.expires_at,
    };
    Ok(subscription.message(&event, 1, Some(&redrive.to_string())))
}

fn malformed(error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Malformed {
        what: "dead letter",
        detail: error.to_string(),
    }
}
