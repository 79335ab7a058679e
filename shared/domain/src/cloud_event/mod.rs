//! The envelope: CloudEvents 1.0 (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md>).
//!
//! An event is kept as it was sent: attribute values in their own spelling, JSON data as the bytes that
//! came in. What goes out equals what went in, whatever a number or a time looked like
//! (`docs/adr/0002-own-envelope.md`).

mod attribute;
mod batch;
mod binary;
mod draft;
mod structured;
mod violation;

pub use attribute::{AttributeName, AttributeValue};
pub use batch::{BATCH_CONTENT_TYPE, BatchError};
pub use binary::BINARY_MARK;
pub(crate) use structured::BusAttributes;
pub use structured::{ParseError, STRUCTURED_CONTENT_TYPE};
pub use violation::{Fault, Violation};

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::event_key;
use crate::limits::{
    MAX_CONTEXT_BYTES, MAX_CORRELATION_ID_BYTES, MAX_EVENT_KEY_BYTES, MAX_TYPE_BYTES,
};
use crate::schema::SchemaVersion;
use crate::trace::{TRACEPARENT, TraceParent};

/// The version of the CloudEvents specification that is spoken here.
pub const SPEC_VERSION: &str = "1.0";

/// A CloudEvent that keeps every rule of the specification and every limit of [`crate::limits`].
#[derive(Clone, Debug)]
pub struct CloudEvent {
    source: String,
    id: String,
    event_type: String,
    context: Context,
    data: Option<Data>,
}

/// Every context attribute but `specversion`, `source`, `id` and `type`, in the order of their names.
pub type Context = BTreeMap<AttributeName, AttributeValue>;

/// What an event carries.
#[derive(Clone, Debug)]
pub enum Data {
    /// A JSON value, in the bytes that it came in.
    Json(Box<RawValue>),
    /// Anything else; `data_base64` in structured form.
    Binary(Vec<u8>),
}

impl Data {
    /// The bytes: JSON text, or the binary itself.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Json(json) => json.get().as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

impl PartialEq for Data {
    fn eq(&self, other: &Self) -> bool {
        matches!(self, Self::Json(_)) == matches!(other, Self::Json(_))
            && self.bytes() == other.bytes()
    }
}

impl PartialEq for CloudEvent {
    fn eq(&self, other: &Self) -> bool {
        (&self.source, &self.id, &self.event_type) == (&other.source, &other.id, &other.event_type)
            && self.context == other.context
            && self.data == other.data
    }
}

impl CloudEvent {
    /// Puts an event together and checks it; every violation is told, not only the first.
    pub fn new(
        source: String,
        id: String,
        event_type: String,
        context: Context,
        data: Option<Data>,
    ) -> Result<Self, Vec<Violation>> {
        let violations = Parts {
            source: Some(&source),
            id: Some(&id),
            event_type: Some(&event_type),
            context: &context,
        }
        .violations();
        if violations.is_empty() {
            Ok(Self {
                source,
                id,
                event_type,
                context,
                data,
            })
        } else {
            Err(violations)
        }
    }

    /// Who says it: a URI reference, unique with [`CloudEvent::id`] within a tenant.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Which of its source's events it is.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What happened, as `com.example.order.created`.
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// All attributes but the required four.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// What it carries, if anything.
    pub fn data(&self) -> Option<&Data> {
        self.data.as_ref()
    }

    /// The value of an attribute that is text, if it is set.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.context.get(name) {
            Some(AttributeValue::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The same event with data of another version. `dataversion` keeps its form: it becomes text where it was not
    /// given.
    pub fn with_data_of_version(&self, data: Box<RawValue>, version: SchemaVersion) -> Self {
        let mut context = self.context.clone();
        let name = AttributeName::data_version();
        let number = i32::try_from(version.number());
        let value = match (context.get(&name), number) {
            (Some(AttributeValue::Integer(_)), Ok(number)) => AttributeValue::Integer(number),
            _ => AttributeValue::String(version.to_string()),
        };
        context.insert(name, value);
        Self {
            context,
            data: Some(Data::Json(data)),
            ..self.clone()
        }
    }

    /// The same event as part of a trace, unless it says itself of which, or it would be too large with it.
    pub fn traced(self, parent: TraceParent) -> Self {
        if self.context.contains_key(TRACEPARENT) {
            return self;
        }
        let mut traced = self;
        let name = AttributeName::trace_parent();
        let value = AttributeValue::String(parent.to_string());
        traced.context.insert(name, value);
        let fits = context_bytes(&traced.context) <= MAX_CONTEXT_BYTES;
        if !fits || traced.check_size().is_err() {
            traced.context.remove(TRACEPARENT);
        }
        traced
    }

    /// The operation that this event is part of, if its producer said.
    pub fn correlation_id(&self) -> Option<&str> {
        self.text("correlationid").filter(|id| !id.is_empty())
    }
}

/// What can be checked of an event, also of one that is not all there.
struct Parts<'a> {
    source: Option<&'a str>,
    id: Option<&'a str>,
    event_type: Option<&'a str>,
    context: &'a Context,
}

impl Parts<'_> {
    fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut check = |field: &str, fault: Option<Fault>| {
            found.extend(fault.map(|fault| Violation::new(field, fault)));
        };
        check(
            "source",
            self.source
                .and_then(|text| required(text).or_else(|| uri_reference(text))),
        );
        check("id", self.id.and_then(required));
        check("type", self.event_type.and_then(required));
        check(
            "type",
            self.event_type
                .and_then(|text| too_long(text.len(), MAX_TYPE_BYTES)),
        );
        check("source and id", self.key_fault());
        for (name, value) in self.context {
            check(name.as_str(), attribute_fault(name, value));
        }
        check(
            "context attributes",
            too_long(context_bytes(self.context), MAX_CONTEXT_BYTES),
        );
        found
    }

    fn key_fault(&self) -> Option<Fault> {
        let separator = "#".len();
        let key = event_key::encode(self.source.unwrap_or_default(), self.id.unwrap_or_default());
        too_long(key.len() - separator, MAX_EVENT_KEY_BYTES)
    }
}

fn context_bytes(context: &Context) -> usize {
    context
        .iter()
        .map(|(name, value)| name.as_str().len() + value.byte_len())
        .sum()
}

fn required(text: &str) -> Option<Fault> {
    if text.is_empty() {
        return Some(Fault::Empty);
    }
    not_allowed(text)
}

/// The rules of the attributes that CloudEvents or Pillarbox gives a meaning to.
fn attribute_fault(name: &AttributeName, value: &AttributeValue) -> Option<Fault> {
    let text = match value {
        AttributeValue::String(text) => text,
        _ if name.is_text_by_definition() => return Some(Fault::NotA("string")),
        _ => return None,
    };
    let fault = match name.as_str() {
        "subject" | "datacontenttype" if text.is_empty() => Some(Fault::Empty),
        "dataschema" => required(text).or_else(|| uri(text)),
        "time" => timestamp(text),
        "correlationid" => too_long(text.len(), MAX_CORRELATION_ID_BYTES),
        _ => None,
    };
    fault.or_else(|| not_allowed(text))
}

fn too_long(actual: usize, limit: usize) -> Option<Fault> {
    (actual > limit).then_some(Fault::TooLong { limit, actual })
}

fn uri_reference(text: &str) -> Option<Fault> {
    fluent_uri::UriRef::parse(text)
        .err()
        .map(|_| Fault::NotA("URI reference (RFC 3986)"))
}

fn uri(text: &str) -> Option<Fault> {
    fluent_uri::Uri::parse(text)
        .err()
        .map(|_| Fault::NotA("absolute URI (RFC 3986)"))
}

fn timestamp(text: &str) -> Option<Fault> {
    use time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::parse(text, &Rfc3339)
        .err()
        .map(|_| Fault::NotA("timestamp (RFC 3339)"))
}

/// CloudEvents keeps control characters and Unicode noncharacters out of attribute values. SQS refuses
/// most of them too, so that an event with one could be logged and never be delivered.
fn not_allowed(text: &str) -> Option<Fault> {
    let bad = |c: char| {
        c.is_control()
            || matches!(u32::from(c) & 0xFFFF, 0xFFFE | 0xFFFF)
            || matches!(u32::from(c), 0xFDD0..=0xFDEF)
    };
    text.chars().find(|c| bad(*c)).map(Fault::NotAllowed)
}
