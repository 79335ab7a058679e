//! What is wrong with an event's item that another program wrote: every fault, not only the first.
//!
//! Reading an item ([`crate::decode_stream_image`]) ends at its first fault. Here is its author's view:
//! whatever reading refuses is told, and also what would only be found out later, such as a fingerprint
//! that makes no event a duplicate.

mod event;

use aws_sdk_dynamodb::types::AttributeValue;
use pillarbox_domain::limits::{
    MAX_ITEM_BYTES, MAX_LOG_SHARDS, MAX_RETENTION_DAYS, MIN_RETENTION_DAYS,
};
use pillarbox_domain::log_shard::LogShard;
use pillarbox_domain::tenant_settings::Retention;
use pillarbox_domain::{EventId, TenantId};
use serde_json::{Map, Value};

use crate::event_item::{EVENT_ID, OUTBOX_MODE, OUTBOX_NONE};
use crate::item::{Item, item_bytes};
use crate::keys::{self, CORR_PK, EXPIRES_AT, LOG_PK, PK};

/// The item as a whole, where an attribute is named.
const ITEM: &str = "item";

/// One thing that is wrong with an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemFault {
    /// The attribute, or `item` for the item as a whole.
    pub attribute: String,
    /// What is wrong, and what is expected.
    pub fault: String,
}

/// Checks an event's item in DynamoDB's JSON: `{"pk": {"S": "…"}, …}`.
pub fn check_event_item(json: &Map<String, Value>) -> Vec<ItemFault> {
    let mut check = Check::default();
    let item = check.read(json);
    check.all(&item);
    check.faults
}

#[derive(Default)]
struct Check {
    faults: Vec<ItemFault>,
}

/// Whose event it is, and which one.
struct Key {
    tenant: TenantId,
    source: String,
    id: String,
}

impl Check {
    fn fault(&mut self, attribute: &str, fault: impl ToString) {
        let (attribute, fault) = (attribute.to_owned(), fault.to_string());
        self.faults.push(ItemFault { attribute, fault });
    }

    /// The value, or nothing and a fault.
    fn noted<T>(&mut self, attribute: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|fault| self.fault(attribute, fault)).ok()
    }

    /// Every attribute that is one.
    fn read(&mut self, json: &Map<String, Value>) -> Item {
        let mut item = Item::new();
        for (name, value) in json {
            let value: Result<serde_dynamo::AttributeValue, _> =
                serde_json::from_value(value.clone());
            let value = value.map_err(|_| {
                r#"must be a value in DynamoDB's JSON, as {"S": "text"} or {"B": "base64"}"#
                    .to_owned()
            });
            if let Some(value) = self.noted(name, value) {
                item.insert(name.clone(), value.into());
            }
        }
        item
    }

    fn all(&mut self, item: &Item) {
        let key = self.text(item, PK).and_then(|pk| self.noted(PK, key(pk)));
        let event_id = self.text(item, EVENT_ID);
        let event_id = event_id.and_then(|text| self.noted(EVENT_ID, parse_event_id(text)));
        self.log_pk(item, key.as_ref(), event_id);
        self.expires_at(item, event_id);
        self.outbox_mode(item);
        let data = self.data(item);
        let event = self.event(item, key.as_ref(), data);
        self.corr_pk(item, key.as_ref());
        self.fingerprint(item, event.as_ref());
        let actual = item_bytes(item);
        if actual > MAX_ITEM_BYTES {
            self.fault(
                ITEM,
                format!("has {actual} bytes; {MAX_ITEM_BYTES} is the most"),
            );
        }
    }

    fn text<'a>(&mut self, item: &'a Item, name: &str) -> Option<&'a str> {
        match item.get(name) {
            Some(AttributeValue::S(text)) => return Some(text),
            Some(_) => self.fault(name, "must be a string (S)"),
            // What could not be read has been told.
            None if self.is_told(name) => {}
            None => self.fault(name, "is missing: a string (S)"),
        }
        None
    }

    fn is_told(&self, name: &str) -> bool {
        self.faults.iter().any(|fault| fault.attribute == name)
    }

    fn log_pk(&mut self, item: &Item, key: Option<&Key>, event_id: Option<EventId>) {
        let Some(found) = self.text(item, LOG_PK) else {
            return;
        };
        let shard = found.rsplit('#').next().unwrap_or_default();
        let shard: Option<LogShard> = shard.parse().ok();
        if shard.is_none() {
            let last = MAX_LOG_SHARDS - 1;
            self.fault(
                LOG_PK,
                format!("must end in # and a shard, 0 to {last}, and is {found}"),
            );
        }
        if let (Some(key), Some(event_id)) = (key, event_id) {
            let expected = keys::log_hour(&key.tenant, event_id, shard.unwrap_or_default());
            if shard.is_some() && found != expected {
                self.fault(
                    LOG_PK,
                    format!(
                        "must be {expected}, of pk's tenant and event_id's hour in UTC, and is {found}"
                    ),
                );
            }
        }
    }

    fn corr_pk(&mut self, item: &Item, key: Option<&Key>) {
        let correlation_id = match item.get("correlationid") {
            Some(AttributeValue::S(id)) if !id.is_empty() => Some(id),
            _ => None,
        };
        let Some(id) = correlation_id else {
            if item.contains_key(CORR_PK) {
                self.fault(CORR_PK, "must not be there without a correlationid");
            }
            return;
        };
        let found = self.text(item, CORR_PK);
        if let (Some(found), Some(key)) = (found, key) {
            let expected = keys::correlation(&key.tenant, id);
            if found != expected {
                self.fault(
                    CORR_PK,
                    format!("must be {expected}, of pk's tenant and correlationid, and is {found}"),
                );
            }
        }
    }

    fn expires_at(&mut self, item: &Item, event_id: Option<EventId>) {
        let found = match item.get(EXPIRES_AT) {
            Some(AttributeValue::N(number)) => number.parse::<i64>().ok(),
            None if self.is_told(EXPIRES_AT) => return,
            _ => None,
        };
        let Some(found) = found else {
            return self.fault(EXPIRES_AT, "must be whole seconds since 1970 (N)");
        };
        let Some(event_id) = event_id else {
            return;
        };
        let after = |days: u16| {
            let retention = Retention::from_days(days.into()).unwrap_or_default();
            retention.expiry_of(event_id).unix_timestamp()
        };
        let (least, most) = (after(MIN_RETENTION_DAYS), after(MAX_RETENTION_DAYS));
        if found < least {
            self.fault(
                EXPIRES_AT,
                format!("must be {least} at least, {MIN_RETENTION_DAYS} days after event_id's time, and is {found}"),
            );
        } else if found > most {
            self.fault(
                EXPIRES_AT,
                format!("must be {most} at most, {MAX_RETENTION_DAYS} days after event_id's time, in seconds, and is {found}"),
            );
        }
    }

    fn outbox_mode(&mut self, item: &Item) {
        match item.get(OUTBOX_MODE) {
            None => {}
            Some(AttributeValue::S(mode)) if mode == OUTBOX_NONE => {}
            Some(_) => self.fault(OUTBOX_MODE, "must be the string \"none\", or not be there"),
        }
    }
}

fn key(pk: &str) -> Result<Key, String> {
    if let Some((tenant, source, id)) = keys::parse_event(pk) {
        return Ok(Key { tenant, source, id });
    }
    let parts = pk
        .strip_prefix("T#")
        .and_then(|rest| rest.split_once("#K#"));
    let Some((tenant, event)) = parts else {
        return Err(format!("must be T#<tenant>#K#<source>#<id>, and is {pk}"));
    };
    if let Err(error) = tenant.parse::<TenantId>() {
        return Err(format!("names the tenant '{tenant}', which {error}"));
    }
    Err(format!(
        "must have % written %25 and # written %23 in source and id, and one # between them, and has {event}"
    ))
}

fn parse_event_id(text: &str) -> Result<EventId, String> {
    let event_id: EventId = text
        .parse()
        .map_err(|error| format!("{error}, and is {text}"))?;
    if event_id.to_string() == text {
        Ok(event_id)
    } else {
        Err(format!("must be written {event_id}, and is {text}"))
    }
}
