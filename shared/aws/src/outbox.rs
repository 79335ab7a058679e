//! An event as an element of its producer's own transaction, and what a cancelled one says about it.

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use pillarbox_domain::limits::MAX_ITEM_BYTES;
use pillarbox_domain::{EventId, Fingerprint, LoggedEvent, StoreError};
use time::UtcDateTime;

use crate::event_item::{self, EVENT_ID};
use crate::event_log::KEY_IS_FREE;
use crate::item::{Reader, item_bytes, n};

/// Why an event cannot be an element of a transaction.
#[derive(Debug, thiserror::Error)]
pub enum OutboxPutError {
    /// Its item would be too large. A transaction cannot write to a bucket, so such an event has to be published.
    #[error(
        "the event's item has {actual} bytes; {MAX_ITEM_BYTES} is the most in a transaction: publish it instead"
    )]
    TooLarge {
        /// Bytes of the item.
        actual: usize,
    },
    /// The SDK misses a part of the element.
    #[error("the element of the transaction is incomplete")]
    Incomplete(#[from] BuildError),
}

/// The element that adds this event to a transaction, unless its key is taken now.
pub fn outbox_put(
    table: &str,
    logged: &LoggedEvent,
    now: UtcDateTime,
) -> Result<TransactWriteItem, OutboxPutError> {
    let item = event_item::encode(logged);
    let actual = item_bytes(&item);
    if actual > MAX_ITEM_BYTES {
        return Err(OutboxPutError::TooLarge { actual });
    }
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(item))
        .condition_expression(KEY_IS_FREE)
        .expression_attribute_values(":now", n(now.unix_timestamp()))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()?;
    Ok(TransactWriteItem::builder().put(put).build())
}

/// What a cancelled transaction says about one event of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// A transaction with this very element was made before, and its answer was lost. There is nothing left
    /// to do.
    Committed {
        /// The event's id.
        event_id: EventId,
    },
    /// The log has this event already. The element can be left out, and the rest go on.
    Duplicate {
        /// The id of the event that is in the log.
        event_id: EventId,
    },
    /// The key is taken by an event with other content. Trying again will not help.
    Conflict {
        /// The id of the event that is in the log.
        event_id: EventId,
        /// In what they are known to differ: names of attributes, and `data`. Data in the payload bucket is not
        /// looked at, and is named when nothing else differs.
        differing: Vec<String>,
    },
    /// Another transaction was at the item, or there was too much to do. The same may succeed later.
    Busy,
    /// Another element of the transaction cancelled it.
    NotOurs,
}

/// Why it cannot be said what a cancelled transaction means for an event.
#[derive(Debug, thiserror::Error)]
pub enum UnexplainedError {
    /// There are less reasons than that.
    #[error("the cancelled transaction has no reason for its element {index}")]
    NoReason {
        /// Where the event's element was to be, from 0.
        index: usize,
    },
    /// The store refused the element as such.
    #[error("the event was refused, {code}: {detail}")]
    Refused {
        /// The store's own code: `ValidationError`.
        code: String,
        /// The store's own words.
        detail: String,
    },
    /// What holds the key is not an event.
    #[error("what holds the event's key cannot be read")]
    Malformed(#[from] StoreError),
}

/// Reads the reason that a cancelled transaction gives for the element of this event.
///
/// The codes are those that `TransactWriteItems` documents
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>).
pub fn explain_cancelled(
    logged: &LoggedEvent,
    reason: &CancellationReason,
) -> Result<Cancelled, UnexplainedError> {
    match reason.code().unwrap_or("None") {
        "None" => Ok(Cancelled::NotOurs),
        "TransactionConflict" | "ProvisionedThroughputExceeded" | "ThrottlingError" => {
            Ok(Cancelled::Busy)
        }
        "ConditionalCheckFailed" => Ok(taken(logged, reason)?),
        code => Err(UnexplainedError::Refused {
            code: code.to_owned(),
            detail: reason.message().unwrap_or_default().to_owned(),
        }),
    }
}

fn taken(logged: &LoggedEvent, reason: &CancellationReason) -> Result<Cancelled, StoreError> {
    let item = reason.item().ok_or_else(|| StoreError::Malformed {
        what: "event",
        detail: "the store did not return the item that holds the key".to_owned(),
    })?;
    let reader = Reader {
        what: "event",
        item,
    };
    let event_id = reader.parsed(EVENT_ID)?;
    if event_id == logged.event_id {
        return Ok(Cancelled::Committed { event_id });
    }
    if event_item::decode_fingerprint(&reader)? == logged.fingerprint {
        return Ok(Cancelled::Duplicate { event_id });
    }
    let first = event_item::decode_item_only(item, logged.event.data())?;
    let mut differing = Fingerprint::differing(&first.event, &logged.event);
    if differing.is_empty() {
        differing.push("data".to_owned());
    }
    Ok(Cancelled::Conflict {
        event_id,
        differing,
    })
}
