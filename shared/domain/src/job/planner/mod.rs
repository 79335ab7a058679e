//! Cuts a job's set into units, each with its exact count.
//!
//! It goes step by step, and each step is written down with the units that it found, both or neither: a planner that
//! dies, or runs out of time, loses a step at the most, and two of them cannot plan anything twice.

mod counting;
mod draft;
mod hours;
mod letters;
mod sample;

use std::time::Duration;

use time::UtcDateTime;

use super::ports::{Caller, Ports};
use super::{ChangeJob, Changed, Halt, Job, JobQueue, JobState, JobStore, Run, Work};
use crate::clock::Clock;
use crate::log_hour::{IdRange, Order, Position};
use crate::store_error::StoreError;
use draft::Draft;

/// How long after the end of its range a job is planned: the log's indexes are some moments behind their log, and
/// what is not in them yet would not be counted.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// How far after its beginning the end of a job's range is waited for.
const MAX_LEAD: Duration = Duration::from_secs(60);

/// How old what is known of a job's state may be while it is planned: so long after it was paused or cancelled it is
/// still worked on.
pub(super) const MAX_STATE_AGE: Duration = Duration::from_secs(2);

/// Plans jobs.
pub(super) struct Planner<'a, P> {
    pub(super) ports: &'a P,
    /// See [`super::Worker::archived_after`].
    pub(super) archived_after: Duration,
}

/// How far a planner came.
pub(super) enum Planned {
    /// The plan is whole, and the job knows.
    Whole,
    /// The job is not to be planned any more.
    Left,
    /// It has to be planned on, after a while.
    Again(Duration),
}

impl<P: Ports> Planner<'_, P> {
    /// Plans a job, as far as there is time.
    pub(super) async fn plan<K: Caller + Sync>(
        &self,
        mut job: Job,
        run: &Run<'_, K>,
    ) -> Result<Planned, StoreError> {
        let parts = self.ports.parts();
        if let Some(after) = unsettled(&job, parts.clock.now()) {
            return Ok(Planned::Again(after));
        }
        let mut read_at = parts.clock.now();
        while !job.plan.is_whole {
            let is_written = match self.step(&mut job).await {
                Ok(is_written) => is_written,
                Err(Halt::Store(error)) => return Err(error),
                Err(Halt::Pause(reason)) => return self.pause(&job, reason).await,
            };
            run.caller.is_worked_for().await;
            let now = parts.clock.now();
            if now >= run.until {
                return Ok(Planned::Again(Duration::ZERO));
            }
            if !is_written || now - read_at >= MAX_STATE_AGE {
                read_at = now;
                match parts.jobs.get(&job.tenant, job.id).await? {
                    Some(now) if now.state == JobState::Planning => job = now,
                    _ => return Ok(Planned::Left),
                }
            }
        }
        self.is_planned(&job).await
    }

    /// Makes a step, and writes it down. `false` when another planner was faster.
    async fn step(&self, job: &mut Job) -> Result<bool, Halt> {
        let mut draft = Draft::of(job);
        match &job.spec.work {
            Work::Replay { filter, .. } => match &filter.correlation_id {
                Some(id) => self.plan_operation(job, filter, id, &mut draft).await?,
                None => self.plan_hours(job, filter, &mut draft).await?,
            },
            Work::Redrive { filter } => self.plan_letters(job, filter, &mut draft).await?,
        }
        let Draft { units, plan, .. } = draft;
        let jobs = &self.ports.parts().jobs;
        let written = jobs
            .extend_plan(&job.tenant, job.id, &job.plan, &units, &plan)
            .await?;
        if written {
            job.plan = plan;
        }
        Ok(written)
    }

    /// The planner is the first worker; it calls the others.
    async fn is_planned(&self, job: &Job) -> Result<Planned, StoreError> {
        let parts = self.ports.parts();
        let (tenant, id) = (&job.tenant, job.id);
        let planned = &ChangeJob::Planned;
        match parts
            .jobs
            .change(tenant, id, planned, parts.clock.now())
            .await?
        {
            Changed::Done(job) => {
                let others = job.workers() - 1;
                if job.state == JobState::Running && others > 0 {
                    parts.calls.call(tenant, id, others, Duration::ZERO).await?;
                }
                Ok(Planned::Whole)
            }
            Changed::Refused(_) | Changed::Missing => Ok(Planned::Left),
        }
    }

    async fn pause(&self, job: &Job, reason: String) -> Result<Planned, StoreError> {
        let parts = self.ports.parts();
        let pause = ChangeJob::Pause(Some(reason));
        let now = parts.clock.now();
        // Whatever it was instead, it is not planned any more.
        parts.jobs.change(&job.tenant, job.id, &pause, now).await?;
        Ok(Planned::Left)
    }
}

/// How long to wait until the job's set stands still, if that is not over.
fn unsettled(job: &Job, now: UtcDateTime) -> Option<Duration> {
    let latest = job.created_at.saturating_add(span(MAX_LEAD));
    let (_, end) = job.spec.range.times();
    let end = end.map_or(job.created_at, |end| end.min(latest));
    let settled_at = end.max(job.created_at).saturating_add(span(SETTLED_AFTER));
    Duration::try_from(settled_at - now)
        .ok()
        .filter(|wait| !wait.is_zero())
}

fn span(of: Duration) -> time::Duration {
    time::Duration::try_from(of).unwrap_or_default()
}

/// The last place before another.
fn before(place: Position, range: IdRange) -> Option<Position> {
    let looked_at = range.beyond(place, Order::Newest);
    looked_at.map(|range| range.last())
}
