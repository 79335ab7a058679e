//! The event that the item holds: its attributes, its data, and the fingerprint of both.

use aws_sdk_dynamodb::types::AttributeValue;
use pillarbox_domain::cloud_event::{AttributeName, AttributeValue as ContextValue, Context};
use pillarbox_domain::{CloudEvent, Data, Fingerprint, StoreError};

use super::{Check, ITEM, Key};
use crate::data_form::DataForm;
use crate::event_item::{DATA_OBJECT, EVENT_ID, FINGERPRINT, OUTBOX_MODE, TYPE};
use crate::item::{Item, Reader};
use crate::keys::{CORR_PK, EXPIRES_AT, LOG_PK, PK};

/// The bus's own attributes.
const OWN: [&str; 11] = [
    EVENT_ID,
    LOG_PK,
    CORR_PK,
    FINGERPRINT,
    EXPIRES_AT,
    OUTBOX_MODE,
    DATA_OBJECT,
    DataForm::Json.attribute(),
    DataForm::JsonZstd.attribute(),
    DataForm::Binary.attribute(),
    DataForm::BinaryZstd.attribute(),
];

/// A part of an item that may rightly be missing.
pub(super) enum Found<T> {
    Some(T),
    None,
    /// It is there, and at fault or elsewhere.
    Unreadable,
}

impl Check {
    /// The data, unless they are at fault or elsewhere.
    pub(super) fn data(&mut self, item: &Item) -> Found<Data> {
        let forms = DataForm::ALL.map(DataForm::attribute);
        let given: Vec<&str> = forms
            .into_iter()
            .chain([DATA_OBJECT])
            .filter(|name| item.contains_key(*name))
            .collect();
        if let [first, rest @ ..] = &given[..] {
            for second in rest {
                self.fault(second, format!("must not be there beside {first}"));
            }
        }
        let reader = Reader {
            what: "event",
            item,
        };
        match given[..] {
            [] if forms.into_iter().any(|name| self.is_told(name)) => Found::Unreadable,
            [] => Found::None,
            [DATA_OBJECT] => {
                let form = match item.get(DATA_OBJECT) {
                    Some(AttributeValue::S(form)) => DataForm::named(form),
                    _ => None,
                };
                if form.is_none() {
                    self.fault(DATA_OBJECT, "must name a form of data, as \"json\"");
                }
                Found::Unreadable
            }
            [name] => {
                let read = DataForm::decode_inline(&reader).map_err(|error| detail(&error, name));
                self.noted(name, read)
                    .flatten()
                    .map_or(Found::Unreadable, Found::Some)
            }
            _ => Found::Unreadable,
        }
    }

    /// The event, when nothing that belongs to it is at fault.
    pub(super) fn event(
        &mut self,
        item: &Item,
        key: Option<&Key>,
        data: Found<Data>,
    ) -> Option<CloudEvent> {
        let event_type = self.text(item, TYPE);
        let before = self.faults.len();
        let context = self.context(item);
        let complete = self.faults.len() == before;
        // What is missing has been told; in its place stands what cannot be at fault.
        let source = key.map_or("/", |key| &key.source).to_owned();
        let id = key.map_or("-", |key| &key.id).to_owned();
        let typed = event_type.unwrap_or("-").to_owned();
        let (data, readable) = match data {
            Found::Some(data) => (Some(data), true),
            Found::None => (None, true),
            Found::Unreadable => (None, false),
        };
        match CloudEvent::new(source, id, typed, context, data) {
            Ok(event) => {
                let whole = complete && readable && key.is_some() && event_type.is_some();
                if let Err(error) = event.check_size() {
                    self.fault(ITEM, format!("holds too much: {error}"));
                }
                whole.then_some(event)
            }
            Err(violations) => {
                for violation in violations {
                    let attribute = match violation.field.as_str() {
                        "source" | "id" | "source and id" => PK,
                        "context attributes" => ITEM,
                        name => name,
                    };
                    self.fault(attribute, violation.to_string());
                }
                None
            }
        }
    }

    fn context(&mut self, item: &Item) -> Context {
        let mut names: Vec<&String> = item.keys().collect();
        names.sort();
        let mut context = Context::new();
        for name in names {
            if name == PK || name == TYPE || OWN.contains(&name.as_str()) {
                continue;
            }
            let read = attribute_name(name).and_then(|key| Ok((key, context_value(&item[name])?)));
            if let Some((key, value)) = self.noted(name, read) {
                context.insert(key, value);
            }
        }
        context
    }

    pub(super) fn fingerprint(&mut self, item: &Item, event: Option<&CloudEvent>) {
        let found = match item.get(FINGERPRINT) {
            Some(AttributeValue::B(bytes)) => Fingerprint::from_bytes(bytes.as_ref()),
            None if self.is_told(FINGERPRINT) => return,
            _ => None,
        };
        if found.is_none() {
            self.fault(FINGERPRINT, "must be 32 bytes (B)");
        }
        let Some(event) = event else {
            return;
        };
        match Fingerprint::of(event) {
            Err(violation) => {
                let form = DataForm::of(item).map_or(ITEM, DataForm::attribute);
                self.fault(form, violation.fault);
            }
            Ok(expected) if found.is_some_and(|found| found != expected) => {
                let expected = hex(expected.as_bytes());
                self.fault(
                    FINGERPRINT,
                    format!("must be {expected} in hexadecimal, for this event"),
                );
            }
            Ok(_) => {}
        }
    }
}

fn attribute_name(name: &str) -> Result<AttributeName, String> {
    match name {
        "source" | "id" => Err("must be in pk only".to_owned()),
        "specversion" => Err("must not be there: it is always 1.0".to_owned()),
        "data" => Err("must be called data_json or data_binary".to_owned()),
        _ if name.contains('_') => Err(
            "is none of the bus's own attributes, and CloudEvents has no names with _".to_owned(),
        ),
        _ => AttributeName::new(name).map_err(|fault| fault.to_string()),
    }
}

fn context_value(value: &AttributeValue) -> Result<ContextValue, String> {
    match value {
        AttributeValue::S(text) => Ok(ContextValue::String(text.clone())),
        AttributeValue::Bool(value) => Ok(ContextValue::Boolean(*value)),
        AttributeValue::N(number) => number
            .parse()
            .map(ContextValue::Integer)
            .map_err(|_| format!("must be a 32-bit integer, and is {number}")),
        _ => Err("must be a string (S), an integer (N) or a boolean (BOOL)".to_owned()),
    }
}

/// What a store's error says of this attribute.
fn detail(error: &StoreError, attribute: &str) -> String {
    let text = match error {
        StoreError::Malformed { detail, .. } => detail.clone(),
        other => other.to_string(),
    };
    match text.strip_prefix(attribute) {
        Some(rest) => rest.trim_start().to_owned(),
        None => text,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
