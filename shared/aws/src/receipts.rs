//! `OutboxTable`: receipts.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use pillarbox_domain::StoreError;
use pillarbox_domain::receipt::{Group, Receipt, Receipts};

use crate::error::store_error;
use crate::item::{Item, n, s};
use crate::keys;

/// Receipts in one table.
pub struct DynamoReceipts {
    client: Client,
    table: String,
}

impl DynamoReceipts {
    /// The receipts in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
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

fn encode(receipt: &Receipt) -> Item {
    let handed_over_ms = receipt.handed_over_at.unix_timestamp_nanos() / 1_000_000;
    let groups = receipt.groups.iter().map(encode_group).collect();
    Item::from([
        (keys::PK.to_owned(), s(keys::receipts(receipt.bucket))),
        (keys::SK.to_owned(), s(keys::receipt(&receipt.batch))),
        (
            "handed_over_ms".to_owned(),
            AttributeValue::N(handed_over_ms.to_string()),
        ),
        ("groups".to_owned(), AttributeValue::L(groups)),
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
    let subscriptions = group
        .subscriptions
        .iter()
        .map(|id| s(id.as_str()))
        .collect();
    AttributeValue::M(Item::from([
        ("tenant".to_owned(), s(group.tenant.as_str())),
        ("type".to_owned(), s(&group.event_type)),
        ("subscriptions".to_owned(), AttributeValue::L(subscriptions)),
        ("event_ids".to_owned(), AttributeValue::B(Blob::new(ids))),
    ]))
}
