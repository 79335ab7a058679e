//! What becomes of deliveries that were not made: a suspended subscription, a row and another attempt, or a dead
//! letter. Whatever it is, it is durable before the event counts as handled.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::future::join_all;
use futures::{StreamExt, stream};
use time::UtcDateTime;

use super::route::Untaken;
use super::send::{Refused, Why};
use super::{DispatchError, Refusal, SendError, Trouble};
use crate::dead_letter::{DeadLetterQueue, Failure, GivenUp, Origin};
use crate::logged_event::LoggedEvent;
use crate::registry::{Suspended, Suspension, Suspensions};
use crate::retry_policy::{Jitter, RetryDecision};
use crate::schema::delivery::UPCAST_FAILED;
use crate::store_error::StoreError;
use crate::subscription::{Subscription, SubscriptionId};
use crate::tenant::TenantId;
use crate::trouble::{
    Attempt, DeliveryKey, RetryQueue, TroubleStatus, TroubledDeliveries, TroubledDelivery,
};

/// Rows that are written at a time.
const MAX_WRITES: usize = 16;

/// What became of all of them.
#[derive(Default)]
pub(super) struct Settled {
    untaken: HashMap<usize, Untaken>,
    /// Events of which something could not be written down.
    pub(super) failed: HashMap<usize, DispatchError>,
    pub(super) suspended: Vec<Suspension>,
    pub(super) unsuspended: Vec<(Suspension, StoreError)>,
    pub(super) unreminded: Vec<(DeliveryKey, StoreError)>,
}

impl Settled {
    /// What became of one event's.
    pub(super) fn of(&mut self, event: usize) -> Untaken {
        self.untaken.remove(&event).unwrap_or_default()
    }

    fn note(&mut self, event: usize, end: Result<End, DispatchError>) {
        let untaken = self.untaken.entry(event).or_default();
        match end {
            Ok(End::Retrying(_)) => untaken.retrying += 1,
            Ok(End::DeadLetter) => untaken.dead_lettered += 1,
            Err(error) => {
                self.failed.entry(event).or_insert(error);
            }
        }
    }

    fn withhold(&mut self, refused: &Refused<'_>) {
        let untaken = self.untaken.entry(refused.event).or_default();
        untaken.withheld.push(refused.subscription.id.clone());
    }
}

/// How a delivery's first attempt ended.
enum End {
    /// It is tried again; if the row is new, it has to be reminded of.
    Retrying(Option<TroubledDelivery>),
    DeadLetter,
}

type SubscriptionKey<'r> = (&'r TenantId, &'r SubscriptionId);

impl<T, N, D, P> Trouble<'_, T, N, D, P>
where
    T: TroubledDeliveries + Sync,
    N: RetryQueue + Sync,
    D: DeadLetterQueue + Sync,
    P: Suspensions + Sync,
{
    /// Sees to every delivery that was not made.
    pub(super) async fn settle(
        &self,
        events: &[LoggedEvent],
        refused: Vec<Refused<'_>>,
        now: UtcDateTime,
    ) -> Settled {
        let mut settled = Settled::default();
        if refused.is_empty() {
            return settled;
        }
        let stopped = self.suspend(events, &refused, &mut settled).await;
        let (withheld, left): (Vec<_>, Vec<_>) = refused
            .into_iter()
            .partition(|refused| refused.is_of_queue() && stopped.contains_key(&refused.key()));
        for refused in &withheld {
            settled.withhold(refused);
        }
        self.write_down(events, left, now, &mut settled).await;
        settled
    }

    /// Suspends the subscriptions whose queues are gone or refuse the bus, each once. Those that are suspended
    /// are returned; where that failed, their deliveries are tried again like any other.
    async fn suspend<'r>(
        &self,
        events: &[LoggedEvent],
        refused: &[Refused<'r>],
        settled: &mut Settled,
    ) -> BTreeMap<SubscriptionKey<'r>, ()> {
        let suspensions = suspensions(events, refused);
        let calls = suspensions
            .values()
            .map(|suspension| self.suspensions.suspend(suspension));
        let answers = join_all(calls).await;
        let mut stopped = BTreeMap::new();
        for ((key, suspension), answer) in suspensions.into_iter().zip(answers) {
            match answer {
                Ok(Suspended::Now) => {
                    settled.suspended.push(suspension);
                    stopped.insert(key, ());
                }
                Ok(Suspended::Already) => {
                    stopped.insert(key, ());
                }
                Ok(Suspended::NotThere) => {}
                Err(error) => settled.unsuspended.push((suspension, error)),
            }
        }
        stopped
    }

    async fn write_down(
        &self,
        events: &[LoggedEvent],
        refused: Vec<Refused<'_>>,
        now: UtcDateTime,
        settled: &mut Settled,
    ) {
        let mut work = Vec::new();
        for refused in &refused {
            if let Some(event) = events.get(refused.event) {
                work.push(self.end(event, refused, now));
            }
        }
        let ends: Vec<_> = stream::iter(work).buffered(MAX_WRITES).collect().await;
        let mut due = Vec::new();
        for (refused, end) in refused.iter().zip(ends) {
            if let Ok(End::Retrying(Some(row))) = &end {
                due.extend(row.wait(now).map(|wait| (row.key.clone(), wait)));
            }
            settled.note(refused.event, end);
        }
        if !due.is_empty() {
            settled.unreminded = self.reminders.remind(&due).await;
        }
    }

    /// A delivery that can never be made is a dead letter first and then a row: a crash in between repeats the
    /// letter, which folds into the first.
    async fn end(
        &self,
        event: &LoggedEvent,
        refused: &Refused<'_>,
        now: UtcDateTime,
    ) -> Result<End, DispatchError> {
        let subscription = refused.subscription;
        let failure = refused.failure();
        let attempt = Attempt {
            at: now,
            failure: failure.clone(),
        };
        let status = match refused.again_at(event, now) {
            Some(next_attempt_at) => TroubleStatus::Retrying { next_attempt_at },
            None => {
                self.give_up(event, subscription, failure, now).await?;
                TroubleStatus::Failed { at: now }
            }
        };
        let row = TroubledDelivery::new(event, &subscription.id, status, attempt);
        let opened = self.rows.open(&row).await;
        let is_new = opened.map_err(|source| DispatchError::Row {
            subscription: subscription.id.to_string(),
            source: Arc::new(source),
        })?;
        Ok(match status {
            TroubleStatus::Retrying { .. } => End::Retrying(is_new.then_some(row)),
            _ => End::DeadLetter,
        })
    }

    async fn give_up(
        &self,
        event: &LoggedEvent,
        subscription: &Subscription,
        error: Failure,
        now: UtcDateTime,
    ) -> Result<(), DispatchError> {
        let given_up = GivenUp {
            origin: Origin::Dispatch,
            error,
            attempts: 1,
            first_failed_at: now,
            last_failed_at: now,
            message: subscription.message(event, 1, None),
        };
        let put = self.dead_letters.put(&given_up).await;
        put.map_err(|source| DispatchError::DeadLetter {
            subscription: subscription.id.to_string(),
            source: Arc::new(source),
        })
    }
}

impl<'r> Refused<'r> {
    fn key(&self) -> SubscriptionKey<'r> {
        (&self.subscription.tenant, &self.subscription.id)
    }

    fn refusal(&self) -> Refusal {
        match &self.why {
            Why::Queue(error) => error.refusal,
            Why::Version(_) => Refusal::Message,
        }
    }

    fn is_of_queue(&self) -> bool {
        self.refusal() == Refusal::Queue
    }

    fn failure(&self) -> Failure {
        match &self.why {
            Why::Queue(SendError { code, detail, .. }) => Failure::new(code.clone(), detail),
            Why::Version(failure) => Failure::new(UPCAST_FAILED, failure.to_string()),
        }
    }

    /// When the next attempt is, if there is to be one.
    fn again_at(&self, event: &LoggedEvent, now: UtcDateTime) -> Option<UtcDateTime> {
        if self.refusal() == Refusal::Message {
            return None;
        }
        let jitter = Jitter::of(&event.event_id.to_string());
        match self.subscription.retry.decide(1, now, jitter) {
            RetryDecision::RetryAt(at) => Some(at),
            RetryDecision::GiveUp => None,
        }
    }
}

/// One suspension for each subscription whose queue is gone, since the earliest event that it did not take.
fn suspensions<'r>(
    events: &[LoggedEvent],
    refused: &[Refused<'r>],
) -> BTreeMap<SubscriptionKey<'r>, Suspension> {
    let mut suspensions: BTreeMap<SubscriptionKey<'r>, Suspension> = BTreeMap::new();
    for refused in refused.iter().filter(|refused| refused.is_of_queue()) {
        let Some(event) = events.get(refused.event) else {
            continue;
        };
        let since = event.event_id.accepted_at();
        let suspension = suspensions.entry(refused.key()).or_insert_with(|| {
            Suspension::of(refused.subscription, since, refused.failure().to_string())
        });
        suspension.since = suspension.since.min(since);
    }
    suspensions
}
