//! One try to make an event's effect, once.

use std::borrow::Cow;
use std::time::Duration;

use pillarbox_domain::dead_letter::DeadLetterQueue;
use pillarbox_domain::inbox::{Claim, ClaimToken, Inbox, InboxKey};
use pillarbox_domain::visibility::Visibility;
use pillarbox_domain::{Clock, ErrorChain, StoreError};
use pillarbox_runtime::batch::{Panicked, guarded};
use tokio::time::{Instant, timeout_at};

use super::error::{HandlerError, Wish};
use super::handlers::Handler;
use super::record::{Delivery, Record};
use super::schedule::Deadline;
use super::{Subscriber, Unknown};

/// How a record ended well.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Handled {
    /// The effect was made now.
    Done,
    /// It had been made before; this was its result.
    Repeat(String),
    /// There is no handler for it, and none is wanted.
    Skipped,
}

/// Why a record did not end well.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("the message is not a delivery: {0}")]
    Malformed(String),
    #[error("no handler is for events of type {event_type}")]
    NoHandler { event_type: String, next: Next },
    #[error("another consumer is at this event")]
    Held { at_most: Duration },
    /// The effect is made, and whoever took the claim over may make it, too, or may have failed. The message must
    /// stay until the inbox says that the effect is done: then it is a repeat.
    #[error("the claim ran out before the effect was written down: it may happen twice")]
    Late,
    #[error("the inbox failed")]
    Inbox(#[source] StoreError),
    #[error("the inbox did not answer before the deadline")]
    InboxTooSlow,
    #[error("{0}")]
    Handler(HandlerError),
    #[error("the handler {0}")]
    Panicked(Panicked),
    #[error("the handler took longer than {0:?}")]
    TimedOut(Duration),
    #[error("the handler was cut off before the deadline of the function")]
    CutOff,
    #[error("no time was left to begin")]
    OutOfTime,
    #[error("a record before it in its group has to come again")]
    Behind,
}

/// What becomes of a record that did not end well, if it is not at its last receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It is put away.
    GiveUp,
    /// It comes again after a back-off.
    Backoff,
    /// It comes again after a back-off, but not later than this.
    BackoffWithin(Duration),
    /// It comes again after this time.
    In(Duration),
}

impl Failed {
    /// What to do next.
    pub(super) fn next(&self) -> Next {
        match self {
            Self::Malformed(_) => Next::GiveUp,
            Self::NoHandler { next, .. } => *next,
            Self::Held { at_most } => Next::BackoffWithin(*at_most),
            Self::Handler(error) => match error.wish() {
                Wish::Never => Next::GiveUp,
                Wish::Retry => Next::Backoff,
                Wish::RetryIn(delay) => Next::In(delay),
            },
            Self::Late
            | Self::Inbox(_)
            | Self::InboxTooSlow
            | Self::Panicked(_)
            | Self::TimedOut(_)
            | Self::CutOff => Next::Backoff,
            // A FIFO queue holds a group back as long as one of its messages is hidden, so what is behind that one
            // need not be.
            Self::OutOfTime | Self::Behind => Next::In(Duration::ZERO),
        }
    }

    /// What kind of error it is, unless only the way it ends says so.
    pub(super) fn class(&self) -> Option<Cow<'static, str>> {
        let class = match self {
            Self::Malformed(_) => "Malformed",
            Self::NoHandler { .. } => "UnknownType",
            Self::Held { .. } => "Held",
            Self::Late => "ClaimLost",
            Self::Inbox(_) | Self::InboxTooSlow => "InboxFailed",
            Self::Handler(error) => return error.own_class(),
            Self::Panicked(_) => "Panicked",
            Self::TimedOut(_) | Self::CutOff => "Timeout",
            Self::OutOfTime | Self::Behind => "NotBegun",
        };
        Some(class.into())
    }
}

impl<I, V, D, C> Subscriber<I, V, D, C>
where
    I: Inbox + Sync,
    V: Visibility + Sync,
    D: DeadLetterQueue + Sync,
    C: Clock + Sync,
{
    /// Makes the effect of a record, unless it has been made or there is no time.
    pub(super) async fn attempt(
        &self,
        record: &Record,
        deadline: &Deadline,
    ) -> Result<Handled, Failed> {
        if Instant::now() >= deadline.cut_off {
            return Err(Failed::OutOfTime);
        }
        let delivery = record.delivery.as_ref();
        let delivery = delivery.map_err(|reason| Failed::Malformed(reason.clone()))?;
        let event_type = delivery.received.event.event_type();
        let no_handler = |next| Failed::NoHandler {
            event_type: event_type.to_owned(),
            next,
        };
        match (self.handlers.of(event_type), self.settings.unknown) {
            (Some(handler), _) => {
                let work = Work {
                    delivery,
                    receives: record.receives,
                    handler,
                    deadline,
                };
                self.once(work).await
            }
            (None, Unknown::Skip) => Ok(Handled::Skipped),
            (None, Unknown::Retry) => Err(no_handler(Next::Backoff)),
            (None, Unknown::DeadLetter) => Err(no_handler(Next::GiveUp)),
        }
    }

    /// Runs the handler between a claim and its end.
    async fn once(&self, work: Work<'_>) -> Result<Handled, Failed> {
        let key = work.inbox_key();
        let hold = self.settings.hold;
        let claim = timeout_at(
            work.deadline.cut_off,
            self.connections.inbox.claim(&key, hold),
        );
        // One that is granted after all runs out by itself.
        let claim = claim.await.map_err(|_| Failed::InboxTooSlow)?;
        let token = match claim.map_err(Failed::Inbox)? {
            Claim::Granted(token) => token,
            Claim::Held => return Err(Failed::Held { at_most: hold }),
            Claim::Done(result) => return Ok(Handled::Repeat(result)),
        };
        match self.run(&work).await {
            Ok(result) => self.close(&key, token, &result, work.deadline).await,
            Err(failed) => {
                self.give_back(&key, token, work.deadline).await;
                Err(failed)
            }
        }
    }

    async fn run(&self, work: &Work<'_>) -> Result<String, Failed> {
        let timeout = self.settings.record_timeout;
        let cut_off = work.deadline.cut_off;
        let until = (Instant::now() + timeout).min(cut_off);
        // Begun and dropped in here, so that a panic then is this record's, too.
        let begun = guarded(async {
            let handling = async { (work.handler)(work.delivery.clone(), work.receives).await };
            timeout_at(until, handling).await
        });
        match begun.await {
            Ok(Ok(handled)) => handled.map_err(Failed::Handler),
            Ok(Err(_)) if until == cut_off => Err(Failed::CutOff),
            Ok(Err(_)) => Err(Failed::TimedOut(timeout)),
            Err(panic) => Err(Failed::Panicked(panic)),
        }
    }

    async fn close(
        &self,
        key: &InboxKey,
        token: ClaimToken,
        result: &str,
        deadline: &Deadline,
    ) -> Result<Handled, Failed> {
        let closing = self.connections.inbox.done(key, token, result);
        match timeout_at(deadline.settled_by, closing).await {
            Ok(Ok(true)) => Ok(Handled::Done),
            Ok(Ok(false)) => Err(Failed::Late),
            Ok(Err(error)) => Err(Failed::Inbox(error)),
            Err(_) => Err(Failed::InboxTooSlow),
        }
    }

    /// A claim that cannot be given back runs out by itself; the event is only later for it.
    async fn give_back(&self, key: &InboxKey, token: ClaimToken, deadline: &Deadline) {
        let giving_back = self.connections.inbox.release(key, token);
        let error = match timeout_at(deadline.settled_by, giving_back).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => ErrorChain(&error).to_string(),
            Err(_) => Failed::InboxTooSlow.to_string(),
        };
        tracing::warn!(tenant.id = %key.tenant, event.id = %key.event_id, error, "claim.kept");
    }
}

/// A delivery and its handler.
struct Work<'a> {
    delivery: &'a Delivery,
    receives: u32,
    handler: &'a Handler,
    deadline: &'a Deadline,
}

impl Work<'_> {
    fn inbox_key(&self) -> InboxKey {
        let Delivery { tenant, received } = self.delivery;
        InboxKey {
            tenant: tenant.clone(),
            subscription: received.subscription.clone(),
            event_id: received.event_id,
        }
    }
}
