//! The ports of the table in which jobs are kept, and of the queue that calls workers.

use std::time::Duration;

use time::UtcDateTime;

use super::{Counts, Job, JobId, Plan, Unit};
use crate::event_id::EventId;
use crate::limits::MAX_ERROR_MESSAGE_BYTES;
use crate::log_hour::Position;
use crate::store_error::StoreError;
use crate::subscription::SubscriptionId;
use crate::tenant::TenantId;

/// Units that are written with one step of a plan: as many as a transaction of DynamoDB has room for, beside their job
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>).
pub const MAX_NEW_UNITS: usize = 99;

/// What became of a job that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Created {
    /// It is there now.
    New,
    /// A job of this id is there, as this: a schedule asked twice.
    Exists(Box<Job>),
    /// The tenant has as many jobs that are not over as it may have. Nothing was written.
    TooMany,
}

/// A step of a job's life. Each is allowed in some states only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeJob {
    /// Planning or running: it is paused, by the bus for this reason.
    Pause(Option<String>),
    /// Paused: it is planned or worked on again.
    Resume,
    /// Not over: it is.
    Cancel,
    /// Planning, and the plan is whole: it runs, or, as a dry run or without any unit, is over.
    Planned,
    /// Running, and every unit is done: it is over.
    Complete,
}

/// What became of a step of a job's life.
#[derive(Clone, Debug, PartialEq)]
pub enum Changed {
    /// The step was made, or had been; the job is like this now.
    Done(Box<Job>),
    /// The job's state does not allow it; it is like this. Nothing was written.
    Refused(Box<Job>),
    /// The tenant has no such job.
    Missing,
}

/// Jobs of a tenant, the latest first.
#[derive(Clone, Debug, PartialEq)]
pub struct JobsPage {
    /// Some of them.
    pub jobs: Vec<Job>,
    /// The last one looked at, where there may be more after it.
    pub rest_after: Option<JobId>,
}

/// Who holds a unit. Another one for each worker that begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder(pub EventId);

/// What became of a place that was to be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It is written, and the unit is held for another [`super::LEASE`], or done.
    Yes,
    /// Another worker holds the unit by now. Nothing was written.
    Lost,
}

/// An event or letter that was not sent, for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedEvent {
    /// The event.
    pub event_id: EventId,
    /// Who was to get it, where that is known.
    pub subscription: Option<SubscriptionId>,
    /// What kind of error it is.
    pub error_class: String,
    /// What it says.
    pub error_message: String,
}

impl FailedEvent {
    /// An event that failed like this. A long message is cut.
    pub fn new(
        event_id: EventId,
        subscription: Option<SubscriptionId>,
        error_class: impl Into<String>,
        error_message: impl Into<String>,
    ) -> Self {
        let mut error_message: String = error_message.into();
        error_message.truncate(error_message.floor_char_boundary(MAX_ERROR_MESSAGE_BYTES));
        Self {
            event_id,
            subscription,
            error_class: error_class.into(),
            error_message,
        }
    }
}

/// Where jobs are kept. What has expired may still be there.
pub trait JobStore {
    /// Keeps a new job, unless its tenant has `max_active` that are not over.
    fn create(
        &self,
        job: &Job,
        max_active: usize,
    ) -> impl Future<Output = Result<Created, StoreError>> + Send;

    /// A tenant's job, as it is now.
    fn get(
        &self,
        tenant: &TenantId,
        id: JobId,
    ) -> impl Future<Output = Result<Option<Job>, StoreError>> + Send;

    /// A tenant's jobs, the latest first, from the one after `after` on.
    fn list(
        &self,
        tenant: &TenantId,
        after: Option<JobId>,
        limit: usize,
    ) -> impl Future<Output = Result<JobsPage, StoreError>> + Send;

    /// Makes a step of a job's life, if its state allows it.
    fn change(
        &self,
        tenant: &TenantId,
        id: JobId,
        change: &ChangeJob,
        now: UtcDateTime,
    ) -> impl Future<Output = Result<Changed, StoreError>> + Send;

    /// Writes units, [`MAX_NEW_UNITS`] at the most, and the plan that knows of them, both or neither. `false` when the
    /// plan there is not `seen` any more: another planner was at it, and nothing was written.
    fn extend_plan(
        &self,
        tenant: &TenantId,
        id: JobId,
        seen: &Plan,
        units: &[Unit],
        plan: &Plan,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The next unit that is not done and that nobody holds; it is held from now on. `None` when there is none.
    fn claim(
        &self,
        tenant: &TenantId,
        id: JobId,
        holder: Holder,
        now: UtcDateTime,
    ) -> impl Future<Output = Result<Option<Unit>, StoreError>> + Send;

    /// Writes down how far a unit is.
    fn save(
        &self,
        tenant: &TenantId,
        id: JobId,
        unit: &Unit,
        holder: Holder,
        now: UtcDateTime,
    ) -> impl Future<Output = Result<Saved, StoreError>> + Send;

    /// Writes down how far a unit is and gives it back: another worker may claim it at once.
    fn release(
        &self,
        tenant: &TenantId,
        id: JobId,
        unit: &Unit,
        holder: Holder,
    ) -> impl Future<Output = Result<Saved, StoreError>> + Send;

    /// Writes down that a unit is done, and counts it in its job, both or neither.
    fn finish_unit(
        &self,
        tenant: &TenantId,
        id: JobId,
        unit: &Unit,
        holder: Holder,
        now: UtcDateTime,
    ) -> impl Future<Output = Result<Saved, StoreError>> + Send;

    /// Lists an event that failed; once, however often it is said.
    fn add_failure(
        &self,
        tenant: &TenantId,
        id: JobId,
        failed: &FailedEvent,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The events that failed, in the order of their ids, from the position after `after` on.
    fn failures(
        &self,
        tenant: &TenantId,
        id: JobId,
        after: Option<Position>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<FailedEvent>, StoreError>> + Send;

    /// Takes `events` from what all workers of a job may send at this speed, and tells how long to wait until
    /// they may be sent. What is not taken for a while does not add up.
    fn take_turn(
        &self,
        tenant: &TenantId,
        id: JobId,
        events: u32,
        per_second: f64,
        now: UtcDateTime,
    ) -> impl Future<Output = Result<Duration, StoreError>> + Send;

    /// Some jobs that are planned or run, and of which nothing was written for `idle`: their workers may be
    /// gone. They count as written now, so the next pass leaves them alone for as long.
    fn take_idle(
        &self,
        now: UtcDateTime,
        idle: Duration,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(TenantId, JobId)>, StoreError>> + Send;
}

/// Jobs of which nobody knows that they are worked on.
pub trait IdleJobs {
    /// Some jobs that are planned or run, of which nothing was written for `idle` and no unit is held. Unlike
    /// [`JobStore::take_idle`] it leaves them as they are.
    fn idle(
        &self,
        now: UtcDateTime,
        idle: Duration,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(TenantId, JobId)>, StoreError>> + Send;
}

/// The queue that calls workers: each message is one, until it finds nothing more to do.
pub trait JobQueue {
    /// Calls this many workers, after a while.
    fn call(
        &self,
        tenant: &TenantId,
        id: JobId,
        workers: usize,
        delay: Duration,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

impl Counts {
    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            events: self.events + other.events,
            sent: self.sent + other.sent,
            skipped: self.skipped + other.skipped,
            failed: self.failed + other.failed,
            bytes: self.bytes + other.bytes,
        }
    }
}
