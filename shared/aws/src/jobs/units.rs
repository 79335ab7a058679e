//! Units as they are held, saved and done.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use pillarbox_domain::job::{Holder, JobId, JobState, LEASE, Saved, Unit};
use pillarbox_domain::{StoreError, TenantId};
use time::UtcDateTime;

use super::job_item::{self, NEXT_UNIT, STARTED, STATE, UNITS, UNITS_DONE, counts, number, place};
use super::steps::{Changes, written};
use super::unit_item::{self, CURSOR, HELD_UNTIL, HOLDER, IS_DONE, is_done};
use super::{DynamoJobs, Written, send, transact};
use crate::error::store_error;
use crate::item::{Item, millis, n, s};
use crate::keys;

/// What the counter of a job answered.
enum Next {
    /// This unit was never handed out before.
    Fresh(u32),
    /// All were.
    None,
    /// There is no such job, or it does not run.
    NotRunning,
}

impl DynamoJobs {
    pub(super) async fn claim_unit(
        &self,
        tenant: &TenantId,
        id: JobId,
        holder: Holder,
        now: UtcDateTime,
    ) -> Result<Option<Unit>, StoreError> {
        loop {
            match self.next_unit(tenant, id, now).await? {
                Next::Fresh(number) => {
                    let held = self.hold(tenant, id, number, holder, now).await?;
                    // A number whose unit somebody else found first is past.
                    if held.is_some() {
                        return Ok(held);
                    }
                }
                Next::None => return self.claim_left(tenant, id, holder, now).await,
                Next::NotRunning => return Ok(None),
            }
        }
    }

    /// Takes the next number, if the job runs and has one left. Whoever takes it and dies leaves a unit that was never
    /// begun; it is found once all numbers are taken.
    async fn next_unit(
        &self,
        tenant: &TenantId,
        id: JobId,
        now: UtcDateTime,
    ) -> Result<Next, StoreError> {
        let update = self
            .update_job(tenant, id)
            .update_expression(
                "SET #next = #next + :one, #touched = :now, #started = if_not_exists(#started, :now)",
            )
            .condition_expression("#state = :running AND #next < #units")
            .expression_attribute_names("#next", NEXT_UNIT)
            .expression_attribute_names("#units", UNITS)
            .expression_attribute_names("#state", STATE)
            .expression_attribute_names("#started", STARTED)
            .expression_attribute_names("#touched", keys::TOUCHED_MS)
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":now", millis(now))
            .expression_attribute_values(":running", running())
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match send(update).await? {
            Written::Yes(written) => {
                let item = written.attributes.unwrap_or_default();
                let next = number(&job_item::reader(&item), NEXT_UNIT)?;
                Ok(Next::Fresh(next.saturating_sub(1)))
            }
            Written::Refused(Some(there)) if there.get(STATE) == Some(&running()) => Ok(Next::None),
            Written::Refused(_) => Ok(Next::NotRunning),
        }
    }

    /// Holds a unit, if it is not done and nobody else holds it. Where this holder does, it is its own write, whose
    /// answer was lost.
    async fn hold(
        &self,
        tenant: &TenantId,
        id: JobId,
        number: u32,
        holder: Holder,
        now: UtcDateTime,
    ) -> Result<Option<Unit>, StoreError> {
        let update = self
            .update_unit(tenant, id, number)
            .update_expression("SET #holder = :holder, #until = :until")
            .condition_expression(
                "attribute_exists(pk) AND attribute_not_exists(#done) \
                 AND (attribute_not_exists(#until) OR #until < :now OR #holder = :holder)",
            )
            .expression_attribute_names("#done", IS_DONE)
            .expression_attribute_names("#holder", HOLDER)
            .expression_attribute_names("#until", HELD_UNTIL)
            .expression_attribute_values(":holder", named(holder))
            .expression_attribute_values(":until", millis(now + LEASE))
            .expression_attribute_values(":now", millis(now))
            .return_values(ReturnValue::AllNew);
        match send(update).await? {
            Written::Yes(written) => {
                let item = written.attributes.unwrap_or_default();
                unit_item::decode(&item).map(Some)
            }
            Written::Refused(_) => Ok(None),
        }
    }

    /// A unit that was given back, whose hold ran out, or that was never begun.
    async fn claim_left(
        &self,
        tenant: &TenantId,
        id: JobId,
        holder: Holder,
        now: UtcDateTime,
    ) -> Result<Option<Unit>, StoreError> {
        let mut from = None;
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("pk = :job AND begins_with(sk, :unit)")
                .filter_expression(
                    "attribute_not_exists(#done) AND (attribute_not_exists(#until) OR #until < :now)",
                )
                .expression_attribute_names("#done", IS_DONE)
                .expression_attribute_names("#until", HELD_UNTIL)
                .expression_attribute_values(":job", s(keys::job_parts(tenant, id)))
                .expression_attribute_values(":unit", s(keys::UNIT_PREFIX))
                .expression_attribute_values(":now", millis(now))
                .consistent_read(true)
                .set_exclusive_start_key(from)
                .send()
                .await
                .map_err(|error| store_error("Query", error))?;
            for item in page.items() {
                let left = unit_item::decode(item)?;
                let held = self.hold(tenant, id, left.number, holder, now).await?;
                if held.is_some() {
                    return Ok(held);
                }
            }
            from = page.last_evaluated_key;
            if from.is_none() {
                return Ok(None);
            }
        }
    }

    /// The place is written, and the hold begins anew, if this holder holds the unit.
    pub(super) async fn save_unit(
        &self,
        tenant: &TenantId,
        id: JobId,
        unit: &Unit,
        holder: Holder,
        now: UtcDateTime,
    ) -> Result<Saved, StoreError> {
        let update = if_held(self.update_unit(tenant, id, unit.number), holder)
            .update_expression(progress(unit, "#until = :until", ""))
            .expression_attribute_names("#until", HELD_UNTIL)
            .expression_attribute_values(":until", millis(now + LEASE));
        match send(with_progress(update, unit)).await? {
            Written::Yes(_) => Ok(Saved::Yes),
            Written::Refused(_) => Ok(Saved::Lost),
        }
    }

    /// The place is written, and nobody holds the unit any more, if this holder does.
    pub(super) async fn release_unit(
        &self,
        tenant: &TenantId,
        id: JobId,
        unit: &Unit,
        holder: Holder,
    ) -> Result<Saved, StoreError> {
        let update = if_held(self.update_unit(tenant, id, unit.number), holder)
            .update_expression(progress(unit, "", " REMOVE #holder, #until"))
            .expression_attribute_names("#until", HELD_UNTIL)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match send(with_progress(update, unit)).await? {
            Written::Yes(_) => Ok(Saved::Yes),
            // Our own write, whose answer was lost: nobody holds it, and it is as far as we were.
            Written::Refused(Some(there))
                if !there.contains_key(HOLDER) && unit_item::decode(&there)? == *unit =>
            {
                Ok(Saved::Yes)
            }
            Written::Refused(_) => Ok(Saved::Lost),
        }
    }

    /// The unit is done if this holder holds it, and its job counts it; both or neither.
    pub(super) async fn end_unit(
        &self,
        tenant: &TenantId,
        id: JobId,
        unit: &Unit,
        holder: Holder,
        now: UtcDateTime,
    ) -> Result<Saved, StoreError> {
        let end = self
            .changes(keys::job_parts(tenant, id), keys::unit(unit.number))
            .condition_expression("#holder = :holder AND attribute_not_exists(#done)")
            .update_expression(progress(unit, "#done = :yes", " REMOVE #until"))
            .expression_attribute_names("#holder", HOLDER)
            .expression_attribute_names("#done", IS_DONE)
            .expression_attribute_names("#until", HELD_UNTIL)
            .expression_attribute_values(":holder", named(holder))
            .expression_attribute_values(":yes", AttributeValue::Bool(true));
        let end = with_progress(end, unit);
        let writes = vec![written(end)?, written(self.counted(tenant, id, unit, now))?];
        if transact(&self.client, writes).await?.is_ok() {
            return Ok(Saved::Yes);
        }
        // Our own write, whose answer was lost: it is done, by us.
        let key = (keys::job_parts(tenant, id), keys::unit(unit.number));
        let there = self.item(key.0, key.1).await?;
        let is_ours = |there: &Item| is_done(there) && there.get(HOLDER) == Some(&named(holder));
        Ok(match there.is_some_and(|there| is_ours(&there)) {
            true => Saved::Yes,
            false => Saved::Lost,
        })
    }

    /// Adds a unit that is done to its job.
    fn counted(&self, tenant: &TenantId, id: JobId, unit: &Unit, now: UtcDateTime) -> Changes {
        let mut adds = vec!["#units_done :one".to_owned()];
        let mut update = self
            .changes(keys::tenant(tenant), keys::job(id))
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#units_done", UNITS_DONE)
            .expression_attribute_names("#touched", keys::TOUCHED_MS)
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":now", millis(now));
        for (name, value) in counts(unit.done) {
            adds.push(format!("#{name} :{name}"));
            update = update
                .expression_attribute_names(format!("#{name}"), name)
                .expression_attribute_values(format!(":{name}"), value);
        }
        update.update_expression(format!("ADD {} SET #touched = :now", adds.join(", ")))
    }
}

fn running() -> AttributeValue {
    s(JobState::Running.name())
}

fn named(holder: Holder) -> AttributeValue {
    s(holder.0.to_string())
}

/// This holder holds the unit, whether or not its hold has run out, and it is not done.
fn if_held(update: UpdateItemFluentBuilder, holder: Holder) -> UpdateItemFluentBuilder {
    update
        .condition_expression("#holder = :holder AND attribute_not_exists(#done)")
        .expression_attribute_names("#holder", HOLDER)
        .expression_attribute_names("#done", IS_DONE)
        .expression_attribute_values(":holder", named(holder))
}

/// An expression that writes how far a unit is, and something more.
fn progress(unit: &Unit, set: &str, remove: &str) -> String {
    let mut sets: Vec<String> = counts(unit.done)
        .iter()
        .map(|(name, _)| format!("#{name} = :{name}"))
        .collect();
    sets.extend(unit.cursor.map(|_| "#cursor = :cursor".to_owned()));
    sets.extend((!set.is_empty()).then(|| set.to_owned()));
    format!("SET {}{remove}", sets.join(", "))
}

/// An update whose names and values can be added to.
trait Named: Sized {
    fn with(self, name: &str, value: AttributeValue) -> Self;
}

impl Named for UpdateItemFluentBuilder {
    fn with(self, name: &str, value: AttributeValue) -> Self {
        self.expression_attribute_names(format!("#{name}"), name)
            .expression_attribute_values(format!(":{name}"), value)
    }
}

impl Named for Changes {
    fn with(self, name: &str, value: AttributeValue) -> Self {
        self.expression_attribute_names(format!("#{name}"), name)
            .expression_attribute_values(format!(":{name}"), value)
    }
}

/// The names and values of [`progress`].
fn with_progress<U: Named>(update: U, unit: &Unit) -> U {
    let done = counts(unit.done).into_iter();
    let update = done.fold(update, |update, (name, value)| update.with(name, value));
    match unit.cursor {
        Some(cursor) => update.with(CURSOR, place(cursor)),
        None => update,
    }
}
