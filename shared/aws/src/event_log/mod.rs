//! `EventLogTable`: the append-only log.

mod atomic;
mod batch;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use pillarbox_domain::limits::MAX_ITEM_BYTES;
use pillarbox_domain::payload::Payloads;
use pillarbox_domain::publish::{Appended, AtomicAppendError, EventLog, EventReader};
use pillarbox_domain::{Clock, LoggedEvent, StoreError, TenantId};

use crate::error::store_error;
use crate::event_item::{self, DataObject, EVENT_ID};
use crate::item::{Item, Reader, n, s};
use crate::keys;

/// A key is free when no item has it, or when the one that has it has run out and only waits to be
/// removed, which DynamoDB does within some days.
pub(crate) const KEY_IS_FREE: &str = "attribute_not_exists(pk) OR expires_at < :now";

/// Calls under way at a time.
const MAX_CALLS: usize = 16;

/// The log in one table, and data that its items cannot hold elsewhere.
pub struct DynamoEventLog<P, C> {
    client: Client,
    table: String,
    payloads: P,
    clock: C,
}

impl<P: Payloads, C: Clock> DynamoEventLog<P, C> {
    /// The log in this table.
    pub fn new(client: Client, table: String, payloads: P, clock: C) -> Self {
        Self {
            client,
            table,
            payloads,
            clock,
        }
    }
}

impl<P: Payloads + Sync, C: Clock + Sync> EventLog for DynamoEventLog<P, C> {
    /// Data that the item cannot hold is written first: what stands in the log can always be read.
    async fn append(&self, event: &LoggedEvent) -> Result<Appended, StoreError> {
        let (item, object) = event_item::encode_within(event, MAX_ITEM_BYTES);
        self.put_object(object).await?;
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
                    self.taken(event, taken.item()).await
                }
                _ => Err(store_error("PutItem", error)),
            },
        }
    }

    async fn append_all(&self, events: &[LoggedEvent]) -> Vec<Result<Appended, StoreError>> {
        self.append_in_statements(events).await
    }

    async fn append_atomically(
        &self,
        events: &[LoggedEvent],
    ) -> Result<Vec<Appended>, AtomicAppendError> {
        self.append_in_transaction(events).await
    }
}

impl<P: Payloads + Sync, C: Clock + Sync> DynamoEventLog<P, C> {
    async fn put_object(&self, object: Option<DataObject>) -> Result<(), StoreError> {
        match object {
            None => Ok(()),
            Some(DataObject { key, bytes }) => self.payloads.put(&key, bytes).await,
        }
    }

    /// What is found under an event's key. All of the first event is read only when it is another one.
    async fn taken(
        &self,
        event: &LoggedEvent,
        item: Option<&Item>,
    ) -> Result<Appended, StoreError> {
        let item = item.ok_or_else(|| StoreError::Malformed {
            what: "event",
            detail: "the store did not return the item that holds the key".to_owned(),
        })?;
        let reader = Reader {
            what: "event",
            item,
        };
        if event_item::decode_fingerprint(&reader)? == event.fingerprint {
            return Ok(Appended::Same(reader.parsed(EVENT_ID)?));
        }
        let first = event_item::decode(item, &self.payloads).await?;
        Ok(Appended::Other(Box::new(first)))
    }
}

impl<P: Payloads + Sync, C: Clock + Sync> EventReader for DynamoEventLog<P, C> {
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
        let Some(item) = found.item() else {
            return Ok(None);
        };
        let event = event_item::decode(item, &self.payloads).await?;
        Ok(Some(event).filter(|event| event.expires_at >= self.clock.now()))
    }
}
