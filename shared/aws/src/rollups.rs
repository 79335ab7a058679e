//! `OutboxTable`: rollups of minutes, how far rolling up has come, and which minutes are stale.
//!
//! A stale minute is noted twice: in one partition of the bus, where the roller finds it, and then beside the rollup,
//! where the tenant's readers do. So none that a reader sees is unknown to the roller. Notes have no expiry: they are
//! there until the minute is rolled up again.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use pillarbox_domain::receipt::Bucket;
use pillarbox_domain::stats::{
    Minute, MinuteRange, RollState, RolledHour, Rollup, RollupStore, StaleMarks, StaleMinute,
};
use pillarbox_domain::{StoreError, TenantId};
use time::UtcDateTime;

use crate::error::store_error;
use crate::item::{Item, Reader, millis, s};
use crate::keys;
use crate::registry::VERSION;
use crate::reopenings::NOTED;

const BEGUN: &str = "begun_ms";
const ROLLED_BEFORE: &str = "rolled_before_ms";
const OPEN: &str = "open_ms";
const COUNTED_BEFORE: &str = "counted_before_ms";
const ROLLED_AT: &str = "rolled_ms";
const PARTS: &str = "parts";
const FIGURES: &str = "figures";

/// Rollups in one table.
#[derive(Clone)]
pub struct DynamoRollups {
    client: Client,
    table: String,
}

impl DynamoRollups {
    /// The rollups in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    fn put_item(&self, item: Item) -> PutItemFluentBuilder {
        let put = self.client.put_item().table_name(&self.table);
        put.set_item(Some(item))
    }

    /// Notes a stale minute in one of its two places, unless it is noted there by somebody later.
    async fn note(&self, pk: String, sk: String, noted_at: UtcDateTime) -> Result<(), StoreError> {
        let item = Item::from([
            (keys::PK.to_owned(), s(pk)),
            (keys::SK.to_owned(), s(sk)),
            (NOTED.to_owned(), millis(noted_at)),
        ]);
        let put = self
            .put_item(item)
            .condition_expression("attribute_not_exists(pk) OR #noted < :noted")
            .expression_attribute_names("#noted", NOTED)
            .expression_attribute_values(":noted", millis(noted_at));
        is_put(put).await.map(drop)
    }

    /// Takes a note away that is not later; whether nothing is there now.
    async fn forget(
        &self,
        pk: String,
        sk: String,
        noted_at: UtcDateTime,
    ) -> Result<bool, StoreError> {
        let deleted = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key(keys::PK, s(pk))
            .key(keys::SK, s(sk))
            .condition_expression("attribute_not_exists(pk) OR #noted <= :noted")
            .expression_attribute_names("#noted", NOTED)
            .expression_attribute_values(":noted", millis(noted_at))
            .send()
            .await;
        let Err(error) = deleted else {
            return Ok(true);
        };
        match error.as_service_error() {
            Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(false),
            _ => Err(store_error("DeleteItem", error)),
        }
    }
}

impl RollupStore for DynamoRollups {
    async fn state(&self) -> Result<Option<RollState>, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(keys::PK, s(keys::STATS))
            .key(keys::SK, s(keys::WATERMARK))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| store_error("GetItem", error))?;
        found.item().map(decode_state).transpose()
    }

    async fn save(&self, state: &RollState) -> Result<bool, StoreError> {
        let put = self.put_item(encode_state(state));
        is_put(match state.version {
            0 => put.condition_expression("attribute_not_exists(pk)"),
            seen => put
                .condition_expression("#version = :seen")
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":seen", number(seen)),
        })
        .await
    }

    /// The first part is written last: it says how many there are.
    async fn put(&self, rollup: &Rollup) -> Result<(), StoreError> {
        for item in encode(rollup).into_iter().rev() {
            let put = self
                .put_item(item)
                .condition_expression(
                    "attribute_not_exists(pk) OR #counted < :counted \
                     OR (#counted = :counted AND #rolled <= :rolled)",
                )
                .expression_attribute_names("#counted", COUNTED_BEFORE)
                .expression_attribute_names("#rolled", ROLLED_AT)
                .expression_attribute_values(":counted", millis(rollup.counted_before))
                .expression_attribute_values(":rolled", millis(rollup.rolled_at));
            if !is_put(put).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn rolled(
        &self,
        tenant: &TenantId,
        minutes: MinuteRange,
    ) -> Result<RolledHour, StoreError> {
        let (first, last) = (minutes.first(), minutes.last());
        let pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :hour AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":hour", s(keys::rollups(tenant, first.hour())))
            .expression_attribute_values(":first", s(keys::stale_mark(first)))
            .expression_attribute_values(":last", s(keys::rollup_end(last)))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let items: Result<Vec<Item>, _> = pages.collect().await;
        let items = items.map_err(|error| store_error("Query", error))?;
        decode(tenant, first, &items)
    }

    async fn stale(&self, limit: usize) -> Result<Vec<StaleMinute>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :stale")
            .expression_attribute_values(":stale", s(keys::STALE))
            .consistent_read(true)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| store_error("Query", error))?;
        answer.items().iter().map(decode_stale).collect()
    }

    async fn clear(&self, stale: &StaleMinute) -> Result<(), StoreError> {
        let StaleMinute {
            minute,
            tenant,
            noted_at,
        } = stale;
        let (pk, sk) = (
            keys::rollups(tenant, minute.hour()),
            keys::stale_mark(*minute),
        );
        if self.forget(pk, sk, *noted_at).await? {
            let sk = keys::stale(*minute, tenant);
            self.forget(keys::STALE.to_owned(), sk, *noted_at).await?;
        }
        Ok(())
    }
}

impl StaleMarks for DynamoRollups {
    async fn mark(&self, stale: &StaleMinute) -> Result<(), StoreError> {
        let StaleMinute {
            minute,
            tenant,
            noted_at,
        } = stale;
        let sk = keys::stale(*minute, tenant);
        self.note(keys::STALE.to_owned(), sk, *noted_at).await?;
        let (pk, sk) = (
            keys::rollups(tenant, minute.hour()),
            keys::stale_mark(*minute),
        );
        self.note(pk, sk, *noted_at).await
    }
}

/// Whether an item was put; `false` when its condition did not hold.
async fn is_put(put: PutItemFluentBuilder) -> Result<bool, StoreError> {
    let Err(error) = put.send().await else {
        return Ok(true);
    };
    match error.as_service_error() {
        Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(false),
        _ => Err(store_error("PutItem", error)),
    }
}

fn encode_state(state: &RollState) -> Item {
    let open = state.open.iter().map(|minute| millis(minute.start()));
    Item::from([
        (keys::PK.to_owned(), s(keys::STATS)),
        (keys::SK.to_owned(), s(keys::WATERMARK)),
        (BEGUN.to_owned(), millis(state.begun.start())),
        (
            ROLLED_BEFORE.to_owned(),
            millis(state.rolled_before.start()),
        ),
        (OPEN.to_owned(), AttributeValue::L(open.collect())),
        (VERSION.to_owned(), number(state.version + 1)),
    ])
}

fn decode_state(item: &Item) -> Result<RollState, StoreError> {
    let reader = Reader {
        what: "state of rolling up",
        item,
    };
    let Some(AttributeValue::L(open)) = item.get(OPEN) else {
        return Err(reader.malformed(OPEN, "is not a list"));
    };
    let open = open.iter().map(|minute| {
        let item = Item::from([(OPEN.to_owned(), minute.clone())]);
        let minute = Reader {
            what: reader.what,
            item: &item,
        };
        minute.millis(OPEN).map(Minute::at)
    });
    Ok(RollState {
        begun: Minute::at(reader.millis(BEGUN)?),
        rolled_before: Bucket::at(reader.millis(ROLLED_BEFORE)?),
        open: open.collect::<Result<_, _>>()?,
        version: reader.unsigned(VERSION)?,
    })
}

/// The items of a rollup, one for each part.
pub(crate) fn encode(rollup: &Rollup) -> Vec<Item> {
    let pk = keys::rollups(&rollup.tenant, rollup.minute.hour());
    let parts = rollup.parts();
    let count = u64::try_from(parts.len()).unwrap_or(u64::MAX);
    let parts = parts.into_iter().enumerate();
    let item = |(part, figures)| {
        Item::from([
            (keys::PK.to_owned(), s(pk.clone())),
            (keys::SK.to_owned(), s(keys::rollup(rollup.minute, part))),
            (COUNTED_BEFORE.to_owned(), millis(rollup.counted_before)),
            (ROLLED_AT.to_owned(), millis(rollup.rolled_at)),
            (PARTS.to_owned(), number(count)),
            (
                FIGURES.to_owned(),
                AttributeValue::B(Blob::new::<Vec<u8>>(figures)),
            ),
            (
                keys::EXPIRES_AT.to_owned(),
                AttributeValue::N(rollup.expires_at.unix_timestamp().to_string()),
            ),
        ])
    };
    parts.map(item).collect()
}

/// An hour's items in their order: marks, and parts of rollups.
fn decode(tenant: &TenantId, first: Minute, items: &[Item]) -> Result<RolledHour, StoreError> {
    let hour = first.hour();
    let mut unfinished = BTreeSet::new();
    let mut parts: BTreeMap<Minute, BTreeMap<usize, &Item>> = BTreeMap::new();
    for item in items {
        let reader = reader(item);
        let key = keys::parse_rollup(hour, reader.text(keys::SK)?);
        match key.ok_or_else(|| reader.malformed(keys::SK, "is not that of a rollup"))? {
            (minute, None) => {
                unfinished.insert(minute);
            }
            (minute, Some(part)) => {
                parts.entry(minute).or_default().insert(part, item);
            }
        }
    }
    let mut rollups = Vec::new();
    for (minute, parts) in parts {
        match decode_rollup(tenant, minute, &parts)? {
            Some(rollup) => rollups.push(rollup),
            None => {
                unfinished.insert(minute);
            }
        }
    }
    Ok(RolledHour {
        rollups,
        unfinished,
    })
}

/// The rollup that its first part tells of. Parts of an earlier one may be left behind, and are none of it; none is
/// made of parts of which one is missing.
fn decode_rollup(
    tenant: &TenantId,
    minute: Minute,
    parts: &BTreeMap<usize, &Item>,
) -> Result<Option<Rollup>, StoreError> {
    let Some(first) = parts.get(&0) else {
        return Ok(None);
    };
    let reader = reader(first);
    let counted_before = reader.millis(COUNTED_BEFORE)?;
    let rolled_at = reader.millis(ROLLED_AT)?;
    let count = usize::try_from(reader.unsigned(PARTS)?);
    let count = count.map_err(|error| reader.malformed(PARTS, error))?;
    let mut figures = Vec::new();
    let mut expires_at = UtcDateTime::MIN;
    for item in parts.range(..count).map(|(_, item)| self::reader(item)) {
        let of_same = item.millis(ROLLED_AT)? == rolled_at;
        if of_same && item.millis(COUNTED_BEFORE)? == counted_before {
            figures.push(item.bytes(FIGURES)?);
            expires_at = item.seconds(keys::EXPIRES_AT)?;
        }
    }
    if figures.len() != count {
        return Ok(None);
    }
    let figures = Rollup::figures_of(figures);
    Ok(Some(Rollup {
        tenant: tenant.clone(),
        minute,
        counted_before,
        rolled_at,
        expires_at,
        figures: figures.map_err(|error| reader.malformed(FIGURES, error))?,
    }))
}

fn decode_stale(item: &Item) -> Result<StaleMinute, StoreError> {
    let reader = Reader {
        what: "stale minute",
        item,
    };
    let key = keys::parse_stale(reader.text(keys::SK)?);
    let (minute, tenant) =
        key.ok_or_else(|| reader.malformed(keys::SK, "is not that of a stale minute"))?;
    Ok(StaleMinute {
        minute,
        tenant,
        noted_at: reader.millis(NOTED)?,
    })
}

fn reader(item: &Item) -> Reader<'_> {
    Reader {
        what: "rollup",
        item,
    }
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}
