//! Another attempt at a delivery that its queue did not take (P4).
//!
//! A row is taken, the delivery is tried, and the row says what came of it. Whoever dies in between leaves a row
//! that is held; once the hold is over it is overdue, and somebody else takes it. So a delivery may be made
//! twice, with the same event id, and is never forgotten.

use std::time::Duration;

use crate::clock::Clock;
use crate::dead_letter::{DeadLetterQueue, Failure, GivenUp, Origin};
use crate::dispatch::{DeliveryQueues, Form, Refusal, SendError, Subscriptions, form};
use crate::logged_event::LoggedEvent;
use crate::publish::EventReader;
use crate::registry::{Suspended, Suspension, Suspensions};
use crate::retry_policy::{Jitter, RetryDecision};
use crate::schema::delivery::{UPCAST_FAILED, UpcastError, Upcasts};
use crate::store_error::{ErrorChain, StoreError};
use crate::subscription::Subscription;
use crate::trace::TraceId;
use crate::trouble::{
    Attempt, DeliveryKey, MAX_SPARE_HOLDS, RetryQueue, TroubleStatus, TroubledDeliveries,
    TroubledDelivery,
};

/// Rows that one pass reminds of, at the most. What is left over is found by the next.
pub const MAX_REMINDERS: usize = 1_000;

/// Where the parts of a retry are.
pub struct Retrier<'a, T, N, L, S, U, Q, D, P, C> {
    /// The rows of deliveries in trouble.
    pub rows: &'a T,
    /// What reminds of a row when it is due.
    pub reminders: &'a N,
    /// The log.
    pub log: &'a L,
    /// Who is subscribed.
    pub subscriptions: &'a S,
    /// What brings old events up to the version that a subscription asks for.
    pub upcasts: &'a U,
    /// Where deliveries go.
    pub queues: &'a Q,
    /// Where a delivery goes that is given up.
    pub dead_letters: &'a D,
    /// What stops deliveries to queues that are gone.
    pub suspensions: &'a P,
    /// What time it is.
    pub clock: &'a C,
}

/// What came of a reminder, and the subscription that was suspended by it, if one was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// What became of the delivery.
    pub retried: Retried,
    /// Its subscription, whose queue is gone or refuses the bus.
    pub suspended: Option<Suspension>,
    /// The trace that its event is part of, where the log was asked for it and has it.
    pub trace_id: Option<TraceId>,
}

impl From<Retried> for Retry {
    fn from(retried: Retried) -> Self {
        Self {
            retried,
            suspended: None,
            trace_id: None,
        }
    }
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retried {
    /// Nothing: the row is settled, not due, or held by somebody else.
    NotDue,
    /// The queue took it.
    Recovered {
        /// Which attempt it was, the first hand-over being 1.
        attempt: u32,
    },
    /// It failed again, and is tried again.
    Failed {
        /// Which attempt it was.
        attempt: u32,
        /// Why.
        failure: Failure,
    },
    /// It failed for good: it is in the dead letter queue.
    GivenUp {
        /// Which attempt was the last.
        attempt: u32,
        /// Why.
        failure: Failure,
    },
}

/// What a pass over overdue rows did.
#[derive(Debug, Default)]
pub struct Pass {
    /// Rows that were reminded of.
    pub reminded: usize,
    /// Rows that could not be, and why. The next pass finds them.
    pub failed: Vec<(DeliveryKey, StoreError)>,
}

/// How one attempt ended.
enum Ended {
    Taken,
    Failed(Failure),
    /// The queue is gone or refuses the bus.
    Gone(Suspension, Failure),
    /// It can never be made.
    Dead(Failure),
}

impl<T, N, L, S, U, Q, D, P, C> Retrier<'_, T, N, L, S, U, Q, D, P, C>
where
    T: TroubledDeliveries + Sync,
    N: RetryQueue + Sync,
    L: EventReader + Sync,
    S: Subscriptions + Sync,
    U: Upcasts + Sync,
    Q: DeliveryQueues + Sync,
    D: DeadLetterQueue + Sync,
    P: Suspensions + Sync,
    C: Clock + Sync,
{
    /// Tries a delivery again, if it is due.
    ///
    /// # Errors
    /// When it is not known what came of it. The reminder has to come again, or the row is found once it is
    /// overdue.
    pub async fn retry(&self, key: &DeliveryKey) -> Result<Retry, StoreError> {
        let Some(row) = self.rows.hold(key, self.clock.now()).await? else {
            return Ok(Retried::NotDue.into());
        };
        let event = self.log.get(&key.tenant, &row.source, &row.id).await?;
        // Another event has the key by now when this one has expired.
        let event = event.filter(|event| event.event_id == key.event_id);
        let subscription = self.subscription(key).await?;
        let ended = self.attempt(&row, event.as_ref(), subscription.as_ref());
        let ended = ended.await?;
        let suspended = match &ended {
            Ended::Gone(suspension, _) => self.suspend(suspension).await?,
            _ => None,
        };
        let retried = self.settle(row, event.as_ref(), subscription.as_ref(), ended);
        Ok(Retry {
            retried: retried.await?,
            suspended,
            trace_id: event.as_ref().map(LoggedEvent::trace_id),
        })
    }

    async fn suspend(&self, suspension: &Suspension) -> Result<Option<Suspension>, StoreError> {
        match self.suspensions.suspend(suspension).await? {
            Suspended::Now => Ok(Some(suspension.clone())),
            // Whatever it finds, this delivery goes on by its own row.
            Suspended::Already | Suspended::NotThere => Ok(None),
        }
    }

    /// Reminds of rows that nobody looked at in time.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn remind_of_overdue(&self) -> Result<Pass, StoreError> {
        let now = self.clock.now();
        let overdue = self.rows.overdue(now, MAX_REMINDERS).await?;
        let due: Vec<_> = overdue
            .into_iter()
            .map(|key| (key, Duration::ZERO))
            .collect();
        let mut pass = Pass {
            failed: self.reminders.remind(&due).await,
            ..Pass::default()
        };
        for (key, _) in due {
            if pass.failed.iter().any(|(failed, _)| *failed == key) {
                continue;
            }
            match self.rows.reminded(&key, now).await {
                Ok(()) => pass.reminded += 1,
                Err(error) => pass.failed.push((key, error)),
            }
        }
        Ok(pass)
    }

    async fn subscription(&self, key: &DeliveryKey) -> Result<Option<Subscription>, StoreError> {
        let owner = key.subscription.owner(&key.tenant);
        let roster = self.subscriptions.of(&owner).await?;
        Ok(roster.find(&key.subscription).cloned())
    }

    async fn attempt(
        &self,
        row: &TroubledDelivery,
        event: Option<&LoggedEvent>,
        subscription: Option<&Subscription>,
    ) -> Result<Ended, StoreError> {
        let Some(event) = event else {
            return Ok(Ended::dead("EventExpired", "the log has the event no more"));
        };
        let Some(subscription) = subscription else {
            return Ok(Ended::dead(
                "SubscriptionRemoved",
                "the subscription is gone",
            ));
        };
        if row.holds > subscription.retry.retries() + MAX_SPARE_HOLDS {
            let detail = "it was taken up more often than it can be tried, and never finished";
            return Ok(Ended::dead("NeverFinished", detail));
        }
        if !subscription.state.is_active() {
            let state = subscription.state.name().to_lowercase();
            let failure = format!("the subscription is {state}");
            return Ok(Ended::Failed(Failure::new("SubscriptionInactive", failure)));
        }
        self.send(row, event, subscription).await
    }

    async fn send(
        &self,
        row: &TroubledDelivery,
        event: &LoggedEvent,
        subscription: &Subscription,
    ) -> Result<Ended, StoreError> {
        let form = match subscription.target_version {
            None => Form::AsLogged,
            Some(target) => match form(self.upcasts, event, target).await {
                Ok(form) => form,
                Err(error) => return Ok(Ended::Failed(unavailable(&error))),
            },
        };
        let made = match form.event(event) {
            Ok(made) => made,
            Err(failure) => return Ok(Ended::dead(UPCAST_FAILED, &failure.to_string())),
        };
        let attempt = i32::try_from(row.failed_attempts() + 1).unwrap_or(i32::MAX);
        let message = subscription.message(made, attempt, None);
        let answers = self.queues.send(&subscription.queue_url, &[message]).await;
        // An entry that the queue does not mention was not taken.
        let answer = answers.into_iter().next();
        match answer.unwrap_or_else(|| Err(SendError::unanswered())) {
            Ok(()) => Ok(Ended::Taken),
            Err(error) => Ok(refused(event, subscription, error)),
        }
    }

    /// A delivery that is given up is a dead letter first and then a failed row: a crash in between repeats the
    /// letter, which folds into the first.
    async fn settle(
        &self,
        mut row: TroubledDelivery,
        event: Option<&LoggedEvent>,
        subscription: Option<&Subscription>,
        ended: Ended,
    ) -> Result<Retried, StoreError> {
        let now = self.clock.now();
        let attempt = row.failed_attempts() + 1;
        let (failure, dead) = match ended {
            Ended::Taken => {
                row.status = TroubleStatus::Recovered { at: now };
                self.rows.settle(&row).await?;
                return Ok(Retried::Recovered { attempt });
            }
            Ended::Failed(failure) | Ended::Gone(_, failure) => (failure, false),
            Ended::Dead(failure) => (failure, true),
        };
        row.attempts.push(Attempt {
            at: now,
            failure: failure.clone(),
        });
        let jitter = Jitter::of(&format!("{}{attempt}", row.key.event_id));
        let policy = subscription.map(|subscription| subscription.retry);
        match policy.unwrap_or_default().decide(attempt, now, jitter) {
            RetryDecision::RetryAt(next_attempt_at) if !dead => {
                row.status = TroubleStatus::Retrying { next_attempt_at };
                self.again(&row).await?;
                Ok(Retried::Failed { attempt, failure })
            }
            _ => {
                let put = self.give_up(&row, event, failure.clone());
                put.await?;
                row.status = TroubleStatus::Failed { at: now };
                self.rows.settle(&row).await?;
                Ok(Retried::GivenUp { attempt, failure })
            }
        }
    }

    /// A reminder that is not taken is no failure: the row is found once it is overdue.
    async fn again(&self, row: &TroubledDelivery) -> Result<(), StoreError> {
        if self.rows.settle(row).await?
            && let Some(wait) = row.wait(self.clock.now())
        {
            self.reminders.remind(&[(row.key.clone(), wait)]).await;
        }
        Ok(())
    }

    async fn give_up(
        &self,
        row: &TroubledDelivery,
        event: Option<&LoggedEvent>,
        error: Failure,
    ) -> Result<(), StoreError> {
        let failed_at = row.attempts.iter().map(|attempt| attempt.at);
        let now = self.clock.now();
        self.dead_letters
            .put(&GivenUp {
                origin: Origin::Retry,
                error,
                attempts: row.failed_attempts(),
                first_failed_at: failed_at.clone().min().unwrap_or(now),
                last_failed_at: failed_at.max().unwrap_or(now),
                message: row.message(event),
            })
            .await
    }
}

impl Ended {
    fn dead(class: &'static str, detail: &str) -> Self {
        Self::Dead(Failure::new(class, detail))
    }
}

fn refused(event: &LoggedEvent, subscription: &Subscription, error: SendError) -> Ended {
    let SendError {
        code,
        detail,
        refusal,
    } = error;
    let failure = Failure::new(code, detail);
    match refusal {
        Refusal::Message => Ended::Dead(failure),
        Refusal::Transient => Ended::Failed(failure),
        Refusal::Queue => {
            let since = event.event_id.accepted_at();
            let suspension = Suspension::of(subscription, since, failure.to_string());
            Ended::Gone(suspension, failure)
        }
    }
}

fn unavailable(error: &UpcastError) -> Failure {
    Failure::new("SchemaUnavailable", ErrorChain(error).to_string())
}
