//! How an event stands in the log: one item, one attribute per context attribute, named alike.
//!
//! CloudEvents names have no underscore, so every attribute with one is the bus's own. `source` and `id`
//! are in the key and nowhere else. Data is `data_json` or `data_binary`, and ends in `_zstd` where that
//! made it smaller.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use pillarbox_domain::cloud_event::{AttributeName, AttributeValue as ContextValue, Context};
use pillarbox_domain::limits::MAX_EVENT_BYTES;
use pillarbox_domain::{CloudEvent, Data, Fingerprint, LoggedEvent, StoreError};
use serde_json::value::RawValue;
use time::UtcDateTime;

use crate::item::{Item, Reader, n, s};
use crate::keys;

pub(crate) const EVENT_ID: &str = "event_id";
pub(crate) const FINGERPRINT: &str = "content_sha256";
const TYPE: &str = "type";
const DATA_JSON: &str = "data_json";
const DATA_JSON_ZSTD: &str = "data_json_zstd";
const DATA_BINARY: &str = "data_binary";
const DATA_BINARY_ZSTD: &str = "data_binary_zstd";

/// A tenant has one shard per hour until it writes more than a partition takes.
const SHARD: u16 = 0;

/// Data below this many bytes is not worth the compressor's time: its frame costs 10 bytes or more.
const MIN_COMPRESSED_BYTES: usize = 128;

/// The level at which zstd spends about as long as SHA-256 on the same bytes.
const ZSTD_LEVEL: i32 = 3;

/// The item of an event.
pub fn encode(logged: &LoggedEvent) -> Item {
    let LoggedEvent {
        tenant,
        event_id,
        event,
        fingerprint,
        expires_at,
    } = logged;
    let mut item = Item::from([
        (
            keys::PK.to_owned(),
            s(keys::event(tenant, event.source(), event.id())),
        ),
        (EVENT_ID.to_owned(), s(event_id.to_string())),
        (
            keys::LOG_PK.to_owned(),
            s(keys::log_hour(tenant, *event_id, SHARD)),
        ),
        (TYPE.to_owned(), s(event.event_type())),
        (
            FINGERPRINT.to_owned(),
            AttributeValue::B(Blob::new(*fingerprint.as_bytes())),
        ),
        (keys::EXPIRES_AT.to_owned(), n(expires_at.unix_timestamp())),
    ]);
    if let Some(correlation_id) = event.correlation_id() {
        item.insert(
            keys::CORR_PK.to_owned(),
            s(keys::correlation(tenant, correlation_id)),
        );
    }
    for (name, value) in event.context() {
        item.insert(name.to_string(), encode_context(value));
    }
    if let Some((name, value)) = event.data().map(encode_data) {
        item.insert(name.to_owned(), value);
    }
    item
}

/// The event of a stream record's new image.
pub fn decode_stream_image(image: serde_dynamo::Item) -> Result<LoggedEvent, StoreError> {
    decode(&image.into())
}

/// The event of an item.
pub(crate) fn decode(item: &Item) -> Result<LoggedEvent, StoreError> {
    let reader = Reader {
        what: "event",
        item,
    };
    let (tenant, source, id) = keys::parse_event(reader.text(keys::PK)?)
        .ok_or_else(|| reader.malformed(keys::PK, "is not an event's key"))?;
    let event_type = reader.text(TYPE)?.to_owned();
    let context = decode_context(&reader)?;
    let event = CloudEvent::new(source, id, event_type, context, decode_data(&reader)?).map_err(
        |violations| {
            let all: Vec<String> = violations.iter().map(ToString::to_string).collect();
            reader.malformed("event", format!("breaks rules: {}", all.join("; ")))
        },
    )?;
    Ok(LoggedEvent {
        tenant,
        event_id: reader.parsed(EVENT_ID)?,
        event,
        fingerprint: decode_fingerprint(&reader)?,
        expires_at: UtcDateTime::from_unix_timestamp(reader.number(keys::EXPIRES_AT)?)
            .map_err(|error| reader.malformed(keys::EXPIRES_AT, error))?,
    })
}

pub(crate) fn decode_fingerprint(reader: &Reader<'_>) -> Result<Fingerprint, StoreError> {
    Fingerprint::from_bytes(reader.bytes(FINGERPRINT)?)
        .ok_or_else(|| reader.malformed(FINGERPRINT, "is not 32 bytes"))
}

fn encode_context(value: &ContextValue) -> AttributeValue {
    match value {
        ContextValue::Boolean(value) => AttributeValue::Bool(*value),
        ContextValue::Integer(value) => n((*value).into()),
        ContextValue::String(text) => s(text),
    }
}

fn decode_context(reader: &Reader<'_>) -> Result<Context, StoreError> {
    let own = |name: &str| name == keys::PK || name == TYPE || name.contains('_');
    let mut context = Context::new();
    for (name, value) in reader.item.iter().filter(|(name, _)| !own(name)) {
        let value = match value {
            AttributeValue::Bool(value) => ContextValue::Boolean(*value),
            AttributeValue::S(text) => ContextValue::String(text.clone()),
            AttributeValue::N(number) => ContextValue::Integer(
                number
                    .parse()
                    .map_err(|_| reader.malformed(name, "is not a 32-bit integer"))?,
            ),
            _ => return Err(reader.malformed(name, "is not a string, number or boolean")),
        };
        let key = AttributeName::new(name).map_err(|fault| reader.malformed(name, fault))?;
        context.insert(key, value);
    }
    Ok(context)
}

fn encode_data(data: &Data) -> (&'static str, AttributeValue) {
    let compressed = compress(data.bytes());
    match (data, compressed) {
        (Data::Json(_), Some(zstd)) => (DATA_JSON_ZSTD, AttributeValue::B(Blob::new(zstd))),
        (Data::Binary(_), Some(zstd)) => (DATA_BINARY_ZSTD, AttributeValue::B(Blob::new(zstd))),
        (Data::Json(json), None) => (DATA_JSON, s(json.get())),
        (Data::Binary(bytes), None) => {
            (DATA_BINARY, AttributeValue::B(Blob::new(bytes.as_slice())))
        }
    }
}

/// The smaller form, if there is one. A compressor that fails is one that does not help.
fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() < MIN_COMPRESSED_BYTES {
        return None;
    }
    let compressed = zstd::bulk::compress(bytes, ZSTD_LEVEL).ok()?;
    (compressed.len() < bytes.len()).then_some(compressed)
}

fn decode_data(reader: &Reader<'_>) -> Result<Option<Data>, StoreError> {
    let forms = [DATA_JSON, DATA_JSON_ZSTD, DATA_BINARY, DATA_BINARY_ZSTD];
    let mut present = forms
        .into_iter()
        .filter(|name| reader.item.contains_key(*name));
    let Some(name) = present.next() else {
        return Ok(None);
    };
    if let Some(second) = present.next() {
        return Err(reader.malformed(second, format!("is there beside {name}")));
    }
    let data = match name {
        DATA_JSON => json(reader, name, reader.text(name)?.to_owned())?,
        DATA_JSON_ZSTD => {
            let text = String::from_utf8(decompress(reader, name)?);
            json(
                reader,
                name,
                text.map_err(|error| reader.malformed(name, error))?,
            )?
        }
        DATA_BINARY => Data::Binary(reader.bytes(name)?.to_vec()),
        _ => Data::Binary(decompress(reader, name)?),
    };
    Ok(Some(data))
}

fn json(reader: &Reader<'_>, name: &str, text: String) -> Result<Data, StoreError> {
    let json = RawValue::from_string(text);
    json.map(Data::Json)
        .map_err(|error| reader.malformed(name, error))
}

fn decompress(reader: &Reader<'_>, name: &str) -> Result<Vec<u8>, StoreError> {
    zstd::bulk::decompress(reader.bytes(name)?, MAX_EVENT_BYTES)
        .map_err(|error| reader.malformed(name, error))
}
