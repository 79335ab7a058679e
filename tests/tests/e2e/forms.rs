//! The other forms in which CloudEvents come over HTTP: data and attributes apart, and many in one request.

use std::collections::BTreeSet;

use pillarbox_domain::EventId;
use pillarbox_tests::stack::{Answer, Stack};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::{body, event, event_ids, typed, with};

fn results(answer: &Answer) -> &[Value] {
    answer.body["results"].as_array().unwrap()
}

fn id_of(result: &Value) -> EventId {
    result["event_id"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_event_in_binary_form_is_delivered_as_the_structured_one() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let queue = tenant.subscribe("all", &["*"]).await;
    let request = stack.request(Method::POST, "/v1/events", Some(&tenant.key));
    let request = request
        .header("ce-specversion", "1.0")
        .header("ce-id", "b-1")
        .header("ce-source", "/shop")
        .header("ce-type", "order.created")
        .header("ce-subject", "Euro%20%E2%82%AC")
        .header(CONTENT_TYPE, "application/json")
        .body(r#"{"total":12.50}"#);
    let answer = Answer::to(request).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let messages = queue.take_at_least(1).await;
    let delivered = messages[0].body.as_deref().unwrap();
    assert!(
        delivered.contains(r#""data":{"total":12.50}"#),
        "{delivered}"
    );
    let delivered = body(&messages[0]);
    assert_eq!(delivered["id"], "b-1");
    assert_eq!(delivered["subject"], "Euro €");
    assert_eq!(delivered["datacontenttype"], "application/json");
}

#[tokio::test]
async fn every_event_of_a_batch_is_stored_and_delivered() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let queue = tenant.subscribe("all", &["*"]).await;
    let batch: Vec<Value> = (0..60).map(|n| event(&n.to_string())).collect();
    let answer = tenant.publish_batch("", &batch).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let ids: BTreeSet<EventId> = results(&answer).iter().map(id_of).collect();
    assert_eq!(ids.len(), batch.len());
    assert_eq!(event_ids(&queue.take_at_least(batch.len()).await), ids);

    let again = tenant.publish_batch("", &batch).await;
    assert_eq!(again.status, 201, "{again:?}");
    assert!(
        results(&again)
            .iter()
            .all(|result| result["duplicate"] == true)
    );
    assert_eq!(
        results(&again).iter().map(id_of).collect::<BTreeSet<_>>(),
        ids
    );
}

#[tokio::test]
async fn a_bad_event_of_a_batch_is_named_and_the_good_ones_are_stored() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let first = tenant.accepted(event("taken")).await;
    let batch = [
        event("good"),
        json!({ "id": "bad" }),
        with(json!({ "id": "taken", "data": "other" })),
        typed("good", "order.cancelled"),
    ];
    let answer = tenant.publish_batch("", &batch).await;
    assert_eq!(answer.status, 207, "{answer:?}");
    let statuses: Vec<&Value> = results(&answer)
        .iter()
        .map(|result| &result["status"])
        .collect();
    assert_eq!(statuses, [201, 400, 409, 409]);
    let problems: Vec<&Value> = results(&answer)
        .iter()
        .map(|result| &result["problem"])
        .collect();
    assert_eq!(problems[1]["errors"][0]["field"], "specversion");
    assert_eq!(problems[2]["event_id"], first.to_string());
    assert_eq!(problems[3]["event_id"], results(&answer)[0]["event_id"]);
    stack.handed_over(id_of(&results(&answer)[0])).await;
}
