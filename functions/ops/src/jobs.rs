//! `/v1/replays`, `/v1/redrives` and `/v1/jobs`: what is sent again, and how far that is.

use std::time::Duration;

use aws_lambda_events::http::StatusCode;
use pillarbox_aws::{Clients, DynamoJobs, SqsJobQueue};
use pillarbox_domain::credential::Scope;
use pillarbox_domain::job::{
    ChangeJob, Changed, Created, FailureList, FailureQuery, Job, JobId, JobList, JobQuery,
    JobQueue, JobSpec, JobState, JobStore, ShownFailure, ShownJob, request as asked,
};
use pillarbox_domain::limits::MAX_ACTIVE_JOBS;
use pillarbox_domain::registry::SubscriptionRegistry;
use pillarbox_domain::subscription::request::FieldFault;
use pillarbox_domain::{Clock, ErrorChain, TenantId};
use pillarbox_runtime::clock::SystemClock;
use pillarbox_runtime::http::{
    Caller, FieldError, Problem, Request, Response, json, query_parameters,
};
use serde::{Deserialize, Serialize};

use crate::config::Names;
use crate::events::refused;
use crate::requests;

/// What jobs are kept and worked on with.
pub(crate) struct Jobs<J, K, C> {
    /// Where they are kept.
    pub(crate) store: J,
    /// What calls workers.
    pub(crate) queue: K,
    /// Names jobs, and tells how fast they are.
    pub(crate) clock: C,
}

/// What somebody may do with a job that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Pause,
    Resume,
    Cancel,
}

/// `POST /v1/jobs/{job_id}/pause` and the like.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepBody {}

/// A page of jobs as it is answered.
#[derive(Serialize)]
struct JobPage<'a> {
    jobs: Vec<ShownJob<'a>>,
    next_cursor: Option<String>,
}

/// A page of failures as it is answered.
#[derive(Serialize)]
struct FailurePage<'a> {
    failures: Vec<ShownFailure<'a>>,
    next_cursor: Option<String>,
}

impl Jobs<DynamoJobs, SqsJobQueue, SystemClock> {
    /// In the stack's table, on its queue.
    pub(crate) fn on_aws(clients: &Clients, names: &Names, clock: SystemClock) -> Self {
        Self {
            store: DynamoJobs::new(clients.dynamodb(), names.job_table.clone()),
            queue: SqsJobQueue::new(clients.sqs(), names.job_queue_url.clone()),
            clock,
        }
    }
}

impl<J, K, C> Jobs<J, K, C>
where
    J: JobStore + Sync,
    K: JobQueue + Sync,
    C: Clock + Sync,
{
    /// `POST /v1/replays`
    pub(crate) async fn replay<S: SubscriptionRegistry + Sync>(
        &self,
        subscriptions: &S,
        queue_prefix: &str,
        request: &Request,
    ) -> Result<Response, Problem> {
        let caller = Caller::of(request)?;
        let tenant = caller.require(Scope::Operate)?;
        let body = requests::parse(request)?;
        let spec = asked::replay(&body, queue_prefix, self.clock.now());
        self.start(tenant, subscriptions, spec).await
    }

    /// `POST /v1/redrives`
    pub(crate) async fn redrive<S: SubscriptionRegistry + Sync>(
        &self,
        subscriptions: &S,
        request: &Request,
    ) -> Result<Response, Problem> {
        let caller = Caller::of(request)?;
        let tenant = caller.require(Scope::Operate)?;
        let body = requests::parse(request)?;
        let spec = asked::redrive(&body, self.clock.now());
        self.start(tenant, subscriptions, spec).await
    }

    /// `GET /v1/jobs`
    pub(crate) async fn list(&self, request: &Request) -> Result<Response, Problem> {
        let caller = Caller::of(request)?;
        let tenant = caller.require(Scope::Read)?;
        let query = JobQuery::parse(tenant, &query_parameters(request)?).map_err(refused)?;
        let now = self.clock.now();
        let JobList { jobs, next_cursor } = query.list(&self.store, tenant, now).await?;
        let page = JobPage {
            jobs: jobs.iter().map(|job| ShownJob { job, now }).collect(),
            next_cursor,
        };
        Ok(json(StatusCode::OK, &page))
    }

    /// `GET /v1/jobs/{job_id}`
    pub(crate) async fn show(&self, request: &Request) -> Result<Response, Problem> {
        let caller = Caller::of(request)?;
        let tenant = caller.require(Scope::Read)?;
        let job = self.named(tenant, request).await?;
        Ok(self.answer(StatusCode::OK, &job))
    }

    /// `GET /v1/jobs/{job_id}/failures`
    pub(crate) async fn failures(&self, request: &Request) -> Result<Response, Problem> {
        let caller = Caller::of(request)?;
        let tenant = caller.require(Scope::Read)?;
        let job = self.named(tenant, request).await?.id;
        let query = FailureQuery::parse(tenant, job, &query_parameters(request)?);
        let query = query.map_err(refused)?;
        let FailureList {
            failures,
            next_cursor,
        } = query.list(&self.store, tenant, job).await?;
        let page = FailurePage {
            failures: failures.iter().map(ShownFailure).collect(),
            next_cursor,
        };
        Ok(json(StatusCode::OK, &page))
    }

    /// `POST /v1/jobs/{job_id}/pause`, `…/resume` and `…/cancel`
    pub(crate) async fn change(&self, request: &Request, step: Step) -> Result<Response, Problem> {
        let caller = Caller::of(request)?;
        let tenant = caller.require(Scope::Operate)?;
        let StepBody {} = requests::parse_optional(request)?;
        let there = self.named(tenant, request).await?;
        let (change, now) = (step.change(), self.clock.now());
        match self.store.change(tenant, there.id, &change, now).await? {
            Changed::Done(job) => {
                tracing::info!(tenant.id = %tenant, job.id = %job.id, ?step, "job.changed");
                // One that goes on already has its workers.
                if step == Step::Resume && there.state == JobState::Paused {
                    self.call(&job, job.workers(), Duration::ZERO).await;
                }
                Ok(self.answer(StatusCode::OK, &job))
            }
            Changed::Refused(job) => Err(not_allowed(&job, step)),
            Changed::Missing => Err(no_such_job(there.id)),
        }
    }

    /// Keeps the job that is asked for, and calls its first worker.
    async fn start<S: SubscriptionRegistry + Sync>(
        &self,
        tenant: &TenantId,
        subscriptions: &S,
        spec: Result<JobSpec, Vec<FieldFault>>,
    ) -> Result<Response, Problem> {
        let spec = spec.map_err(at_fault)?;
        check_subscription(tenant, subscriptions, &spec, "").await?;
        let now = self.clock.now();
        let delay = spec.wait(now);
        let id = JobId::new(self.clock.next_id());
        let job = Job::asked_for(tenant.clone(), id, spec, now);
        match self.store.create(&job, MAX_ACTIVE_JOBS).await? {
            Created::New => {}
            Created::Exists(job) => return Ok(self.answer(StatusCode::ACCEPTED, &job)),
            Created::TooMany => return Err(too_many()),
        }
        let kind = job.spec.work.kind();
        tracing::info!(tenant.id = %tenant, job.id = %id, kind, "job.created");
        self.call(&job, 1, delay).await;
        Ok(self.answer(StatusCode::ACCEPTED, &job))
    }

    /// Calls workers. The job is kept, so when this fails it is found idle some minutes later, and worked on.
    async fn call(&self, job: &Job, workers: usize, delay: Duration) {
        let (tenant, id) = (&job.tenant, job.id);
        if let Err(error) = self.queue.call(tenant, id, workers, delay).await {
            let error = ErrorChain(&error);
            tracing::warn!(tenant.id = %tenant, job.id = %id, %error, "job.not_called");
        }
    }

    /// The job that the path names, 404 when there is none.
    async fn named(&self, tenant: &TenantId, request: &Request) -> Result<Job, Problem> {
        let named = request.path_parameters.get("job_id");
        let id = named.map(String::as_str).unwrap_or_default().parse();
        let id = id.map_err(|error| Problem::invalid_field("job_id", error))?;
        let job = self.store.get(tenant, id).await?;
        let job = job.filter(|job| job.is_shown(self.clock.now()));
        job.ok_or_else(|| no_such_job(id))
    }

    fn answer(&self, status: StatusCode, job: &Job) -> Response {
        let now = self.clock.now();
        json(status, &ShownJob { job, now })
    }
}

impl Step {
    fn change(self) -> ChangeJob {
        match self {
            Self::Pause => ChangeJob::Pause(None),
            Self::Resume => ChangeJob::Resume,
            Self::Cancel => ChangeJob::Cancel,
        }
    }

    /// Which jobs it is for.
    fn rule(self) -> &'static str {
        match self {
            Self::Pause => "only one that is PLANNING or RUNNING can be paused",
            Self::Resume => "only one that is PAUSED can be resumed",
            Self::Cancel => "one that is over cannot be cancelled",
        }
    }
}

/// Refuses a job of a subscription that is not there; the member that names it is below this place.
pub(crate) async fn check_subscription<S: SubscriptionRegistry>(
    tenant: &TenantId,
    subscriptions: &S,
    spec: &JobSpec,
    place: &str,
) -> Result<(), Problem> {
    let Some((field, id, owner)) = spec.named_subscription(tenant) else {
        return Ok(());
    };
    match subscriptions.subscription(&owner, id).await? {
        Some(_) => Ok(()),
        None => Err(Problem::invalid_field(
            format!("{place}{field}"),
            format!("must be a subscription that is there: there is no '{id}'"),
        )),
    }
}

pub(crate) fn at_fault(faults: Vec<FieldFault>) -> Problem {
    Problem::invalid(faults.into_iter().map(FieldError::from).collect())
}

fn too_many() -> Problem {
    Problem::too_many(format!(
        "{MAX_ACTIVE_JOBS} jobs are not over, which is the most. Wait for one, or cancel one."
    ))
}

fn not_allowed(job: &Job, step: Step) -> Problem {
    let (id, state, rule) = (job.id, job.state.name(), step.rule());
    Problem::conflict(format!(
        "Job '{id}' is {state}, and {rule}. Nothing was changed."
    ))
}

fn no_such_job(id: JobId) -> Problem {
    Problem::not_found(format!("There is no job '{id}'."))
}

#[cfg(test)]
mod tests;
