//! The item of a dead letter: everything but its body.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use pillarbox_domain::letters::{
    DeadLetter, DeadLetterId, Discard, FailedDelivery, LetterError, LetterState, Redrive,
    RedriveId, StateName,
};
use pillarbox_domain::{StoreError, TenantId};
use time::UtcDateTime;

use crate::item::{Item, Reader, millis, n, s};
use crate::keys;

pub(super) const STATE: &str = "state";
pub(super) const REDRIVE_ID: &str = "redrive_id";
pub(super) const REDRIVEN_AT: &str = "redriven_at_ms";
pub(super) const HELD_UNTIL: &str = "held_until_ms";
pub(super) const REDRIVE_IDS: &str = "redrive_ids";
pub(super) const DISCARD_REASON: &str = "discard_reason";
pub(super) const DISCARDED_AT: &str = "discarded_at_ms";

const ORIGIN: &str = "origin";
const EVENT_ID: &str = "event_id";
const TYPE: &str = "type";
const SOURCE: &str = "source";
const ID: &str = "id";
const SUBSCRIPTION_ID: &str = "subscription_id";
const CORRELATION_ID: &str = "correlation_id";
const ERROR_CLASS: &str = "error_class";
const ERROR_MESSAGE: &str = "error_message";
const ATTEMPTS: &str = "attempts";
const FIRST_FAILED_AT: &str = "first_failed_at_ms";
const LAST_FAILED_AT: &str = "last_failed_at_ms";
const JOB: &str = "job";
const FIRST_DEAD_LETTER_ID: &str = "first_dead_letter_id";

/// A state's value.
pub(super) fn state(name: StateName) -> AttributeValue {
    s(name.as_str())
}

/// The item of a new letter, which is open.
pub(super) fn encode(letter: &DeadLetter) -> Item {
    let mut item = Item::from([
        (keys::PK.to_owned(), s(keys::tenant(&letter.tenant))),
        (keys::SK.to_owned(), s(letter.id.to_string())),
        (ORIGIN.to_owned(), s(letter.origin.as_str())),
        (ERROR_CLASS.to_owned(), s(&letter.error.class)),
        (ERROR_MESSAGE.to_owned(), s(&letter.error.message)),
        (STATE.to_owned(), state(StateName::Open)),
        (
            keys::EXPIRES_AT.to_owned(),
            n(letter.expires_at.unix_timestamp()),
        ),
    ]);
    let first = letter.first_dead_letter_id;
    let optional = [
        (ATTEMPTS, letter.attempts.map(|count| n(count.into()))),
        (FIRST_FAILED_AT, letter.first_failed_at.map(millis)),
        (LAST_FAILED_AT, letter.last_failed_at.map(millis)),
        (JOB, letter.job.as_ref().map(s)),
        (FIRST_DEAD_LETTER_ID, first.map(|id| s(id.to_string()))),
    ];
    let there = optional
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    item.extend(there);
    item.extend(letter.delivery.iter().flat_map(encode_delivery));
    item
}

fn encode_delivery(delivery: &FailedDelivery) -> Vec<(String, AttributeValue)> {
    let FailedDelivery {
        event_id,
        event_type,
        source,
        id,
        subscription,
        correlation_id,
    } = delivery;
    let mut attributes = vec![
        (EVENT_ID.to_owned(), s(event_id.to_string())),
        (TYPE.to_owned(), s(event_type)),
        (SOURCE.to_owned(), s(source)),
        (ID.to_owned(), s(id)),
        (SUBSCRIPTION_ID.to_owned(), s(subscription.as_str())),
    ];
    let correlation = correlation_id.as_ref();
    attributes.extend(correlation.map(|id| (CORRELATION_ID.to_owned(), s(id))));
    attributes
}

fn reader(item: &Item) -> Reader<'_> {
    Reader {
        what: "dead letter",
        item,
    }
}

/// The letter that an item, or its key, names.
pub(super) fn id_of(item: &Item) -> Result<DeadLetterId, StoreError> {
    reader(item).parsed(keys::SK)
}

pub(super) fn decode(tenant: &TenantId, item: &Item) -> Result<DeadLetter, StoreError> {
    let reader = reader(item);
    let time = |name| optional_millis(&reader, name);
    Ok(DeadLetter {
        tenant: tenant.clone(),
        id: reader.parsed(keys::SK)?,
        origin: reader.parsed(ORIGIN)?,
        delivery: decode_delivery(&reader)?,
        error: LetterError {
            class: reader.text(ERROR_CLASS)?.to_owned(),
            message: reader.text(ERROR_MESSAGE)?.to_owned(),
        },
        attempts: reader.optional_number(ATTEMPTS, u32::try_from)?,
        first_failed_at: time(FIRST_FAILED_AT)?,
        last_failed_at: time(LAST_FAILED_AT)?,
        job: reader.optional_text(JOB)?.map(str::to_owned),
        first_dead_letter_id: reader.optional_parsed(FIRST_DEAD_LETTER_ID)?,
        state: decode_state(&reader)?,
        redrive_ids: decode_redrive_ids(&reader)?,
        expires_at: UtcDateTime::from_unix_timestamp(reader.number(keys::EXPIRES_AT)?)
            .map_err(|error| reader.malformed(keys::EXPIRES_AT, error))?,
    })
}

fn optional_millis(reader: &Reader<'_>, name: &str) -> Result<Option<UtcDateTime>, StoreError> {
    match reader.item.contains_key(name) {
        true => reader.millis(name).map(Some),
        false => Ok(None),
    }
}

fn decode_delivery(reader: &Reader<'_>) -> Result<Option<FailedDelivery>, StoreError> {
    let Some(event_id) = reader.optional_parsed(EVENT_ID)? else {
        return Ok(None);
    };
    Ok(Some(FailedDelivery {
        event_id,
        event_type: reader.text(TYPE)?.to_owned(),
        source: reader.text(SOURCE)?.to_owned(),
        id: reader.text(ID)?.to_owned(),
        subscription: reader.parsed(SUBSCRIPTION_ID)?,
        correlation_id: reader.optional_text(CORRELATION_ID)?.map(str::to_owned),
    }))
}

fn decode_state(reader: &Reader<'_>) -> Result<LetterState, StoreError> {
    let redrive = || -> Result<Redrive, StoreError> {
        Ok(Redrive {
            id: reader.parsed(REDRIVE_ID)?,
            at: reader.millis(REDRIVEN_AT)?,
        })
    };
    Ok(match reader.parsed(STATE)? {
        StateName::Open => LetterState::Open,
        StateName::Redriving => LetterState::Redriving {
            redrive: redrive()?,
            held_until: reader.millis(HELD_UNTIL)?,
        },
        StateName::Redriven => LetterState::Redriven(redrive()?),
        StateName::Discarded => LetterState::Discarded(Discard {
            reason: reader.text(DISCARD_REASON)?.to_owned(),
            at: reader.millis(DISCARDED_AT)?,
        }),
    })
}

fn decode_redrive_ids(reader: &Reader<'_>) -> Result<BTreeSet<RedriveId>, StoreError> {
    let ids = match reader.item.get(REDRIVE_IDS) {
        None => return Ok(BTreeSet::new()),
        Some(AttributeValue::Ss(ids)) => ids.iter(),
        Some(_) => return Err(reader.malformed(REDRIVE_IDS, "is not a set of strings")),
    };
    let parsed = ids.map(|id| id.parse()).collect::<Result<_, _>>();
    parsed.map_err(|error| reader.malformed(REDRIVE_IDS, error))
}
