//! Tenants' schedules in EventBridge Scheduler, in one group. All that is known of a schedule is in the schedule itself.

use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::config::http::HttpResponse;
use aws_sdk_scheduler::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_scheduler::operation::create_schedule::CreateScheduleError;
use aws_sdk_scheduler::operation::get_schedule::GetScheduleOutput;
use aws_sdk_scheduler::types::{
    FlexibleTimeWindow, FlexibleTimeWindowMode, RetryPolicy, ScheduleState, Target,
};
use futures::{StreamExt, TryStreamExt, stream};
use pillarbox_domain::schedule::{
    KeptSchedule, Schedule, ScheduleError, ScheduleName, Scheduled, ScheduledCall, Schedules,
};
use pillarbox_domain::subscription::request::FieldFault;
use pillarbox_domain::{ErrorChain, StoreError, TenantId, whole_millis};
use time::UtcDateTime;

use crate::error::store_error;
use crate::keys;

/// What EventBridge Scheduler puts the scheduled time in the place of
/// (<https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html>).
const SCHEDULED_TIME: &str = "<aws.scheduler.scheduled-time>";

/// Times that a call is tried again that Lambda did not take.
const MAX_RETRIES: i32 = 10;

/// For how long it is: a range is told from the scheduled time, so a call that is late asks for the same.
const MAX_CALL_AGE_SECONDS: i32 = 60 * 60;

/// Schedules that are looked at at the same time.
const GETS_AT_A_TIME: usize = 5;

const CONFLICT: &str = "ConflictException";
const NOT_FOUND: &str = "ResourceNotFoundException";
const VALIDATION: &str = "ValidationException";

/// What a refusal speaks of that is none of the caller's.
const OURS: [&str; 3] = ["role", "target", "group"];

/// The group of a stack's schedules, and what they call.
#[derive(Clone, Debug)]
pub struct ScheduleTarget {
    /// The group's name.
    pub group: String,
    /// The function that makes jobs of calls.
    pub function_arn: String,
    /// The role that may call it, and that EventBridge Scheduler takes on.
    pub role_arn: String,
}

/// Schedules in EventBridge Scheduler.
pub struct SchedulerSchedules {
    client: Client,
    target: ScheduleTarget,
}

/// Why a schedule was not made by a call.
enum NotMade {
    Taken,
    Refused(FieldFault),
    Failed(StoreError),
}

impl SchedulerSchedules {
    /// Schedules of this group that call this function.
    pub fn new(client: Client, target: ScheduleTarget) -> Self {
        Self { client, target }
    }

    async fn create(&self, tenant: &TenantId, schedule: &Schedule) -> Result<(), NotMade> {
        let name = keys::schedule(tenant, &schedule.name);
        let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off);
        let call = self
            .client
            .create_schedule()
            .group_name(&self.target.group)
            .name(name)
            .schedule_expression(schedule.expression.as_str())
            .schedule_expression_timezone(schedule.timezone.name())
            .flexible_time_window(window.build().map_err(unbuildable)?)
            .target(self.target_of(tenant, schedule)?);
        call.send().await.map(|_| ()).map_err(not_made)
    }

    fn target_of(&self, tenant: &TenantId, schedule: &Schedule) -> Result<Target, NotMade> {
        let input = ScheduledCall::write(tenant, schedule, SCHEDULED_TIME);
        let retries = RetryPolicy::builder()
            .maximum_retry_attempts(MAX_RETRIES)
            .maximum_event_age_in_seconds(MAX_CALL_AGE_SECONDS)
            .build();
        let target = Target::builder()
            .arn(&self.target.function_arn)
            .role_arn(&self.target.role_arn)
            .input(input.map_err(unbuildable)?)
            .retry_policy(retries);
        target.build().map_err(unbuildable)
    }

    /// The schedule that has just been found to be there. It may take a moment until it can be read.
    async fn there(
        &self,
        tenant: &TenantId,
        name: &ScheduleName,
    ) -> Result<KeptSchedule, StoreError> {
        let operation = "GetSchedule";
        let found = self.get(tenant, name).await?;
        found.ok_or(StoreError::Throttled { operation })
    }

    /// A schedule that cannot be understood hides no other.
    async fn get_or_skip(
        &self,
        tenant: &TenantId,
        name: &ScheduleName,
    ) -> Result<Option<KeptSchedule>, StoreError> {
        match self.get(tenant, name).await {
            Err(error @ StoreError::Malformed { .. }) => {
                tracing::error!(error = %ErrorChain(&error), "schedule.skipped");
                Ok(None)
            }
            read => read,
        }
    }

    /// The names of all of a tenant's schedules, in their order.
    async fn names(&self, tenant: &TenantId) -> Result<Vec<ScheduleName>, StoreError> {
        let prefix = keys::schedules(tenant);
        let list = self.client.list_schedules();
        let list = list.group_name(&self.target.group).name_prefix(&prefix);
        let found: Vec<_> = list
            .into_paginator()
            .items()
            .send()
            .collect::<Result<_, _>>()
            .await
            .map_err(|error| store_error("ListSchedules", error))?;
        let names = found.iter().filter_map(|summary| summary.name());
        // What somebody put there by hand under another name is none of the tenant's.
        let names = names.filter_map(|name| name.strip_prefix(&prefix)?.parse().ok());
        let mut names: Vec<ScheduleName> = names.collect();
        names.sort_unstable();
        Ok(names)
    }
}

impl Schedules for SchedulerSchedules {
    async fn add(
        &self,
        tenant: &TenantId,
        schedule: &Schedule,
        max: usize,
    ) -> Result<Scheduled, ScheduleError> {
        let names = self.names(tenant).await?;
        if names.len() >= max && !names.contains(&schedule.name) {
            return Ok(Scheduled::TooMany);
        }
        let made = self.create(tenant, schedule).await;
        let is_new = match made {
            Ok(()) => true,
            Err(NotMade::Taken) => false,
            Err(NotMade::Refused(fault)) => return Err(ScheduleError::Refused(fault)),
            Err(NotMade::Failed(error)) => return Err(error.into()),
        };
        let there = self.there(tenant, &schedule.name).await?;
        Ok(match is_new {
            true => Scheduled::New(there),
            false if there.schedule == *schedule => Scheduled::Unchanged(there),
            false => Scheduled::Differs(there),
        })
    }

    async fn get(
        &self,
        tenant: &TenantId,
        name: &ScheduleName,
    ) -> Result<Option<KeptSchedule>, StoreError> {
        let call = self.client.get_schedule().group_name(&self.target.group);
        let found = call.name(keys::schedule(tenant, name)).send().await;
        match found {
            Ok(found) => read(tenant, name, &found).map(Some),
            Err(error) if error.code() == Some(NOT_FOUND) => Ok(None),
            Err(error) => Err(store_error("GetSchedule", error)),
        }
    }

    async fn list(&self, tenant: &TenantId) -> Result<Vec<KeptSchedule>, StoreError> {
        let names = self.names(tenant).await?;
        let mut gets = Vec::new();
        for name in &names {
            gets.push(self.get_or_skip(tenant, name));
        }
        let found: Vec<_> = stream::iter(gets)
            .buffered(GETS_AT_A_TIME)
            .try_collect()
            .await?;
        // One that was taken away meanwhile is none.
        Ok(found.into_iter().flatten().collect())
    }

    async fn remove(&self, tenant: &TenantId, name: &ScheduleName) -> Result<bool, StoreError> {
        let call = self.client.delete_schedule().group_name(&self.target.group);
        let removed = call.name(keys::schedule(tenant, name)).send().await;
        match removed {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some(NOT_FOUND) => Ok(false),
            Err(error) => Err(store_error("DeleteSchedule", error)),
        }
    }
}

fn read(
    tenant: &TenantId,
    name: &ScheduleName,
    found: &GetScheduleOutput,
) -> Result<KeptSchedule, StoreError> {
    let input = found.target().and_then(Target::input).unwrap_or_default();
    let call = ScheduledCall::read(input).map_err(|error| malformed(name, &error))?;
    // The names of two long tenant ids are told apart by a digest; what a schedule says itself is what it is.
    if call.tenant != *tenant || call.name != *name {
        return Err(malformed(name, &"it calls for another"));
    }
    let expression = found.schedule_expression().unwrap_or_default().parse();
    Ok(KeptSchedule {
        schedule: Schedule {
            name: call.name,
            expression: expression.map_err(|error| malformed(name, &error))?,
            timezone: call.timezone,
            work: call.work,
        },
        is_enabled: found.state() == Some(&ScheduleState::Enabled),
        created_at: created_at(found).ok_or_else(|| malformed(name, &"it was never made"))?,
    })
}

fn created_at(found: &GetScheduleOutput) -> Option<UtcDateTime> {
    let nanos = found.creation_date()?.as_nanos();
    let time = UtcDateTime::from_unix_timestamp_nanos(nanos).ok()?;
    Some(whole_millis(time))
}

fn malformed(name: &ScheduleName, why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Malformed {
        what: "schedule",
        detail: format!("'{name}': {why}"),
    }
}

fn unbuildable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> NotMade {
    NotMade::Failed(StoreError::Failed {
        operation: "CreateSchedule",
        source: error.into(),
    })
}

fn not_made(error: SdkError<CreateScheduleError, HttpResponse>) -> NotMade {
    match error.code() {
        Some(CONFLICT) => NotMade::Taken,
        Some(VALIDATION) => match refused(error.message().unwrap_or_default()) {
            Some(fault) => NotMade::Refused(fault),
            None => NotMade::Failed(store_error("CreateSchedule", error)),
        },
        _ => NotMade::Failed(store_error("CreateSchedule", error)),
    }
}

/// What of the caller's is refused with these words. Names, calls and targets are ours.
fn refused(message: &str) -> Option<FieldFault> {
    let text = message.to_lowercase();
    let field = match text.contains("timezone") {
        true => "timezone",
        false => "expression",
    };
    let is_ours = OURS.iter().any(|word| text.contains(word));
    (!is_ours).then(|| FieldFault::new(field, format!("is not taken: {message}")))
}
