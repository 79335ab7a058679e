//! From the log to the subscribers: all that is theirs, as it was sent, and nothing else.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::MessageSystemAttributeName;
use pillarbox_domain::EventId;
use pillarbox_tests::eventually;
use pillarbox_tests::stack::{Stack, Tenant};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::{body, event, event_ids, typed, with};

#[tokio::test]
async fn a_delivery_is_the_event_as_it_was_sent_and_what_the_bus_knows_of_it() {
    let tenant = Stack::of_process().tenant().await;
    let queue = tenant.subscribe("orders", &["order.*"]).await;
    let data = r#"{"z":12.50,"a":[1e2,-0.0,{"y":null,"x":"ä \u00e4 \ud83d\ude00"}],"n":12345678901234567890}"#;
    let sent = format!(
        r#"{{"specversion":"1.0","id":"o-1","source":"/shop","type":"order.created","subject":"order 1","time":"2026-01-01T00:00:00.50+01:00","correlationid":"c-1","priority":7,"test":true,"data":{data}}}"#
    );
    let event_id = tenant.accepted(&sent).await;
    let messages = queue.take_at_least(1).await;
    let message = &messages[0];
    let delivered = message.body.as_deref().unwrap();

    let mut expected: Value = serde_json::from_str(&sent).unwrap();
    expected["pbeventid"] = json!(event_id.to_string());
    expected["pbsubscription"] = json!("orders");
    expected["pbattempt"] = json!(1);
    assert_eq!(body(message), expected);
    let members: BTreeMap<&str, &RawValue> = serde_json::from_str(delivered).unwrap();
    assert_eq!(
        members["data"].get(),
        data,
        "the data are not the bytes that were sent"
    );

    let attributes = message.message_attributes.as_ref().unwrap();
    let attributes: BTreeMap<&str, &str> = attributes
        .iter()
        .map(|(name, value)| (&**name, value.string_value().unwrap()))
        .collect();
    let event_id = event_id.to_string();
    let expected = [
        ("type", "order.created"),
        ("source", "/shop"),
        ("tenant", tenant.id.as_str()),
        ("event_id", &event_id),
        ("subscription", "orders"),
    ];
    assert_eq!(attributes, expected.into());
    let system = message.attributes.as_ref().unwrap();
    let group = system.get(&MessageSystemAttributeName::MessageGroupId);
    assert_eq!(group.map(String::as_str), Some(tenant.id.as_str()));
}

#[tokio::test]
async fn a_subscription_gets_the_types_that_it_asked_for_and_no_other() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let begins = tenant.subscribe("begins", &["order.*"]).await;
    let exact = tenant
        .subscribe("exact", &["order.created", "price.changed"])
        .await;
    let mut ids = HashMap::new();
    for event_type in [
        "order",
        "orders.created",
        "order.created",
        "order.created.v2",
        "price.changed",
    ] {
        let id = tenant.accepted(typed(event_type, event_type)).await;
        ids.insert(event_type, id);
    }
    for id in ids.values() {
        stack.handed_over(*id).await;
    }
    let got = event_ids(&begins.take_at_least(2).await);
    assert_eq!(got, [ids["order.created"], ids["order.created.v2"]].into());
    let got = event_ids(&exact.take_at_least(2).await);
    assert_eq!(got, [ids["order.created"], ids["price.changed"]].into());
    assert_eq!(
        stack.handed_over(ids["order"]).await.subscriptions,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn a_tenant_s_events_reach_no_other_tenant() {
    let stack = Stack::of_process();
    let (one, other) = (stack.tenant().await, stack.tenant().await);
    // The same names everywhere: only whose they are tells them apart.
    let queues = [
        one.subscribe("all", &["*"]).await,
        other.subscribe("all", &["*"]).await,
    ];
    let ids = [
        one.accepted(event("1")).await,
        other.accepted(event("1")).await,
    ];
    assert_ne!(ids[0], ids[1]);
    for ((tenant, id), queue) in [&one, &other].into_iter().zip(ids).zip(&queues) {
        let handed_over = stack.handed_over(id).await;
        assert_eq!(handed_over.tenant, tenant.id.as_str());
        assert_eq!(handed_over.subscriptions, ["all"]);
        stack.handed_over(ids[0]).await;
        stack.handed_over(ids[1]).await;
        let messages = queue.take_at_least(1).await;
        assert_eq!(event_ids(&messages), [id].into());
        for message in messages {
            let whose = &message.message_attributes.as_ref().unwrap()["tenant"];
            assert_eq!(whose.string_value(), Some(tenant.id.as_str()));
        }
    }
}

#[tokio::test]
async fn a_receipt_tells_who_got_an_event_and_when() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    tenant.subscribe("a", &["order.*"]).await;
    tenant.subscribe("b", &["*"]).await;
    tenant.subscribe("c", &["price.*"]).await;
    let event_id = tenant.accepted(event("1")).await;
    let handed_over = stack.handed_over(event_id).await;
    assert_eq!(handed_over.tenant, tenant.id.as_str());
    assert_eq!(handed_over.event_type, "order.created");
    assert_eq!(handed_over.subscriptions, ["a", "b"]);
    let after_ms = handed_over.at_ms.checked_sub(event_id.unix_millis());
    assert!(
        after_ms.is_some_and(|ms| ms < 60_000),
        "handed over {after_ms:?} ms after acceptance"
    );
}

/// Deliveries may repeat; what the example does with one happens once.
#[tokio::test]
async fn the_example_subscriber_makes_an_effect_once_and_records_its_latency() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let copy = tenant.subscribe("copy", &["*"]).await;
    tenant
        .subscribe_queue("example", &["*"], &stack.example_queue)
        .await;
    let event_id = tenant.accepted(event("1")).await;
    let subscription = "example".parse().unwrap();
    let done = eventually("the example has made the effect", async || {
        let item = tenant.inbox_item(&subscription, event_id).await;
        item.filter(|item| item.contains_key("result"))
    })
    .await;
    let result: Value = serde_json::from_str(done["result"].as_s().unwrap()).unwrap();
    assert_eq!(result["type"], "order.created");
    assert_eq!(result["accepted_ms"], event_id.unix_millis());
    let latency_ms = result["received_ms"].as_u64().unwrap() - event_id.unix_millis();
    assert_eq!(result["latency_ms"], latency_ms);
    assert!(latency_ms < 60_000, "{result}");

    let messages = copy.take_at_least(1).await;
    let repeated = messages[0].body.as_deref().unwrap();
    let repeated = repeated.replace(
        r#""pbsubscription":"copy""#,
        r#""pbsubscription":"example""#,
    );
    for _ in 0..2 {
        let attributes = messages[0].message_attributes.clone().unwrap();
        stack.example_queue.send(&repeated, attributes).await;
    }
    stack.example_queue.is_drained().await;
    assert_eq!(tenant.inbox_item(&subscription, event_id).await, Some(done));
    assert_eq!(inbox_items(&stack, &tenant).await, 1);
}

async fn inbox_items(stack: &Stack, tenant: &Tenant) -> usize {
    let whose = AttributeValue::S(format!("T#{}#", tenant.id));
    let scan = stack.dynamodb.scan().table_name(&stack.inbox_table);
    let pages = scan
        .filter_expression("begins_with(pk, :tenant)")
        .expression_attribute_values(":tenant", whose)
        .into_paginator()
        .items();
    let items: Vec<_> = pages.send().collect::<Result<_, _>>().await.unwrap();
    items.len()
}

#[tokio::test]
async fn an_unusual_event_arrives_unharmed() {
    let tenant = Stack::of_process().tenant().await;
    let queue = tenant.subscribe("all", &["*"]).await;
    let deep = (0..30).fold(json!("core"), |inner, _| json!({ "in": [inner] }));
    let events = [
        with(json!({ "id": "noncharacters", "data": "a\u{ffff}b\u{fffe}c\u{0}d" })),
        with(json!({ "id": "1", "source": "/a#b" })),
        with(json!({ "id": "1", "source": "/a%23b" })),
        with(json!({ "id": "b#1", "source": "/a" })),
        with(json!({ "id": "100%23%25", "source": "urn:x:%C3%A4?q=%20#%2F" })),
        with(json!({ "id": "ä/ \"\\ \u{1F600}", "subject": "&<>'" })),
        with(
            json!({ "id": "binary", "data_base64": "AAEC/v8=", "datacontenttype": "application/octet-stream" }),
        ),
        with(json!({ "id": "large-binary", "data_base64": "AAEC".repeat(5_000) })),
        with(json!({ "id": "text", "data": "<a/>", "datacontenttype": "application/xml" })),
        with(json!({ "id": "deep", "data": deep })),
        with(json!({ "id": "null", "data": null })),
        with(json!({ "id": "none" })),
        with(
            json!({ "id": "extensions", "fingerprint": "mine", "result": -1, "sk": true, "token": "t" }),
        ),
    ];
    let mut expected = HashMap::new();
    for event in &events {
        expected.insert(tenant.accepted(event).await, event);
    }
    assert_eq!(expected.len(), events.len());
    let messages = queue.take_at_least(events.len()).await;
    assert_eq!(event_ids(&messages), expected.keys().copied().collect());
    for mut delivered in messages.iter().map(body) {
        let members = delivered.as_object_mut().unwrap();
        let id: EventId = members["pbeventid"].as_str().unwrap().parse().unwrap();
        for added in ["pbeventid", "pbsubscription", "pbattempt"] {
            members.remove(added);
        }
        assert_eq!(delivered, *expected[&id]);
    }
    for event in &events {
        let again = tenant.publish(event).await;
        assert_eq!(again.status, 200, "{event}: {again:?}");
    }
}

#[tokio::test]
async fn a_malformed_item_ends_as_a_dead_letter_and_blocks_nothing() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let queue = tenant.subscribe("all", &["*"]).await;
    let key = |name: &str| format!("T#{}#K#/shop#{name}", tenant.id);
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let bad = [
        vec![("pk", text(&format!("nonsense of {}", tenant.id)))],
        vec![("pk", text(&key("bare")))],
        vec![
            ("pk", text(&key("bad-data"))),
            ("type", text("t")),
            ("data_json", text("{")),
        ],
    ];
    let count = bad.len();
    for attributes in bad {
        let put = stack.dynamodb.put_item().table_name(&stack.event_log_table);
        let item = attributes
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        put.set_item(Some(item.collect())).send().await.unwrap();
    }
    let event_id = tenant.accepted(event("good")).await;
    assert_eq!(event_ids(&queue.take_at_least(1).await), [event_id].into());

    // Whose an item is cannot always be told; then its letter is the bus's.
    let letters = eventually("every malformed item is a dead letter", async || {
        let mut letters = stack.bus_dead_letters("?order=newest&limit=100").await;
        letters.extend(tenant.dead_letters("").await);
        letters.retain(|letter| letter["record"].to_string().contains(tenant.id.as_str()));
        (letters.len() >= count).then_some(letters)
    })
    .await;
    assert_eq!(letters.len(), count);
    for letter in &letters {
        assert_eq!(letter["origin"], "dispatch", "{letter}");
        assert_eq!(letter["subscription"], Value::Null, "{letter}");
        let reason = letter["error"]["message"].as_str();
        assert!(reason.is_some_and(|reason| !reason.is_empty()), "{letter}");
        let record: Value = serde_json::from_str(letter["record"].as_str().unwrap()).unwrap();
        assert_eq!(record["eventName"], "INSERT", "{letter}");
    }
}
