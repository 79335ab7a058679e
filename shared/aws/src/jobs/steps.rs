//! Jobs as they are created, planned and changed.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use pillarbox_domain::job::{ChangeJob, Changed, Created, Job, JobId, JobState, Plan, Unit};
use pillarbox_domain::{StoreError, TenantId};
use time::UtcDateTime;

use super::job_item::{
    self, FINISHED, IS_WHOLE, REASON, REST, STATE, UNITS, encode_plan, ends, place,
};
use super::{DynamoJobs, MAX_CHANGES, Written, refused, send, transact, unbuildable, unit_item};
use crate::item::{millis, n, s};
use crate::keys;

/// The ids of a tenant's jobs that are not over.
const JOB_IDS: &str = "job_ids";

/// The places of both writes that create a job.
const THE_JOB: usize = 0;
const THE_ACTIVE: usize = 1;

impl DynamoJobs {
    /// The job is written if there is none of its id, and its id among those that are not over if there is room; both
    /// or neither.
    pub(super) async fn create_job(
        &self,
        job: &Job,
        max_active: usize,
    ) -> Result<Created, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(job_item::encode(job)))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(unbuildable)?;
        let max_active = i64::try_from(max_active).unwrap_or(i64::MAX);
        let add = self
            .update_active(&job.tenant)
            .update_expression("ADD #ids :id")
            .condition_expression("attribute_not_exists(#ids) OR size(#ids) < :most")
            .expression_attribute_names("#ids", JOB_IDS)
            .expression_attribute_values(":id", ids(job.id))
            .expression_attribute_values(":most", n(max_active));
        let put = TransactWriteItem::builder().put(put).build();
        let writes = vec![put, written(add)?];
        let Err(cancelled) = transact(&self.client, writes).await? else {
            return Ok(Created::New);
        };
        let mut created = Created::New;
        for (write, there) in refused(&cancelled) {
            match (write, there) {
                // Whatever else: the job is there.
                (THE_JOB, Some(there)) => {
                    let there = job_item::decode(&job.tenant, there)?;
                    let there = self.with_progress(there).await?;
                    return Ok(Created::Exists(Box::new(there)));
                }
                (THE_ACTIVE, _) => created = Created::TooMany,
                _ => {}
            }
        }
        Ok(created)
    }

    /// Units and plan are written together, if the plan that was seen is there still: two planners cannot both go on
    /// from it.
    pub(super) async fn write_plan(
        &self,
        tenant: &TenantId,
        id: JobId,
        seen: &Plan,
        units: &[Unit],
        plan: &Plan,
    ) -> Result<bool, StoreError> {
        let mut writes = vec![written(self.plan_update(tenant, id, seen, plan))?];
        for unit in units {
            let put = Put::builder().table_name(&self.table);
            let put = put.set_item(Some(unit_item::encode(tenant, id, unit)));
            let put = put.build().map_err(unbuildable)?;
            writes.push(TransactWriteItem::builder().put(put).build());
        }
        match transact(&self.client, writes).await? {
            Ok(()) => Ok(true),
            Err(_) => {
                // Our own write, whose answer was lost, has left the plan that it was to leave.
                let there = self.get_job(tenant, id).await?;
                Ok(there.is_some_and(|job| job.plan == *plan))
            }
        }
    }

    fn plan_update(&self, tenant: &TenantId, id: JobId, seen: &Plan, plan: &Plan) -> Changes {
        let [rest_first, rest_last] = ends(REST);
        let mut update = self
            .changes(keys::tenant(tenant), keys::job(id))
            .expression_attribute_names("#whole", IS_WHOLE)
            .expression_attribute_names("#units", UNITS)
            .expression_attribute_names("#first", &rest_first)
            .expression_attribute_values(":not", AttributeValue::Bool(false))
            .expression_attribute_values(":seen_units", n(seen.units.into()));
        let mut sets = Vec::new();
        for (place, (name, value)) in encode_plan(plan).into_iter().enumerate() {
            sets.push(format!("#p{place} = :p{place}"));
            update = update
                .expression_attribute_names(format!("#p{place}"), name)
                .expression_attribute_values(format!(":p{place}"), value);
        }
        let sets = sets.join(", ");
        update = match plan.rest {
            Some(_) => update.update_expression(format!("SET {sets}")),
            None => update
                .update_expression(format!("SET {sets} REMOVE #first, #last"))
                .expression_attribute_names("#last", rest_last),
        };
        // What is left to plan begins later with each step.
        const SEEN: &str = "#whole = :not AND #units = :seen_units";
        match seen.rest {
            Some(rest) => update
                .condition_expression(format!("{SEEN} AND #first = :seen_first"))
                .expression_attribute_values(":seen_first", place(rest.first())),
            None => update.condition_expression(format!("{SEEN} AND attribute_not_exists(#first)")),
        }
    }

    /// The job is read, and changed if its state is still the one that was read. One that is over is none of those
    /// that are not, both or neither.
    pub(super) async fn change_job(
        &self,
        tenant: &TenantId,
        id: JobId,
        change: &ChangeJob,
        now: UtcDateTime,
    ) -> Result<Changed, StoreError> {
        for _ in 0..MAX_CHANGES {
            let there = self.item(keys::tenant(tenant), keys::job(id)).await?;
            let Some(there) = there else {
                return Ok(Changed::Missing);
            };
            let there = job_item::decode(tenant, &there)?;
            let Some(changed) = change.of(&there, now) else {
                let is_made = change.is_made_in(&there);
                let there = Box::new(self.with_progress(there).await?);
                return Ok(match is_made {
                    true => Changed::Done(there),
                    false => Changed::Refused(there),
                });
            };
            if self.write_step(&there, &changed, now).await? {
                let changed = self.with_progress(changed).await?;
                return Ok(Changed::Done(Box::new(changed)));
            }
        }
        Err(StoreError::Throttled {
            operation: "UpdateItem",
        })
    }

    /// `false` when the job is in another state by now.
    async fn write_step(
        &self,
        seen: &Job,
        changed: &Job,
        now: UtcDateTime,
    ) -> Result<bool, StoreError> {
        let step = self.step(seen, changed, now);
        if !changed.state.is_over() {
            let update = step.into_update(self.update_job(&seen.tenant, seen.id));
            return Ok(matches!(send(update).await?, Written::Yes(_)));
        }
        let leave = self
            .update_active(&seen.tenant)
            .update_expression("DELETE #ids :id")
            .expression_attribute_names("#ids", JOB_IDS)
            .expression_attribute_values(":id", ids(seen.id));
        let writes = vec![written(step)?, written(leave)?];
        Ok(transact(&self.client, writes).await?.is_ok())
    }

    fn step(&self, seen: &Job, changed: &Job, now: UtcDateTime) -> Changes {
        let mut update = self
            .changes(keys::tenant(&seen.tenant), keys::job(seen.id))
            .condition_expression("#state = :seen")
            .expression_attribute_names("#state", STATE)
            .expression_attribute_names("#touched", keys::TOUCHED_MS)
            .expression_attribute_values(":seen", s(seen.state.name()))
            .expression_attribute_values(":state", s(changed.state.name()))
            .expression_attribute_values(":now", millis(now));
        let (mut sets, mut removes) = (vec!["#state = :state", "#touched = :now"], vec![]);
        let is_worked_on = matches!(changed.state, JobState::Planning | JobState::Running);
        let expiry = changed.expires_at.map(|at| n(at.unix_timestamp()));
        let optional = [
            (
                "#reason",
                REASON,
                "#reason = :reason",
                changed.reason.as_ref().map(s),
            ),
            (
                "#finished",
                FINISHED,
                "#finished = :finished",
                changed.finished_at.map(millis),
            ),
            ("#expires", keys::EXPIRES_AT, "#expires = :expires", expiry),
            (
                "#active",
                keys::ACTIVE_PK,
                "#active = :active",
                is_worked_on.then(|| s(keys::ACTIVE)),
            ),
        ];
        for (alias, name, set, value) in optional {
            update = update.expression_attribute_names(alias, name);
            match value {
                None => removes.push(alias),
                Some(value) => {
                    sets.push(set);
                    update = update.expression_attribute_values(alias.replace('#', ":"), value);
                }
            }
        }
        let mut expression = format!("SET {}", sets.join(", "));
        if !removes.is_empty() {
            expression.push_str(&format!(" REMOVE {}", removes.join(", ")));
        }
        update.update_expression(expression)
    }

    fn update_active(&self, tenant: &TenantId) -> Changes {
        self.changes(keys::tenant(tenant), keys::ACTIVE_JOBS.to_owned())
    }

    pub(super) fn changes(&self, pk: String, sk: String) -> Changes {
        Changes {
            table: self.table.clone(),
            key: [(keys::PK, pk), (keys::SK, sk)],
            update: String::new(),
            condition: None,
            names: HashMap::new(),
            values: HashMap::new(),
        }
    }
}

/// An update that may stand alone or in a transaction.
pub(super) struct Changes {
    table: String,
    key: [(&'static str, String); 2],
    update: String,
    condition: Option<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Changes {
    pub(super) fn update_expression(mut self, expression: impl Into<String>) -> Self {
        self.update = expression.into();
        self
    }

    pub(super) fn condition_expression(mut self, expression: impl Into<String>) -> Self {
        self.condition = Some(expression.into());
        self
    }

    pub(super) fn expression_attribute_names(
        mut self,
        alias: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        self.names.insert(alias.into(), name.into());
        self
    }

    pub(super) fn expression_attribute_values(
        mut self,
        alias: impl Into<String>,
        value: AttributeValue,
    ) -> Self {
        self.values.insert(alias.into(), value);
        self
    }

    fn into_update(self, update: UpdateItemFluentBuilder) -> UpdateItemFluentBuilder {
        update
            .update_expression(self.update)
            .set_condition_expression(self.condition)
            .set_expression_attribute_names(Some(self.names))
            .set_expression_attribute_values(Some(self.values))
    }
}

/// The update as a part of a transaction.
pub(super) fn written(changes: Changes) -> Result<TransactWriteItem, StoreError> {
    let key = changes.key.into_iter();
    let key = key.map(|(name, value)| (name.to_owned(), s(value)));
    let update = Update::builder()
        .table_name(changes.table)
        .set_key(Some(key.collect()))
        .update_expression(changes.update)
        .set_condition_expression(changes.condition)
        .set_expression_attribute_names(Some(changes.names))
        .set_expression_attribute_values(Some(changes.values))
        .build()
        .map_err(unbuildable)?;
    Ok(TransactWriteItem::builder().update(update).build())
}

fn ids(id: JobId) -> AttributeValue {
    AttributeValue::Ss(vec![id.to_string()])
}
