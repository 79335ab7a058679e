//! What becomes of a record after it was tried.

use std::time::Duration;

use pillarbox_domain::dead_letter::{DeadLetterQueue, Failure, GivenUp, Origin};
use pillarbox_domain::inbox::Inbox;
use pillarbox_domain::retry_policy::Jitter;
use pillarbox_domain::visibility::{Hidden, NotHidden, Visibility};
use pillarbox_domain::{Clock, ErrorChain};
use tokio::time::timeout_at;

use super::Subscriber;
use super::attempt::{Failed, Handled, Next};
use super::record::Record;
use super::schedule::Deadline;

/// The class of an error without one that the handler will not see again.
const PERMANENT: &str = "Permanent";

/// The class of an error without one that came once too often.
const RECEIVES_EXHAUSTED: &str = "ReceivesExhausted";

/// How a record ended.
pub(super) enum Outcome {
    /// Well.
    Handled(Handled),
    /// The dead letter queue has it.
    DeadLettered(Failure),
    /// It comes again.
    Again { failed: Failed, after: Duration },
}

/// A record that is not tried any more in this batch.
#[derive(Clone, Debug)]
pub(super) struct Settled {
    pub(super) message_id: String,
    receipt_handle: Option<String>,
    /// How long it waits, when it comes again.
    again: Option<Duration>,
}

impl Settled {
    pub(super) fn of(record: &Record, outcome: &Outcome) -> Self {
        let again = match outcome {
            Outcome::Handled(_) | Outcome::DeadLettered(_) => None,
            Outcome::Again { after, .. } => Some(*after),
        };
        Self {
            message_id: record.message_id.clone(),
            receipt_handle: record.receipt_handle.clone(),
            again,
        }
    }

    pub(super) fn comes_again(&self) -> bool {
        self.again.is_some()
    }

    fn hidden(&self) -> Option<Hidden> {
        Some(Hidden {
            receipt_handle: self.receipt_handle.clone()?,
            lasting: self.again?,
        })
    }
}

impl<I, V, D, C> Subscriber<I, V, D, C>
where
    I: Inbox + Sync,
    V: Visibility + Sync,
    D: DeadLetterQueue + Sync,
    C: Clock + Sync,
{
    /// Puts away what failed for good. The queue is told that a record is done only when the dead letter queue has
    /// it; else it comes again, and after its last receive SQS moves it there itself, without the reason.
    pub(super) async fn settle(
        &self,
        record: &Record,
        attempt: Result<Handled, Failed>,
        deadline: &Deadline,
    ) -> Outcome {
        let failed = match attempt {
            Ok(handled) => return Outcome::Handled(handled),
            Err(failed) => failed,
        };
        let next = failed.next();
        let is_last = record.receives >= self.settings.max_receives.get();
        if next == Next::GiveUp || is_last {
            let otherwise = if next == Next::GiveUp {
                PERMANENT
            } else {
                RECEIVES_EXHAUSTED
            };
            let class = failed.class().unwrap_or(otherwise.into());
            let failure = Failure::new(class, ErrorChain(&failed).to_string());
            if self.put_away(record, &failure, deadline).await {
                return Outcome::DeadLettered(failure);
            }
        }
        let after = self.wait(record, next);
        Outcome::Again { failed, after }
    }

    async fn put_away(&self, record: &Record, failure: &Failure, deadline: &Deadline) -> bool {
        let now = self.connections.clock.now();
        let given_up = GivenUp {
            origin: Origin::Subscriber,
            error: failure.clone(),
            attempts: record.receives,
            first_failed_at: record.first_received_at.unwrap_or(now),
            last_failed_at: now,
            message: record.message.clone(),
        };
        let putting = self.connections.dead_letters.put(&given_up);
        let error = match timeout_at(deadline.settled_by, putting).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => ErrorChain(&error).to_string(),
            Err(_) => "no answer before the deadline".to_owned(),
        };
        tracing::error!(message.id = record.message_id, error, "dead_letter.refused");
        false
    }

    /// How long a record waits that comes again.
    fn wait(&self, record: &Record, next: Next) -> Duration {
        let jitter = Jitter::of(&format!("{}#{}", record.message_id, record.receives));
        let backoff = self.settings.backoff.delay(record.receives, jitter);
        match next {
            Next::GiveUp | Next::Backoff => backoff,
            Next::BackoffWithin(most) => backoff.min(most),
            Next::In(delay) => delay,
        }
    }

    /// Lets each record that comes again wait as long as it should. Where that fails it comes when its queue's
    /// visibility time-out is over.
    pub(super) async fn delay(&self, settled: &[Settled], deadline: &Deadline) {
        let hidden: Vec<Hidden> = settled.iter().filter_map(Settled::hidden).collect();
        if hidden.is_empty() {
            return;
        }
        let hiding = self.connections.visibility.hide(&hidden);
        let answers = timeout_at(deadline.answered_by, hiding).await;
        let answers = answers.unwrap_or_else(|_| vec![Err(NotHidden::unanswered())]);
        for error in answers.into_iter().filter_map(Result::err) {
            tracing::warn!(%error, "visibility.unchanged");
        }
    }
}
