//! Jobs that are asked for again and again, at times that an expression tells.
//!
//! Whoever keeps the schedules calls at each of their times: late perhaps, and perhaps more than once. So what a
//! schedule asks for is relative to the time that a call was scheduled for, and the job that the call makes is named
//! after that time: each scheduled time makes one job, whenever and however often its call comes.

mod call;
mod cron;
mod expression;
mod range;
pub mod request;
mod start;
mod timezone;
mod work;

use std::fmt;
use std::str::FromStr;

use time::UtcDateTime;

use crate::limits::MAX_SCHEDULE_NAME_CHARS;
use crate::store_error::StoreError;
use crate::subscription::request::FieldFault;
use crate::tenant::{TenantId, is_name};

pub use call::{InvalidCall, ScheduledCall};
pub use expression::{Expression, InvalidExpression};
pub use range::{InvalidRange, RelativeRange, Times};
pub use start::{Refusal, Started, Starter};
pub use timezone::{InvalidTimezone, Timezone};
pub use work::{ScheduledWork, WorkKind};

/// Names a schedule within its tenant: 1–40 of `a-z 0-9 -`, beginning with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScheduleName(String);

/// A text is not the name of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to {MAX_SCHEDULE_NAME_CHARS} of a-z, 0-9 and -, beginning with a letter or digit"
)]
pub struct InvalidScheduleName;

impl ScheduleName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ScheduleName {
    type Err = InvalidScheduleName;

    fn from_str(text: &str) -> Result<Self, InvalidScheduleName> {
        if is_name(text) && text.len() <= MAX_SCHEDULE_NAME_CHARS {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidScheduleName)
        }
    }
}

impl fmt::Display for ScheduleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is asked for, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Its name.
    pub name: ScheduleName,
    /// Its times.
    pub expression: Expression,
    /// Where the expression's times and the days of a range are those of the clock.
    pub timezone: Timezone,
    /// What each of its times asks for.
    pub work: ScheduledWork,
}

/// A schedule as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptSchedule {
    /// The schedule.
    pub schedule: Schedule,
    /// Whether it calls. Nothing here makes it not to; whoever operates the account can.
    pub is_enabled: bool,
    /// When it was made.
    pub created_at: UtcDateTime,
}

/// What became of a schedule that was to be made.
#[derive(Clone, Debug, PartialEq)]
pub enum Scheduled {
    /// It is there now.
    New(KeptSchedule),
    /// It was there already.
    Unchanged(KeptSchedule),
    /// Another one of its name is there. Nothing was changed.
    Differs(KeptSchedule),
    /// The tenant has as many as it may have. Nothing was made.
    TooMany,
}

/// Why a schedule was not made.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// Whoever keeps schedules does not take it, for this.
    #[error("the schedule's {} is refused: {}", .0.field, .0.detail)]
    Refused(FieldFault),
    /// It is not known whether it was made.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where schedules are kept, and what calls at their times.
pub trait Schedules {
    /// Makes a tenant's schedule, unless one of its name is there, or `max` are. Of two that are made at the same
    /// time, both may find that there is room for one.
    fn add(
        &self,
        tenant: &TenantId,
        schedule: &Schedule,
        max: usize,
    ) -> impl Future<Output = Result<Scheduled, ScheduleError>> + Send;

    /// A tenant's schedule of this name.
    fn get(
        &self,
        tenant: &TenantId,
        name: &ScheduleName,
    ) -> impl Future<Output = Result<Option<KeptSchedule>, StoreError>> + Send;

    /// All of a tenant's schedules, in the order of their names.
    fn list(
        &self,
        tenant: &TenantId,
    ) -> impl Future<Output = Result<Vec<KeptSchedule>, StoreError>> + Send;

    /// Takes a tenant's schedule away; `false` when there is none. A call that is under way still comes.
    fn remove(
        &self,
        tenant: &TenantId,
        name: &ScheduleName,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shorter_than_a_tenants() {
        for good in ["a", "7", "nightly-orders", &"x".repeat(40)] {
            assert_eq!(good.parse::<ScheduleName>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "-a",
            "A",
            "a.b",
            "a_b",
            "a/b",
            "a b",
            "ä",
            &"x".repeat(41),
        ] {
            assert_eq!(bad.parse::<ScheduleName>(), Err(InvalidScheduleName));
        }
    }
}
