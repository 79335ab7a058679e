//! `OutboxTable`: receipts.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use pillarbox_domain::receipt::{
    Bucket, Group, Receipt, ReceiptLedger, ReceiptReader, Receipted, Receipts,
};
use pillarbox_domain::{EventId, StoreError, SubscriptionId, TenantId};

use crate::error::store_error;
use crate::item::{Item, Reader, n, s, unix_millis};
use crate::keys;
use crate::registry::parse_all;

const HANDED_OVER: &str = "handed_over_ms";
const GROUPS: &str = "groups";
const TENANT: &str = "tenant";
const TYPE: &str = "type";
const SUBSCRIPTIONS: &str = "subscriptions";
const WITHHELD: &str = "withheld";
const EVENT_IDS: &str = "event_ids";

/// Receipts in one table.
pub struct DynamoReceipts {
    client: Client,
    table: String,
    is_consistent: bool,
}

impl DynamoReceipts {
    /// The receipts in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self {
            client,
            table,
            is_consistent: true,
        }
    }

    /// The same, read at half the price by who may miss what was written a moment ago: never by who takes an event
    /// without a receipt for one that was not handed over.
    pub fn eventually(self) -> Self {
        Self {
            is_consistent: false,
            ..self
        }
    }

    /// The items of a bucket, as they are now: who misses a receipt that was just written hands its events over
    /// again.
    async fn items(&self, bucket: Bucket) -> Result<Vec<Item>, StoreError> {
        let pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :bucket")
            .expression_attribute_values(":bucket", s(keys::receipts(bucket)))
            .consistent_read(self.is_consistent)
            .into_paginator()
            .items()
            .send();
        let items: Result<Vec<Item>, _> = pages.collect().await;
        items.map_err(|error| store_error("Query", error))
    }
}

impl Receipts for DynamoReceipts {
    async fn put(&self, receipt: &Receipt) -> Result<(), StoreError> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(encode(receipt)))
            .send()
            .await
            .map(drop)
            .map_err(|error| store_error("PutItem", error))
    }
}

impl ReceiptReader for DynamoReceipts {
    async fn of_event(
        &self,
        tenant: &TenantId,
        event_id: EventId,
    ) -> Result<Vec<Receipted>, StoreError> {
        let mut found = Vec::new();
        for item in self.items(Bucket::of(event_id)).await? {
            found.extend(receipted(&item, tenant, event_id)?);
        }
        found.sort_by_key(|receipted| receipted.handed_over_at);
        Ok(found)
    }
}

impl ReceiptLedger for DynamoReceipts {
    async fn in_bucket(&self, bucket: Bucket) -> Result<Vec<Receipt>, StoreError> {
        let items = self.items(bucket).await?;
        items.iter().map(|item| decode(bucket, item)).collect()
    }
}

pub(crate) fn encode(receipt: &Receipt) -> Item {
    let groups = receipt.groups.iter().map(encode_group).collect();
    Item::from([
        (keys::PK.to_owned(), s(keys::receipts(receipt.bucket))),
        (keys::SK.to_owned(), s(keys::receipt(&receipt.batch))),
        (
            HANDED_OVER.to_owned(),
            n(unix_millis(receipt.handed_over_at)),
        ),
        (GROUPS.to_owned(), AttributeValue::L(groups)),
        (
            keys::EXPIRES_AT.to_owned(),
            n(receipt.expires_at.unix_timestamp()),
        ),
    ])
}

fn encode_group(group: &Group) -> AttributeValue {
    let ids: Vec<u8> = group
        .event_ids
        .iter()
        .flat_map(|id| *id.as_bytes())
        .collect();
    let mut item = Item::from([
        (TENANT.to_owned(), s(group.tenant.as_str())),
        (TYPE.to_owned(), s(&group.event_type)),
        (SUBSCRIPTIONS.to_owned(), names(&group.subscriptions)),
        (EVENT_IDS.to_owned(), AttributeValue::B(Blob::new(ids))),
    ]);
    if !group.withheld.is_empty() {
        item.insert(WITHHELD.to_owned(), names(&group.withheld));
    }
    AttributeValue::M(item)
}

fn names(ids: &[SubscriptionId]) -> AttributeValue {
    AttributeValue::L(ids.iter().map(|id| s(id.as_str())).collect())
}

/// What a receipt tells of this event, if it does.
fn receipted(
    item: &Item,
    tenant: &TenantId,
    event_id: EventId,
) -> Result<Option<Receipted>, StoreError> {
    let receipt = reader(item);
    for group in groups(item)? {
        let group = reader(group);
        let (ids, _) = group.bytes(EVENT_IDS)?.as_chunks::<16>();
        if group.text(TENANT)? == tenant.as_str() && ids.contains(event_id.as_bytes()) {
            return Ok(Some(Receipted {
                subscriptions: parse_all(&group, SUBSCRIPTIONS)?,
                withheld: withheld(&group)?,
                handed_over_at: receipt.time(HANDED_OVER)?,
            }));
        }
    }
    Ok(None)
}

/// The receipt of an item. What is wrong with one is told with its key, so that a person finds it.
fn decode(bucket: Bucket, item: &Item) -> Result<Receipt, StoreError> {
    decode_parts(bucket, item).map_err(|error| match error {
        StoreError::Malformed { what, detail } => StoreError::Malformed {
            what,
            detail: format!("{} in {}: {detail}", key_of(item), keys::receipts(bucket)),
        },
        other => other,
    })
}

fn decode_parts(bucket: Bucket, item: &Item) -> Result<Receipt, StoreError> {
    let receipt = reader(item);
    let batch = keys::parse_receipt(receipt.text(keys::SK)?);
    let groups = groups(item)?;
    let groups = groups.iter().map(|group| decode_group(group));
    Ok(Receipt {
        bucket,
        batch: batch.ok_or_else(|| receipt.malformed(keys::SK, "is not that of a receipt"))?,
        handed_over_at: receipt.time(HANDED_OVER)?,
        expires_at: receipt.seconds(keys::EXPIRES_AT)?,
        groups: groups.collect::<Result<_, _>>()?,
    })
}

fn decode_group(item: &Item) -> Result<Group, StoreError> {
    let group = reader(item);
    Ok(Group {
        tenant: group.parsed(TENANT)?,
        event_type: group.text(TYPE)?.to_owned(),
        subscriptions: parse_all(&group, SUBSCRIPTIONS)?,
        withheld: withheld(&group)?,
        event_ids: event_ids(&group)?,
    })
}

fn groups(item: &Item) -> Result<Vec<&Item>, StoreError> {
    let receipt = reader(item);
    let Some(AttributeValue::L(groups)) = item.get(GROUPS) else {
        return Err(receipt.malformed(GROUPS, "is not a list"));
    };
    let groups = groups.iter().map(|group| match group {
        AttributeValue::M(group) => Ok(group),
        _ => Err(receipt.malformed(GROUPS, "holds something else than maps")),
    });
    groups.collect()
}

fn withheld(group: &Reader<'_>) -> Result<Vec<SubscriptionId>, StoreError> {
    match group.item.contains_key(WITHHELD) {
        true => parse_all(group, WITHHELD),
        false => Ok(vec![]),
    }
}

fn event_ids(group: &Reader<'_>) -> Result<Vec<EventId>, StoreError> {
    let (ids, rest) = group.bytes(EVENT_IDS)?.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(group.malformed(EVENT_IDS, "ends within an id"));
    }
    let id = |bytes: &[u8; 16]| {
        EventId::from_bytes(*bytes).map_err(|error| group.malformed(EVENT_IDS, error))
    };
    ids.iter().map(id).collect()
}

fn key_of(item: &Item) -> &str {
    reader(item).text(keys::SK).unwrap_or("an item")
}

fn reader(item: &Item) -> Reader<'_> {
    Reader {
        what: "receipt",
        item,
    }
}
