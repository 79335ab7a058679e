//! An event as patterns look at it.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use data_encoding::BASE64;

use super::json::{Json, Members};
use crate::cloud_event::{AttributeValue, SPEC_VERSION};
use crate::{CloudEvent, Data};

/// The structured form of an event, to be held against any number of patterns. Its data are read once, when the
/// first pattern looks into them.
pub struct EventDocument<'a> {
    event: &'a CloudEvent,
    attributes: Members<'a>,
    data: OnceLock<Option<Json<'a>>>,
}

impl<'a> EventDocument<'a> {
    /// Makes the document of an event.
    pub fn of(event: &'a CloudEvent) -> Self {
        let required = [
            ("specversion", SPEC_VERSION),
            ("id", event.id()),
            ("source", event.source()),
            ("type", event.event_type()),
        ];
        let required = required.map(|(name, text)| (name, Json::Text(Cow::Borrowed(text))));
        let others = event.context().iter();
        let others = others.map(|(name, value)| (name.as_str(), attribute(value)));
        let all = required.into_iter().chain(others);
        Self {
            event,
            attributes: Members::of(
                all.map(|(name, json)| (Cow::Borrowed(name), json))
                    .collect(),
            ),
            data: OnceLock::new(),
        }
    }

    /// A member of the structured form.
    pub(super) fn member(&self, name: &str) -> Option<&Json<'a>> {
        match (name, self.event.data()) {
            ("data", Some(Data::Json(_))) | ("data_base64", Some(Data::Binary(_))) => self.data(),
            _ => self.attributes.get(name),
        }
    }

    fn data(&self) -> Option<&Json<'a>> {
        let read = || match self.event.data()? {
            Data::Json(json) => Json::read(json.get()),
            Data::Binary(bytes) => Some(Json::Text(Cow::Owned(BASE64.encode(bytes)))),
        };
        self.data.get_or_init(read).as_ref()
    }
}

impl fmt::Debug for EventDocument<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EventDocument").field(self.event).finish()
    }
}

fn attribute(value: &AttributeValue) -> Json<'_> {
    match value {
        AttributeValue::Boolean(value) => Json::Boolean(*value),
        AttributeValue::Integer(number) => Json::Number(Cow::Owned(number.to_string())),
        AttributeValue::String(text) => Json::Text(Cow::Borrowed(text)),
    }
}
