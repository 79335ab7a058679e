//! `OutboxTable`: a row for each delivery in trouble.
//!
//! Every row stands in `ByStatus`. One that is retrying stands in `ByDue`, too, where the pass over overdue rows finds it.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, Select};
use futures::future::try_join_all;
use pillarbox_domain::gauges::Counted;
use pillarbox_domain::log_hour::{IdRange, Order, Position};
use pillarbox_domain::trouble::{
    DeliveryKey, GRACE, HOLD, OpenStatus, RetryingCount, TroubleLedger, TroubledDeliveries,
    TroubledDelivery, TroubledEvents,
};
use pillarbox_domain::{EventId, StoreError, TenantId};
use time::UtcDateTime;

use crate::error::store_error;
use crate::item::{Item, Reader, n, s, unix_millis};
use crate::keys;
use crate::trouble_item::{
    self as row_item, FAILED, HELD_UNTIL, HOLDS, NEXT_ATTEMPT, RECOVERED, RETRYING, STATUS,
};

const BY_DUE: &str = "ByDue";
const BY_STATUS: &str = "ByStatus";

/// How much earlier than its time a row may be taken: two clocks are never the same.
const SLACK: Duration = Duration::from_secs(1);

/// Rows in one table.
#[derive(Clone)]
pub struct DynamoTroubledDeliveries {
    client: Client,
    table: String,
}

impl DynamoTroubledDeliveries {
    /// The rows in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Rows of one part of `ByDue` that are overdue.
    async fn overdue_in(
        &self,
        part: u8,
        now: UtcDateTime,
        limit: usize,
    ) -> Result<Vec<(i64, DeliveryKey)>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_DUE)
            .key_condition_expression("due_pk = :part AND due_ms < :now")
            .expression_attribute_values(":part", s(keys::due(part)))
            .expression_attribute_values(":now", n(unix_millis(now)))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| store_error("Query", error))?;
        answer.items().iter().map(overdue_key).collect()
    }

    /// Rows of one part of `ByDue`, in as many pages as they take.
    async fn count_in(&self, part: u8, limit: usize) -> Result<Counted, StoreError> {
        let count = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_DUE)
            .key_condition_expression("due_pk = :part")
            .expression_attribute_values(":part", s(keys::due(part)))
            .select(Select::Count);
        let (mut counted, mut from) = (0, None);
        while counted < limit {
            let left = i32::try_from(limit - counted).unwrap_or(i32::MAX);
            let page = count.clone().limit(left).set_exclusive_start_key(from);
            let page = page.send().await;
            let page = page.map_err(|error| store_error("Query", error))?;
            counted += usize::try_from(page.count()).unwrap_or_default();
            let Some(last) = page.last_evaluated_key else {
                return Ok(Counted::all(counted));
            };
            from = Some(last);
        }
        Ok(Counted::all(counted).unless_cut(true))
    }
}

impl RetryingCount for DynamoTroubledDeliveries {
    async fn retrying(&self, limit: usize) -> Result<Counted, StoreError> {
        let parts = (0..keys::DUE_PARTS).map(|part| self.count_in(part, limit));
        let counts = try_join_all(parts).await?;
        Ok(counts.into_iter().fold(Counted::default(), Counted::plus))
    }
}

impl TroubledDeliveries for DynamoTroubledDeliveries {
    async fn open(&self, row: &TroubledDelivery) -> Result<bool, StoreError> {
        let written = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(row_item::encode(row)))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .await;
        put_outcome(written.map(drop))
    }

    async fn hold(
        &self,
        key: &DeliveryKey,
        now: UtcDateTime,
    ) -> Result<Option<TroubledDelivery>, StoreError> {
        let until = now + HOLD;
        let held = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(table_key(key)))
            .update_expression("SET #held_until = :until, due_ms = :due ADD #holds :one")
            .condition_expression(
                "#status = :retrying AND #next_attempt <= :soon \
                 AND (attribute_not_exists(#held_until) OR #held_until < :now)",
            )
            .expression_attribute_names("#status", STATUS)
            .expression_attribute_names("#next_attempt", NEXT_ATTEMPT)
            .expression_attribute_names("#held_until", HELD_UNTIL)
            .expression_attribute_names("#holds", HOLDS)
            .expression_attribute_values(":retrying", s(RETRYING))
            .expression_attribute_values(":soon", n(unix_millis(now + SLACK)))
            .expression_attribute_values(":now", n(unix_millis(now)))
            .expression_attribute_values(":until", n(unix_millis(until)))
            .expression_attribute_values(":due", n(unix_millis(until + GRACE)))
            .expression_attribute_values(":one", n(1))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match held {
            Ok(held) => {
                let item = held.attributes.unwrap_or_default();
                row_item::decode(key, &item).map(Some)
            }
            Err(error) if is_condition(&error) => Ok(None),
            Err(error) => Err(store_error("UpdateItem", error)),
        }
    }

    async fn settle(&self, row: &TroubledDelivery) -> Result<bool, StoreError> {
        let written = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(row_item::encode(row)))
            .condition_expression("#status = :retrying AND #holds = :holds")
            .expression_attribute_names("#status", STATUS)
            .expression_attribute_names("#holds", HOLDS)
            .expression_attribute_values(":retrying", s(RETRYING))
            .expression_attribute_values(":holds", n(row.holds.into()))
            .send()
            .await;
        put_outcome(written.map(drop))
    }

    async fn of_event(
        &self,
        tenant: &TenantId,
        event_id: EventId,
    ) -> Result<Vec<TroubledDelivery>, StoreError> {
        let pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :event")
            .expression_attribute_values(":event", s(keys::trouble(tenant, event_id)))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let items: Result<Vec<Item>, _> = pages.collect().await;
        let items = items.map_err(|error| store_error("Query", error))?;
        let rows = items.iter().map(|item| {
            let key = key_of(item)?;
            row_item::decode(&key, item)
        });
        rows.collect()
    }

    async fn overdue(
        &self,
        now: UtcDateTime,
        limit: usize,
    ) -> Result<Vec<DeliveryKey>, StoreError> {
        let parts = (0..keys::DUE_PARTS).map(|part| self.overdue_in(part, now, limit));
        let mut found: Vec<_> = try_join_all(parts).await?.into_iter().flatten().collect();
        found.sort();
        found.truncate(limit);
        Ok(found.into_iter().map(|(_, key)| key).collect())
    }

    async fn reminded(&self, key: &DeliveryKey, now: UtcDateTime) -> Result<(), StoreError> {
        let written = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(table_key(key)))
            .update_expression("SET due_ms = :due")
            .condition_expression("#status = :retrying AND due_ms < :now")
            .expression_attribute_names("#status", STATUS)
            .expression_attribute_values(":retrying", s(RETRYING))
            .expression_attribute_values(":now", n(unix_millis(now)))
            .expression_attribute_values(":due", n(unix_millis(now + GRACE)))
            .send()
            .await;
        match written {
            Ok(_) => Ok(()),
            // It was looked at meanwhile.
            Err(error) if is_condition(&error) => Ok(()),
            Err(error) => Err(store_error("UpdateItem", error)),
        }
    }
}

impl TroubleLedger for DynamoTroubledDeliveries {
    async fn of_status(
        &self,
        tenant: &TenantId,
        status: OpenStatus,
        range: IdRange,
        limit: usize,
    ) -> Result<TroubledEvents, StoreError> {
        let status = match status {
            OpenStatus::Retrying => RETRYING,
            OpenStatus::Failed => FAILED,
            OpenStatus::Recovered => RECOVERED,
        };
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_STATUS)
            .key_condition_expression("status_pk = :status AND status_sk BETWEEN :first AND :last")
            .expression_attribute_values(":status", s(keys::trouble_status(tenant, status)))
            .expression_attribute_values(":first", s(range.first().to_string()))
            .expression_attribute_values(":last", s(keys::trouble_status_end(range.last())))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| store_error("Query", error))?;
        let keys = answer.items().iter().map(key_of);
        let ids = keys.map(|key| key.map(|key| key.event_id));
        let mut event_ids = ids.collect::<Result<Vec<EventId>, StoreError>>()?;
        event_ids.dedup();
        let is_cut = answer.last_evaluated_key().is_some();
        let last = event_ids.last().filter(|_| is_cut);
        Ok(TroubledEvents {
            rest: last.and_then(|last| range.beyond(Position::of(*last), Order::Oldest)),
            event_ids,
        })
    }
}

fn put_outcome(written: Result<(), SdkError<PutItemError>>) -> Result<bool, StoreError> {
    match written {
        Ok(()) => Ok(true),
        Err(error) => match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(false),
            _ => Err(store_error("PutItem", error)),
        },
    }
}

fn is_condition(error: &SdkError<UpdateItemError>) -> bool {
    matches!(
        error.as_service_error(),
        Some(UpdateItemError::ConditionalCheckFailedException(_))
    )
}

fn table_key(key: &DeliveryKey) -> Item {
    let partition = keys::trouble(&key.tenant, key.event_id);
    Item::from([
        (keys::PK.to_owned(), s(partition)),
        (keys::SK.to_owned(), s(keys::troubled(&key.subscription))),
    ])
}

fn reader(item: &Item) -> Reader<'_> {
    Reader {
        what: "delivery in trouble",
        item,
    }
}

fn key_of(item: &Item) -> Result<DeliveryKey, StoreError> {
    let reader = reader(item);
    let key = keys::parse_trouble(reader.text(keys::PK)?, reader.text(keys::SK)?);
    key.ok_or_else(|| reader.malformed(keys::PK, "is not that of a delivery in trouble"))
}

fn overdue_key(item: &Item) -> Result<(i64, DeliveryKey), StoreError> {
    Ok((reader(item).number("due_ms")?, key_of(item)?))
}
