//! The item as docs/outbox-item.md specifies it: the vectors that every language is held against, and the check
//! that tells what is wrong with an item.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use pillarbox_aws::{ItemFault, check_event_item, decode_stream_image, encode_event_item};
use pillarbox_domain::limits::{MAX_CONTEXT_BYTES, MAX_ITEM_BYTES};
use pillarbox_domain::log_shard::LogShards;
use pillarbox_domain::logged_event::OutboxMode;
use pillarbox_domain::publish::{Terms, logged};
use pillarbox_domain::tenant_settings::Retention;
use pillarbox_domain::{Clock, CloudEvent, LoggedEvent};
use pillarbox_testkit::builders::{event_with, tenant};
use pillarbox_testkit::{ManualClock, MemoryPayloads};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn json_of(item: HashMap<String, AttributeValue>) -> Map<String, Value> {
    let item = serde_dynamo::Item::from(item);
    match serde_json::to_value(item).unwrap() {
        Value::Object(item) => item,
        other => panic!("{other}"),
    }
}

fn item_of(members: Value) -> Map<String, Value> {
    let terms = Terms {
        log_shards: LogShards::new(4).unwrap(),
        ..Terms::default()
    };
    let event = logged(
        &tenant("demo"),
        event_with(members),
        ManualClock::default().next_id(),
        &terms,
    );
    json_of(encode_event_item(&event.unwrap()))
}

/// An item with every kind of attribute.
fn full() -> Map<String, Value> {
    item_of(json!({
        "subject": "order 1", "correlationid": "c-1", "priority": 7, "test": true, "data": { "total": 12.5 },
    }))
}

fn told(faults: &[ItemFault]) -> Vec<&str> {
    faults
        .iter()
        .map(|fault| fault.attribute.as_str())
        .collect()
}

#[test]
fn every_vector_is_what_the_bus_itself_would_write() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/examples/outbox/vectors.json"
    );
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    for vector in vectors["vectors"].as_array().unwrap() {
        let name = &vector["name"];
        let given = &vector["given"];
        let terms = Terms {
            retention: Retention::from_days(given["retention_days"].as_u64().unwrap()).unwrap(),
            log_shards: LogShards::new(given["log_shards"].as_u64().unwrap()).unwrap(),
            outbox: match given["dispatch"].as_bool().unwrap() {
                true => OutboxMode::Dispatch,
                false => OutboxMode::None,
            },
        };
        let event = CloudEvent::from_structured(vector["event"].as_str().unwrap().as_bytes());
        let logged = logged(
            &tenant(given["tenant"].as_str().unwrap()),
            event.unwrap(),
            given["event_id"].as_str().unwrap().parse().unwrap(),
            &terms,
        )
        .unwrap();
        let item = json_of(encode_event_item(&logged));
        assert_eq!(Value::Object(item.clone()), vector["item"], "{name}");
        assert_eq!(check_event_item(&item), [], "{name}");
        let digest: String = logged
            .fingerprint
            .as_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(vector["content_sha256_hex"], digest, "{name}");
    }
}

#[test]
fn an_item_of_the_bus_has_no_faults() {
    assert_eq!(check_event_item(&full()), []);
}

/// An attribute, what it is set to (null: it is removed), the attribute that is told, and words that it is told with.
type Mutation = (&'static str, Value, &'static str, &'static str);

fn mutations() -> Vec<Mutation> {
    let s = |text: &str| json!({ "S": text });
    let b = |base64: &str| json!({ "B": base64 });
    let long = "x".repeat(MAX_CONTEXT_BYTES);
    vec![
        ("pk", Value::Null, "pk", "is missing"),
        ("pk", json!({ "N": "1" }), "pk", "must be a string"),
        ("pk", json!("text"), "pk", "DynamoDB's JSON"),
        (
            "pk",
            s("order-1"),
            "pk",
            "must be T#<tenant>#K#<source>#<id>",
        ),
        ("pk", s("T#Demo#K#/shop#1"), "pk", "tenant 'Demo'"),
        ("pk", s("T#demo#K#/shop"), "pk", "one # between them"),
        ("pk", s("T#demo#K#/shop#a#b"), "pk", "one # between them"),
        ("pk", s("T#demo#K#/caf%C3%A9#1"), "pk", "% written %25"),
        ("pk", s("T#demo#K#/my shop#1"), "pk", "URI reference"),
        ("pk", s("T#demo#K##1"), "pk", "source must not be empty"),
        ("pk", s("T#other#K#/shop#1"), "log_pk", "must be T#other#"),
        (
            "pk",
            s("T#other#K#/shop#1"),
            "corr_pk",
            "must be T#other#C#c-1",
        ),
        ("event_id", Value::Null, "event_id", "is missing"),
        (
            "event_id",
            s("919108f7-52d1-4320-9bac-f847db4148a8"),
            "event_id",
            "version 7",
        ),
        (
            "event_id",
            s("01A20846-FE00-7000-8000-000000000001"),
            "event_id",
            "must be written 01a20846",
        ),
        (
            "event_id",
            s("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"),
            "log_pk",
            "must be T#demo#2022022219#",
        ),
        ("log_pk", Value::Null, "log_pk", "is missing"),
        ("log_pk", s("T#demo#2026112312#64"), "log_pk", "0 to 63"),
        ("log_pk", s("T#demo#2026112312#01"), "log_pk", "0 to 63"),
        (
            "log_pk",
            s("T#demo#2026112313#1"),
            "log_pk",
            "must be T#demo#2026112312#1",
        ),
        (
            "log_pk",
            s("T#victim#2026112312#1"),
            "log_pk",
            "must be T#demo#2026112312#1",
        ),
        ("corr_pk", Value::Null, "corr_pk", "is missing"),
        (
            "corr_pk",
            s("T#demo#C#c-2"),
            "corr_pk",
            "must be T#demo#C#c-1",
        ),
        (
            "correlationid",
            Value::Null,
            "corr_pk",
            "without a correlationid",
        ),
        (
            "correlationid",
            json!({ "N": "1" }),
            "correlationid",
            "must be a string",
        ),
        ("type", Value::Null, "type", "is missing"),
        ("type", s(""), "type", "must not be empty"),
        ("subject", s(""), "subject", "must not be empty"),
        ("subject", s("a\u{7}"), "subject", "U+0007"),
        (
            "subject",
            json!({ "M": {} }),
            "subject",
            "must be a string (S), an integer",
        ),
        ("subject", s(&long), "item", "32768 bytes"),
        ("time", s("yesterday"), "time", "RFC 3339"),
        ("dataschema", s("order"), "dataschema", "absolute URI"),
        ("priority", json!({ "N": "7.5" }), "priority", "32-bit"),
        (
            "priority",
            json!({ "N": "2147483648" }),
            "priority",
            "32-bit",
        ),
        ("Priority", s("x"), "Priority", "a-z and 0-9"),
        ("pbjob", s("x"), "pbjob", "set by the bus"),
        ("source", s("/shop"), "source", "in pk only"),
        ("id", s("1"), "id", "in pk only"),
        ("specversion", s("1.0"), "specversion", "always 1.0"),
        ("data", s("{}"), "data", "data_json"),
        ("data_yaml", s("{}"), "data_yaml", "none of the bus's own"),
        ("data_binary", b("AAH/"), "data_binary", "beside data_json"),
        ("data_object", s("json"), "data_object", "beside data_json"),
        ("data_json", s("{"), "data_json", "EOF"),
        ("data_json", s("1e999"), "data_json", "number out of range"),
        ("data_json", b("AAH/"), "data_json", "is not a string"),
        (
            "data_json",
            s(r#"{"total":13}"#),
            "content_sha256",
            "must be ",
        ),
        (
            "data_json",
            s(&format!("\"{}\"", "x".repeat(MAX_ITEM_BYTES))),
            "item",
            "400000 is the most",
        ),
        ("content_sha256", Value::Null, "content_sha256", "32 bytes"),
        ("content_sha256", b("AAH/"), "content_sha256", "32 bytes"),
        ("content_sha256", s("AAH/"), "content_sha256", "32 bytes"),
        (
            "content_sha256",
            b("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            "content_sha256",
            "in hexadecimal",
        ),
        ("expires_at", Value::Null, "expires_at", "whole seconds"),
        ("expires_at", s("1803211200"), "expires_at", "whole seconds"),
        (
            "expires_at",
            json!({ "N": "1803211200.5" }),
            "expires_at",
            "whole seconds",
        ),
        (
            "expires_at",
            json!({ "N": "1803211200000" }),
            "expires_at",
            "at most",
        ),
        (
            "expires_at",
            json!({ "N": "1796039999" }),
            "expires_at",
            "7 days",
        ),
        ("outbox_mode", s("off"), "outbox_mode", "\"none\""),
    ]
}

#[test]
fn each_fault_is_told_with_its_attribute_and_what_is_expected() {
    for (name, value, attribute, words) in mutations() {
        let mut item = full();
        match &value {
            Value::Null => item.remove(name),
            value => item.insert(name.to_owned(), value.clone()),
        };
        let faults = check_event_item(&item);
        assert!(
            faults
                .iter()
                .any(|found| found.attribute == attribute && found.fault.contains(words)),
            "{name} {value:.60}: {faults:?}"
        );
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let faults = check_event_item(&Map::new());
    let required = [
        "pk",
        "event_id",
        "log_pk",
        "expires_at",
        "type",
        "content_sha256",
    ];
    assert_eq!(told(&faults), required);

    let mut item = full();
    item["log_pk"] = json!({ "S": "T#demo#2026112313#0" });
    item["expires_at"] = json!({ "N": "0" });
    item.insert("Bad".to_owned(), json!({ "S": "x" }));
    assert_eq!(
        told(&check_event_item(&item)),
        ["log_pk", "expires_at", "Bad"]
    );
}

#[test]
fn data_in_the_payload_bucket_are_not_missed() {
    let mut item = full();
    item.remove("data_json");
    item.insert("data_object".to_owned(), json!({ "S": "json_zstd" }));
    assert_eq!(check_event_item(&item), []);
    item["data_object"] = json!({ "S": "yaml" });
    assert_eq!(told(&check_event_item(&item)), ["data_object"]);
}

/// Compressed to nothing, it would be delivered to no queue.
#[test]
fn an_event_that_only_its_item_can_hold_is_told() {
    let mut item = item_of(json!({ "data": "x".repeat(990_000) }));
    assert_eq!(check_event_item(&item), []);
    item.insert("subject".to_owned(), json!({ "S": "x".repeat(10_000) }));
    let faults = check_event_item(&item);
    assert!(told(&faults).contains(&"item"), "{faults:?}");
}

async fn is_read(item: &Map<String, Value>) -> bool {
    let item: serde_dynamo::Item = serde_json::from_value(item.clone().into()).unwrap();
    decode_stream_image(item, &MemoryPayloads::default())
        .await
        .is_ok()
}

/// Whose faults reading does not mind: they are found out later, or never.
const ONLY_CHECKED: [&str; 5] = [
    "data_yaml",
    "content_sha256",
    "expires_at",
    "item",
    "data_json",
];

#[tokio::test]
async fn what_reading_refuses_is_what_the_check_tells() {
    assert!(is_read(&full()).await);
    for (name, value, attribute, words) in mutations() {
        if value.is_string() {
            continue;
        }
        let mut item = full();
        match &value {
            Value::Null => item.remove(name),
            value => item.insert(name.to_owned(), value.clone()),
        };
        let read = is_read(&item).await;
        assert!(
            !read || ONLY_CHECKED.contains(&attribute),
            "{name} {value:.60} is read, and told to be wrong: {words}"
        );
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has no such number", |number| number.is_finite())
            .prop_map(Value::from),
        "\\PC{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("\\PC{0,8}", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

prop_compose! {
    fn any_logged()(
        id in "[a-z#%0-9]{1,20}",
        correlation_id in proptest::option::of("[a-z#]{0,5}"),
        subject in proptest::option::of("[a-zäöü ]{1,20}"),
        priority in any::<i32>(),
        test in any::<bool>(),
        data in proptest::option::of(any_json()),
        days in 7_u64..=3_650,
        shards in 1_u64..=64,
        millis in 0_u64..(1 << 47),
        random in any::<[u8; 10]>(),
        logged_only in any::<bool>(),
    ) -> LoggedEvent {
        let mut members = json!({ "id": id, "priority": priority, "test": test });
        for (name, value) in [
            ("correlationid", correlation_id.map(Value::from)),
            ("subject", subject.map(Value::from)),
            ("data", data),
        ] {
            if let Some(value) = value {
                members[name] = value;
            }
        }
        let terms = Terms {
            retention: Retention::from_days(days).unwrap(),
            log_shards: LogShards::new(shards).unwrap(),
            outbox: if logged_only { OutboxMode::None } else { OutboxMode::Dispatch },
        };
        let event_id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        let event_id = event_id.to_string().parse().unwrap();
        logged(&tenant("demo"), event_with(members), event_id, &terms).unwrap()
    }
}

proptest! {
    #[test]
    fn whatever_the_bus_writes_checks_clean(event in any_logged()) {
        prop_assert_eq!(check_event_item(&json_of(encode_event_item(&event))), []);
    }

    #[test]
    fn an_item_under_any_other_key_is_told(event in any_logged(), other in "[a-z]{1,8}") {
        let mut item = json_of(encode_event_item(&event));
        item["log_pk"] = json!({ "S": format!("T#{other}#2026010100#0") });
        let faults = check_event_item(&item);
        prop_assert_eq!(told(&faults), ["log_pk"]);
    }
}
