//! An event on its way to one subscription: the message that a queue carries.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::cloud_event::{BusAttributes, CloudEvent, Fault, ParseError, Violation};
use crate::event_id::EventId;
use crate::logged_event::LoggedEvent;
use crate::subscription::SubscriptionId;
use crate::tenant::TenantId;

/// One event for one subscription.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The event, as logged.
    pub event: &'a LoggedEvent,
    /// Who gets it.
    pub subscription: &'a SubscriptionId,
    /// 1 for the first hand-over.
    pub attempt: i32,
}

/// A delivery as a queue takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The structured CloudEvent with `pbeventid`, `pbsubscription` and `pbattempt`.
    pub body: String,
    /// Message attributes, so that a consumer can route without parsing: name and value.
    pub attributes: Vec<(&'static str, String)>,
    /// The message group: on a standard queue it shares the queue fairly between tenants.
    pub group: String,
}

impl Delivery<'_> {
    /// The message of this delivery.
    pub fn to_message(&self) -> Message {
        // Strings, numbers and raw JSON cannot fail to be written to memory.
        let body = serde_json::to_string(self).unwrap_or_default();
        Message {
            body: escape_for_sqs(body),
            attributes: self.attributes(),
            group: self.event.tenant.to_string(),
        }
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        let LoggedEvent {
            event,
            event_id,
            tenant,
            ..
        } = self.event;
        vec![
            ("type", event.event_type().to_owned()),
            ("source", event.source().to_owned()),
            ("tenant", tenant.to_string()),
            ("event_id", event_id.to_string()),
            ("subscription", self.subscription.to_string()),
        ]
    }
}

impl Serialize for Delivery<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.event.event.write_members(&mut map)?;
        map.serialize_entry("pbeventid", &self.event.event_id)?;
        map.serialize_entry("pbsubscription", self.subscription.as_str())?;
        map.serialize_entry("pbattempt", &self.attempt)?;
        map.end()
    }
}

/// JSON text as SQS takes it: it refuses U+FFFE and U+FFFF, which can only stand inside a string there,
/// where an escape means the same
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>).
pub fn escape_for_sqs(body: String) -> String {
    if body.contains(['\u{fffe}', '\u{ffff}']) {
        body.replace('\u{fffe}', "\\ufffe")
            .replace('\u{ffff}', "\\uffff")
    } else {
        body
    }
}

/// A delivery as a subscriber reads it from a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// What the producer sent.
    pub event: CloudEvent,
    /// The event's name; equal in every repeat.
    pub event_id: EventId,
    /// The subscription that asked for it.
    pub subscription: SubscriptionId,
    /// Which hand-over this is, from 1.
    pub attempt: i32,
    /// The replay or redrive that brought it, if one did.
    pub job: Option<String>,
}

/// What a message says of its tenant.
pub const TENANT_ATTRIBUTE: &str = "tenant";

impl Received {
    /// Reads a message's body.
    pub fn parse(body: &str) -> Result<Self, ParseError> {
        let (event, bus) = CloudEvent::from_delivered(body.as_bytes())?;
        Ok(Self {
            event,
            event_id: parse_member("pbeventid", bus.event_id.as_deref(), "event id (UUIDv7)")?,
            subscription: parse_member(
                "pbsubscription",
                bus.subscription.as_deref(),
                "subscription id",
            )?,
            attempt: attempt(&bus)?,
            job: bus.job,
        })
    }
}

fn parse_member<T: std::str::FromStr>(
    name: &str,
    text: Option<&str>,
    expected: &'static str,
) -> Result<T, ParseError> {
    let fault = match text {
        None => Fault::Missing,
        Some(text) => match text.parse() {
            Ok(value) => return Ok(value),
            Err(_) => Fault::NotA(expected),
        },
    };
    Err(ParseError::Invalid(vec![Violation::new(name, fault)]))
}

fn attempt(bus: &BusAttributes) -> Result<i32, ParseError> {
    let missing = || ParseError::Invalid(vec![Violation::new("pbattempt", Fault::Missing)]);
    bus.attempt.ok_or_else(missing)
}

/// Reads the tenant that a message's attribute names.
pub fn parse_tenant(attribute: Option<&str>) -> Result<TenantId, ParseError> {
    parse_member(TENANT_ATTRIBUTE, attribute, "tenant id")
}
