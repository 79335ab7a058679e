//! Lists of jobs, and of what failed in one, page by page.

use time::UtcDateTime;

use super::{FailedEvent, Job, JobId, JobState, JobStore};
use crate::event_id::EventId;
use crate::limits::{DEFAULT_PAGE_EVENTS, MAX_JOBS_READ};
use crate::log_hour::Position;
use crate::page_cursor::{Cursors, InvalidCursor};
use crate::query_parameters::{BadParameter, Parameters, limit, told};
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// Jobs that one call of the store looks at.
const JOBS_A_CALL: usize = 100;

/// The kinds of jobs, as [`super::Work::kind`] names them.
const KINDS: [&str; 2] = ["REPLAY", "REDRIVE"];

/// Which jobs are wanted; one that keeps to everything that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobQuery {
    /// Of this kind.
    pub kind: Option<&'static str>,
    /// In this state.
    pub state: Option<JobState>,
    /// How many at the most.
    pub limit: usize,
    /// The last one that the page before looked at.
    pub after: Option<JobId>,
}

/// Jobs, the latest first.
#[derive(Clone, Debug, PartialEq)]
pub struct JobList {
    /// As many as were asked for, or fewer where the bound was reached; then there is a cursor.
    pub jobs: Vec<Job>,
    /// Where the next page begins. `None` when there is nothing more.
    pub next_cursor: Option<String>,
}

/// A page of what failed in one job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureQuery {
    /// How many at the most.
    pub limit: usize,
    /// The last event of the page before.
    pub after: Option<Position>,
}

/// What failed, in the order of the events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureList {
    /// As many as were asked for. Those of one event stay together, so there may be a few more.
    pub failures: Vec<FailedEvent>,
    /// Where the next page begins. `None` when there is nothing more.
    pub next_cursor: Option<String>,
}

impl JobQuery {
    /// The parameters that there are.
    pub const PARAMETERS: [&str; 4] = ["kind", "state", "limit", "cursor"];

    /// Reads a tenant's query.
    ///
    /// # Errors
    /// With everything that is wrong with it.
    pub fn parse(
        tenant: &TenantId,
        parameters: &[(String, String)],
    ) -> Result<Self, Vec<BadParameter>> {
        let mut read = Parameters::of(parameters, &Self::PARAMETERS);
        let kind = read.parsed("kind", kind);
        let state = read.parsed("state", |text| text.parse().map_err(told));
        let limit = read.parsed("limit", limit).unwrap_or(DEFAULT_PAGE_EVENTS);
        // A cursor is held against the whole query, so against none while something else is wrong.
        let is_whole = read.is_whole();
        let after = read.parsed("cursor", |text| match is_whole {
            true => cursors(tenant, kind, state)
                .read(text)
                .and_then(job_at)
                .map(Some)
                .map_err(told),
            false => Ok(None),
        });
        read.finish(Self {
            kind,
            state,
            limit,
            after: after.flatten(),
        })
    }

    /// The page of this query. What has expired by now is not on it.
    pub async fn list<J: JobStore>(
        &self,
        jobs: &J,
        tenant: &TenantId,
        now: UtcDateTime,
    ) -> Result<JobList, StoreError> {
        let mut found = vec![];
        let mut after = self.after;
        for _ in 0..MAX_JOBS_READ / JOBS_A_CALL {
            let page = jobs.list(tenant, after, JOBS_A_CALL).await?;
            for job in page.jobs {
                if !self.takes(&job, now) {
                    after = Some(job.id);
                } else if found.len() < self.limit {
                    after = Some(job.id);
                    found.push(job);
                } else {
                    return Ok(self.page(tenant, found, after));
                }
            }
            after = page.rest_after;
            if after.is_none() {
                break;
            }
        }
        Ok(self.page(tenant, found, after))
    }

    fn takes(&self, job: &Job, now: UtcDateTime) -> bool {
        job.is_shown(now)
            && self.kind.is_none_or(|kind| job.spec.work.kind() == kind)
            && self.state.is_none_or(|state| job.state == state)
    }

    fn page(&self, tenant: &TenantId, jobs: Vec<Job>, after: Option<JobId>) -> JobList {
        let cursors = cursors(tenant, self.kind, self.state);
        JobList {
            jobs,
            next_cursor: after.map(|after| cursors.write(Position::of(after.uuid()))),
        }
    }
}

impl Job {
    /// Whether it is still to be shown: the store may have what has expired.
    pub fn is_shown(&self, now: UtcDateTime) -> bool {
        self.expires_at.is_none_or(|expires_at| expires_at >= now)
    }
}

impl FailureQuery {
    /// The parameters that there are.
    pub const PARAMETERS: [&str; 2] = ["limit", "cursor"];

    /// Reads the query of a tenant's job.
    ///
    /// # Errors
    /// With everything that is wrong with it.
    pub fn parse(
        tenant: &TenantId,
        job: JobId,
        parameters: &[(String, String)],
    ) -> Result<Self, Vec<BadParameter>> {
        let mut read = Parameters::of(parameters, &Self::PARAMETERS);
        let limit = read.parsed("limit", limit).unwrap_or(DEFAULT_PAGE_EVENTS);
        let after = read.parsed("cursor", |text| {
            failure_cursors(tenant, job).read(text).map_err(told)
        });
        read.finish(Self { limit, after })
    }

    /// The page of this query.
    pub async fn list<J: JobStore>(
        &self,
        jobs: &J,
        tenant: &TenantId,
        job: JobId,
    ) -> Result<FailureList, StoreError> {
        let mut look = self.limit;
        loop {
            // One more than is taken tells whether there is another page.
            look += 1;
            let mut failures = jobs.failures(tenant, job, self.after, look).await?;
            if failures.len() < look {
                return Ok(FailureList {
                    failures,
                    next_cursor: None,
                });
            }
            // The last event may have more failures than were read, and a page begins after a whole event.
            let last = failures.last().map(|failure| failure.event_id);
            failures.retain(|failure| Some(failure.event_id) != last);
            if let Some(end) = failures.last() {
                let position = Position::of(end.event_id);
                let next_cursor = failure_cursors(tenant, job).write(position);
                return Ok(FailureList {
                    failures,
                    next_cursor: Some(next_cursor),
                });
            }
            look *= 2;
        }
    }
}

fn kind(text: &str) -> Result<&'static str, String> {
    let found = KINDS.into_iter().find(|kind| *kind == text);
    found.ok_or_else(|| format!("must be {}", KINDS.join(" or ")))
}

fn job_at(position: Position) -> Result<JobId, InvalidCursor> {
    let id = EventId::from_bytes(position.to_bytes());
    id.map(JobId::new).map_err(|_| InvalidCursor)
}

fn cursors(tenant: &TenantId, kind: Option<&str>, state: Option<JobState>) -> Cursors {
    Cursors::of([
        Some("jobs".to_owned()),
        Some(tenant.to_string()),
        kind.map(str::to_owned),
        state.map(|state| state.name().to_owned()),
    ])
}

fn failure_cursors(tenant: &TenantId, job: JobId) -> Cursors {
    Cursors::of([
        Some("job-failures".to_owned()),
        Some(tenant.to_string()),
        Some(job.to_string()),
    ])
}
