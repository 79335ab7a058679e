//! `DeadLetterTable`: three items of one letter, which are written together or not at all.
//!
//! The letter is small, since lists read all of them; its body stands beside it. The third is the failure's name:
//! it is there once, however often the failure comes.

mod body;
mod letter;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::error::TransactionCanceledException;
use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use futures::{StreamExt, TryStreamExt, stream};
use pillarbox_domain::letters::{
    Change, Changed, DeadLetter, DeadLetterId, Kept, LetterPage, LetterStore, NewLetter, Redrive,
    RedriveId, StateName,
};
use pillarbox_domain::log_hour::{IdRange, Order};
use pillarbox_domain::payload::Payloads;
use pillarbox_domain::{ErrorChain, EventId, StoreError, TenantId};
use time::UtcDateTime;

use crate::error::{is_throttling, store_error};
use crate::item::{Item, Reader, millis, n, s};
use crate::keys;
use body::StoredBody;
use letter::{HELD_UNTIL, REDRIVE_ID, REDRIVE_IDS, REDRIVEN_AT, STATE, state};

/// The letter in which a failure is kept, in the item that is its name.
const DEAD_LETTER_ID: &str = "dead_letter_id";

/// The name of the call in errors.
const TRANSACTION: &str = "TransactWriteItems";

/// Letters of one event that are read at a time.
const MAX_READS: usize = 16;

/// Dead letters in one table, and bodies that its items do not hold.
pub struct DynamoLetters<P> {
    client: Client,
    table: String,
    payloads: P,
}

impl<P: Payloads + Sync> DynamoLetters<P> {
    /// The letters in this table.
    pub fn new(client: Client, table: String, payloads: P) -> Self {
        Self {
            client,
            table,
            payloads,
        }
    }

    async fn item(&self, pk: String, sk: String) -> Result<Option<Item>, StoreError> {
        let get = self.client.get_item().table_name(&self.table);
        let found = get
            .key(keys::PK, s(pk))
            .key(keys::SK, s(sk))
            .consistent_read(true)
            .send()
            .await;
        found
            .map(|found| found.item)
            .map_err(|error| store_error("GetItem", error))
    }

    fn put(&self, item: Item) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        let put = put.build().map_err(unbuildable)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// The item that a failure is known by, unless one is there that has not expired.
    fn put_name(&self, new: &NewLetter) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(name_of(new)))
            .condition_expression("attribute_not_exists(pk) OR expires_at < :now")
            .expression_attribute_values(":now", n(new.letter.dead_at().unix_timestamp()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(unbuildable)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// The letter that this failure is kept in, if that is why the transaction was cancelled.
    fn repeat(
        cancelled: &TransactionCanceledException,
    ) -> Result<Option<DeadLetterId>, StoreError> {
        let mut reasons = cancelled.cancellation_reasons().iter();
        let taken = reasons.find(|reason| reason.code() == Some("ConditionalCheckFailed"));
        let Some(taken) = taken else {
            return Ok(None);
        };
        let empty = Item::new();
        let reader = Reader {
            what: "failure's name",
            item: taken.item().unwrap_or(&empty),
        };
        reader.parsed(DEAD_LETTER_ID).map(Some)
    }

    fn update(&self, tenant: &TenantId, id: DeadLetterId) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key(keys::PK, s(keys::tenant(tenant)))
            .key(keys::SK, s(id.to_string()))
            .expression_attribute_names("#state", STATE)
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }
}

impl<P: Payloads + Sync> LetterStore for DynamoLetters<P> {
    async fn keep(&self, new: &NewLetter) -> Result<Kept, StoreError> {
        let body = StoredBody::of(new);
        if let Some((key, bytes)) = body.object {
            self.payloads.put(&key, bytes).await?;
        }
        let items = vec![
            self.put_name(new)?,
            self.put(letter::encode(&new.letter))?,
            self.put(body.item)?,
        ];
        let call = self.client.transact_write_items();
        let error = match call.set_transact_items(Some(items)).send().await {
            Ok(_) => return Ok(Kept::New),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                match Self::repeat(cancelled)? {
                    // Our own write, whose answer was lost.
                    Some(first) if first == new.letter.id => Ok(Kept::New),
                    Some(first) => Ok(Kept::Repeat(first)),
                    None if is_busy(cancelled) => Err(StoreError::Throttled {
                        operation: TRANSACTION,
                    }),
                    None => Err(store_error(TRANSACTION, error)),
                }
            }
            _ => Err(store_error(TRANSACTION, error)),
        }
    }

    async fn get(
        &self,
        tenant: &TenantId,
        id: DeadLetterId,
    ) -> Result<Option<DeadLetter>, StoreError> {
        let item = self.item(keys::tenant(tenant), id.to_string()).await?;
        item.map(|item| letter::decode(tenant, &item)).transpose()
    }

    async fn body(&self, letter: &DeadLetter) -> Result<Option<String>, StoreError> {
        let bodies = keys::letter_bodies(&letter.tenant);
        match self.item(bodies, letter.id.to_string()).await? {
            Some(item) => body::decode(letter, &item, &self.payloads).await,
            None => Ok(None),
        }
    }

    async fn of_event(
        &self,
        tenant: &TenantId,
        event_id: EventId,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let names = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :event")
            .expression_attribute_values(":event", s(keys::letters_of_event(tenant, event_id)))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let names: Vec<Item> = names
            .collect::<Result<_, _>>()
            .await
            .map_err(|error| store_error("Query", error))?;
        let mut reads = Vec::new();
        for name in &names {
            let reader = Reader {
                what: "failure's name",
                item: name,
            };
            reads.push(self.get(tenant, reader.parsed(DEAD_LETTER_ID)?));
        }
        let found: Vec<Option<DeadLetter>> = stream::iter(reads)
            .buffered(MAX_READS)
            .try_collect()
            .await?;
        let mut letters: Vec<DeadLetter> = found.into_iter().flatten().collect();
        letters.sort_by_key(|letter| letter.id);
        Ok(letters)
    }

    async fn page(
        &self,
        tenant: &TenantId,
        range: IdRange,
        order: Order,
        limit: usize,
    ) -> Result<LetterPage, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :tenant AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":tenant", s(keys::tenant(tenant)))
            .expression_attribute_values(":first", s(range.first().to_string()))
            .expression_attribute_values(":last", s(range.last().to_string()))
            .scan_index_forward(order == Order::Oldest)
            .consistent_read(true)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| store_error("Query", error))?;
        let letters = answer.items().iter();
        let letters = letters.map(|item| letter::decode(tenant, item));
        let last = answer.last_evaluated_key().map(letter::id_of).transpose()?;
        Ok(LetterPage {
            letters: letters.filter_map(or_skipped).collect(),
            examined: answer.items().len(),
            rest: last.and_then(|last| range.beyond(last.position(), order)),
        })
    }

    async fn change(
        &self,
        tenant: &TenantId,
        id: DeadLetterId,
        change: &Change,
    ) -> Result<Changed, StoreError> {
        let update = described(self.update(tenant, id), change);
        let error = match update.send().await {
            Ok(done) => {
                let item = done.attributes.unwrap_or_default();
                return letter::decode(tenant, &item).map(Changed::Done);
            }
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                let Some(item) = refused.item() else {
                    return Ok(Changed::Missing);
                };
                let letter = letter::decode(tenant, item)?;
                // Our own write, whose answer was lost before the client beneath us tried again.
                Ok(match change.is_made_in(&letter) {
                    true => Changed::Done(letter),
                    false => Changed::Refused(letter),
                })
            }
            _ => Err(store_error("UpdateItem", error)),
        }
    }
}

/// An update that makes this step, under the condition that the letter's state allows it.
fn described(update: UpdateItemFluentBuilder, change: &Change) -> UpdateItemFluentBuilder {
    match change {
        Change::Take {
            redrive,
            held_until,
        } => if_open_or_held(update, redrive)
            .update_expression(
                "SET #state = :redriving, #redrive = :redrive, #at = :now, #held = :until ADD #ids :ids",
            )
            .expression_attribute_names("#redrive", REDRIVE_ID)
            .expression_attribute_names("#at", REDRIVEN_AT)
            .expression_attribute_names("#ids", REDRIVE_IDS)
            .expression_attribute_values(":redrive", s(redrive.id.to_string()))
            .expression_attribute_values(":until", millis(*held_until))
            .expression_attribute_values(":ids", set_of(redrive.id)),
        Change::GiveBack(id) => if_held(update, *id)
            .update_expression("SET #state = :open REMOVE #held, #redrive, #at DELETE #ids :ids")
            .expression_attribute_names("#at", REDRIVEN_AT)
            .expression_attribute_names("#held", HELD_UNTIL)
            .expression_attribute_names("#ids", REDRIVE_IDS)
            .expression_attribute_values(":open", state(StateName::Open))
            .expression_attribute_values(":ids", set_of(*id)),
        Change::Close(id) => if_held(update, *id)
            .update_expression("SET #state = :redriven REMOVE #held")
            .expression_attribute_names("#held", HELD_UNTIL)
            .expression_attribute_values(":redriven", state(StateName::Redriven)),
        Change::Discard(discard) => if_open(update, discard.at)
            .update_expression(
                "SET #state = :discarded, #reason = :reason, #discarded = :now REMOVE #held",
            )
            .expression_attribute_names("#reason", letter::DISCARD_REASON)
            .expression_attribute_names("#discarded", letter::DISCARDED_AT)
            .expression_attribute_values(":discarded", state(StateName::Discarded))
            .expression_attribute_values(":reason", s(&discard.reason)),
    }
}

/// As [`if_open`], or held by this redrive already.
fn if_open_or_held(update: UpdateItemFluentBuilder, redrive: &Redrive) -> UpdateItemFluentBuilder {
    if_open(update, redrive.at).condition_expression(
        "#state = :open OR (#state = :redriving AND (#held < :now OR #redrive = :redrive))",
    )
}

/// Open, or left behind by a redrive whose lease has run out.
fn if_open(update: UpdateItemFluentBuilder, now: UtcDateTime) -> UpdateItemFluentBuilder {
    update
        .condition_expression("#state = :open OR (#state = :redriving AND #held < :now)")
        .expression_attribute_names("#held", HELD_UNTIL)
        .expression_attribute_values(":open", state(StateName::Open))
        .expression_attribute_values(":redriving", state(StateName::Redriving))
        .expression_attribute_values(":now", millis(now))
}

/// Held by this redrive.
fn if_held(update: UpdateItemFluentBuilder, id: RedriveId) -> UpdateItemFluentBuilder {
    update
        .condition_expression("#state = :redriving AND #redrive = :redrive")
        .expression_attribute_names("#redrive", REDRIVE_ID)
        .expression_attribute_values(":redriving", state(StateName::Redriving))
        .expression_attribute_values(":redrive", s(id.to_string()))
}

fn set_of(id: RedriveId) -> AttributeValue {
    AttributeValue::Ss(vec![id.to_string()])
}

/// The item that a failure is known by.
fn name_of(new: &NewLetter) -> Item {
    let DeadLetter {
        tenant,
        id,
        delivery,
        job,
        expires_at,
        ..
    } = &new.letter;
    let (pk, sk) = match delivery {
        Some(delivery) => (
            keys::letters_of_event(tenant, delivery.event_id),
            keys::failed_delivery(&delivery.subscription, job.as_deref()),
        ),
        None => (
            keys::letter_of_message(tenant, &new.message_id),
            keys::NO_JOB.to_owned(),
        ),
    };
    Item::from([
        (keys::PK.to_owned(), s(pk)),
        (keys::SK.to_owned(), s(sk)),
        (DEAD_LETTER_ID.to_owned(), s(id.to_string())),
        (keys::EXPIRES_AT.to_owned(), n(expires_at.unix_timestamp())),
    ])
}

/// A letter that cannot be read hides no other.
fn or_skipped(read: Result<DeadLetter, StoreError>) -> Option<DeadLetter> {
    let skip = |error: &StoreError| {
        tracing::error!(error = %ErrorChain(error), "dead_letter.skipped");
    };
    read.inspect_err(skip).ok()
}

fn is_busy(cancelled: &TransactionCanceledException) -> bool {
    let busy = |code: &str| {
        matches!(
            code,
            "TransactionConflict" | "ProvisionedThroughputExceeded" | "ThrottlingError"
        ) || is_throttling(code)
    };
    let mut reasons = cancelled.cancellation_reasons().iter();
    reasons.any(|reason| reason.code().is_some_and(busy))
}

fn unbuildable(error: aws_sdk_dynamodb::error::BuildError) -> StoreError {
    StoreError::Failed {
        operation: TRANSACTION,
        source: Box::new(error),
    }
}
