//! Many events, each by itself: `INSERT` statements, 25 in a call.

use aws_sdk_dynamodb::types::{AttributeValue, BatchStatementRequest};
use futures::{StreamExt, stream};
use pillarbox_domain::limits::MAX_ITEM_BYTES;
use pillarbox_domain::payload::Payloads;
use pillarbox_domain::publish::{Appended, EventLog};
use pillarbox_domain::{Clock, ErrorChain, EventId, LoggedEvent, StoreError};

use super::{DynamoEventLog, MAX_CALLS};
use crate::error::store_error;
use crate::event_item;
use crate::item::item_bytes;

/// Statements in one `BatchExecuteStatement`
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchExecuteStatement.html>).
const MAX_STATEMENTS: usize = 25;

/// Characters of one statement
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementRequest.html>).
const MAX_STATEMENT_CHARS: usize = 8_192;

impl<P: Payloads + Sync, C: Clock + Sync> DynamoEventLog<P, C> {
    pub(super) async fn append_in_statements(
        &self,
        events: &[LoggedEvent],
    ) -> Vec<Result<Appended, StoreError>> {
        let mut calls = Vec::new();
        for events in events.chunks(MAX_STATEMENTS) {
            calls.push(self.append_statements(events));
        }
        let answers: Vec<_> = stream::iter(calls).buffered(MAX_CALLS).collect().await;
        answers.into_iter().flatten().collect()
    }

    /// One call for all, and one more for each event that it did not store: only a conditional `PutItem`
    /// tells who holds a key, takes the key of an expired item, and is tried again when it is throttled.
    async fn append_statements(&self, events: &[LoggedEvent]) -> Vec<Result<Appended, StoreError>> {
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
