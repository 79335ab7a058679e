//! Many events, all or none: one transaction.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use futures::{StreamExt, TryStreamExt, stream};
use pillarbox_domain::limits::{MAX_ATOMIC_EVENTS, MAX_ITEM_BYTES, MAX_TRANSACTION_BYTES};
use pillarbox_domain::payload::Payloads;
use pillarbox_domain::publish::{Appended, AtomicAppendError};
use pillarbox_domain::{Clock, LoggedEvent, StoreError};

use super::{DynamoEventLog, KEY_IS_FREE, MAX_CALLS};
use crate::error::{is_throttling, store_error};
use crate::event_item::{self, DataObject};
use crate::item::{Item, item_bytes, n};

/// Transactions until nothing is left to write: each but the last finds that others have written some of the
/// events in the meantime.
const MAX_ROUNDS: usize = 4;

/// The name of the call in errors.
const OPERATION: &str = "TransactWriteItems";

/// Why a transaction was cancelled, item by item.
enum Cancelled {
    /// What holds the keys that are taken: which of the items, and what was found.
    Taken(Vec<(usize, Appended)>),
    /// Another transaction was at one of the items, or there was too much to do.
    Busy,
}

impl<P: Payloads + Sync, C: Clock + Sync> DynamoEventLog<P, C> {
    /// Events that are found to be in the log already are left out of the next transaction: with them there,
    /// all are in the log once the others are.
    pub(super) async fn append_in_transaction(
        &self,
        events: &[LoggedEvent],
    ) -> Result<Vec<Appended>, AtomicAppendError> {
        let (items, objects) = encode_all(events);
        self.put_objects(objects).await?;
        let mut answers = vec![Appended::New; events.len()];
        let mut left: Vec<usize> = (0..events.len()).collect();
        for _ in 0..MAX_ROUNDS {
            let Some(cancelled) = self.transact(events, &items, &left).await? else {
                return Ok(answers);
            };
            let Cancelled::Taken(taken) = cancelled else {
                break;
            };
            let others: Vec<_> = taken.iter().filter_map(other).collect();
            if !others.is_empty() {
                return Err(AtomicAppendError::Taken(others));
            }
            left.retain(|place| taken.iter().all(|(found, _)| found != place));
            for (place, same) in taken {
                answers[place] = same;
            }
        }
        let operation = OPERATION;
        Err(StoreError::Throttled { operation }.into())
    }

    async fn put_objects(&self, objects: Vec<DataObject>) -> Result<(), StoreError> {
        let puts = objects
            .into_iter()
            .map(|object| self.put_object(Some(object)));
        let puts: Vec<_> = puts.collect();
        stream::iter(puts)
            .buffered(MAX_CALLS)
            .try_collect::<()>()
            .await
    }

    /// One transaction for the items in these places; `None` when it was made.
    async fn transact(
        &self,
        events: &[LoggedEvent],
        items: &[Item],
        places: &[usize],
    ) -> Result<Option<Cancelled>, StoreError> {
        if places.is_empty() {
            return Ok(None);
        }
        let puts = places.iter().map(|place| self.put(items[*place].clone()));
        let puts: Result<Vec<_>, StoreError> = puts.collect();
        let call = self.client.transact_write_items();
        let error = match call.set_transact_items(Some(puts?)).send().await {
            Ok(_) => return Ok(None),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                let reasons = cancelled.cancellation_reasons();
                let busy = reasons.iter().any(is_busy);
                let mut taken = Vec::new();
                for (place, reason) in places.iter().zip(reasons) {
                    if reason.code() == Some("ConditionalCheckFailed") {
                        let found = self.taken(&events[*place], reason.item()).await?;
                        taken.push((*place, found));
                    }
                }
                match (taken.is_empty(), busy) {
                    (false, _) => Ok(Some(Cancelled::Taken(taken))),
                    (true, true) => Ok(Some(Cancelled::Busy)),
                    (true, false) => Err(store_error(OPERATION, error)),
                }
            }
            _ => Err(store_error(OPERATION, error)),
        }
    }

    fn put(&self, item: Item) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(KEY_IS_FREE)
            .expression_attribute_values(":now", n(self.clock.now().unix_timestamp()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build();
        let put = put.map_err(|error| StoreError::Failed {
            operation: OPERATION,
            source: Box::new(error),
        })?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

/// The items, and what of them has to stand in the payload bucket for a transaction to hold all of them.
fn encode_all(events: &[LoggedEvent]) -> (Vec<Item>, Vec<DataObject>) {
    let within = |limit: usize| {
        let encoded = events
            .iter()
            .map(|event| event_item::encode_within(event, limit));
        let (items, objects): (Vec<Item>, Vec<_>) = encoded.unzip();
        (items, objects.into_iter().flatten().collect())
    };
    let (items, objects) = within(MAX_ITEM_BYTES);
    if items.iter().map(item_bytes).sum::<usize>() <= MAX_TRANSACTION_BYTES {
        (items, objects)
    } else {
        within(MAX_TRANSACTION_BYTES / MAX_ATOMIC_EVENTS)
    }
}

fn other((place, found): &(usize, Appended)) -> Option<(usize, LoggedEvent)> {
    match found {
        Appended::Other(first) => Some((*place, (**first).clone())),
        Appended::New | Appended::Same(_) => None,
    }
}

fn is_busy(reason: &CancellationReason) -> bool {
    let code = reason.code().unwrap_or_default();
    matches!(
        code,
        "TransactionConflict" | "ProvisionedThroughputExceeded" | "ThrottlingError"
    ) || is_throttling(code)
}
