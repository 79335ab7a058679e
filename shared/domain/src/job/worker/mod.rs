//! Whoever plans a job and works it off, until there is nothing more to do or no more time.
//!
//! ```text
//! unit held (30 s) -> page read -> turn waited for -> page sent -> failures listed -> place saved, held anew -> …
//!                     the next page is read meanwhile
//! ```
//!
//! A worker that dies anywhere leaves a unit whose hold runs out. Whoever takes it over begins after the last place
//! that was saved: it repeats a page at the most, and what was counted is counted once, since counts are saved with
//! their place.

mod archive_pages;
mod delivering;
mod hold;
mod letter_pages;
mod log_pages;
mod page;
mod recipients;
mod redrive;
mod replay;
mod tally;

use std::time::Duration;

use time::UtcDateTime;

use super::planner::{Planned, Planner};
use super::ports::{Caller, Ports};
use super::{
    ChangeJob, Changed, Holder, Job, JobId, JobState, JobStore, LEASE, Unit, UnitPart, Work,
};
use crate::clock::Clock;
use crate::log_hour::Order;
use crate::store_error::StoreError;
use crate::tenant::TenantId;
use archive_pages::ArchivePages;
use hold::{Ended, Hold};
use letter_pages::LetterPages;
use log_pages::LogPages;
use redrive::Redrives;
use replay::Replays;

/// How long after a unit's hold a worker looks again that finds all of them held: whoever holds them may be dead.
const AFTER_A_HOLD: Duration = Duration::from_secs(1);

/// Works for jobs.
pub struct Worker<'a, P> {
    /// Everything that it works with.
    pub ports: &'a P,
    /// How old an hour is at the least that is read from the archive where it is there.
    pub archived_after: Duration,
}

/// One call of a worker.
pub struct Run<'a, K> {
    /// Whose job it is.
    pub tenant: &'a TenantId,
    /// The job.
    pub id: JobId,
    /// Under which name the worker holds units.
    pub holder: Holder,
    /// When it ends, done or not.
    pub until: UtcDateTime,
    /// Who called it.
    pub caller: &'a K,
}

/// How a call of a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran {
    /// There is nothing more to do for whoever called it.
    Finished,
    /// It is to be called again.
    Again {
        /// Not before this has passed.
        after: Duration,
    },
}

/// What comes next.
enum Next {
    /// To look at the job again.
    Look,
    End(Ran),
}

impl<P: Ports> Worker<'_, P> {
    /// Plans and works until the job is done, or does not run any more, or the time is over. Of a job that the tenant
    /// does not have there is nothing to do.
    ///
    /// # Errors
    /// When a store failed. What is held then is held for up to [`LEASE`]; the worker is to be called again.
    pub async fn run<K: Caller + Sync>(&self, run: &Run<'_, K>) -> Result<Ran, StoreError> {
        let jobs = &self.ports.parts().jobs;
        loop {
            let Some(job) = jobs.get(run.tenant, run.id).await? else {
                return Ok(Ran::Finished);
            };
            let next = match job.state {
                JobState::Planning => self.plan(job, run).await?,
                JobState::Running => self.work(&job, run).await?,
                _ => Next::End(Ran::Finished),
            };
            if let Next::End(ran) = next {
                return Ok(ran);
            }
        }
    }

    async fn plan<K: Caller + Sync>(&self, job: Job, run: &Run<'_, K>) -> Result<Next, StoreError> {
        let planner = Planner {
            ports: self.ports,
            archived_after: self.archived_after,
        };
        Ok(match planner.plan(job, run).await? {
            Planned::Whole => Next::Look,
            Planned::Left => Next::End(Ran::Finished),
            Planned::Again(after) => Next::End(Ran::Again { after }),
        })
    }

    /// Works off units, one after the other.
    async fn work<K: Caller + Sync>(
        &self,
        job: &Job,
        run: &Run<'_, K>,
    ) -> Result<Next, StoreError> {
        let parts = self.ports.parts();
        let mut job = job.clone();
        loop {
            let now = parts.clock.now();
            if now >= run.until {
                let after = Duration::ZERO;
                return Ok(Next::End(Ran::Again { after }));
            }
            let unit = parts
                .jobs
                .claim(run.tenant, run.id, run.holder, now)
                .await?;
            let Some(unit) = unit else {
                return self.without_unit(run).await;
            };
            // The first claim begins the job.
            job.started_at.get_or_insert(now);
            match self.work_off(&job, unit, run).await? {
                Ended::Done | Ended::Lost => {}
                Ended::Left => return Ok(Next::Look),
                Ended::Paused => return Ok(Next::End(Ran::Finished)),
                Ended::Late(after) => return Ok(Next::End(Ran::Again { after })),
            }
        }
    }

    /// Where no unit can be claimed, either all are done, or others hold the rest. They may be dead, and nobody else
    /// may be left to find out.
    async fn without_unit<K: Caller + Sync>(&self, run: &Run<'_, K>) -> Result<Next, StoreError> {
        let parts = self.ports.parts();
        let job = parts.jobs.get(run.tenant, run.id).await?;
        let Some(job) = job.filter(|job| job.state == JobState::Running) else {
            return Ok(Next::End(Ran::Finished));
        };
        if !job.is_worked_off() {
            let after = LEASE + AFTER_A_HOLD;
            return Ok(Next::End(Ran::Again { after }));
        }
        let complete = &ChangeJob::Complete;
        let now = parts.clock.now();
        match parts.jobs.change(run.tenant, run.id, complete, now).await? {
            Changed::Done(_) | Changed::Missing => Ok(Next::End(Ran::Finished)),
            // Somebody paused or cancelled it meanwhile.
            Changed::Refused(_) => Ok(Next::Look),
        }
    }

    async fn work_off<K: Caller + Sync>(
        &self,
        job: &Job,
        unit: Unit,
        run: &Run<'_, K>,
    ) -> Result<Ended, StoreError> {
        let (ports, range) = (self.ports, job.spec.range);
        let mut hold = Hold::new(ports, job, unit, run);
        let unit = &hold.unit;
        match (&job.spec.work, unit.part) {
            (Work::Replay { filter, target }, UnitPart::Archived(hour)) => {
                let pages = ArchivePages::new(ports, &job.tenant, filter, range, hour, unit);
                hold.work_off(pages, &Replays::new(ports, job, target))
                    .await
            }
            (Work::Replay { filter, target }, part) => {
                let pages = LogPages::new(ports, &job.tenant, filter, range, part, unit.cursor);
                hold.work_off(pages, &Replays::new(ports, job, target))
                    .await
            }
            (Work::Redrive { filter }, part) => {
                let range = match part {
                    UnitPart::Letters(range) => Some(range),
                    _ => None,
                };
                let rest = range.and_then(|range| match unit.cursor {
                    Some(cursor) => range.beyond(cursor, Order::Oldest),
                    None => Some(range),
                });
                let pages = LetterPages::new(ports, job, filter, rest);
                hold.work_off(pages, &Redrives::new(ports, job)).await
            }
        }
    }
}
