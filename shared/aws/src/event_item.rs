//! How an event stands in the log: one item, one attribute per context attribute, named alike.
//!
//! CloudEvents names have no underscore, so every attribute with one is the bus's own. `source` and `id`
//! are in the key and nowhere else. Data is `data_json` or `data_binary`, and ends in `_zstd` where that
//! made it smaller; where the item cannot hold it, `data_object` says in which of the four forms it stands
//! in the payload bucket (`docs/adr/0006-event-item.md`).

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use pillarbox_domain::cloud_event::{AttributeName, AttributeValue as ContextValue, Context};
use pillarbox_domain::log_shard::LogShard;
use pillarbox_domain::logged_event::OutboxMode;
use pillarbox_domain::payload::{PayloadKey, Payloads};
use pillarbox_domain::{CloudEvent, Data, EventId, Fingerprint, LoggedEvent, StoreError, TenantId};
use time::UtcDateTime;

use crate::data_form::DataForm;
use crate::item::{Item, Reader, item_bytes, n, s};
use crate::keys;

pub(crate) const EVENT_ID: &str = "event_id";
pub(crate) const FINGERPRINT: &str = "content_sha256";
pub(crate) const TYPE: &str = "type";
pub(crate) const OUTBOX_MODE: &str = "outbox_mode";
pub(crate) const OUTBOX_NONE: &str = "none";
pub(crate) const DATA_OBJECT: &str = "data_object";

/// The item of an event, all of it.
pub fn encode(logged: &LoggedEvent) -> Item {
    let LoggedEvent {
        tenant,
        event_id,
        event,
        fingerprint,
        outbox,
        shard,
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
            s(keys::log_hour(tenant, *event_id, *shard)),
        ),
        (TYPE.to_owned(), s(event.event_type())),
        (
            FINGERPRINT.to_owned(),
            AttributeValue::B(Blob::new(*fingerprint.as_bytes())),
        ),
        (keys::EXPIRES_AT.to_owned(), n(expires_at.unix_timestamp())),
    ]);
    if *outbox == OutboxMode::None {
        item.insert(OUTBOX_MODE.to_owned(), s(OUTBOX_NONE));
    }
    if let Some(correlation_id) = event.correlation_id() {
        item.insert(
            keys::CORR_PK.to_owned(),
            s(keys::correlation(tenant, correlation_id)),
        );
    }
    for (name, value) in event.context() {
        item.insert(name.to_string(), encode_context(value));
    }
    if let Some(data) = event.data() {
        let (form, value) = DataForm::encode(data);
        item.insert(form.attribute().to_owned(), value);
    }
    item
}

/// Data that its event's item does not hold.
pub(crate) struct DataObject {
    pub(crate) key: PayloadKey,
    pub(crate) bytes: Vec<u8>,
}

/// Takes the data out of an item, if it has any, and leaves word of its form.
pub(crate) fn take_data_out(logged: &LoggedEvent, item: &mut Item) -> Option<DataObject> {
    let form = DataForm::of(item)?;
    let bytes = match item.remove(form.attribute())? {
        AttributeValue::S(text) => text.into_bytes(),
        AttributeValue::B(bytes) => bytes.into_inner(),
        _ => return None,
    };
    item.insert(DATA_OBJECT.to_owned(), s(form.name()));
    let key = PayloadKey {
        tenant: logged.tenant.clone(),
        event_id: logged.event_id,
        expires_at: logged.expires_at,
    };
    Some(DataObject { key, bytes })
}

/// The item of an event, and what of it has to stand in the payload bucket for the item not to be larger
/// than this many bytes.
pub(crate) fn encode_within(
    logged: &LoggedEvent,
    max_item_bytes: usize,
) -> (Item, Option<DataObject>) {
    let mut item = encode(logged);
    if item_bytes(&item) <= max_item_bytes {
        return (item, None);
    }
    let object = take_data_out(logged, &mut item);
    (item, object)
}

/// The event of a stream record's new image. Malformed is what no program could make an event of.
pub async fn decode_stream_image<P: Payloads>(
    image: serde_dynamo::Item,
    payloads: &P,
) -> Result<LoggedEvent, StoreError> {
    decode(&image.into(), payloads).await
}

/// The event of an item.
pub(crate) async fn decode<P: Payloads>(
    item: &Item,
    payloads: &P,
) -> Result<LoggedEvent, StoreError> {
    let item = EventItem::read(item)?;
    let data = item.data(payloads).await?;
    item.event(data)
}

/// The event of an item, with these data where its own are in the payload bucket.
pub(crate) fn decode_item_only(
    item: &Item,
    stand_in: Option<&Data>,
) -> Result<LoggedEvent, StoreError> {
    let item = EventItem::read(item)?;
    let data = match item.reader.optional_text(DATA_OBJECT)? {
        Some(_) => stand_in.cloned(),
        None => DataForm::decode_inline(&item.reader)?,
    };
    item.event(data)
}

/// An item whose keys are read.
struct EventItem<'a> {
    reader: Reader<'a>,
    tenant: TenantId,
    source: String,
    id: String,
    event_id: EventId,
    shard: LogShard,
    expires_at: UtcDateTime,
}

impl<'a> EventItem<'a> {
    fn read(item: &'a Item) -> Result<Self, StoreError> {
        let reader = Reader {
            what: "event",
            item,
        };
        let (tenant, source, id) = keys::parse_event(reader.text(keys::PK)?)
            .ok_or_else(|| reader.malformed(keys::PK, "is not an event's key"))?;
        let event_id = read_event_id(&reader)?;
        Ok(Self {
            shard: read_shard(&reader, &tenant, event_id)?,
            event_id,
            expires_at: UtcDateTime::from_unix_timestamp(reader.number(keys::EXPIRES_AT)?)
                .map_err(|error| reader.malformed(keys::EXPIRES_AT, error))?,
            reader,
            tenant,
            source,
            id,
        })
    }

    /// Its data, from wherever it is.
    async fn data<P: Payloads>(&self, payloads: &P) -> Result<Option<Data>, StoreError> {
        let Some(form) = self.reader.optional_text(DATA_OBJECT)? else {
            return DataForm::decode_inline(&self.reader);
        };
        let form = DataForm::named(form)
            .ok_or_else(|| self.reader.malformed(DATA_OBJECT, "is not a form of data"))?;
        let key = PayloadKey {
            tenant: self.tenant.clone(),
            event_id: self.event_id,
            expires_at: self.expires_at,
        };
        let bytes = payloads.get(&key).await?;
        let bytes = bytes.ok_or_else(|| {
            self.reader
                .malformed(DATA_OBJECT, "names data that is gone")
        })?;
        form.decode(&self.reader, bytes).map(Some)
    }

    fn event(self, data: Option<Data>) -> Result<LoggedEvent, StoreError> {
        let reader = self.reader;
        let event_type = reader.text(TYPE)?.to_owned();
        let context = decode_context(&reader)?;
        let event = CloudEvent::new(self.source, self.id, event_type, context, data);
        let event = event.map_err(|violations| {
            let all: Vec<String> = violations.iter().map(ToString::to_string).collect();
            reader.malformed("event", format!("breaks rules: {}", all.join("; ")))
        })?;
        let size = event.check_size();
        size.map_err(|error| reader.malformed("data", format!("is too large: {error}")))?;
        check_correlation(&reader, &self.tenant, &event)?;
        Ok(LoggedEvent {
            tenant: self.tenant,
            event_id: self.event_id,
            event,
            fingerprint: decode_fingerprint(&reader)?,
            outbox: decode_outbox_mode(&reader)?,
            shard: self.shard,
            expires_at: self.expires_at,
        })
    }
}

/// The log is in the order of its ids as texts, so there is one way to write one.
fn read_event_id(reader: &Reader<'_>) -> Result<EventId, StoreError> {
    let text = reader.text(EVENT_ID)?;
    let event_id: EventId = reader.parsed(EVENT_ID)?;
    if event_id.to_string() == text {
        Ok(event_id)
    } else {
        Err(reader.malformed(EVENT_ID, format!("is not written {event_id}")))
    }
}

/// Any program may have written the item: what it is found by must not lead to another tenant, or another hour.
fn read_shard(
    reader: &Reader<'_>,
    tenant: &TenantId,
    event_id: EventId,
) -> Result<LogShard, StoreError> {
    let text = reader.text(keys::LOG_PK)?;
    let shard = text.rsplit('#').next().unwrap_or_default().parse();
    let shard = shard.map_err(|error| reader.malformed(keys::LOG_PK, error))?;
    let expected = keys::log_hour(tenant, event_id, shard);
    if text == expected {
        Ok(shard)
    } else {
        Err(reader.malformed(
            keys::LOG_PK,
            format!("is {text}, and belongs to {expected}"),
        ))
    }
}

fn check_correlation(
    reader: &Reader<'_>,
    tenant: &TenantId,
    event: &CloudEvent,
) -> Result<(), StoreError> {
    let expected = event
        .correlation_id()
        .map(|id| keys::correlation(tenant, id));
    if reader.optional_text(keys::CORR_PK)? == expected.as_deref() {
        return Ok(());
    }
    let detail = match expected {
        Some(expected) => format!("is not {expected}"),
        None => "is there without a correlationid".to_owned(),
    };
    Err(reader.malformed(keys::CORR_PK, detail))
}

pub(crate) fn decode_fingerprint(reader: &Reader<'_>) -> Result<Fingerprint, StoreError> {
    Fingerprint::from_bytes(reader.bytes(FINGERPRINT)?)
        .ok_or_else(|| reader.malformed(FINGERPRINT, "is not 32 bytes"))
}

pub(crate) fn decode_outbox_mode(reader: &Reader<'_>) -> Result<OutboxMode, StoreError> {
    match reader.optional_text(OUTBOX_MODE)? {
        None => Ok(OutboxMode::Dispatch),
        Some(OUTBOX_NONE) => Ok(OutboxMode::None),
        Some(_) => Err(reader.malformed(OUTBOX_MODE, "is not 'none'")),
    }
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
