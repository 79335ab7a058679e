//! An event on its way to one subscription: the message that a queue carries.

use data_encoding::HEXLOWER;
use serde::ser::{Serialize, SerializeMap, Serializer};
use sha2::{Digest, Sha256};

use crate::cloud_event::{BusAttributes, CloudEvent, Fault, ParseError, Violation};
use crate::event_id::EventId;
use crate::logged_event::LoggedEvent;
use crate::subscription::{MessageGroup, SubscriptionId};
use crate::tenant::TenantId;
use crate::trace::{TRACEPARENT, TraceId, TraceParent};

/// One event for one subscription.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The event, as logged.
    pub event: &'a LoggedEvent,
    /// Who gets it.
    pub subscription: &'a SubscriptionId,
    /// 1 for the first hand-over.
    pub attempt: i32,
    /// The replay or redrive that brings it, if one does.
    pub job: Option<&'a str>,
}

/// A delivery as a queue takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The structured CloudEvent with `pbeventid`, `pbsubscription` and `pbattempt`, and `pbjob` where there is one.
    pub body: String,
    /// Message attributes, so that a consumer can route without parsing: name and value.
    pub attributes: Vec<(&'static str, String)>,
    /// The message group: on a standard queue it shares the queue fairly between tenants, and between what happens now
    /// and what a job brings.
    pub group: String,
}

impl Message {
    /// Bytes that SQS counts: the body, and each attribute's name, type and value.
    pub fn bytes(&self) -> usize {
        let attributes = self.attributes.iter();
        let attributes: usize = attributes
            .map(|(name, value)| name.len() + "String".len() + value.len())
            .sum();
        self.body.len() + attributes
    }

    /// Where in a trace its event comes from, if that is known.
    pub fn trace_parent(&self) -> Option<TraceParent> {
        let mut attributes = self.attributes.iter();
        let (_, parent) = attributes.find(|(name, _)| *name == TRACEPARENT)?;
        parent.parse().ok()
    }

    /// What a FIFO queue tells repeats by: the same for every hand-over of an event to a subscription, another for
    /// each replay or redrive
    /// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html>).
    pub fn deduplication_id(&self) -> String {
        let names = [EVENT_ID_ATTRIBUTE, SUBSCRIPTION_ATTRIBUTE, JOB_ATTRIBUTE];
        let mut hash = Sha256::new();
        for name in names {
            let value = self.attributes.iter().find(|(known, _)| *known == name);
            hash.update(value.map(|(_, value)| value.as_str()).unwrap_or_default());
            hash.update("#");
        }
        HEXLOWER.encode(&hash.finalize())
    }
}

impl Delivery<'_> {
    /// The message of this delivery.
    pub fn to_message(&self) -> Message {
        // Strings, numbers and raw JSON cannot fail to be written to memory.
        let body = serde_json::to_string(self).unwrap_or_default();
        Message {
            body: escape_for_sqs(body),
            attributes: self.attributes(),
            group: MessageGroup::Tenant.of(self.event, self.job),
        }
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        let LoggedEvent {
            event,
            event_id,
            tenant,
            ..
        } = self.event;
        let mut attributes = vec![
            ("type", event.event_type().to_owned()),
            ("source", event.source().to_owned()),
            (TENANT_ATTRIBUTE, tenant.to_string()),
            (EVENT_ID_ATTRIBUTE, event_id.to_string()),
            (SUBSCRIPTION_ATTRIBUTE, self.subscription.to_string()),
        ];
        attributes.extend(self.job.map(|job| (JOB_ATTRIBUTE, job.to_owned())));
        let parent = event.trace_parent();
        attributes.extend(parent.map(|parent| (TRACEPARENT, parent.to_string())));
        attributes
    }
}

impl Serialize for Delivery<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.event.event.write_members(&mut map)?;
        map.serialize_entry("pbeventid", &self.event.event_id)?;
        map.serialize_entry("pbsubscription", self.subscription.as_str())?;
        map.serialize_entry("pbattempt", &self.attempt)?;
        if let Some(job) = self.job {
            map.serialize_entry("pbjob", job)?;
        }
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
/// What a message says of its event's id.
pub const EVENT_ID_ATTRIBUTE: &str = "event_id";
/// What a message says of its subscription.
pub const SUBSCRIPTION_ATTRIBUTE: &str = "subscription";
/// What a message says of the replay or redrive that brought it, if one did.
pub const JOB_ATTRIBUTE: &str = "job";

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

    /// The trace that the event is part of. Every event has one.
    pub fn trace_id(&self) -> TraceId {
        TraceId::of(&self.event, self.event_id)
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
