//! An event as an element of a transaction, and what a cancelled one says about it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use pillarbox::outbox::{
    CancellationReason, Cancelled, Outbox, OutboxError, OutboxPut, OutboxPutError,
    TransactionCanceledException, UnexplainedError,
};
use pillarbox::{CloudEvent, LogShards, Retention};
use pillarbox_domain::cloud_event::{Context, ParseError};
use pillarbox_domain::limits::{MAX_EVENT_BYTES, MAX_ITEM_BYTES};
use pillarbox_domain::{Clock, Data};
use pillarbox_testkit::ManualClock;
use pillarbox_testkit::builders::{event, event_with, tenant};
use serde_json::{Value, json};

type Item = HashMap<String, AttributeValue>;

fn outbox() -> Outbox<ManualClock> {
    Outbox::with_clock("log", tenant("demo"), ManualClock::default())
}

fn order(data: Value) -> CloudEvent {
    event_with(json!({ "subject": "order 1", "data": data }))
}

fn item(put: &OutboxPut) -> Item {
    put.write().put.unwrap().item
}

/// The transaction of an order and this event, cancelled for this reason.
fn cancelled(reason: CancellationReason) -> TransactionCanceledException {
    let none = CancellationReason::builder().code("None").build();
    TransactionCanceledException::builder()
        .cancellation_reasons(none)
        .cancellation_reasons(reason)
        .build()
}

fn code(code: &str) -> CancellationReason {
    CancellationReason::builder().code(code).build()
}

fn taken_by(item: Item) -> CancellationReason {
    let reason = CancellationReason::builder().code("ConditionalCheckFailed");
    reason.set_item(Some(item)).build()
}

#[test]
fn the_element_is_a_conditional_put_that_tells_who_holds_the_key() {
    let clock = ManualClock::default();
    let outbox = Outbox::with_clock("log", tenant("demo"), clock.clone())
        .kept_for(Retention::from_days(7).unwrap())
        .logged_only();
    let made = outbox.put(&order(json!({ "total": 12.5 }))).unwrap();
    let put = made.write().put.unwrap();
    assert_eq!(put.table_name, "log");
    let condition = put.condition_expression.as_deref();
    assert_eq!(
        condition,
        Some("attribute_not_exists(pk) OR expires_at < :now")
    );
    let now = &put.expression_attribute_values.as_ref().unwrap()[":now"];
    assert_eq!(
        now.as_n().unwrap(),
        &clock.now().unix_timestamp().to_string()
    );
    assert_eq!(
        put.return_values_on_condition_check_failure,
        Some(ReturnValuesOnConditionCheckFailure::AllOld)
    );
    let text = |name: &str| put.item[name].as_s().unwrap().as_str();
    assert_eq!(text("pk"), "T#demo#K#/shop#1");
    assert_eq!(text("event_id"), made.event_id().to_string());
    assert_eq!(text("log_pk"), "T#demo#2026112312#0");
    assert_eq!(text("outbox_mode"), "none");
    let expires_at = clock.now().unix_timestamp() + 7 * 24 * 60 * 60;
    assert_eq!(
        put.item["expires_at"].as_n().unwrap(),
        &expires_at.to_string()
    );
}

#[test]
fn events_fill_as_many_shards_as_they_are_told() {
    let outbox = outbox().over_shards(LogShards::new(4).unwrap());
    let mut shards: Vec<String> = (0..8)
        .map(|id| item(&outbox.put(&event(&id.to_string(), json!(1))).unwrap())["log_pk"].clone())
        .map(|log_pk| {
            log_pk
                .as_s()
                .unwrap()
                .rsplit('#')
                .next()
                .unwrap()
                .to_owned()
        })
        .collect();
    shards.sort();
    shards.dedup();
    assert_eq!(shards, ["0", "1", "2", "3"]);
}

#[test]
fn the_same_content_is_a_duplicate_however_it_is_spelt() {
    let outbox = outbox();
    let first = outbox.put(&order(json!({ "total": 12.5 }))).unwrap();
    let second = event_with(json!({
        "data": { "total": 12.50 }, "subject": "order 1", "time": "2026-01-01T00:00:00Z",
    }));
    let second = outbox.put(&second).unwrap();
    let event_id = first.event_id();
    assert_eq!(
        second
            .explain(&cancelled(taken_by(item(&first))), 1)
            .unwrap(),
        Cancelled::Duplicate { event_id }
    );
    assert_eq!(
        first
            .explain(&cancelled(taken_by(item(&first))), 1)
            .unwrap(),
        Cancelled::Committed { event_id }
    );
}

#[test]
fn other_content_is_a_conflict_that_names_what_differs() {
    let outbox = outbox();
    let long = "x".repeat(1_000);
    let first = outbox
        .put(&order(json!({ "total": 12.5, "note": long })))
        .unwrap();
    assert!(item(&first).contains_key("data_json_zstd"));
    let event_id = first.event_id();
    let conflict = |second: &CloudEvent, item: Item| {
        let second = outbox.put(second).unwrap();
        match second.explain(&cancelled(taken_by(item)), 1).unwrap() {
            Cancelled::Conflict {
                event_id: found,
                differing,
            } if found == event_id => differing,
            other => panic!("{other:?}"),
        }
    };
    let data = order(json!({ "total": 13 }));
    assert_eq!(conflict(&data, item(&first)), ["data"]);
    let both = event_with(json!({ "subject": "order 2", "data": 1 }));
    assert_eq!(conflict(&both, item(&first)), ["data", "subject"]);

    // Data that are in the payload bucket cannot be looked at here.
    let mut elsewhere = item(&first);
    elsewhere.remove("data_json_zstd");
    elsewhere.insert(
        "data_object".to_owned(),
        AttributeValue::S("json_zstd".to_owned()),
    );
    assert_eq!(conflict(&data, elsewhere.clone()), ["data"]);
    assert_eq!(conflict(&both, elsewhere), ["subject"]);
}

#[test]
fn what_is_not_about_the_event_is_told_apart() {
    let put = outbox().put(&order(json!(1))).unwrap();
    let explain = |reason| put.explain(&cancelled(reason), 1);
    assert_eq!(explain(code("None")).unwrap(), Cancelled::NotOurs);
    for busy in [
        "TransactionConflict",
        "ProvisionedThroughputExceeded",
        "ThrottlingError",
    ] {
        assert_eq!(explain(code(busy)).unwrap(), Cancelled::Busy, "{busy}");
    }
    let refused = explain(code("ValidationError")).unwrap_err();
    assert!(
        matches!(&refused, UnexplainedError::Refused { code, .. } if code == "ValidationError")
    );
    let missing = put.explain(&cancelled(code("None")), 2).unwrap_err();
    assert!(matches!(missing, UnexplainedError::NoReason { index: 2 }));
    for item in [
        Item::new(),
        Item::from([("pk".to_owned(), AttributeValue::Bool(true))]),
    ] {
        let error = explain(taken_by(item)).unwrap_err();
        assert!(matches!(error, UnexplainedError::Malformed(_)), "{error}");
    }
    let error = explain(code("ConditionalCheckFailed")).unwrap_err();
    assert!(matches!(error, UnexplainedError::Malformed(_)), "{error}");
}

/// Bytes that no compressor makes smaller.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    };
    (0..bytes).map(|_| next()).collect()
}

fn binary(bytes: usize) -> CloudEvent {
    let data = Some(Data::Binary(noise(bytes)));
    CloudEvent::new("/shop".into(), "1".into(), "t".into(), Context::new(), data).unwrap()
}

#[test]
fn an_item_one_byte_over_the_limit_is_refused_by_its_size_and_limit() {
    let outbox = outbox();
    let empty = item_bytes(&item(&outbox.put(&binary(1)).unwrap())) - 1;
    assert!(outbox.put(&binary(MAX_ITEM_BYTES - empty)).is_ok());
    let error = outbox.put(&binary(MAX_ITEM_BYTES - empty + 1)).unwrap_err();
    assert!(matches!(
        error,
        OutboxError::Put(OutboxPutError::TooLarge { actual }) if actual == MAX_ITEM_BYTES + 1
    ));
    let told = error.to_string();
    assert!(told.contains("400001") && told.contains("400000"), "{told}");
}

/// Names and values of an item whose values are texts, numbers and bytes.
fn item_bytes(item: &Item) -> usize {
    let value = |value: &AttributeValue| match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => number.len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        other => panic!("{other:?}"),
    };
    item.iter()
        .map(|(name, found)| name.len() + value(found))
        .sum()
}

/// Its item would be small; no queue would take it.
#[test]
fn an_event_that_is_too_large_to_be_delivered_is_refused() {
    let data = Data::Binary(vec![0; MAX_EVENT_BYTES]);
    let event = CloudEvent::new(
        "/shop".into(),
        "1".into(),
        "t".into(),
        Context::new(),
        Some(data),
    );
    let error = outbox().put(&event.unwrap()).unwrap_err();
    assert!(matches!(
        error,
        OutboxError::TooLargeForTheBus(ParseError::TooLarge { .. })
    ));
}

#[test]
fn data_that_cannot_be_read_is_refused() {
    let event = CloudEvent::from_structured(
        br#"{"specversion":"1.0","source":"/shop","id":"1","type":"t","data":1e999}"#,
    );
    let error = outbox().put(&event.unwrap()).unwrap_err();
    assert!(
        error.to_string().starts_with("data cannot be read"),
        "{error}"
    );
}
