//! However often an event is published, and by however many at once, it is stored once.

use std::collections::BTreeSet;

use pillarbox_domain::EventId;
use pillarbox_tests::stack::{Answer, Stack};
use serde_json::json;

use crate::{assert_problem, body, event, event_ids, with};

#[tokio::test]
async fn an_event_is_stored_once_however_often_it_is_published() {
    let tenant = Stack::of_process().tenant().await;
    let first = tenant.publish(event("1")).await;
    assert_eq!(first.status, 201, "{first:?}");
    assert_eq!(first.content_type, "application/json");
    let event_id = first.event_id();
    assert_eq!(
        first.body,
        json!({ "event_id": event_id.to_string(), "duplicate": false })
    );
    for _ in 0..3 {
        let again = tenant.publish(event("1")).await;
        assert_eq!(again.status, 200, "{again:?}");
        assert_eq!(
            again.body,
            json!({ "event_id": event_id.to_string(), "duplicate": true })
        );
    }
}

#[tokio::test]
async fn a_repeat_may_renew_its_time_and_be_spelled_differently() {
    let tenant = Stack::of_process().tenant().await;
    let sent = r#"{"specversion":"1.0","id":"1","source":"/shop","type":"t","time":"2026-01-01T00:00:00Z","data":{"a":1.50,"b":2}}"#;
    let first = tenant.accepted(sent).await;
    let renewed = r#"{ "type":"t", "time":"2026-01-02T03:04:05+01:00", "data":{"b":2,"a":1.5}, "id":"1", "source":"/shop", "specversion":"1.0" }"#;
    let again = tenant.publish(renewed).await;
    assert_eq!((again.status, again.event_id()), (200, first), "{again:?}");
}

#[tokio::test]
async fn another_content_under_the_same_key_is_a_conflict_and_changes_nothing() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let queue = tenant.subscribe("all", &["*"]).await;
    let first = tenant
        .accepted(with(json!({ "data": { "total": 1 } })))
        .await;

    let other = tenant
        .publish(with(json!({ "data": { "total": 2 } })))
        .await;
    assert_problem(&other, 409, "Nothing was written");
    assert_eq!(other.event_id(), first);
    let again = tenant
        .publish(with(json!({ "data": { "total": 1 } })))
        .await;
    assert_eq!((again.status, again.event_id()), (200, first));

    let last = tenant.accepted(event("2")).await;
    stack.handed_over(last).await;
    let messages = queue.take_at_least(2).await;
    assert_eq!(event_ids(&messages), [first, last].into());
    let delivered = messages
        .iter()
        .map(body)
        .find(|body| body["id"] == "1")
        .unwrap();
    assert_eq!(delivered["data"], json!({ "total": 1 }));
}

#[tokio::test]
async fn of_many_events_published_twice_at_once_each_is_accepted_once_and_delivered() {
    const EVENTS: usize = 200;
    const PRODUCERS: usize = 8;
    let tenant = Stack::of_process().tenant().await;
    let queue = tenant.subscribe("all", &["*"]).await;
    let producers = (0..PRODUCERS).map(|producer| {
        let tenant = tenant.clone();
        tokio::spawn(async move {
            let mut answers = Vec::new();
            // Two neighbours publish the same events, so that the two copies of each meet.
            for n in (producer / 2..EVENTS).step_by(PRODUCERS / 2) {
                answers.push(tenant.publish(event(&n.to_string())).await);
            }
            answers
        })
    });
    let producers: Vec<_> = producers.collect();
    let mut answers = Vec::new();
    for producer in producers {
        answers.extend(producer.await.unwrap());
    }
    assert_eq!(answers.len(), 2 * EVENTS);
    let of = |status| {
        let answers = answers.iter().filter(move |answer| answer.status == status);
        answers.map(Answer::event_id).collect::<Vec<EventId>>()
    };
    let (accepted, duplicates) = (of(201), of(200));
    assert_eq!((accepted.len(), duplicates.len()), (EVENTS, EVENTS));
    let accepted: BTreeSet<EventId> = accepted.into_iter().collect();
    assert_eq!(accepted.len(), EVENTS);
    assert_eq!(duplicates.into_iter().collect::<BTreeSet<_>>(), accepted);
    assert_eq!(event_ids(&queue.take_at_least(EVENTS).await), accepted);
}
