//! Messages of a page on their way, tried again in place where that may help.

use std::collections::BTreeMap;
use std::iter::repeat_with;

use futures::future::join_all;
use time::UtcDateTime;

use super::hold::{Hold, Stop};
use super::page::MAX_PAGE_BYTES;
use super::tally::{Failed, Tallies};
use crate::dead_letter::{Failure, GivenUp, Origin};
use crate::delivery::Message;
use crate::dispatch::{DeliveryQueues, Form, Refusal, SendError};
use crate::job::FailedEvent;
use crate::job::ports::{Caller, Ports};
use crate::logged_event::LoggedEvent;
use crate::retry_policy::{Backoff, Jitter};
use crate::store_error::StoreError;
use crate::subscription::{QueueUrl, Subscription};

/// How often a message is tried that its queue may take later. With the usual back-off that is within 7 seconds; a
/// queue that needs longer has its dead letters.
pub(super) const MAX_ATTEMPTS: u32 = 4;

/// How long to wait after an attempt.
pub(super) fn back_off(attempt: u32, name: &str) -> std::time::Duration {
    Backoff::default().delay(attempt, Jitter::of(&format!("{name}{attempt}")))
}

/// One event for one subscription.
pub(super) struct Delivery<'p> {
    /// Which entry of the page it is.
    pub(super) entry: usize,
    pub(super) event: &'p LoggedEvent,
    pub(super) subscription: &'p Subscription,
    pub(super) form: Form,
    /// When it failed first, if it has.
    pub(super) failed_at: Option<UtcDateTime>,
}

/// Sends what a job brings.
pub(super) struct Deliveries<'p, P> {
    pub(super) ports: &'p P,
    /// The job's name on messages.
    pub(super) job: &'p str,
}

/// A delivery that a queue did not take.
type Refused<'p> = (Delivery<'p>, SendError);

impl<P: Ports> Deliveries<'_, P> {
    /// Sends all of them, and notes what becomes of each. What is neither taken nor failed when it stops is left open.
    pub(super) async fn send<H: Ports, K: Caller + Sync>(
        &self,
        deliveries: Vec<Delivery<'_>>,
        tallies: &mut Tallies,
        hold: &Hold<'_, H, K>,
    ) -> Result<Option<Stop>, StoreError> {
        let mut open = deliveries;
        let mut attempt = 1;
        loop {
            let (refused, stop) = self.round(open, tallies, hold).await?;
            if stop.is_some() {
                return Ok(stop);
            }
            let gone = refused
                .iter()
                .find(|(_, error)| error.refusal == Refusal::Queue);
            let reason = gone.map(|(delivery, error)| gone_reason(delivery.subscription, error));
            if let Some(reason) = reason {
                return Ok(Some(Stop::Pause(reason)));
            }
            open = Vec::new();
            for (mut delivery, error) in refused {
                let now = hold.now();
                let first_failed_at = *delivery.failed_at.get_or_insert(now);
                if error.refusal == Refusal::Transient && attempt < MAX_ATTEMPTS {
                    open.push(delivery);
                    continue;
                }
                let failure = Failure::new(error.code, error.detail);
                let failed = self.failed(&delivery, failure, attempt, first_failed_at, now);
                tallies.failed(delivery.entry, failed);
            }
            if open.is_empty() {
                return Ok(None);
            }
            let stop = hold.wait(back_off(attempt, self.job)).await?;
            if stop.is_some() {
                return Ok(stop);
            }
            attempt += 1;
        }
    }

    /// What is kept of a delivery that cannot be made.
    pub(super) fn failed(
        &self,
        delivery: &Delivery<'_>,
        error: Failure,
        attempts: u32,
        first_failed_at: UtcDateTime,
        last_failed_at: UtcDateTime,
    ) -> Failed {
        let subscription = delivery.subscription;
        Failed {
            listed: Some(FailedEvent::new(
                delivery.event.event_id,
                Some(subscription.id.clone()),
                error.class.clone(),
                error.message.clone(),
            )),
            given_up: Some(GivenUp {
                origin: Origin::Replay,
                error,
                attempts,
                first_failed_at,
                last_failed_at,
                message: subscription.message(delivery.event, 1, Some(self.job)),
            }),
        }
    }

    /// Sends each once, as many at a time as may be in memory. Those that were not taken are returned; where it has to
    /// stop, those that were not sent are left open.
    async fn round<'p, H: Ports, K: Caller + Sync>(
        &self,
        open: Vec<Delivery<'p>>,
        tallies: &mut Tallies,
        hold: &Hold<'_, H, K>,
    ) -> Result<(Vec<Refused<'p>>, Option<Stop>), StoreError> {
        let mut refused = Vec::new();
        let mut slice = Slice::default();
        for delivery in open {
            let Ok(event) = delivery.form.event(delivery.event) else {
                // It was settled when its form was known.
                continue;
            };
            let message = delivery.subscription.message(event, 1, Some(self.job));
            slice.add(delivery, message);
            if slice.bytes < MAX_PAGE_BYTES {
                continue;
            }
            let full = std::mem::take(&mut slice);
            refused.extend(self.send_slice(full, tallies).await);
            let stop = hold.stop_within().await?;
            if stop.is_some() {
                return Ok((refused, stop));
            }
        }
        refused.extend(self.send_slice(slice, tallies).await);
        Ok((refused, None))
    }

    /// Sends to all queues side by side.
    async fn send_slice<'p>(&self, slice: Slice<'p>, tallies: &mut Tallies) -> Vec<Refused<'p>> {
        let queues = &self.ports.parts().queues;
        let mut sends = Vec::new();
        for (queue, batch) in &slice.queues {
            sends.push(queues.send(queue, &batch.messages));
        }
        let answers = join_all(sends).await;
        let mut refused = Vec::new();
        for (batch, answers) in slice.queues.into_values().zip(answers) {
            // An entry that the queue does not mention was not taken.
            let answers = answers
                .into_iter()
                .chain(repeat_with(|| Err(SendError::unanswered())));
            let sent = batch.deliveries.into_iter().zip(batch.messages);
            for ((delivery, message), answer) in sent.zip(answers) {
                match answer {
                    Ok(()) => tallies.sent(delivery.entry, message.bytes()),
                    Err(error) => refused.push((delivery, error)),
                }
            }
        }
        refused
    }
}

/// Messages that are sent together.
#[derive(Default)]
struct Slice<'p> {
    queues: BTreeMap<&'p QueueUrl, Batch<'p>>,
    bytes: usize,
}

/// The messages for one queue, and what each is of.
#[derive(Default)]
struct Batch<'p> {
    messages: Vec<Message>,
    deliveries: Vec<Delivery<'p>>,
}

impl<'p> Slice<'p> {
    fn add(&mut self, delivery: Delivery<'p>, message: Message) {
        self.bytes += message.bytes();
        let batch = self
            .queues
            .entry(&delivery.subscription.queue_url)
            .or_default();
        batch.messages.push(message);
        batch.deliveries.push(delivery);
    }
}

/// What a person has to know of a queue that is gone.
pub(super) fn gone_reason(subscription: &Subscription, error: &SendError) -> String {
    let queue = &subscription.queue_url;
    match subscription.id.is_of_the_bus() && !subscription.tenant.is_bus() {
        true => format!("the queue {queue} takes nothing: {error}"),
        false => {
            let id = &subscription.id;
            format!("the queue {queue} of subscription {id} takes nothing: {error}")
        }
    }
}
