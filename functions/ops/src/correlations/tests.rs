//! Requests as the HTTP API hands them over, on stores in memory.

use std::time::Duration;

use pillarbox_domain::publish::EventLog;
use pillarbox_domain::receipt::{HandedOver, Receipts, receipts};
use pillarbox_domain::registry::Registry;
use pillarbox_domain::{Clock, LoggedEvent};
use pillarbox_testkit::builders::{event_with, logged, tenant};
use serde_json::{Value, json};

use crate::test_ops::{Call, TestOps, answer, answer_to, ops};

const ROUTE: &str = "GET /v1/correlations/{correlation_id}";

/// Three events of the operation `sync/42`, of which the first two are handed over, and one of another tenant.
async fn bus() -> (TestOps, Vec<LoggedEvent>) {
    let ops = ops();
    let clock = &ops.events.clock;
    let mut events = Vec::new();
    for (n, owner) in ["demo", "demo", "demo", "other"].into_iter().enumerate() {
        let members = json!({
            "id": n.to_string(), "correlationid": "sync/42", "causationid": format!("c{n}"),
        });
        let event = logged(clock, &tenant(owner), event_with(members));
        ops.events.log.append(&event).await.unwrap();
        events.push(event);
        clock.advance(Duration::from_millis(250));
    }
    for event in &events[..2] {
        let done = HandedOver {
            tenant: event.tenant.clone(),
            event_type: event.event.event_type().to_owned(),
            event_id: event.event_id,
            subscriptions: vec!["a".parse().unwrap()],
            withheld: vec!["b".parse().unwrap()],
            retrying: 0,
            dead_lettered: 0,
        };
        let (id, now) = (clock.next_id(), clock.now());
        for receipt in receipts(&[done], id, now, event.expires_at) {
            ops.deliveries.receipts.put(&receipt).await.unwrap();
        }
    }
    ops.registry
        .add_tenant(&tenant("demo"), None)
        .await
        .unwrap();
    (ops, events)
}

fn call<'a>(scopes: &'a str, query: &'a str) -> Call<'a> {
    Call {
        query,
        path: json!({ "correlation_id": "sync/42" }),
        ..Call::of(ROUTE, scopes, Value::Null)
    }
}

#[tokio::test]
async fn the_events_of_an_operation_are_in_their_order_with_their_states() {
    let (ops, events) = bus().await;
    let (status, operation) = answer(&ops, call("read", "")).await;
    assert_eq!(status, 200, "{operation}");
    let shown = operation["events"].as_array().unwrap();
    let told: Vec<(&str, &str)> = shown
        .iter()
        .map(|it| {
            (
                it["event_id"].as_str().unwrap(),
                it["state"].as_str().unwrap(),
            )
        })
        .collect();
    let ids: Vec<String> = events.iter().map(|it| it.event_id.to_string()).collect();
    let expected = [
        (&*ids[0], "COMPLETED"),
        (&*ids[1], "COMPLETED"),
        (&*ids[2], "PENDING"),
    ];
    assert_eq!(told, expected);
    let expected = json!({
        "event_id": ids[0],
        "state": "COMPLETED",
        "source": "/shop",
        "id": "0",
        "type": "order.created",
        "subject": null,
        "causation_id": "c0",
        "accepted_at": "2026-11-23T12:00:00Z",
        "handed_over_at": "2026-11-23T12:00:01Z",
        "latency_ms": 1_000,
        "deliveries": [
            {
                "subscription": "a",
                "state": "HANDED_OVER",
                "handed_over_at": "2026-11-23T12:00:01Z",
                "failed_attempts": 0,
            },
            {
                "subscription": "b",
                "state": "WITHHELD",
                "handed_over_at": null,
                "failed_attempts": 0,
            },
        ],
    });
    assert_eq!(shown[0], expected);
    assert_eq!(operation["next_cursor"], Value::Null);
    let (_, others) = answer_to(&ops, "other", call("read", "")).await;
    assert_eq!(others["events"][0]["event_id"], ids[3]);
}

#[tokio::test]
async fn an_operation_is_read_page_by_page() {
    let (ops, events) = bus().await;
    let (mut ids, mut query) = (Vec::new(), "limit=1".to_owned());
    loop {
        let (status, page) = answer(&ops, call("read", &query)).await;
        assert_eq!(status, 200, "{page}");
        let events = page["events"].as_array().unwrap().iter();
        ids.extend(events.map(|it| it["event_id"].clone()));
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("limit=1&cursor={cursor}"),
            None => break,
        }
    }
    let expected = events[..3].iter();
    let expected: Vec<Value> = expected.map(|it| it.event_id.to_string().into()).collect();
    assert_eq!(ids, expected);
}

#[tokio::test]
async fn who_may_not_read_it_is_told_so() {
    let (ops, _) = bus().await;
    for (scopes, query, status) in [
        ("admin", "tenant=demo", 200),
        ("admin", "tenant=nobody", 404),
        ("read", "tenant=demo", 400),
        ("read", "cursor=x", 400),
        ("read", "order=newest", 400),
        ("publish", "", 403),
    ] {
        let (told, problem) = answer(&ops, call(scopes, query)).await;
        assert_eq!(told, status, "{scopes} {query} {problem}");
    }
}
