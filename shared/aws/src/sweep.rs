//! `OutboxTable`: how far the sweep has come. One item.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use pillarbox_domain::StoreError;
use pillarbox_domain::sweep::{OpenSlice, Slice, SweepState, SweepStore};

use crate::error::store_error;
use crate::item::{Item, Reader, millis, s};
use crate::keys;
use crate::registry::VERSION;

/// The watermark as it is to be read by people and other programs; it is made of the two that follow.
const SWEPT_BEFORE: &str = "swept_before_ms";
const LOOKED_BEFORE: &str = "looked_before_ms";
const OPEN: &str = "open";
const FROM: &str = "from_ms";
const TO: &str = "to_ms";
const ASKED: &str = "asked_ms";
const OFF: &str = "off_ms";

/// The sweep's state in one table.
pub struct DynamoSweepStore {
    client: Client,
    table: String,
}

impl DynamoSweepStore {
    /// The state in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }
}

impl SweepStore for DynamoSweepStore {
    async fn read(&self) -> Result<Option<SweepState>, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(keys::PK, s(keys::SWEEP))
            .key(keys::SK, s(keys::WATERMARK))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| store_error("GetItem", error))?;
        found.item().map(decode).transpose()
    }

    async fn save(&self, state: &SweepState) -> Result<bool, StoreError> {
        let put = self.client.put_item().table_name(&self.table);
        let put = put.set_item(Some(encode(state)));
        let put = match state.version {
            0 => put.condition_expression("attribute_not_exists(pk)"),
            seen => put
                .condition_expression("#version = :seen")
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":seen", number(seen)),
        };
        let Err(error) = put.send().await else {
            return Ok(true);
        };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(false),
            _ => Err(store_error("PutItem", error)),
        }
    }
}

fn encode(state: &SweepState) -> Item {
    let open = state.open.iter().map(encode_open).collect();
    let mut item = Item::from([
        (keys::PK.to_owned(), s(keys::SWEEP)),
        (keys::SK.to_owned(), s(keys::WATERMARK)),
        (SWEPT_BEFORE.to_owned(), millis(state.swept_before())),
        (LOOKED_BEFORE.to_owned(), millis(state.looked_before)),
        (OPEN.to_owned(), AttributeValue::L(open)),
        (VERSION.to_owned(), number(state.version + 1)),
    ]);
    item.extend(state.off_at.map(|at| (OFF.to_owned(), millis(at))));
    item
}

fn encode_open(open: &OpenSlice) -> AttributeValue {
    let mut item = Item::from([
        (FROM.to_owned(), millis(open.slice.from())),
        (TO.to_owned(), millis(open.slice.to())),
    ]);
    item.extend(open.asked_at.map(|at| (ASKED.to_owned(), millis(at))));
    AttributeValue::M(item)
}

fn decode(item: &Item) -> Result<SweepState, StoreError> {
    let reader = reader(item);
    let Some(AttributeValue::L(open)) = item.get(OPEN) else {
        return Err(reader.malformed(OPEN, "is not a list"));
    };
    Ok(SweepState {
        looked_before: reader.millis(LOOKED_BEFORE)?,
        open: open.iter().map(decode_open).collect::<Result<_, _>>()?,
        off_at: reader.optional_millis(OFF)?,
        version: reader.unsigned(VERSION)?,
    })
}

fn decode_open(open: &AttributeValue) -> Result<OpenSlice, StoreError> {
    let empty = Item::new();
    let item = open.as_m().unwrap_or(&empty);
    let reader = reader(item);
    let slice = Slice::between(reader.millis(FROM)?, reader.millis(TO)?);
    Ok(OpenSlice {
        slice: slice.ok_or_else(|| reader.malformed(OPEN, "holds what is no slice"))?,
        asked_at: reader.optional_millis(ASKED)?,
    })
}

fn reader(item: &Item) -> Reader<'_> {
    Reader {
        what: "state of the sweep",
        item,
    }
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}
