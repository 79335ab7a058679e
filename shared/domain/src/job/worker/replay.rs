//! A page of events to whoever is to get them.

use futures::{StreamExt, TryStreamExt, stream};

use super::delivering::{Deliveries, Delivery};
use super::hold::{Handle, Hold, Stop};
use super::page::Page;
use super::recipients::Recipients;
use super::tally::{Failed, Handled, Tallies};
use crate::clock::Clock;
use crate::dead_letter::{DeadLetterQueue, Failure};
use crate::dispatch::{Form, form};
use crate::guarded::guarded;
use crate::job::ports::{Caller, Ports};
use crate::job::{FailedEvent, Job, JobStore, Target};
use crate::logged_event::LoggedEvent;
use crate::schema::SchemaVersion;
use crate::schema::delivery::{UPCAST_FAILED, UpcastError};
use crate::store_error::StoreError;
use crate::subscription::Subscription;

/// Events that are brought up at a time, and failures that are listed.
const AT_A_TIME: usize = 16;

/// Sends a job's events.
pub(super) struct Replays<'a, P> {
    ports: &'a P,
    job: &'a Job,
    target: &'a Target,
    /// The job's name on messages.
    name: String,
}

/// Who is to get an event, and in which form. Nothing when looking for them failed for good.
type Wanted<'p> = Result<Vec<(&'p Subscription, Form)>, Failure>;

impl<'a, P: Ports> Replays<'a, P> {
    pub(super) fn new(ports: &'a P, job: &'a Job, target: &'a Target) -> Self {
        Self {
            ports,
            job,
            target,
            name: job.id.to_string(),
        }
    }

    /// The deliveries of a page. Those that can never be made have failed.
    async fn deliveries<'p>(
        &self,
        page: &'p Page<LoggedEvent>,
        recipients: &'p Recipients,
        tallies: &mut Tallies,
    ) -> Result<Vec<Delivery<'p>>, StoreError> {
        let looks = page.here().map(|(entry, event)| async move {
            let wanted = self.wanted(event, recipients).await?;
            Ok::<_, StoreError>((entry, event, wanted))
        });
        let looks: Vec<_> = stream::iter(looks)
            .buffered(AT_A_TIME)
            .try_collect()
            .await?;
        let mut deliveries = Vec::new();
        for (entry, event, wanted) in looks {
            match wanted {
                Ok(wanted) => {
                    for (subscription, form) in wanted {
                        let delivery = Delivery {
                            entry,
                            event,
                            subscription,
                            form,
                            failed_at: None,
                        };
                        deliveries.extend(self.made(delivery, tallies));
                    }
                }
                Err(failure) => {
                    tallies.open(entry);
                    tallies.failed(entry, unrouted(event, failure));
                }
            }
        }
        Ok(deliveries)
    }

    /// The delivery, unless its event cannot be brought up to the version that is asked for.
    fn made<'p>(&self, delivery: Delivery<'p>, tallies: &mut Tallies) -> Option<Delivery<'p>> {
        tallies.open(delivery.entry);
        let failure = match delivery.form.event(delivery.event) {
            Ok(_) => return Some(delivery),
            Err(failure) => Failure::new(UPCAST_FAILED, failure.to_string()),
        };
        let now = self.ports.parts().clock.now();
        let failed = self.sender().failed(&delivery, failure, 1, now, now);
        tallies.failed(delivery.entry, failed);
        None
    }

    /// A panic on the way is this event's failure alone.
    async fn wanted<'p>(
        &self,
        event: &'p LoggedEvent,
        recipients: &'p Recipients,
    ) -> Result<Wanted<'p>, StoreError> {
        match guarded(self.forms(event, recipients)).await {
            Ok(Ok(wanted)) => Ok(Ok(wanted)),
            Ok(Err(error)) => Err(StoreError::Failed {
                operation: "upcast",
                source: Box::new(error),
            }),
            Err(panicked) => Ok(Err(Failure::new("Panicked", panicked.to_string()))),
        }
    }

    /// Brings an event up for whoever asks for it; once for all who ask for the same version.
    async fn forms<'p>(
        &self,
        event: &'p LoggedEvent,
        recipients: &'p Recipients,
    ) -> Result<Vec<(&'p Subscription, Form)>, UpcastError> {
        let upcasts = &self.ports.parts().upcasts;
        let mut known: Vec<(SchemaVersion, Form)> = Vec::new();
        let mut wanted = Vec::new();
        for subscription in recipients.of(event) {
            let made = match subscription.target_version {
                None => Form::AsLogged,
                Some(target) => match known.iter().find(|(version, _)| *version == target) {
                    Some((_, made)) => made.clone(),
                    None => {
                        let made = form(upcasts, event, target).await?;
                        known.push((target, made.clone()));
                        made
                    }
                },
            };
            wanted.push((subscription, made));
        }
        Ok(wanted)
    }

    fn sender(&self) -> Deliveries<'_, P> {
        Deliveries {
            ports: self.ports,
            job: &self.name,
        }
    }
}

impl<P: Ports> Handle<LoggedEvent> for Replays<'_, P> {
    async fn handle<H: Ports, K: Caller + Sync>(
        &self,
        page: &Page<LoggedEvent>,
        hold: &Hold<'_, H, K>,
    ) -> Result<(Handled, Option<Stop>), StoreError> {
        let nothing = || Tallies::of(&Page::<LoggedEvent>::empty()).handled();
        let recipients = match page.here().next() {
            // There is nobody to ask for where there is nothing to send.
            None => None,
            Some(_) => match Recipients::read(self.ports, self.job, self.target).await? {
                Ok(recipients) => Some(recipients),
                Err(reason) => return Ok((nothing(), Some(Stop::Pause(reason)))),
            },
        };
        let mut tallies = Tallies::of(page);
        let mut stop = None;
        if let Some(recipients) = &recipients {
            let deliveries = self.deliveries(page, recipients, &mut tallies).await?;
            let events = events_of(&deliveries);
            if events > 0 {
                stop = hold.wait_for_turn(events).await?;
            }
            if stop.is_none() {
                stop = self.sender().send(deliveries, &mut tallies, hold).await?;
            }
        }
        let handled = tallies.handled();
        list(self.ports, self.job, &handled.failed).await?;
        Ok((handled, stop))
    }
}

/// How many events these are of. They are in the order of their events.
fn events_of(deliveries: &[Delivery<'_>]) -> usize {
    let mut entries: Vec<usize> = deliveries.iter().map(|delivery| delivery.entry).collect();
    entries.dedup();
    entries.len()
}

/// An event for which it cannot be told who is to get it.
fn unrouted(event: &LoggedEvent, failure: Failure) -> Failed {
    Failed {
        listed: Some(FailedEvent::new(
            event.event_id,
            None,
            failure.class,
            failure.message,
        )),
        given_up: None,
    }
}

/// Puts what failed where it can be found: into the dead letter queue first, so that what is listed is there.
pub(super) async fn list<P: Ports>(
    ports: &P,
    job: &Job,
    failed: &[Failed],
) -> Result<(), StoreError> {
    let parts = ports.parts();
    let writes = failed.iter().map(|failed| async move {
        if let Some(given_up) = &failed.given_up {
            parts.dead_letters.put(given_up).await?;
        }
        if let Some(listed) = &failed.listed {
            parts.jobs.add_failure(&job.tenant, job.id, listed).await?;
        }
        Ok::<_, StoreError>(())
    });
    let writes = stream::iter(writes).buffer_unordered(AT_A_TIME);
    writes.try_collect().await
}
