//! Jobs in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use pillarbox_domain::job::{
    ChangeJob, Changed, Created, FailedEvent, Holder, IdleJobs, Job, JobId, JobQueue, JobState,
    JobStore, JobsPage, LEASE, MAX_NEW_UNITS, Plan, Saved, Turn, Unit,
};
use pillarbox_domain::log_hour::Position;
use pillarbox_domain::{EventId, StoreError, SubscriptionId, TenantId};
use time::UtcDateTime;

/// Passes [`crate::conformance::jobs::jobs`].
#[derive(Default)]
pub struct MemoryJobs {
    kept: Mutex<BTreeMap<(TenantId, JobId), Kept>>,
    failing: Mutex<bool>,
}

struct Kept {
    job: Job,
    next_unit: u32,
    units: BTreeMap<u32, KeptUnit>,
    failures: BTreeMap<(EventId, Option<SubscriptionId>), FailedEvent>,
    free_at: Option<UtcDateTime>,
    touched_at: UtcDateTime,
}

struct KeptUnit {
    unit: Unit,
    held: Option<(Holder, UtcDateTime)>,
    is_done: bool,
}

impl KeptUnit {
    fn is_held_by(&self, holder: Holder) -> bool {
        !self.is_done && self.held.is_some_and(|(by, _)| by == holder)
    }

    fn is_free(&self, now: UtcDateTime) -> bool {
        !self.is_done && self.held.is_none_or(|(_, until)| until < now)
    }
}

impl Kept {
    /// The job, with what its units came to that are not done.
    fn job(&self) -> Job {
        let open = self.units.values().filter(|kept| !kept.is_done);
        let done = open.fold(self.job.done, |done, kept| done.plus(kept.unit.done));
        Job {
            done,
            ..self.job.clone()
        }
    }

    fn claim(&mut self, holder: Holder, now: UtcDateTime) -> Option<Unit> {
        if self.job.state != JobState::Running {
            return None;
        }
        let fresh = self.next_unit;
        let number = match fresh < self.job.plan.units {
            true => {
                self.next_unit += 1;
                fresh
            }
            false => *self.units.iter().find(|(_, kept)| kept.is_free(now))?.0,
        };
        let kept = self.units.get_mut(&number)?;
        kept.held = Some((holder, now + LEASE));
        self.job.started_at.get_or_insert(now);
        self.touched_at = now;
        Some(kept.unit.clone())
    }
}

impl MemoryJobs {
    /// From now on every call is throttled, or not any more.
    pub fn set_failing(&self, failing: bool) {
        *self.failing.lock().unwrap() = failing;
    }

    /// The units of a job that are held at this time, and by whom.
    pub fn held(&self, tenant: &TenantId, id: JobId, now: UtcDateTime) -> Vec<(u32, Holder)> {
        let kept = self.kept.lock().unwrap();
        let units = kept.get(&(tenant.clone(), id)).map(|kept| &kept.units);
        let units = units.into_iter().flatten();
        units
            .filter_map(|(number, kept)| {
                let (holder, until) = kept.held.filter(|_| !kept.is_done)?;
                (until >= now).then_some((*number, holder))
            })
            .collect()
    }

    fn with<T>(
        &self,
        tenant: &TenantId,
        id: JobId,
        work: impl FnOnce(&mut Kept) -> T,
    ) -> Result<Option<T>, StoreError> {
        self.call()?;
        let mut kept = self.kept.lock().unwrap();
        Ok(kept.get_mut(&(tenant.clone(), id)).map(work))
    }

    /// Does something with a unit that its holder holds.
    fn with_held(
        &self,
        tenant: &TenantId,
        id: JobId,
        unit: &Unit,
        holder: Holder,
        work: impl FnOnce(&mut Job, &mut KeptUnit),
    ) -> Result<Saved, StoreError> {
        let saved = self.with(tenant, id, |kept| {
            let Some(there) = kept.units.get_mut(&unit.number) else {
                return Saved::Lost;
            };
            if !there.is_held_by(holder) {
                return Saved::Lost;
            }
            there.unit = unit.clone();
            work(&mut kept.job, there);
            Saved::Yes
        });
        Ok(saved?.unwrap_or(Saved::Lost))
    }

    fn call(&self) -> Result<(), StoreError> {
        match *self.failing.lock().unwrap() {
            true => Err(StoreError::Throttled { operation: "Any" }),
            false => Ok(()),
        }
    }
}

impl JobStore for MemoryJobs {
    async fn create(&self, job: &Job, max_active: usize) -> Result<Created, StoreError> {
        self.call()?;
        let mut kept = self.kept.lock().unwrap();
        let place = (job.tenant.clone(), job.id);
        if let Some(there) = kept.get(&place) {
            return Ok(Created::Exists(Box::new(there.job())));
        }
        let of_tenant = kept.iter().filter(|((owner, _), _)| *owner == job.tenant);
        let active = of_tenant.filter(|(_, kept)| !kept.job.state.is_over());
        if active.count() >= max_active {
            return Ok(Created::TooMany);
        }
        let new = Kept {
            job: job.clone(),
            next_unit: 0,
            units: BTreeMap::new(),
            failures: BTreeMap::new(),
            free_at: None,
            touched_at: job.created_at,
        };
        kept.insert(place, new);
        Ok(Created::New)
    }

    async fn get(&self, tenant: &TenantId, id: JobId) -> Result<Option<Job>, StoreError> {
        self.with(tenant, id, |kept| kept.job())
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<JobId>,
        limit: usize,
    ) -> Result<JobsPage, StoreError> {
        self.call()?;
        let kept = self.kept.lock().unwrap();
        let is_meant = |(owner, id): &(TenantId, JobId)| {
            owner == tenant && after.is_none_or(|after| *id < after)
        };
        let of_tenant = kept.iter().rev().filter(|(place, _)| is_meant(place));
        let mut jobs: Vec<Job> = of_tenant
            .take(limit + 1)
            .map(|(_, kept)| kept.job())
            .collect();
        let is_cut = jobs.len() > limit;
        jobs.truncate(limit);
        let last = jobs.last().filter(|_| is_cut);
        Ok(JobsPage {
            rest_after: last.map(|job| job.id),
            jobs,
        })
    }

    async fn change(
        &self,
        tenant: &TenantId,
        id: JobId,
        change: &ChangeJob,
        now: UtcDateTime,
    ) -> Result<Changed, StoreError> {
        let changed = self.with(tenant, id, |kept| match change.of(&kept.job, now) {
            Some(changed) => {
                kept.job = changed;
                kept.touched_at = now;
                Changed::Done(Box::new(kept.job()))
            }
            None if change.is_made_in(&kept.job) => Changed::Done(Box::new(kept.job())),
            None => Changed::Refused(Box::new(kept.job())),
        });
        Ok(changed?.unwrap_or(Changed::Missing))
    }

    async fn extend_plan(
        &self,
        tenant: &TenantId,
        id: JobId,
        seen: &Plan,
        units: &[Unit],
        plan: &Plan,
    ) -> Result<bool, StoreError> {
        assert!(units.len() <= MAX_NEW_UNITS, "{} units", units.len());
        let written = self.with(tenant, id, |kept| {
            if kept.job.plan != *seen {
                return kept.job.plan == *plan;
            }
            kept.job.plan = plan.clone();
            for unit in units {
                let new = KeptUnit {
                    unit: unit.clone(),
                    held: None,
                    is_done: false,
                };
                let before = kept.units.insert(unit.number, new);
                assert!(before.is_none(), "unit {} was there", unit.number);
            }
            true
        });
        Ok(written?.unwrap_or(false))
    }

    async fn claim(
        &self,
        tenant: &TenantId,
        id: JobId,
        holder: Holder,
        now: UtcDateTime,
    ) -> Result<Option<Unit>, StoreError> {
        let claimed = self.with(tenant, id, |kept| kept.claim(holder, now));
        Ok(claimed?.flatten())
    }

    async fn save(
        &self,
        tenant: &TenantId,
        id: JobId,
        unit: &Unit,
        holder: Holder,
        now: UtcDateTime,
    ) -> Result<Saved, StoreError> {
        self.with_held(tenant, id, unit, holder, |_, there| {
            there.held = Some((holder, now + LEASE));
        })
    }

    async fn release(
        &self,
        tenant: &TenantId,
        id: JobId,
        unit: &Unit,
        holder: Holder,
    ) -> Result<Saved, StoreError> {
        self.with_held(tenant, id, unit, holder, |_, there| there.held = None)
    }

    async fn finish_unit(
        &self,
        tenant: &TenantId,
        id: JobId,
        unit: &Unit,
        holder: Holder,
        now: UtcDateTime,
    ) -> Result<Saved, StoreError> {
        let finished = self.with_held(tenant, id, unit, holder, |job, there| {
            there.is_done = true;
            job.done = job.done.plus(unit.done);
            job.plan.units_done += 1;
        });
        self.with(tenant, id, |kept| kept.touched_at = now)?;
        finished
    }

    async fn add_failure(
        &self,
        tenant: &TenantId,
        id: JobId,
        failed: &FailedEvent,
    ) -> Result<(), StoreError> {
        self.with(tenant, id, |kept| {
            let place = (failed.event_id, failed.subscription.clone());
            kept.failures.insert(place, failed.clone());
        })?;
        Ok(())
    }

    async fn failures(
        &self,
        tenant: &TenantId,
        id: JobId,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<FailedEvent>, StoreError> {
        let failures = self.with(tenant, id, |kept| {
            let is_meant = |failed: &&FailedEvent| {
                after.is_none_or(|after| Position::of(failed.event_id) > after)
            };
            let found = kept.failures.values().filter(is_meant);
            found.take(limit).cloned().collect::<Vec<_>>()
        });
        Ok(failures?.unwrap_or_default())
    }

    async fn take_turn(
        &self,
        tenant: &TenantId,
        id: JobId,
        events: u32,
        per_second: f64,
        now: UtcDateTime,
    ) -> Result<Duration, StoreError> {
        let taken = self.with(tenant, id, |kept| {
            let turn = Turn::take(kept.free_at, now, events, per_second);
            kept.free_at = Some(turn.free_at);
            turn.wait
        });
        Ok(taken?.unwrap_or_default())
    }

    async fn take_idle(
        &self,
        now: UtcDateTime,
        idle: Duration,
        limit: usize,
    ) -> Result<Vec<(TenantId, JobId)>, StoreError> {
        self.call()?;
        let mut kept = self.kept.lock().unwrap();
        let mut found: Vec<(UtcDateTime, (TenantId, JobId))> = kept
            .iter()
            .filter(|(_, kept)| kept.is_idle(now, idle))
            .map(|(place, kept)| (kept.touched_at, place.clone()))
            .collect();
        found.sort();
        found.truncate(limit);
        for (_, place) in &found {
            kept.get_mut(place).unwrap().touched_at = now;
        }
        Ok(found.into_iter().map(|(_, place)| place).collect())
    }
}

impl IdleJobs for MemoryJobs {
    async fn idle(
        &self,
        now: UtcDateTime,
        idle: Duration,
        limit: usize,
    ) -> Result<Vec<(TenantId, JobId)>, StoreError> {
        self.call()?;
        let kept = self.kept.lock().unwrap();
        let at_rest = kept.iter().filter(|(_, kept)| kept.is_idle(now, idle));
        let places = at_rest.map(|(place, _)| place.clone());
        Ok(places.take(limit).collect())
    }
}

impl Kept {
    fn is_idle(&self, now: UtcDateTime, idle: Duration) -> bool {
        let is_worked_on = matches!(self.job.state, JobState::Planning | JobState::Running);
        let held = |kept: &KeptUnit| !kept.is_done && kept.held.is_some() && !kept.is_free(now);
        is_worked_on && self.touched_at + idle < now && !self.units.values().any(held)
    }
}

/// Remembers whom it called.
#[derive(Default)]
pub struct MemoryJobQueue {
    called: Mutex<Vec<(TenantId, JobId, Duration)>>,
    failing: Mutex<bool>,
}

impl MemoryJobQueue {
    /// From now on nobody is called, or everybody is again.
    pub fn set_failing(&self, failing: bool) {
        *self.failing.lock().unwrap() = failing;
    }

    /// Those who were called since the last look, each worker by itself.
    pub fn take(&self) -> Vec<(TenantId, JobId, Duration)> {
        std::mem::take(&mut *self.called.lock().unwrap())
    }
}

impl JobQueue for MemoryJobQueue {
    async fn call(
        &self,
        tenant: &TenantId,
        id: JobId,
        workers: usize,
        delay: Duration,
    ) -> Result<(), StoreError> {
        if *self.failing.lock().unwrap() {
            return Err(StoreError::Throttled {
                operation: "SendMessageBatch",
            });
        }
        let call = (tenant.clone(), id, delay);
        let mut called = self.called.lock().unwrap();
        called.extend(std::iter::repeat_n(call, workers));
        Ok(())
    }
}
