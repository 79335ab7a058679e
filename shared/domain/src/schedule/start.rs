//! From a schedule's call to its job.

use super::{InvalidCall, ScheduledCall};
use crate::clock::Clock;
use crate::job::{Created, Job, JobQueue, JobState, JobStore};
use crate::limits::MAX_ACTIVE_JOBS;
use crate::registry::SubscriptionRegistry;
use crate::store_error::StoreError;
use crate::subscription::SubscriptionId;

/// What jobs of calls are made with.
pub struct Starter<'a, J, N, R, C> {
    /// Where jobs are kept.
    pub jobs: &'a J,
    /// What calls workers.
    pub calls: &'a N,
    /// Which subscriptions there are.
    pub registry: &'a R,
    /// What time it is.
    pub clock: &'a C,
}

/// What became of a call.
#[derive(Debug)]
pub enum Started {
    /// It made this job.
    New(Box<Job>),
    /// One that came before it had made this job.
    Again(Box<Job>),
    /// It makes none, and would make none if it came again.
    Refused(Refusal),
}

/// Why a call makes no job.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It says nothing that can be done, or that can be done any more.
    #[error(transparent)]
    Invalid(#[from] InvalidCall),
    /// Whom the job is for is gone.
    #[error("there is no subscription '{0}' any more")]
    NoSubscription(SubscriptionId),
    /// A schedule that makes more than is worked off must not pile it up.
    #[error("{MAX_ACTIVE_JOBS} jobs are not over, which is the most")]
    TooMany,
}

impl<J, N, R, C> Starter<'_, J, N, R, C>
where
    J: JobStore,
    N: JobQueue,
    R: SubscriptionRegistry,
    C: Clock,
{
    /// Makes the job of a call, once for its scheduled time, and calls its first worker.
    ///
    /// # Errors
    /// When it is not known whether there is a job, or that a worker was called for it: the call should come again.
    pub async fn start(&self, call: &ScheduledCall) -> Result<Started, StoreError> {
        let job = match self.job(call) {
            Ok(job) => job,
            Err(invalid) => return Ok(Started::Refused(invalid.into())),
        };
        if let Some(gone) = self.gone_subscription(&job).await? {
            return Ok(Started::Refused(Refusal::NoSubscription(gone)));
        }
        match self.jobs.create(&job, MAX_ACTIVE_JOBS).await? {
            Created::New => {
                self.call_worker(&job).await?;
                Ok(Started::New(Box::new(job)))
            }
            Created::Exists(there) => {
                // Whoever made it may have died before a worker was called.
                if matches!(there.state, JobState::Planning | JobState::Running) {
                    self.call_worker(&there).await?;
                }
                Ok(Started::Again(there))
            }
            Created::TooMany => Ok(Started::Refused(Refusal::TooMany)),
        }
    }

    fn job(&self, call: &ScheduledCall) -> Result<Job, InvalidCall> {
        let now = self.clock.now();
        let (id, spec) = (call.job_id()?, call.spec(now)?);
        Ok(Job::asked_for(call.tenant.clone(), id, spec, now))
    }

    /// The subscription that a job is for, when there is none of its name.
    async fn gone_subscription(&self, job: &Job) -> Result<Option<SubscriptionId>, StoreError> {
        let Some((_, id, owner)) = job.spec.named_subscription(&job.tenant) else {
            return Ok(None);
        };
        let found = self.registry.subscription(&owner, id).await?;
        Ok(found.is_none().then(|| id.clone()))
    }

    async fn call_worker(&self, job: &Job) -> Result<(), StoreError> {
        let delay = job.spec.wait(self.clock.now());
        self.calls.call(&job.tenant, job.id, 1, delay).await
    }
}
