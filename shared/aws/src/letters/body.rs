//! The body of a dead letter: as it came or compressed, in its item or in the payload bucket.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use pillarbox_domain::StoreError;
use pillarbox_domain::letters::{DeadLetter, NewLetter};
use pillarbox_domain::limits::MAX_LETTER_ITEM_BODY_BYTES;
use pillarbox_domain::payload::{PayloadKey, Payloads};

use crate::data_form::compress;
use crate::item::{Item, Reader, n, s};
use crate::keys;

const TEXT: &str = "body";
const ZSTD: &str = "body_zstd";
/// In which of the two forms the body stands in the payload bucket.
const OBJECT: &str = "body_object";

/// Bytes of a body before it is compressed: what an SQS message holds
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>).
const MAX_BODY_BYTES: usize = 1_048_576;

/// A body as it is stored.
pub(super) struct StoredBody {
    /// Its item.
    pub(super) item: Item,
    /// What the item does not hold.
    pub(super) object: Option<(PayloadKey, Vec<u8>)>,
}

impl StoredBody {
    pub(super) fn of(new: &NewLetter) -> Self {
        let letter = &new.letter;
        let mut item = Item::from([
            (keys::PK.to_owned(), s(keys::letter_bodies(&letter.tenant))),
            (keys::SK.to_owned(), s(letter.id.to_string())),
            (
                keys::EXPIRES_AT.to_owned(),
                n(letter.expires_at.unix_timestamp()),
            ),
        ]);
        let zstd = compress(new.body.as_bytes());
        let form = if zstd.is_some() { ZSTD } else { TEXT };
        let bytes = zstd.as_ref().map_or(new.body.len(), Vec::len);
        let mut object = None;
        if bytes > MAX_LETTER_ITEM_BODY_BYTES {
            let bytes = zstd.unwrap_or_else(|| new.body.clone().into_bytes());
            object = Some((payload_key(letter), bytes));
            item.insert(OBJECT.to_owned(), s(form));
        } else {
            let inline =
                zstd.map_or_else(|| s(&new.body), |zstd| AttributeValue::B(Blob::new(zstd)));
            item.insert(form.to_owned(), inline);
        }
        Self { item, object }
    }
}

/// The body of an item. `None` when its object is gone.
pub(super) async fn decode<P: Payloads>(
    letter: &DeadLetter,
    item: &Item,
    payloads: &P,
) -> Result<Option<String>, StoreError> {
    let reader = Reader {
        what: "dead letter's body",
        item,
    };
    if let Some(text) = reader.optional_text(TEXT)? {
        return Ok(Some(text.to_owned()));
    }
    let Some(form) = reader.optional_text(OBJECT)? else {
        return text_of(&reader, ZSTD, reader.bytes(ZSTD)?.to_vec()).map(Some);
    };
    match payloads.get(&payload_key(letter)).await? {
        Some(bytes) => text_of(&reader, form, bytes).map(Some),
        None => Ok(None),
    }
}

fn text_of(reader: &Reader<'_>, form: &str, bytes: Vec<u8>) -> Result<String, StoreError> {
    let bytes = match form {
        TEXT => bytes,
        ZSTD => zstd::bulk::decompress(&bytes, MAX_BODY_BYTES)
            .map_err(|error| reader.malformed(ZSTD, error))?,
        _ => return Err(reader.malformed(OBJECT, "is not a form of a body")),
    };
    String::from_utf8(bytes).map_err(|error| reader.malformed(form, error))
}

/// Letters and events are named alike, by UUIDv7 that are never given twice, so no object is another's.
fn payload_key(letter: &DeadLetter) -> PayloadKey {
    PayloadKey {
        tenant: letter.tenant.clone(),
        event_id: letter.id.uuid(),
        expires_at: letter.expires_at,
    }
}
