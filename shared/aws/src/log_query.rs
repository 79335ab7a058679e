//! `EventLogTable`, as it is queried: its two indexes, and the items that they name.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use futures::{StreamExt, stream};
use pillarbox_domain::event_query::{
    EventBodies, IndexEntry, IndexPage, IndexPart, IndexQuery, LogIndex,
};
use pillarbox_domain::log_hour::{Order, Position};
use pillarbox_domain::payload::Payloads;
use pillarbox_domain::store_error::Disposition;
use pillarbox_domain::subscription::TypePattern;
use pillarbox_domain::{ErrorChain, EventId, LoggedEvent, StoreError, TenantId};

use crate::error::store_error;
use crate::event_item::{self, EVENT_ID, TYPE};
use crate::item::{Item, Reader, item_bytes, s};
use crate::keys;

const BY_TIME: &str = "ByTime";
const BY_CORRELATION: &str = "ByCorrelation";

/// Items in one `BatchGetItem`
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>).
const MAX_ITEMS: usize = 100;

/// Objects of the payload bucket that are fetched at a time.
const MAX_FETCHES: usize = 4;

/// How often a `BatchGetItem` may bring nothing at all, and how long is waited after the first time; twice as
/// long each time.
const MAX_EMPTY_ANSWERS: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// The log's indexes and its events.
pub struct DynamoLogIndex<P> {
    client: Client,
    table: String,
    payloads: P,
}

impl<P: Payloads> DynamoLogIndex<P> {
    /// Reads this table, and data that its items do not hold.
    pub fn new(client: Client, table: String, payloads: P) -> Self {
        Self {
            client,
            table,
            payloads,
        }
    }
}

impl<P: Payloads + Sync> LogIndex for DynamoLogIndex<P> {
    async fn page(
        &self,
        tenant: &TenantId,
        query: IndexQuery<'_>,
    ) -> Result<IndexPage, StoreError> {
        let IndexQuery { range, order, .. } = query;
        let (index, name, part) = match query.part {
            IndexPart::Hour(hour, shard) => {
                let part = keys::log_part(tenant, *hour, *shard);
                (BY_TIME, keys::LOG_PK, part)
            }
            IndexPart::Correlation(id) => {
                (BY_CORRELATION, keys::CORR_PK, keys::correlation(tenant, id))
            }
        };
        let mut call = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(index)
            .key_condition_expression("#part = :part AND event_id BETWEEN :first AND :last")
            .expression_attribute_names("#part", name)
            .expression_attribute_values(":part", s(part))
            .expression_attribute_values(":first", s(range.first().to_string()))
            .expression_attribute_values(":last", s(range.last().to_string()))
            .scan_index_forward(order == Order::Oldest)
            .limit(i32::try_from(query.limit).unwrap_or(i32::MAX));
        if let Some((condition, value)) = query.event_type.and_then(type_condition) {
            call = call
                .filter_expression(condition)
                .expression_attribute_names("#type", TYPE)
                .expression_attribute_values(":type", s(value));
        }
        let mut page = IndexPage {
            entries: vec![],
            examined: 0,
            rest: None,
        };
        let mut from = None;
        loop {
            let answer = call.clone().set_exclusive_start_key(from).send().await;
            let answer = answer.map_err(|error| store_error("Query", error))?;
            page.examined += usize::try_from(answer.scanned_count()).unwrap_or_default();
            let entries = answer.items().iter().map(|item| entry(tenant, item));
            page.entries.extend(entries.filter_map(or_skipped));
            let Some(last) = answer.last_evaluated_key else {
                return Ok(page);
            };
            // Where the last one has no id the next call goes on from its key.
            if let Ok(last) = event_id(&reader(&last)) {
                page.rest = range.beyond(Position::of(last), order);
                return Ok(page);
            }
            from = Some(last);
        }
    }
}

/// What leaves out other types before they are sent.
fn type_condition(pattern: &TypePattern) -> Option<(&'static str, &str)> {
    match pattern.as_str().strip_suffix('*') {
        Some("") => None,
        Some(prefix) => Some(("begins_with(#type, :type)", prefix)),
        None => Some(("#type = :type", pattern.as_str())),
    }
}

fn reader(item: &Item) -> Reader<'_> {
    Reader {
        what: "index entry",
        item,
    }
}

/// What an index has of an event. Producers write such items themselves, too, so it may be anything; above
/// all it may be of another tenant.
fn entry(tenant: &TenantId, item: &Item) -> Result<IndexEntry, StoreError> {
    let reader = reader(item);
    let key = reader.text(keys::PK)?;
    let (owner, source, id) = keys::parse_event(key)
        .ok_or_else(|| reader.malformed(keys::PK, "is not an event's key"))?;
    if owner != *tenant {
        let detail = format!("is of {owner} in the index of {tenant}");
        return Err(reader.malformed(keys::PK, detail));
    }
    if key != keys::event(tenant, &source, &id) {
        return Err(reader.malformed(keys::PK, "is not written as keys are"));
    }
    Ok(IndexEntry {
        event_id: event_id(&reader)?,
        source,
        id,
        event_type: reader.text(TYPE)?.to_owned(),
        outbox: event_item::decode_outbox_mode(&reader)?,
    })
}

/// The id, in the only spelling that is in its place in the index.
fn event_id(reader: &Reader<'_>) -> Result<EventId, StoreError> {
    let id: EventId = reader.parsed(EVENT_ID)?;
    match reader.text(EVENT_ID)? == id.to_string() {
        true => Ok(id),
        false => Err(reader.malformed(EVENT_ID, "is not written in lower case with hyphens")),
    }
}

/// One that cannot be read is no reason to show nothing: it is logged and left out.
fn or_skipped(entry: Result<IndexEntry, StoreError>) -> Option<IndexEntry> {
    entry
        .inspect_err(|error| tracing::error!(error = %ErrorChain(error), "index.entry_skipped"))
        .ok()
}

impl<P: Payloads + Sync> EventBodies for DynamoLogIndex<P> {
    async fn bodies(
        &self,
        tenant: &TenantId,
        entries: &[IndexEntry],
        enough_bytes: usize,
    ) -> Result<Vec<Option<LoggedEvent>>, StoreError> {
        let keys = entries
            .iter()
            .map(|entry| keys::event(tenant, &entry.source, &entry.id));
        let keys: Vec<String> = keys.collect();
        let mut bodies = Vec::new();
        let mut bytes = 0;
        for keys in keys.chunks(MAX_ITEMS) {
            let items = self.items(keys, enough_bytes.saturating_sub(bytes)).await?;
            let mut reads = Vec::new();
            for item in &items {
                reads.push(self.body(item.as_ref()));
            }
            let mut reads = stream::iter(reads).buffered(MAX_FETCHES);
            while let Some(body) = reads.next().await {
                let body = body?;
                let data = body.as_ref().and_then(|body| body.event.data());
                bytes += data.map_or(0, |data| data.bytes().len());
                bodies.push(body);
                if bytes >= enough_bytes {
                    return Ok(bodies);
                }
            }
        }
        Ok(bodies)
    }
}

impl<P: Payloads + Sync> DynamoLogIndex<P> {
    /// The items under these keys, in their order, or the first of them that have enough bytes.
    ///
    /// One answer holds 16 MB, so what it leaves out is asked for again as long as it is needed.
    async fn items(
        &self,
        keys: &[String],
        enough_bytes: usize,
    ) -> Result<Vec<Option<Item>>, StoreError> {
        let mut found: HashMap<String, Item> = HashMap::new();
        // A key is there twice when it was taken over after its event had expired.
        let mut missing: HashSet<String> = keys.iter().cloned().collect();
        let mut empty_answers = 0;
        while !missing.is_empty() && !is_enough(keys, &found, &missing, enough_bytes) {
            let before = missing.len();
            missing = self.get(missing, &mut found).await?;
            if missing.len() == before {
                if empty_answers == MAX_EMPTY_ANSWERS {
                    return Err(StoreError::Throttled {
                        operation: "BatchGetItem",
                    });
                }
                tokio::time::sleep(FIRST_WAIT * 2_u32.pow(empty_answers)).await;
                empty_answers += 1;
            }
        }
        let known = keys.iter().take_while(|key| !missing.contains(*key));
        Ok(known.map(|key| found.get(key).cloned()).collect())
    }

    /// One call. What it does not bring is returned.
    ///
    /// It reads consistently: an index can name an event before an eventual read of its table finds it, and
    /// the reader would go on past it.
    async fn get(
        &self,
        keys: HashSet<String>,
        found: &mut HashMap<String, Item>,
    ) -> Result<HashSet<String>, StoreError> {
        let keys = keys
            .into_iter()
            .map(|key| HashMap::from([(keys::PK.to_owned(), s(key))]));
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(keys.collect()))
            .consistent_read(true)
            .build()
            .map_err(|error| StoreError::Failed {
                operation: "BatchGetItem",
                source: Box::new(error),
            })?;
        let call = self.client.batch_get_item();
        let answer = call.request_items(&self.table, wanted).send().await;
        let answer = answer.map_err(|error| store_error("BatchGetItem", error))?;
        let items = answer.responses.unwrap_or_default().remove(&self.table);
        for item in items.unwrap_or_default() {
            found.insert(reader(&item).text(keys::PK)?.to_owned(), item);
        }
        let mut unprocessed = answer.unprocessed_keys.unwrap_or_default();
        let unprocessed = unprocessed.remove(&self.table);
        let keys = unprocessed.map(|left| left.keys).unwrap_or_default();
        let text = |key: Item| match key.into_values().next() {
            Some(AttributeValue::S(text)) => Some(text),
            _ => None,
        };
        Ok(keys.into_iter().filter_map(text).collect())
    }

    /// The event of an item. One that cannot be read is no reason to show none of the others.
    async fn body(&self, item: Option<&Item>) -> Result<Option<LoggedEvent>, StoreError> {
        let Some(item) = item else {
            return Ok(None);
        };
        match event_item::decode(item, &self.payloads).await {
            Ok(event) => Ok(Some(event)),
            Err(error) if error.disposition() == Disposition::Retry => Err(error),
            Err(error) => {
                tracing::error!(error = %ErrorChain(&error), "event.skipped");
                Ok(None)
            }
        }
    }
}

fn is_enough(
    keys: &[String],
    found: &HashMap<String, Item>,
    missing: &HashSet<String>,
    enough_bytes: usize,
) -> bool {
    let known = keys.iter().take_while(|key| !missing.contains(*key));
    let bytes: usize = known.filter_map(|key| found.get(key)).map(item_bytes).sum();
    bytes >= enough_bytes
}
