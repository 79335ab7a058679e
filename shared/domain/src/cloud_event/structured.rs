//! The JSON event format: one object per event
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>).

use std::collections::BTreeSet;
use std::fmt;

use data_encoding::BASE64;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::draft::Draft;
use super::{AttributeName, AttributeValue, CloudEvent, Data, Fault, SPEC_VERSION, Violation};
use crate::limits::MAX_EVENT_BYTES;

/// The media type of one event in structured form.
pub const STRUCTURED_CONTENT_TYPE: &str = "application/cloudevents+json";

/// Why bytes are not an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// More bytes than [`MAX_EVENT_BYTES`].
    #[error("the event has {actual} bytes; {MAX_EVENT_BYTES} is the most")]
    TooLarge {
        /// Bytes found.
        actual: usize,
    },
    /// Not JSON, or not an object.
    #[error("the body is not a JSON object: {0}")]
    Malformed(String),
    /// An object that breaks rules; all that were found, in the order of the event.
    #[error("the event breaks {} rule(s)", .0.len())]
    Invalid(Vec<Violation>),
}

impl CloudEvent {
    /// Reads one event in structured form.
    ///
    /// A member that is `null` counts as not set, except `data`. Errors name every field at fault.
    pub fn from_structured(body: &[u8]) -> Result<Self, ParseError> {
        let actual = escaped_len(body);
        if actual > MAX_EVENT_BYTES {
            return Err(ParseError::TooLarge { actual });
        }
        Draft::read(Members::of(body)?)
            .finish()
            .map_err(ParseError::Invalid)
    }

    /// Reads a delivered or archived event: the event, and what the bus added to it.
    pub(crate) fn from_delivered(body: &[u8]) -> Result<(Self, BusAttributes), ParseError> {
        let Members(members) = Members::of(body)?;
        let (bus, members) = members
            .into_iter()
            .partition(|(name, _)| BusAttributes::NAMES.contains(&name.as_str()));
        let event = Draft::read(Members(members))
            .finish()
            .map_err(ParseError::Invalid)?;
        Ok((
            event,
            BusAttributes::read(Members(bus)).map_err(ParseError::Invalid)?,
        ))
    }

    /// Writes the event in structured form.
    pub fn to_structured(&self) -> String {
        // Strings, numbers and raw JSON cannot fail to be written to memory.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Writes every member of the structured form, into an object that may hold more.
    pub(crate) fn write_members<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("specversion", SPEC_VERSION)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("source", &self.source)?;
        map.serialize_entry("type", &self.event_type)?;
        for (name, value) in &self.context {
            map.serialize_entry(name.as_str(), value)?;
        }
        match &self.data {
            Some(Data::Json(json)) => map.serialize_entry("data", json),
            Some(Data::Binary(bytes)) => map.serialize_entry("data_base64", &BASE64.encode(bytes)),
            None => Ok(()),
        }
    }
}

impl Serialize for CloudEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.write_members(&mut map)?;
        map.end()
    }
}

impl Serialize for AttributeValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Boolean(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_i32(*value),
            Self::String(value) => serializer.serialize_str(value),
        }
    }
}

/// Bytes of the body once the two characters that SQS refuses are written as JSON escapes.
pub(super) fn escaped_len(body: &[u8]) -> usize {
    const ESCAPE_GROWTH: usize = "\\uffff".len() - "\u{ffff}".len();
    let refused = |window: &&[u8]| matches!(window, [0xEF, 0xBF, 0xBE | 0xBF]);
    body.len() + ESCAPE_GROWTH * body.windows(3).filter(refused).count()
}

/// What delivery and the archive add to an event, all optional while it is being read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BusAttributes {
    pub(crate) event_id: Option<String>,
    pub(crate) subscription: Option<String>,
    pub(crate) attempt: Option<i32>,
    pub(crate) job: Option<String>,
    pub(crate) outbox: Option<String>,
}

impl BusAttributes {
    const NAMES: [&'static str; 5] = [
        "pbattempt",
        "pbeventid",
        "pbjob",
        "pboutbox",
        "pbsubscription",
    ];

    fn read(Members(members): Members<'_>) -> Result<Self, Vec<Violation>> {
        let mut bus = Self::default();
        for (name, value) in members {
            bus.read_member(&name, value)
                .map_err(|fault| vec![Violation::new(name, fault)])?;
        }
        Ok(bus)
    }

    fn read_member(&mut self, name: &str, value: &RawValue) -> Result<(), Fault> {
        match name {
            "pbeventid" => self.event_id = text(value)?,
            "pbsubscription" => self.subscription = text(value)?,
            "pbjob" => self.job = text(value)?,
            "pboutbox" => self.outbox = text(value)?,
            _ => match attribute(value)? {
                Some(AttributeValue::Integer(attempt)) => self.attempt = Some(attempt),
                _ => return Err(Fault::NotA("32-bit integer")),
            },
        }
        Ok(())
    }
}

/// The members of the outermost object, each value still unread.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    fn of(body: &'a [u8]) -> Result<Self, ParseError> {
        serde_json::from_slice(body).map_err(|error| ParseError::Malformed(error.to_string()))
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with the event's attributes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

impl Draft {
    fn read(Members(members): Members<'_>) -> Self {
        let mut draft = Self::default();
        let mut seen = BTreeSet::new();
        for (name, value) in members {
            let read = if seen.insert(name.clone()) {
                draft.read_member(&name, value)
            } else {
                Err(Fault::Twice)
            };
            draft.note(&name, read);
        }
        draft
    }

    fn read_member(&mut self, name: &str, value: &RawValue) -> Result<(), Fault> {
        match name {
            "source" => self.source = text(value)?,
            "id" => self.id = text(value)?,
            "type" => self.event_type = text(value)?,
            "specversion" => self.specversion = text(value)?,
            "data" => self.set_data(Data::Json(value.to_owned()))?,
            "data_base64" => {
                if let Some(encoded) = text(value)? {
                    self.set_data(Data::Binary(base64(&encoded)?))?;
                }
            }
            _ => {
                let name = AttributeName::new(name)?;
                if let Some(value) = attribute(value)? {
                    self.context.insert(name, value);
                }
            }
        }
        Ok(())
    }
}

fn text(value: &RawValue) -> Result<Option<String>, Fault> {
    match attribute(value)? {
        None => Ok(None),
        Some(AttributeValue::String(text)) => Ok(Some(text)),
        Some(_) => Err(Fault::NotA("string")),
    }
}

fn attribute(value: &RawValue) -> Result<Option<AttributeValue>, Fault> {
    const EXPECTED: Fault = Fault::NotA("string, boolean or 32-bit integer");
    let value: Value = serde_json::from_str(value.get()).map_err(|_| EXPECTED)?;
    match value {
        Value::Null => Ok(None),
        Value::Bool(value) => Ok(Some(AttributeValue::Boolean(value))),
        Value::String(text) => Ok(Some(AttributeValue::String(text))),
        Value::Number(number) => {
            let integer = number
                .as_i64()
                .and_then(|number| i32::try_from(number).ok());
            integer
                .map(|integer| Some(AttributeValue::Integer(integer)))
                .ok_or(EXPECTED)
        }
        Value::Array(_) | Value::Object(_) => Err(EXPECTED),
    }
}

fn base64(text: &str) -> Result<Vec<u8>, Fault> {
    BASE64
        .decode(text.as_bytes())
        .map_err(|_| Fault::NotA("base64 text (RFC 4648, padded)"))
}
