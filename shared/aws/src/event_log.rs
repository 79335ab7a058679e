//! `EventLogTable`: the append-only log.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use pillarbox_domain::limits::MAX_ITEM_BYTES;
use pillarbox_domain::publish::{AppendError, Appended, EventLog, EventReader};
use pillarbox_domain::{Clock, LoggedEvent, StoreError, TenantId};

use crate::error::store_error;
use crate::event_item::{self, EVENT_ID};
use crate::item::{Item, Reader, item_bytes, n, s};
use crate::keys;

/// A key is free when no item has it, or when the one that has it has run out and only waits to be
/// removed, which DynamoDB does within some days.
const KEY_IS_FREE: &str = "attribute_not_exists(pk) OR expires_at < :now";

/// The log in one table.
pub struct DynamoEventLog<C> {
    client: Client,
    table: String,
    clock: C,
}

impl<C: Clock> DynamoEventLog<C> {
    /// The log in this table.
    pub fn new(client: Client, table: String, clock: C) -> Self {
        Self {
            client,
            table,
            clock,
        }
    }
}

impl<C: Clock + Sync> EventLog for DynamoEventLog<C> {
    async fn append(&self, event: &LoggedEvent) -> Result<Appended, AppendError> {
        let item = event_item::encode(event);
        let actual = item_bytes(&item);
        if actual > MAX_ITEM_BYTES {
            return Err(AppendError::TooLarge {
                limit: MAX_ITEM_BYTES,
                actual,
            });
        }
        let written = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(KEY_IS_FREE)
            .expression_attribute_values(":now", n(self.clock.now().unix_timestamp()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match written {
            Ok(_) => Ok(Appended::New),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(taken)) => {
                    Ok(first_event(taken.item())?)
                }
                _ => Err(store_error("PutItem", error).into()),
            },
        }
    }
}

fn first_event(item: Option<&Item>) -> Result<Appended, StoreError> {
    let item = item.ok_or_else(|| StoreError::Malformed {
        what: "event",
        detail: "the store did not return the item that holds the key".to_owned(),
    })?;
    let reader = Reader {
        what: "event",
        item,
    };
    Ok(Appended::Taken {
        event_id: reader.parsed(EVENT_ID)?,
        fingerprint: event_item::decode_fingerprint(&reader)?,
    })
}

impl<C: Clock + Sync> EventReader for DynamoEventLog<C> {
    async fn get(
        &self,
        tenant: &TenantId,
        source: &str,
        id: &str,
    ) -> Result<Option<LoggedEvent>, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(keys::PK, s(keys::event(tenant, source, id)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| store_error("GetItem", error))?;
        let event = found.item().map(event_item::decode).transpose()?;
        Ok(event.filter(|event| event.expires_at >= self.clock.now()))
    }
}
