//! Whether two events with one key are the same event.

mod large_integers;

use std::collections::BTreeSet;

use data_encoding::BASE64;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use self::large_integers::append_large_integers;
use crate::cloud_event::{AttributeName, CloudEvent, Data, Fault, SPEC_VERSION, Violation};

/// SHA-256 over an event's content, so that a repeated publish is told from a conflicting one (P2).
///
/// What is hashed is the structured form without `time` and `traceparent` (a retry may renew them),
/// in the canonical form of RFC 8785: member order, white space and the spelling of numbers do not count.
/// RFC 8785 takes every number for a double, so each integer of the data beyond ±(2^53 − 1) follows
/// behind a line feed, with all its digits, in the order of the canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

/// Attributes that a retry of the same publish may renew.
const RENEWED_BY_A_RETRY: [&str; 2] = ["time", "traceparent"];

impl Fingerprint {
    /// The fingerprint of this event.
    ///
    /// Fails, naming `data`, when the data is JSON by its grammar but holds a number that no double can
    /// hold or is nested more than 127 deep.
    pub fn of(event: &CloudEvent) -> Result<Self, Violation> {
        let unreadable =
            |error: serde_json::Error| Violation::new("data", Fault::Unreadable(error.to_string()));
        let data = match event.data() {
            Some(Data::Json(json)) => Some(serde_json::from_str(json.get()).map_err(unreadable)?),
            _ => None,
        };
        let content = Content {
            event,
            data: data.as_ref(),
        };
        let mut canonical = serde_json_canonicalizer::to_vec(&content).map_err(unreadable)?;
        if let Some(Data::Json(json)) = event.data() {
            append_large_integers(json, &mut canonical).map_err(unreadable)?;
        }
        Ok(Self(Sha256::digest(canonical).into()))
    }

    /// What makes two events with one key different ones: the names of attributes, and `data`. Empty when
    /// their fingerprints are equal.
    pub fn differing(first: &CloudEvent, other: &CloudEvent) -> Vec<String> {
        let mut names: BTreeSet<&str> = BTreeSet::new();
        if first.event_type() != other.event_type() {
            names.insert("type");
        }
        for event in [first, other] {
            let all = event.context().keys().map(AttributeName::as_str);
            let counting = all.filter(|name| !RENEWED_BY_A_RETRY.contains(name));
            names.extend(
                counting.filter(|name| first.context().get(*name) != other.context().get(*name)),
            );
        }
        if !same_data(first.data(), other.data()) {
            names.insert("data");
        }
        names.into_iter().map(str::to_owned).collect()
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The way back from [`Fingerprint::as_bytes`]; `None` unless there are 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// Whether data count alike in a fingerprint.
fn same_data(first: Option<&Data>, other: Option<&Data>) -> bool {
    let canonical = |json: &RawValue| {
        let value: Value = serde_json::from_str(json.get()).ok()?;
        let mut canonical = serde_json_canonicalizer::to_vec(&value).ok()?;
        append_large_integers(json, &mut canonical).ok()?;
        Some(canonical)
    };
    match (first, other) {
        (Some(Data::Json(first)), Some(Data::Json(other))) => {
            first.get() == other.get() || canonical(first) == canonical(other)
        }
        (first, other) => first == other,
    }
}

struct Content<'a> {
    event: &'a CloudEvent,
    data: Option<&'a Value>,
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("specversion", SPEC_VERSION)?;
        map.serialize_entry("id", self.event.id())?;
        map.serialize_entry("source", self.event.source())?;
        map.serialize_entry("type", self.event.event_type())?;
        for (name, value) in self.event.context() {
            if !RENEWED_BY_A_RETRY.contains(&name.as_str()) {
                map.serialize_entry(name.as_str(), value)?;
            }
        }
        if let Some(data) = self.data {
            map.serialize_entry("data", data)?;
        }
        if let Some(Data::Binary(bytes)) = self.event.data() {
            map.serialize_entry("data_base64", &BASE64.encode(bytes))?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(event: Value) -> Fingerprint {
        of_text(&event.to_string())
    }

    fn of_text(event: &str) -> Fingerprint {
        Fingerprint::of(&CloudEvent::from_structured(event.as_bytes()).unwrap()).unwrap()
    }

    fn event_with(name: &str, value: Value) -> Value {
        let mut event = serde_json::json!({
            "specversion": "1.0", "id": "1", "source": "/shop", "type": "order.created",
        });
        event[name] = value;
        event
    }

    #[test]
    fn a_retry_may_renew_time_and_trace() {
        let first = fingerprint(event_with("time", "2026-01-01T00:00:00Z".into()));
        assert_eq!(
            first,
            fingerprint(event_with("time", "2026-01-01T00:00:01Z".into()))
        );
        assert_eq!(
            first,
            fingerprint(event_with("traceparent", "00-a-b-01".into()))
        );
    }

    #[test]
    fn any_other_attribute_and_the_data_count() {
        let plain = fingerprint(event_with("data", 1.into()));
        for (name, value) in [
            ("data", 2.into()),
            ("subject", "x".into()),
            ("seq", 1.into()),
        ] {
            assert_ne!(plain, fingerprint(event_with(name, value)), "{name}");
        }
    }

    #[test]
    fn what_differs_is_named() {
        let plain = event_with("data", serde_json::json!({ "total": 1 }));
        let cases = [
            ("data", serde_json::json!({ "total": 1.0 }), vec![]),
            ("data", serde_json::json!({ "total": 2 }), vec!["data"]),
            ("subject", "x".into(), vec!["subject"]),
            ("type", "order.cancelled".into(), vec!["type"]),
            ("time", "2026-01-01T00:00:00Z".into(), vec![]),
        ];
        let read = |event: &Value| CloudEvent::from_structured(event.to_string().as_bytes());
        let first = read(&plain).unwrap();
        for (name, value, expected) in cases {
            let mut other = plain.clone();
            other[name] = value;
            let other = read(&other).unwrap();
            assert_eq!(Fingerprint::differing(&first, &other), expected, "{name}");
            let same = Fingerprint::of(&first) == Fingerprint::of(&other);
            assert_eq!(same, expected.is_empty(), "{name}");
        }
    }

    #[test]
    fn order_white_space_and_spelling_do_not_count() {
        let one = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":1.0,"b":"\u0041"}}"#;
        let other = r#"{ "data": {"b":"A", "a":1e0}, "type":"t", "source":"/s", "id":"1", "specversion":"1.0"}"#;
        assert_eq!(of_text(one), of_text(other));
    }

    #[test]
    fn integers_of_more_than_64_bits_are_told_apart() {
        let with = |number: &str| {
            let event = event_with("data", "NUMBER".into()).to_string();
            of_text(&event.replace("\"NUMBER\"", number))
        };
        assert_ne!(
            with("100000000000000000000001"),
            with("100000000000000000000002")
        );
        assert_ne!(
            with("-100000000000000000000001"),
            with("-100000000000000000000002")
        );
    }

    #[test]
    fn integers_that_no_double_tells_apart_are_told_apart() {
        let a = fingerprint(event_with(
            "data",
            serde_json::json!({"id": 9_007_199_254_740_993_u64}),
        ));
        let b = fingerprint(event_with(
            "data",
            serde_json::json!({"id": 9_007_199_254_740_992_u64}),
        ));
        assert_ne!(a, b);
    }

    #[test]
    fn the_documented_value_is_stable() {
        // Any other language must arrive at this digest: docs/outbox-item.md, when it comes, cites it.
        let event = event_with(
            "data",
            serde_json::json!({"total": 12.5, "currency": "EUR"}),
        );
        let digest = data_encoding::HEXLOWER.encode(fingerprint(event).as_bytes());
        let canonical = r#"{"data":{"currency":"EUR","total":12.5},"id":"1","source":"/shop","specversion":"1.0","type":"order.created"}"#;
        assert_eq!(
            digest,
            data_encoding::HEXLOWER.encode(&Sha256::digest(canonical))
        );
    }

    #[test]
    fn data_that_cannot_be_read_is_named() {
        let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        for data in ["1e999", &deep] {
            let text = format!(
                r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{data}}}"#
            );
            let event = CloudEvent::from_structured(text.as_bytes()).unwrap();
            assert_eq!(Fingerprint::of(&event).unwrap_err().field, "data");
        }
    }
}
