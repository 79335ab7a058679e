//! A unit that a worker holds, from its claim until it is done, lost or given back.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::join;
use time::UtcDateTime;

use super::Run;
use super::page::{Page, Pages};
use super::tally::Handled;
use crate::clock::Clock;
use crate::job::pace::{MAX_PAGE_EVENTS, page_events, speed};
use crate::job::planner::MAX_STATE_AGE;
use crate::job::ports::{Caller, HandledPage, Ports, Sleeper};
use crate::job::{ChangeJob, Counts, Halt, Job, JobState, JobStore, LEASE, Saved, Unit};
use crate::letters::Redriven;
use crate::store_error::StoreError;

/// A wait is cut into these, so that what happens meanwhile is seen.
const SLICE: Duration = MAX_STATE_AGE;

/// How long after the last save a hold is renewed while its worker only waits.
const RENEWED_AFTER: Duration = Duration::from_secs(LEASE.as_secs() / 3);

/// Why a page is not done to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The job does not run any more.
    Left,
    /// Another worker holds the unit.
    Lost,
    /// There is no time for the wait that is needed.
    Late(Duration),
    /// A person has to do something. This is what.
    Pause(String),
}

/// How a unit ended for its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Done,
    Lost,
    Left,
    Paused,
    Late(Duration),
}

/// What sends pages.
pub(super) trait Handle<T> {
    /// Sends a page, and lists what of it failed.
    async fn handle<P: Ports, K: Caller + Sync>(
        &self,
        page: &Page<T>,
        hold: &Hold<'_, P, K>,
    ) -> Result<(Handled, Option<Stop>), StoreError>;
}

/// A unit that is held.
pub(super) struct Hold<'a, P, K> {
    ports: &'a P,
    job: &'a Job,
    run: &'a Run<'a, K>,
    /// As it was saved last.
    pub(super) unit: Unit,
    saved_at: Time,
    looked_at: Time,
}

struct Time(Mutex<UtcDateTime>);

impl Time {
    fn set(&self, now: UtcDateTime) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    fn is_past(&self, age: Duration, now: UtcDateTime) -> bool {
        let time = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        now - time >= age
    }
}

impl<'a, P: Ports, K: Caller + Sync> Hold<'a, P, K> {
    pub(super) fn new(ports: &'a P, job: &'a Job, unit: Unit, run: &'a Run<'a, K>) -> Self {
        let now = ports.parts().clock.now();
        Self {
            ports,
            job,
            run,
            unit,
            saved_at: Time(Mutex::new(now)),
            looked_at: Time(Mutex::new(now)),
        }
    }

    /// Works off the unit, page by page. The next is read while one is sent.
    pub(super) async fn work_off<S: Pages, H: Handle<S::Item>>(
        &mut self,
        mut pages: S,
        handler: &H,
    ) -> Result<Ended, StoreError> {
        let mut page = pages.next(self.page_events()).await;
        loop {
            let this = match page {
                Ok(page) => page,
                Err(Halt::Store(error)) => return Err(error),
                Err(Halt::Pause(reason)) => return self.leave(Stop::Pause(reason)).await,
            };
            let began_at = self.now();
            let most = self.page_events();
            let next = async {
                match this.is_last {
                    true => None,
                    false => Some(pages.next(most).await),
                }
            };
            let (handled, next) = join(handler.handle(&this, self), next).await;
            let (handled, stop) = handled?;
            self.advance(&handled);
            if let Some(stop) = stop {
                return self.leave(stop).await;
            }
            let saved = match next {
                Some(_) => self.save().await?,
                None => self.finish().await?,
            };
            if saved == Saved::Lost {
                return Ok(Ended::Lost);
            }
            self.tell(handled.done, began_at).await;
            let Some(next) = next else {
                return Ok(Ended::Done);
            };
            if let Some(stop) = self.stop().await? {
                return self.leave(stop).await;
            }
            page = next;
        }
    }

    /// Waits for the job's turn to send so many events.
    pub(super) async fn wait_for_turn(&self, events: usize) -> Result<Option<Stop>, StoreError> {
        let Some(speed) = self.speed() else {
            return Ok(None);
        };
        let (tenant, id) = (self.run.tenant, self.run.id);
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        let jobs = &self.ports.parts().jobs;
        let wait = jobs
            .take_turn(tenant, id, events, speed, self.now())
            .await?;
        self.wait(wait).await
    }

    /// Waits, unless that would take too long, and as long as the job runs and the unit is held.
    pub(super) async fn wait(&self, lasting: Duration) -> Result<Option<Stop>, StoreError> {
        if self.now() + lasting > self.run.until {
            return Ok(Some(Stop::Late(lasting)));
        }
        let mut rest = lasting;
        while !rest.is_zero() {
            let slice = rest.min(SLICE);
            self.ports.parts().sleeper.sleep(slice).await;
            rest -= slice;
            self.run.caller.is_worked_for().await;
            if !self.is_running().await? {
                return Ok(Some(Stop::Left));
            }
            if self.renew().await? == Saved::Lost {
                return Ok(Some(Stop::Lost));
            }
        }
        Ok(None)
    }

    /// Why not to go on with a page that is being sent. Queues that are slow may take longer than a hold.
    pub(super) async fn stop_within(&self) -> Result<Option<Stop>, StoreError> {
        if self.now() >= self.run.until {
            return Ok(Some(Stop::Late(Duration::ZERO)));
        }
        self.run.caller.is_worked_for().await;
        let is_lost = self.renew().await? == Saved::Lost;
        Ok(is_lost.then_some(Stop::Lost))
    }

    /// Tells of a letter that is with its queue.
    pub(super) fn redriven(&self, redriven: &Redriven) {
        self.run.caller.letter_redriven(redriven);
    }

    pub(super) fn now(&self) -> UtcDateTime {
        self.ports.parts().clock.now()
    }

    fn speed(&self) -> Option<f64> {
        speed(&self.job.spec, self.job.started_at, self.now())
    }

    fn page_events(&self) -> usize {
        self.speed()
            .map_or(MAX_PAGE_EVENTS, |speed| page_events(Some(speed)))
    }

    /// Takes in what a page came to.
    fn advance(&mut self, handled: &Handled) {
        self.unit.done = self.unit.done.plus(handled.done);
        self.unit.cursor = handled.upto.or(self.unit.cursor);
    }

    async fn save(&self) -> Result<Saved, StoreError> {
        let now = self.now();
        self.saved_at.set(now);
        let (tenant, id, holder) = (self.run.tenant, self.run.id, self.run.holder);
        let jobs = &self.ports.parts().jobs;
        jobs.save(tenant, id, &self.unit, holder, now).await
    }

    async fn renew(&self) -> Result<Saved, StoreError> {
        match self.saved_at.is_past(RENEWED_AFTER, self.now()) {
            true => self.save().await,
            false => Ok(Saved::Yes),
        }
    }

    async fn finish(&self) -> Result<Saved, StoreError> {
        let (tenant, id, holder) = (self.run.tenant, self.run.id, self.run.holder);
        let jobs = &self.ports.parts().jobs;
        jobs.finish_unit(tenant, id, &self.unit, holder, self.now())
            .await
    }

    /// Gives the unit back, with the place that it has come to.
    async fn leave(&self, stop: Stop) -> Result<Ended, StoreError> {
        let parts = self.ports.parts();
        let (tenant, id, holder) = (self.run.tenant, self.run.id, self.run.holder);
        if stop != Stop::Lost {
            // Where it is lost already, another worker has it: that is as good.
            parts.jobs.release(tenant, id, &self.unit, holder).await?;
        }
        Ok(match stop {
            Stop::Pause(reason) => {
                let pause = ChangeJob::Pause(Some(reason));
                // Whatever it was instead, it does not run.
                parts.jobs.change(tenant, id, &pause, self.now()).await?;
                Ended::Paused
            }
            Stop::Left => Ended::Left,
            Stop::Late(after) => Ended::Late(after),
            Stop::Lost => Ended::Lost,
        })
    }

    async fn tell(&self, done: Counts, began_at: UtcDateTime) {
        let caller = self.run.caller;
        caller.page_handled(&HandledPage {
            kind: self.job.spec.work.kind(),
            unit: self.unit.number,
            done,
            took: Duration::try_from(self.now() - began_at).unwrap_or_default(),
        });
        caller.is_worked_for().await;
    }

    /// Why not to go on with the next page.
    async fn stop(&self) -> Result<Option<Stop>, StoreError> {
        if !self.is_running().await? {
            return Ok(Some(Stop::Left));
        }
        let is_late = self.now() >= self.run.until;
        Ok(is_late.then_some(Stop::Late(Duration::ZERO)))
    }

    /// Whether the job runs, as of some moments ago.
    async fn is_running(&self) -> Result<bool, StoreError> {
        let now = self.now();
        if !self.looked_at.is_past(MAX_STATE_AGE, now) {
            return Ok(true);
        }
        self.looked_at.set(now);
        let jobs = &self.ports.parts().jobs;
        let job = jobs.get(self.run.tenant, self.run.id).await?;
        Ok(job.is_some_and(|job| job.state == JobState::Running))
    }
}
