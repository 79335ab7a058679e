//! How a delivery in trouble stands in its table.

use aws_sdk_dynamodb::types::AttributeValue;
use pillarbox_domain::StoreError;
use pillarbox_domain::dead_letter::Failure;
use pillarbox_domain::trouble::{Attempt, DeliveryKey, GRACE, TroubleStatus, TroubledDelivery};

use crate::item::{Item, Reader, n, s, unix_millis};
use crate::keys;

pub(crate) const STATUS: &str = "status";
pub(crate) const RETRYING: &str = "RETRYING";
pub(crate) const HOLDS: &str = "holds";
pub(crate) const HELD_UNTIL: &str = "held_until_ms";
pub(crate) const NEXT_ATTEMPT: &str = "next_attempt_ms";

pub(crate) const RECOVERED: &str = "RECOVERED";
pub(crate) const FAILED: &str = "FAILED";
const SETTLED: &str = "settled_ms";
const SOURCE: &str = "event_source";
const ID: &str = "event_source_id";
const TYPE: &str = "type";
const ATTEMPTS: &str = "attempts";
const AT: &str = "at_ms";
const ERROR_CLASS: &str = "error_class";
const ERROR_MESSAGE: &str = "error_message";

/// The item of a row, held by nobody.
pub(crate) fn encode(row: &TroubledDelivery) -> Item {
    let attempts = row.attempts.iter().map(encode_attempt).collect();
    let mut item = Item::from([
        (
            keys::PK.to_owned(),
            s(keys::trouble(&row.key.tenant, row.key.event_id)),
        ),
        (
            keys::SK.to_owned(),
            s(keys::troubled(&row.key.subscription)),
        ),
        (SOURCE.to_owned(), s(&row.source)),
        (ID.to_owned(), s(&row.id)),
        (TYPE.to_owned(), s(&row.event_type)),
        (ATTEMPTS.to_owned(), AttributeValue::L(attempts)),
        (HOLDS.to_owned(), n(row.holds.into())),
        (
            keys::EXPIRES_AT.to_owned(),
            n(row.expires_at.unix_timestamp()),
        ),
    ]);
    item.extend(encode_status(row));
    item
}

/// The status, and where the indexes have it.
fn encode_status(row: &TroubledDelivery) -> Vec<(String, AttributeValue)> {
    let key = &row.key;
    let by_status = |status: &str| {
        [
            (
                keys::STATUS_PK.to_owned(),
                s(keys::trouble_status(&key.tenant, status)),
            ),
            (
                keys::STATUS_SK.to_owned(),
                s(keys::trouble_status_place(key)),
            ),
        ]
    };
    let settled = |status: &str, at| {
        let mut attributes = vec![
            (STATUS.to_owned(), s(status)),
            (SETTLED.to_owned(), n(unix_millis(at))),
        ];
        attributes.extend(by_status(status));
        attributes
    };
    match row.status {
        TroubleStatus::Retrying { next_attempt_at } => {
            let mut attributes = vec![
                (STATUS.to_owned(), s(RETRYING)),
                (NEXT_ATTEMPT.to_owned(), n(unix_millis(next_attempt_at))),
                (keys::DUE_PK.to_owned(), s(keys::due_part_of(key.event_id))),
                (
                    keys::DUE_MS.to_owned(),
                    n(unix_millis(next_attempt_at + GRACE)),
                ),
            ];
            attributes.extend(by_status(RETRYING));
            attributes
        }
        TroubleStatus::Recovered { at } => settled(RECOVERED, at),
        TroubleStatus::Failed { at } => settled(FAILED, at),
    }
}

fn encode_attempt(attempt: &Attempt) -> AttributeValue {
    AttributeValue::M(Item::from([
        (AT.to_owned(), n(unix_millis(attempt.at))),
        (ERROR_CLASS.to_owned(), s(&*attempt.failure.class)),
        (ERROR_MESSAGE.to_owned(), s(&attempt.failure.message)),
    ]))
}

/// The row of an item.
pub(crate) fn decode(key: &DeliveryKey, item: &Item) -> Result<TroubledDelivery, StoreError> {
    let reader = Reader {
        what: "delivery in trouble",
        item,
    };
    let holds = u32::try_from(reader.unsigned(HOLDS)?);
    let expires_at = reader.number(keys::EXPIRES_AT)?;
    let expires_at = time::UtcDateTime::from_unix_timestamp(expires_at);
    Ok(TroubledDelivery {
        key: key.clone(),
        source: reader.text(SOURCE)?.to_owned(),
        id: reader.text(ID)?.to_owned(),
        event_type: reader.text(TYPE)?.to_owned(),
        status: decode_status(&reader)?,
        attempts: decode_attempts(&reader)?,
        holds: holds.map_err(|error| reader.malformed(HOLDS, error))?,
        expires_at: expires_at.map_err(|error| reader.malformed(keys::EXPIRES_AT, error))?,
    })
}

fn decode_status(reader: &Reader<'_>) -> Result<TroubleStatus, StoreError> {
    match reader.text(STATUS)? {
        RETRYING => Ok(TroubleStatus::Retrying {
            next_attempt_at: reader.time(NEXT_ATTEMPT)?,
        }),
        RECOVERED => Ok(TroubleStatus::Recovered {
            at: reader.time(SETTLED)?,
        }),
        FAILED => Ok(TroubleStatus::Failed {
            at: reader.time(SETTLED)?,
        }),
        other => Err(reader.malformed(STATUS, format_args!("is {other}"))),
    }
}

fn decode_attempts(reader: &Reader<'_>) -> Result<Vec<Attempt>, StoreError> {
    let Some(AttributeValue::L(attempts)) = reader.item.get(ATTEMPTS) else {
        return Err(reader.malformed(ATTEMPTS, "is not a list"));
    };
    let attempt = |value: &AttributeValue| {
        let AttributeValue::M(item) = value else {
            return Err(reader.malformed(ATTEMPTS, "holds something else than maps"));
        };
        let reader = Reader {
            what: reader.what,
            item,
        };
        Ok(Attempt {
            at: reader.time(AT)?,
            failure: Failure::new(
                reader.text(ERROR_CLASS)?.to_owned(),
                reader.text(ERROR_MESSAGE)?,
            ),
        })
    };
    attempts.iter().map(attempt).collect()
}
