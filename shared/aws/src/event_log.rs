//! `EventLogTable`: the append-only log.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementRequest, ReturnValuesOnConditionCheckFailure,
};
use futures::{StreamExt, stream};
use pillarbox_domain::limits::MAX_ITEM_BYTES;
use pillarbox_domain::publish::{AppendError, Appended, EventLog, EventReader};
use pillarbox_domain::{Clock, ErrorChain, EventId, LoggedEvent, StoreError, TenantId};

use crate::error::store_error;
use crate::event_item::{self, EVENT_ID};
use crate::item::{Item, Reader, item_bytes, n, s};
use crate::keys;

/// A key is free when no item has it, or when the one that has it has run out and only waits to be
/// removed, which DynamoDB does within some days.
const KEY_IS_FREE: &str = "attribute_not_exists(pk) OR expires_at < :now";

/// Statements in one `BatchExecuteStatement`
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchExecuteStatement.html>).
const MAX_STATEMENTS: usize = 25;

/// Characters of one statement
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementRequest.html>).
const MAX_STATEMENT_CHARS: usize = 8_192;

/// Calls under way at a time.
const MAX_CALLS: usize = 16;

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

    async fn append_all(&self, events: &[LoggedEvent]) -> Vec<Result<Appended, AppendError>> {
        let mut calls = Vec::new();
        for events in events.chunks(MAX_STATEMENTS) {
            calls.push(self.append_statements(events));
        }
        let answers: Vec<_> = stream::iter(calls).buffered(MAX_CALLS).collect().await;
        answers.into_iter().flatten().collect()
    }
}

impl<C: Clock + Sync> DynamoEventLog<C> {
    /// One call for all, and one more for each event that it did not store: only a conditional `PutItem`
    /// tells who holds a key, takes the key of an expired item, and is tried again when it is throttled.
    async fn append_statements(
        &self,
        events: &[LoggedEvent],
    ) -> Vec<Result<Appended, AppendError>> {
        let stored = self.insert(events).await;
        let mut answers = Vec::new();
        for event in events {
            let stored = stored.contains(&event.event_id);
            answers.push(async move {
                if stored {
                    Ok(Appended::New)
                } else {
                    self.append(event).await
                }
            });
        }
        stream::iter(answers).buffered(MAX_CALLS).collect().await
    }

    /// The events that one call of `INSERT` statements stored. An `INSERT` never replaces an item.
    async fn insert(&self, events: &[LoggedEvent]) -> Vec<EventId> {
        let statements = events
            .iter()
            .map(|event| (event.event_id, self.statement(event)));
        let (ids, statements): (Vec<_>, Vec<_>) = statements
            .filter_map(|(id, statement)| Some((id, statement?)))
            .unzip();
        if statements.is_empty() {
            return vec![];
        }
        let call = self
            .client
            .batch_execute_statement()
            .set_statements(Some(statements));
        match call.send().await {
            Ok(answer) => {
                let answers = ids.into_iter().zip(answer.responses());
                let stored = answers.filter(|(_, answer)| answer.error().is_none());
                stored.map(|(id, _)| id).collect()
            }
            Err(error) => {
                let error = store_error("BatchExecuteStatement", error);
                tracing::warn!(error = %ErrorChain(&error), "batch.one_by_one");
                vec![]
            }
        }
    }

    /// `None` for an event that no statement can hold; [`EventLog::append`] then has the last word.
    fn statement(&self, event: &LoggedEvent) -> Option<BatchStatementRequest> {
        let item = event_item::encode(event);
        if item_bytes(&item) > MAX_ITEM_BYTES {
            return None;
        }
        // Names are of a-z, 0-9 and _, by CloudEvents' rules and ours: nothing in them needs quoting.
        let (names, values): (Vec<String>, Vec<AttributeValue>) = item.into_iter().unzip();
        let members: Vec<String> = names.iter().map(|name| format!("'{name}':?")).collect();
        let text = format!(
            "INSERT INTO \"{}\" VALUE {{{}}}",
            self.table,
            members.join(",")
        );
        if text.len() > MAX_STATEMENT_CHARS {
            return None;
        }
        let statement = BatchStatementRequest::builder()
            .statement(text)
            .set_parameters(Some(values));
        statement.build().ok()
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
