//! A page of dead letters, each to its own subscription.

use futures::{StreamExt, stream};

use super::delivering::{MAX_ATTEMPTS, back_off, gone_reason};
use super::hold::{Handle, Hold, Stop};
use super::page::Page;
use super::replay::list;
use super::tally::{Failed, Handled, Tallies};
use crate::dispatch::{Refusal, SendError};
use crate::job::ports::{Caller, Ports};
use crate::job::{FailedEvent, Job};
use crate::letters::{DeadLetter, NotRedriven, RedriveError, RedriveId, Redriver};
use crate::registry::SubscriptionRegistry;
use crate::schema::delivery::UPCAST_FAILED;
use crate::store_error::{ErrorChain, StoreError};

/// Letters that are under way at a time.
const AT_A_TIME: usize = 32;

/// Sends a job's letters, under the job's own name.
pub(super) struct Redrives<'a, P> {
    ports: &'a P,
    job: &'a Job,
    name: String,
}

/// What became of a letter.
enum Outcome {
    /// The queue has it; with so many bytes.
    Sent(usize),
    /// It is not open any more.
    Skipped,
    /// It cannot be sent now, and may be later.
    Later(RedriveError),
    /// It cannot be sent as things are. It stays open.
    Failed(RedriveError),
    /// Its queue is gone.
    QueueGone(String),
}

impl<'a, P: Ports> Redrives<'a, P> {
    pub(super) fn new(ports: &'a P, job: &'a Job) -> Self {
        Self {
            ports,
            job,
            name: job.id.to_string(),
        }
    }

    async fn redrive<H: Ports, K: Caller + Sync>(
        &self,
        letter: &DeadLetter,
        hold: &Hold<'_, H, K>,
    ) -> Result<Outcome, StoreError> {
        let parts = self.ports.parts();
        let redriver = Redriver {
            letters: &parts.letters,
            subscriptions: &parts.registry,
            queues: &parts.queues,
            upcasts: &parts.upcasts,
            clock: &parts.clock,
        };
        let redrive = RedriveId::new(self.job.id.uuid());
        let redriven = redriver.redrive_as(&letter.tenant, letter.id, redrive);
        match redriven.await {
            Ok(redriven) => {
                // What was sent before has been told of.
                if redriven.bytes > 0 {
                    hold.redriven(&redriven);
                }
                Ok(Outcome::Sent(redriven.bytes))
            }
            Err(NotRedriven {
                error: RedriveError::Refused(error),
                ..
            }) if error.refusal == Refusal::Queue => {
                Ok(Outcome::QueueGone(self.gone(letter, &error).await?))
            }
            // Where its hold could not be given back it runs out, and the job may take it again before.
            Err(NotRedriven { error, .. }) => outcome(error),
        }
    }

    /// What a person has to know of a queue that is gone.
    async fn gone(&self, letter: &DeadLetter, error: &SendError) -> Result<String, StoreError> {
        let Some(delivery) = &letter.delivery else {
            return Ok(error.to_string());
        };
        let id = &delivery.subscription;
        let registry = &self.ports.parts().registry;
        let found = registry.subscription(&id.owner(&letter.tenant), id).await?;
        Ok(match found {
            Some(registered) => gone_reason(&registered.subscription, error),
            None => format!("the queue of subscription {id} takes nothing: {error}"),
        })
    }

    /// Sends each once. What may be taken later comes back.
    async fn round<'p, H: Ports, K: Caller + Sync>(
        &self,
        open: Vec<(usize, &'p DeadLetter)>,
        is_last: bool,
        tallies: &mut Tallies,
        hold: &Hold<'_, H, K>,
    ) -> Result<(Vec<(usize, &'p DeadLetter)>, Option<Stop>), StoreError> {
        let mut redrives = Vec::new();
        for (entry, letter) in open {
            redrives.push(async move { (entry, letter, self.redrive(letter, hold).await) });
        }
        let mut redrives = stream::iter(redrives).buffer_unordered(AT_A_TIME);
        let (mut later, mut stop) = (Vec::new(), None);
        while let Some((entry, letter, outcome)) = redrives.next().await {
            match outcome? {
                Outcome::Sent(bytes) => tallies.sent(entry, bytes),
                Outcome::Skipped => tallies.skipped(entry),
                Outcome::Later(_) if !is_last => later.push((entry, letter)),
                Outcome::Later(error) | Outcome::Failed(error) => {
                    tallies.failed(entry, failed(letter, &error));
                }
                Outcome::QueueGone(reason) => stop = Some(Stop::Pause(reason)),
            }
        }
        Ok((later, stop))
    }

    async fn send<H: Ports, K: Caller + Sync>(
        &self,
        page: &Page<DeadLetter>,
        tallies: &mut Tallies,
        hold: &Hold<'_, H, K>,
    ) -> Result<Option<Stop>, StoreError> {
        let mut open: Vec<(usize, &DeadLetter)> = page.here().collect();
        for (entry, _) in &open {
            tallies.open(*entry);
        }
        if open.is_empty() {
            return Ok(None);
        }
        if let Some(stop) = hold.wait_for_turn(open.len()).await? {
            return Ok(Some(stop));
        }
        let mut attempt = 1;
        loop {
            let is_last = attempt == MAX_ATTEMPTS;
            let (later, stop) = self.round(open, is_last, tallies, hold).await?;
            if stop.is_some() || later.is_empty() {
                return Ok(stop);
            }
            open = later;
            if let Some(stop) = hold.wait(back_off(attempt, &self.name)).await? {
                return Ok(Some(stop));
            }
            attempt += 1;
        }
    }
}

impl<P: Ports> Handle<DeadLetter> for Redrives<'_, P> {
    async fn handle<H: Ports, K: Caller + Sync>(
        &self,
        page: &Page<DeadLetter>,
        hold: &Hold<'_, H, K>,
    ) -> Result<(Handled, Option<Stop>), StoreError> {
        let mut tallies = Tallies::of(page);
        let stop = self.send(page, &mut tallies, hold).await?;
        let handled = tallies.handled();
        list(self.ports, self.job, &handled.failed).await?;
        Ok((handled, stop))
    }
}

fn outcome(error: RedriveError) -> Result<Outcome, StoreError> {
    Ok(match error {
        RedriveError::Store(error) => return Err(error),
        RedriveError::Missing(_) | RedriveError::NotOpen(_) => Outcome::Skipped,
        // The queue has it.
        RedriveError::Late => Outcome::Sent(0),
        RedriveError::Refused(ref refused) if refused.refusal == Refusal::Transient => {
            Outcome::Later(error)
        }
        RedriveError::Unavailable(_) => Outcome::Later(error),
        RedriveError::Refused(_)
        | RedriveError::NoDelivery
        | RedriveError::NoSubscription(_)
        | RedriveError::Inactive(..)
        | RedriveError::Version(_) => Outcome::Failed(error),
    })
}

fn failed(letter: &DeadLetter, error: &RedriveError) -> Failed {
    let listed = letter.delivery.as_ref().map(|delivery| {
        let subscription = Some(delivery.subscription.clone());
        let message = ErrorChain(error).to_string();
        FailedEvent::new(delivery.event_id, subscription, class(error), message)
    });
    Failed {
        listed,
        // The letter is there, and stays open.
        given_up: None,
    }
}

fn class(error: &RedriveError) -> String {
    match error {
        RedriveError::Refused(refused) => refused.code.clone(),
        RedriveError::NoSubscription(_) => "SubscriptionRemoved".to_owned(),
        RedriveError::Inactive(..) => "SubscriptionInactive".to_owned(),
        RedriveError::Version(_) => UPCAST_FAILED.to_owned(),
        RedriveError::Unavailable(_) => "SchemaUnavailable".to_owned(),
        _ => "NotRedriven".to_owned(),
    }
}
