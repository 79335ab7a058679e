//! Jobs as they are read, with how far they are, and those that nobody seems to work for.

use std::time::Duration;

use pillarbox_domain::job::{Counts, Job, JobId, JobsPage};
use pillarbox_domain::{StoreError, TenantId};
use time::UtcDateTime;

use super::job_item::{self, NEXT_UNIT, decode_counts, number};
use super::unit_item::{self, HELD_UNTIL, is_done};
use super::{DynamoJobs, LOOKED_AT_UNITS, Written, send};
use crate::error::store_error;
use crate::item::{Item, Reader, millis, n, s};
use crate::keys;

const BY_ACTIVE: &str = "ByActive";

impl DynamoJobs {
    pub(super) async fn get_job(
        &self,
        tenant: &TenantId,
        id: JobId,
    ) -> Result<Option<Job>, StoreError> {
        let there = self.item(keys::tenant(tenant), keys::job(id)).await?;
        match there {
            Some(there) => self.job_of(tenant, &there).await.map(Some),
            None => Ok(None),
        }
    }

    pub(super) async fn list_jobs(
        &self,
        tenant: &TenantId,
        after: Option<JobId>,
        limit: usize,
    ) -> Result<JobsPage, StoreError> {
        let last = after.map_or(format!("{}~", keys::JOB_PREFIX), keys::job);
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :tenant AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":tenant", s(keys::tenant(tenant)))
            .expression_attribute_values(":first", s(keys::JOB_PREFIX))
            .expression_attribute_values(":last", s(&last))
            .scan_index_forward(false)
            .consistent_read(true)
            // One more: what is read from is read, too.
            .limit(i32::try_from(limit.saturating_add(1)).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| store_error("Query", error))?;
        let is_new = |item: &&Item| item.get(keys::SK) != Some(&s(&last));
        let mut jobs = Vec::new();
        for item in page.items().iter().filter(is_new).take(limit) {
            jobs.push(self.job_of(tenant, item).await?);
        }
        let found = page.items().iter().filter(is_new).count();
        let has_more = page.last_evaluated_key().is_some() || found > limit;
        let last = jobs.last().filter(|_| has_more);
        Ok(JobsPage {
            rest_after: last.map(|job| job.id),
            jobs,
        })
    }

    async fn job_of(&self, tenant: &TenantId, item: &Item) -> Result<Job, StoreError> {
        let job = job_item::decode(tenant, item)?;
        let handed_out = number(&job_item::reader(item), NEXT_UNIT)?;
        self.with_units(job, handed_out).await
    }

    /// The job with what its units came to that are not done.
    pub(super) async fn with_progress(&self, job: Job) -> Result<Job, StoreError> {
        let there = self
            .item(keys::tenant(&job.tenant), keys::job(job.id))
            .await?;
        let handed_out = there
            .map(|there| number(&job_item::reader(&there), NEXT_UNIT))
            .transpose()?;
        self.with_units(job, handed_out.unwrap_or_default()).await
    }

    async fn with_units(&self, mut job: Job, handed_out: u32) -> Result<Job, StoreError> {
        if handed_out > job.plan.units_done {
            for item in self.last_units(&job.tenant, job.id, handed_out).await? {
                job.done = job.done.plus(open_counts(&item)?);
            }
        }
        Ok(job)
    }

    /// The last units that were handed out.
    async fn last_units(
        &self,
        tenant: &TenantId,
        id: JobId,
        handed_out: u32,
    ) -> Result<Vec<Item>, StoreError> {
        let first = keys::unit(handed_out.saturating_sub(LOOKED_AT_UNITS));
        let last = keys::unit(handed_out.saturating_sub(1));
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :job AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":job", s(keys::job_parts(tenant, id)))
            .expression_attribute_values(":first", s(first))
            .expression_attribute_values(":last", s(last))
            .consistent_read(true)
            .send()
            .await;
        // They are far from the megabyte that one answer holds.
        page.map(|page| page.items.unwrap_or_default())
            .map_err(|error| store_error("Query", error))
    }

    /// Jobs of which nothing was written for a while, and no unit of which is held: a worker that only saves its place
    /// does not write into its job.
    pub(super) async fn idle_jobs(
        &self,
        now: UtcDateTime,
        idle: Duration,
        limit: usize,
    ) -> Result<Vec<(TenantId, JobId)>, StoreError> {
        let mut idle_jobs = Vec::new();
        for entry in self.unwritten(now - idle, limit).await? {
            let (tenant, id) = key_of(&entry)?;
            let is_held = self.is_held(&tenant, id, now).await?;
            if self.touch(&tenant, id, &entry, now).await? && !is_held {
                idle_jobs.push((tenant, id));
            }
        }
        Ok(idle_jobs)
    }

    /// The same, and they stay as they are.
    pub(super) async fn jobs_at_rest(
        &self,
        now: UtcDateTime,
        idle: Duration,
        limit: usize,
    ) -> Result<Vec<(TenantId, JobId)>, StoreError> {
        let mut at_rest = Vec::new();
        for entry in self.unwritten(now - idle, limit).await? {
            let (tenant, id) = key_of(&entry)?;
            if !self.is_held(&tenant, id, now).await? {
                at_rest.push((tenant, id));
            }
        }
        Ok(at_rest)
    }

    /// What the index has of jobs of which nothing was written since.
    async fn unwritten(&self, before: UtcDateTime, limit: usize) -> Result<Vec<Item>, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_ACTIVE)
            .key_condition_expression("#active = :active AND #touched < :before")
            .expression_attribute_names("#active", keys::ACTIVE_PK)
            .expression_attribute_names("#touched", keys::TOUCHED_MS)
            .expression_attribute_values(":active", s(keys::ACTIVE))
            .expression_attribute_values(":before", millis(before))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await;
        page.map(|page| page.items.unwrap_or_default())
            .map_err(|error| store_error("Query", error))
    }

    async fn is_held(
        &self,
        tenant: &TenantId,
        id: JobId,
        now: UtcDateTime,
    ) -> Result<bool, StoreError> {
        let there = self.item(keys::tenant(tenant), keys::job(id)).await?;
        let Some(there) = there else {
            return Ok(false);
        };
        let handed_out = number(&job_item::reader(&there), NEXT_UNIT)?;
        if handed_out == 0 {
            return Ok(false);
        }
        for item in self.last_units(tenant, id, handed_out).await? {
            let reader = unit_item::reader(&item);
            let until = match item.contains_key(HELD_UNTIL) {
                true => Some(reader.time(HELD_UNTIL)?),
                false => None,
            };
            if until.is_some_and(|until| until >= now) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Says that something was written now, if nobody has since the index was read.
    async fn touch(
        &self,
        tenant: &TenantId,
        id: JobId,
        entry: &Item,
        now: UtcDateTime,
    ) -> Result<bool, StoreError> {
        let seen = entry.get(keys::TOUCHED_MS).cloned();
        let update = self
            .update_job(tenant, id)
            .update_expression("SET #touched = :now")
            .condition_expression("#touched = :seen AND attribute_exists(#active)")
            .expression_attribute_names("#touched", keys::TOUCHED_MS)
            .expression_attribute_names("#active", keys::ACTIVE_PK)
            .expression_attribute_values(":seen", seen.unwrap_or(n(0)))
            .expression_attribute_values(":now", millis(now));
        Ok(matches!(send(update).await?, Written::Yes(_)))
    }
}

fn key_of(entry: &Item) -> Result<(TenantId, JobId), StoreError> {
    let reader = Reader {
        what: "job",
        item: entry,
    };
    let key = keys::parse_job(reader.text(keys::PK)?, reader.text(keys::SK)?);
    key.ok_or_else(|| reader.malformed(keys::PK, "is not that of a job"))
}

/// What a unit came to, unless its job counts it already.
fn open_counts(item: &Item) -> Result<Counts, StoreError> {
    match is_done(item) {
        true => Ok(Counts::default()),
        false => decode_counts(&unit_item::reader(item)),
    }
}
