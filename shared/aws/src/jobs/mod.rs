//! `JobTable`: a job, its units, what failed of it, and its turn.
//!
//! ```text
//! T#<tenant>          JOB#<id>                    the job: what it is to do, its state, its plan, what is done
//! T#<tenant>          ACTIVE                      the ids of those that are not over
//! T#<tenant>#J#<id>   UNIT#<number>               a unit, who holds it, and how far it is
//! T#<tenant>#J#<id>   FAIL#<event>#<subscription> something that failed
//! T#<tenant>#J#<id>   TURN                        when the next page may be sent
//! ```
//!
//! Units are handed out by a counter in their job, in order. Once it is at its end, those are looked for that were
//! given back or whose hold ran out. A job that is planned or run stands in `ByActive` by when it was last written,
//! where the pass over idle jobs finds it.

mod failed;
mod job_item;
mod list;
mod steps;
mod unit_item;
mod units;
mod work_item;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::TransactWriteItem;
use aws_sdk_dynamodb::types::error::TransactionCanceledException;
use pillarbox_domain::job::{
    ChangeJob, Changed, Created, FailedEvent, Holder, IdleJobs, Job, JobId, JobStore, JobsPage,
    Plan, Saved, Turn, Unit,
};
use pillarbox_domain::log_hour::Position;
use pillarbox_domain::{StoreError, TenantId};
use time::UtcDateTime;

use crate::error::{is_throttling, store_error};
use crate::item::{Item, s};
use crate::keys;

/// The name of the call in errors.
const TRANSACTION: &str = "TransactWriteItems";

/// How often a write is tried that met another one, and how long is waited after the first time; twice as long each
/// time, up to the most.
const MAX_MEETINGS: u32 = 10;
const FIRST_WAIT: Duration = Duration::from_millis(5);
const MAX_WAIT: Duration = Duration::from_millis(100);

/// How often a step is tried whose job has become another one since it was read.
const MAX_CHANGES: u32 = 20;

/// Units that a job's progress is told by beside those that are done: the last that were handed out.
const LOOKED_AT_UNITS: u32 = 200;

/// How long after its job was asked for a unit or a failure is kept at the least: longer than any job runs, and than
/// one that is over is kept.
const PARTS_KEPT: Duration = Duration::from_secs(120 * 24 * 60 * 60);

/// Jobs in one table.
#[derive(Clone)]
pub struct DynamoJobs {
    client: Client,
    table: String,
}

/// What became of a conditional write.
enum Written<T> {
    Yes(T),
    /// Its condition does not hold; where it was asked for, this is what is there.
    Refused(Option<Item>),
}

impl DynamoJobs {
    /// The jobs in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// An item as it is now.
    async fn item(&self, pk: String, sk: String) -> Result<Option<Item>, StoreError> {
        let get = self.client.get_item().table_name(&self.table);
        let found = get
            .key(keys::PK, s(pk))
            .key(keys::SK, s(sk))
            .consistent_read(true)
            .send()
            .await;
        found
            .map(|found| found.item)
            .map_err(|error| store_error("GetItem", error))
    }

    fn update(&self, pk: String, sk: String) -> UpdateItemFluentBuilder {
        let update = self.client.update_item().table_name(&self.table);
        update.key(keys::PK, s(pk)).key(keys::SK, s(sk))
    }

    fn update_job(&self, tenant: &TenantId, id: JobId) -> UpdateItemFluentBuilder {
        self.update(keys::tenant(tenant), keys::job(id))
    }

    fn update_unit(&self, tenant: &TenantId, id: JobId, number: u32) -> UpdateItemFluentBuilder {
        self.update(keys::job_parts(tenant, id), keys::unit(number))
    }
}

/// Makes an update, again where it met a transaction: workers count in the item of their job.
async fn send(update: UpdateItemFluentBuilder) -> Result<Written<UpdateItemOutput>, StoreError> {
    let mut meetings = 0;
    loop {
        let error = match update.clone().send().await {
            Ok(written) => return Ok(Written::Yes(written)),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                return Ok(Written::Refused(refused.item().cloned()));
            }
            Some(UpdateItemError::TransactionConflictException(_)) if meetings < MAX_MEETINGS => {
                wait(meetings).await;
                meetings += 1;
            }
            _ => return Err(store_error("UpdateItem", error)),
        }
    }
}

/// Makes writes together or none of them, again where they met others. Where a condition does not hold, the answer
/// tells which, and what is there.
async fn transact(
    client: &Client,
    writes: Vec<TransactWriteItem>,
) -> Result<Result<(), TransactionCanceledException>, StoreError> {
    let mut meetings = 0;
    loop {
        let call = client.transact_write_items();
        let error = match call.set_transact_items(Some(writes.clone())).send().await {
            Ok(_) => return Ok(Ok(())),
            Err(error) => error,
        };
        let cancelled = match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => cancelled,
            _ => return Err(store_error(TRANSACTION, error)),
        };
        if refused(cancelled).next().is_some() {
            return Ok(Err(cancelled.clone()));
        }
        if !is_busy(cancelled) {
            return Err(store_error(TRANSACTION, error));
        }
        if meetings == MAX_MEETINGS {
            return Err(StoreError::Throttled {
                operation: TRANSACTION,
            });
        }
        wait(meetings).await;
        meetings += 1;
    }
}

/// The writes whose conditions do not hold, by their place, and what is there.
fn refused(
    cancelled: &TransactionCanceledException,
) -> impl Iterator<Item = (usize, Option<&Item>)> {
    let reasons = cancelled.cancellation_reasons().iter().enumerate();
    let refused = reasons.filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"));
    refused.map(|(place, reason)| (place, reason.item()))
}

fn is_busy(cancelled: &TransactionCanceledException) -> bool {
    let busy = |code: &str| {
        matches!(
            code,
            "TransactionConflict" | "ProvisionedThroughputExceeded" | "ThrottlingError"
        ) || is_throttling(code)
    };
    let mut reasons = cancelled.cancellation_reasons().iter();
    reasons.any(|reason| reason.code().is_some_and(busy))
}

async fn wait(meetings: u32) {
    let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(meetings));
    tokio::time::sleep(wait.min(MAX_WAIT)).await;
}

fn unbuildable(error: BuildError) -> StoreError {
    StoreError::Failed {
        operation: TRANSACTION,
        source: Box::new(error),
    }
}

/// When what a job is made of may be forgotten: seconds since 1970. Its id tells when it was asked for.
fn parts_expire_at(id: JobId) -> i64 {
    let kept = time::Duration::try_from(PARTS_KEPT).unwrap_or_default();
    let at = id.uuid().accepted_at().saturating_add(kept);
    at.unix_timestamp()
}

impl JobStore for DynamoJobs {
    async fn create(&self, job: &Job, max_active: usize) -> Result<Created, StoreError> {
        self.create_job(job, max_active).await
    }

    async fn get(&self, tenant: &TenantId, id: JobId) -> Result<Option<Job>, StoreError> {
        self.get_job(tenant, id).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<JobId>,
        limit: usize,
    ) -> Result<JobsPage, StoreError> {
        self.list_jobs(tenant, after, limit).await
    }

    async fn change(
        &self,
        tenant: &TenantId,
        id: JobId,
        change: &ChangeJob,
        now: UtcDateTime,
    ) -> Result<Changed, StoreError> {
        self.change_job(tenant, id, change, now).await
    }

    async fn extend_plan(
        &self,
        tenant: &TenantId,
        id: JobId,
        seen: &Plan,
        units: &[Unit],
        plan: &Plan,
    ) -> Result<bool, StoreError> {
        self.write_plan(tenant, id, seen, units, plan).await
    }

    async fn claim(
        &self,
        tenant: &TenantId,
        id: JobId,
        holder: Holder,
        now: UtcDateTime,
    ) -> Result<Option<Unit>, StoreError> {
        self.claim_unit(tenant, id, holder, now).await
    }

    async fn save(
        &self,
        tenant: &TenantId,
        id: JobId,
        unit: &Unit,
        holder: Holder,
        now: UtcDateTime,
    ) -> Result<Saved, StoreError> {
        self.save_unit(tenant, id, unit, holder, now).await
    }

    async fn release(
        &self,
        tenant: &TenantId,
        id: JobId,
        unit: &Unit,
        holder: Holder,
    ) -> Result<Saved, StoreError> {
        self.release_unit(tenant, id, unit, holder).await
    }

    async fn finish_unit(
        &self,
        tenant: &TenantId,
        id: JobId,
        unit: &Unit,
        holder: Holder,
        now: UtcDateTime,
    ) -> Result<Saved, StoreError> {
        self.end_unit(tenant, id, unit, holder, now).await
    }

    async fn add_failure(
        &self,
        tenant: &TenantId,
        id: JobId,
        failed: &FailedEvent,
    ) -> Result<(), StoreError> {
        self.list_failure(tenant, id, failed).await
    }

    async fn failures(
        &self,
        tenant: &TenantId,
        id: JobId,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<FailedEvent>, StoreError> {
        self.listed_failures(tenant, id, after, limit).await
    }

    async fn take_turn(
        &self,
        tenant: &TenantId,
        id: JobId,
        events: u32,
        per_second: f64,
        now: UtcDateTime,
    ) -> Result<Duration, StoreError> {
        let take = |free_at| Turn::take(free_at, now, events, per_second);
        self.reserve(tenant, id, take).await
    }

    async fn take_idle(
        &self,
        now: UtcDateTime,
        idle: Duration,
        limit: usize,
    ) -> Result<Vec<(TenantId, JobId)>, StoreError> {
        self.idle_jobs(now, idle, limit).await
    }
}

impl IdleJobs for DynamoJobs {
    async fn idle(
        &self,
        now: UtcDateTime,
        idle: Duration,
        limit: usize,
    ) -> Result<Vec<(TenantId, JobId)>, StoreError> {
        self.jobs_at_rest(now, idle, limit).await
    }
}

/// Whether a put found that its condition does not hold.
fn is_refused<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.code() == Some("ConditionalCheckFailedException")
}
