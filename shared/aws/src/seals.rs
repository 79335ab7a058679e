//! `OutboxTable`: the seals of closed hours, how far they go, and where something came late.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::error::TransactionCanceledException;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValue, TransactWriteItem};
use pillarbox_domain::log_hour::LogHour;
use pillarbox_domain::seal::{MAX_REVISION, Reopening, SealHead, SealLink, SealRow, SealStore};
use pillarbox_domain::{ErrorChain, EventId, StoreError};
use time::UtcDateTime;

use crate::error::store_error;
use crate::item::{Item, Reader, millis, s};
use crate::keys;
use crate::reopenings::NOTED;

const TRANSACTION: &str = "TransactWriteItems";

const KEY: &str = "key";
const SHA256: &str = "sha256";
const PREVIOUS_KEY: &str = "previous_key";
const PREVIOUS_SHA256: &str = "previous_sha256";
const EVENTS: &str = "events";
const SEALED_AT: &str = "sealed_ms";
const SEALED_BEFORE: &str = "sealed_before";
const FIRST: &str = "first";
const HOLDER: &str = "holder";
const HELD_UNTIL: &str = "held_until_ms";

/// Seals in one table.
#[derive(Clone)]
pub struct DynamoSeals {
    client: Client,
    table: String,
}

impl DynamoSeals {
    /// The seals in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    async fn item(&self, pk: &str, sk: String) -> Result<Option<Item>, StoreError> {
        let get = self.client.get_item().table_name(&self.table);
        let get = get.key(keys::PK, s(pk)).key(keys::SK, s(sk));
        let found = get.consistent_read(true).send().await;
        found
            .map(|found| found.item)
            .map_err(|error| store_error("GetItem", error))
    }

    /// Whether the row that is there is this one.
    async fn is_written(&self, row: &SealRow) -> Result<bool, StoreError> {
        let item = self.item(keys::SEAL, keys::seal(row.hour, row.revision));
        let there = item.await?.as_ref().map(decode_row).transpose()?;
        Ok(there.as_ref() == Some(row))
    }

    fn put_row(&self, row: &SealRow) -> Result<TransactWriteItem, BuildError> {
        let put = Put::builder().table_name(&self.table);
        let put = put
            .set_item(Some(encode_row(row)))
            .condition_expression("attribute_not_exists(pk)");
        Ok(TransactWriteItem::builder().put(put.build()?).build())
    }

    /// The head, where the one that was seen is still there.
    fn put_head(
        &self,
        seen: Option<&SealHead>,
        head: &SealHead,
    ) -> Result<TransactWriteItem, BuildError> {
        let put = Put::builder().table_name(&self.table);
        let put = put.set_item(Some(encode_head(head)));
        let put = match seen {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(seen) => put
                .condition_expression("#key = :key AND #sha256 = :sha256 AND #before = :before")
                .expression_attribute_names("#key", KEY)
                .expression_attribute_names("#sha256", SHA256)
                .expression_attribute_names("#before", SEALED_BEFORE)
                .expression_attribute_values(":key", s(&seen.link.key))
                .expression_attribute_values(":sha256", s(&seen.link.sha256))
                .expression_attribute_values(":before", s(keys::hour(seen.sealed_before))),
        };
        Ok(TransactWriteItem::builder().put(put.build()?).build())
    }
}

impl SealStore for DynamoSeals {
    async fn hold(
        &self,
        holder: EventId,
        now: UtcDateTime,
        until: UtcDateTime,
    ) -> Result<bool, StoreError> {
        let held = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(keys::PK, s(keys::SEALS))
            .key(keys::SK, s(keys::SEAL_HOLD))
            .update_expression("SET #holder = :holder, #until = :until")
            .condition_expression("attribute_not_exists(pk) OR #until < :now OR #holder = :holder")
            .expression_attribute_names("#holder", HOLDER)
            .expression_attribute_names("#until", HELD_UNTIL)
            .expression_attribute_values(":holder", s(holder.to_string()))
            .expression_attribute_values(":until", millis(until))
            .expression_attribute_values(":now", millis(now))
            .send()
            .await;
        match held {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(store_error("UpdateItem", error)),
            },
        }
    }

    async fn release(&self, holder: EventId) -> Result<(), StoreError> {
        let released = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key(keys::PK, s(keys::SEALS))
            .key(keys::SK, s(keys::SEAL_HOLD))
            .condition_expression("#holder = :holder")
            .expression_attribute_names("#holder", HOLDER)
            .expression_attribute_values(":holder", s(holder.to_string()))
            .send()
            .await;
        match released {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                // Another holds it, or nobody does any more.
                Some(error) if error.is_conditional_check_failed_exception() => Ok(()),
                _ => Err(store_error("DeleteItem", error)),
            },
        }
    }

    async fn begin(&self, first: LogHour) -> Result<LogHour, StoreError> {
        let chosen = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(keys::PK, s(keys::SEALS))
            .key(keys::SK, s(keys::SEAL_BEGIN))
            .update_expression("SET #first = if_not_exists(#first, :first)")
            .expression_attribute_names("#first", FIRST)
            .expression_attribute_values(":first", s(keys::hour(first)))
            .return_values(ReturnValue::AllNew)
            .send()
            .await
            .map_err(|error| store_error("UpdateItem", error))?;
        let item = chosen.attributes.unwrap_or_default();
        hour(&reader("beginning of seals", &item), FIRST)
    }

    async fn begun(&self) -> Result<Option<LogHour>, StoreError> {
        let item = self.item(keys::SEALS, keys::SEAL_BEGIN.to_owned()).await?;
        let chosen = item.map(|item| hour(&reader("beginning of seals", &item), FIRST));
        chosen.transpose()
    }

    async fn head(&self) -> Result<Option<SealHead>, StoreError> {
        let item = self.item(keys::SEALS, keys::SEAL_HEAD.to_owned()).await?;
        item.as_ref().map(decode_head).transpose()
    }

    async fn append(
        &self,
        row: &SealRow,
        seen: Option<&SealHead>,
        head: &SealHead,
    ) -> Result<bool, StoreError> {
        let items = vec![
            self.put_row(row).map_err(unbuildable)?,
            self.put_head(seen, head).map_err(unbuildable)?,
        ];
        let call = self.client.transact_write_items();
        let error = match call.set_transact_items(Some(items)).send().await {
            Ok(_) => return Ok(true),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                match why(cancelled) {
                    Why::Condition => self.is_written(row).await,
                    Why::Busy => Err(StoreError::Throttled {
                        operation: TRANSACTION,
                    }),
                    Why::Refused => Err(store_error(TRANSACTION, error)),
                }
            }
            _ => Err(store_error(TRANSACTION, error)),
        }
    }

    async fn rows(
        &self,
        first: LogHour,
        last: LogHour,
        limit: usize,
    ) -> Result<Vec<SealRow>, StoreError> {
        let mut items = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :seal AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":seal", s(keys::SEAL))
            .expression_attribute_values(":first", s(keys::seal(first, 0)))
            .expression_attribute_values(":last", s(keys::seal(last, MAX_REVISION)))
            .consistent_read(true)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .into_paginator()
            .items()
            .send();
        let mut rows = Vec::new();
        while rows.len() < limit {
            let Some(item) = items.next().await else {
                break;
            };
            rows.push(decode_row(
                &item.map_err(|error| store_error("Query", error))?,
            )?);
        }
        Ok(rows)
    }

    async fn reopened(&self, limit: usize) -> Result<Vec<Reopening>, StoreError> {
        let mut items = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :reopened")
            .expression_attribute_values(":reopened", s(keys::REOPENED))
            .consistent_read(true)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .into_paginator()
            .items()
            .send();
        let (mut reopened, mut read) = (Vec::new(), 0);
        while read < limit {
            let Some(item) = items.next().await else {
                break;
            };
            let item = item.map_err(|error| store_error("Query", error))?;
            reopened.extend(or_skipped(decode_reopening(&item)));
            read += 1;
        }
        Ok(reopened)
    }

    async fn forget(&self, reopening: &Reopening) -> Result<(), StoreError> {
        let key = keys::reopened(reopening.hour, &reopening.tenant);
        let forgotten = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key(keys::PK, s(keys::REOPENED))
            .key(keys::SK, s(key))
            .condition_expression("#noted = :noted")
            .expression_attribute_names("#noted", NOTED)
            .expression_attribute_values(":noted", millis(reopening.noted_at))
            .send()
            .await;
        match forgotten {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                // Something came later still, or it was forgotten before.
                Some(error) if error.is_conditional_check_failed_exception() => Ok(()),
                _ => Err(store_error("DeleteItem", error)),
            },
        }
    }
}

/// Why a transaction was cancelled.
enum Why {
    Condition,
    Busy,
    Refused,
}

fn why(cancelled: &TransactionCanceledException) -> Why {
    let codes = || {
        let reasons = cancelled.cancellation_reasons().iter();
        reasons.filter_map(|reason| reason.code())
    };
    let is_busy = |code: &str| {
        matches!(
            code,
            "TransactionConflict" | "ProvisionedThroughputExceeded" | "ThrottlingError"
        )
    };
    if codes().any(|code| code == "ConditionalCheckFailed") {
        Why::Condition
    } else if codes().any(is_busy) {
        Why::Busy
    } else {
        Why::Refused
    }
}

fn unbuildable(error: BuildError) -> StoreError {
    StoreError::Failed {
        operation: TRANSACTION,
        source: Box::new(error),
    }
}

fn encode_row(row: &SealRow) -> Item {
    let mut item = Item::from([
        (keys::PK.to_owned(), s(keys::SEAL)),
        (keys::SK.to_owned(), s(keys::seal(row.hour, row.revision))),
        (KEY.to_owned(), s(&row.link.key)),
        (SHA256.to_owned(), s(&row.link.sha256)),
        (EVENTS.to_owned(), AttributeValue::N(row.events.to_string())),
        (SEALED_AT.to_owned(), millis(row.sealed_at)),
    ]);
    if let Some(previous) = &row.previous {
        item.insert(PREVIOUS_KEY.to_owned(), s(&previous.key));
        item.insert(PREVIOUS_SHA256.to_owned(), s(&previous.sha256));
    }
    item
}

fn decode_row(item: &Item) -> Result<SealRow, StoreError> {
    let reader = reader("seal", item);
    let key = keys::parse_seal(reader.text(keys::SK)?);
    let (hour, revision) =
        key.ok_or_else(|| reader.malformed(keys::SK, "is not that of a seal"))?;
    Ok(SealRow {
        hour,
        revision,
        link: link(&reader)?,
        previous: match reader.optional_text(PREVIOUS_KEY)? {
            None => None,
            Some(key) => Some(SealLink {
                key: key.to_owned(),
                sha256: reader.text(PREVIOUS_SHA256)?.to_owned(),
            }),
        },
        events: reader.unsigned(EVENTS)?,
        sealed_at: reader.millis(SEALED_AT)?,
    })
}

fn encode_head(head: &SealHead) -> Item {
    Item::from([
        (keys::PK.to_owned(), s(keys::SEALS)),
        (keys::SK.to_owned(), s(keys::SEAL_HEAD)),
        (KEY.to_owned(), s(&head.link.key)),
        (SHA256.to_owned(), s(&head.link.sha256)),
        (SEALED_BEFORE.to_owned(), s(keys::hour(head.sealed_before))),
    ])
}

fn decode_head(item: &Item) -> Result<SealHead, StoreError> {
    let reader = reader("end of seals", item);
    Ok(SealHead {
        link: link(&reader)?,
        sealed_before: hour(&reader, SEALED_BEFORE)?,
    })
}

fn decode_reopening(item: &Item) -> Result<Reopening, StoreError> {
    let reader = reader("reopening", item);
    let key = keys::parse_reopened(reader.text(keys::SK)?);
    let (hour, tenant) =
        key.ok_or_else(|| reader.malformed(keys::SK, "is not that of a reopening"))?;
    Ok(Reopening {
        tenant,
        hour,
        noted_at: reader.millis(NOTED)?,
    })
}

/// One that cannot be read is no reason to look at none of the others: it is logged and left out.
fn or_skipped(reopening: Result<Reopening, StoreError>) -> Option<Reopening> {
    reopening
        .inspect_err(|error| tracing::error!(error = %ErrorChain(error), "reopening.skipped"))
        .ok()
}

fn reader<'a>(what: &'static str, item: &'a Item) -> Reader<'a> {
    Reader { what, item }
}

fn link(reader: &Reader<'_>) -> Result<SealLink, StoreError> {
    Ok(SealLink {
        key: reader.text(KEY)?.to_owned(),
        sha256: reader.text(SHA256)?.to_owned(),
    })
}

fn hour(reader: &Reader<'_>, name: &str) -> Result<LogHour, StoreError> {
    let hour = keys::parse_hour(reader.text(name)?);
    hour.ok_or_else(|| reader.malformed(name, "is not an hour"))
}
