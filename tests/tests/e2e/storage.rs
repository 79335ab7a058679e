//! How events are stored: of any size, as a whole, without dispatch, on their tenants' terms.

use std::collections::BTreeSet;

use pillarbox_domain::EventId;
use pillarbox_tests::stack::{Answer, Stack};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{assert_problem, body, event, event_ids, with};

/// Printable, and of no use to a compressor: a generator of Lehmer's.
fn noise(bytes: usize) -> String {
    let mut state = 48_271_u64;
    let letters = std::iter::repeat_with(|| {
        state = state * 48_271 % 2_147_483_647;
        char::from(b'0' + u8::try_from(state % 64).unwrap())
    });
    letters
        .filter(|letter| *letter != '\\')
        .take(bytes)
        .collect()
}

#[tokio::test]
async fn an_event_that_does_not_fit_an_item_is_stored_once_and_delivered_like_any_other() {
    let tenant = Stack::of_process().tenant().await;
    let queue = tenant.subscribe("all", &["*"]).await;
    let large = with(json!({ "data": noise(900_000) }));
    let event_id = tenant.accepted(&large).await;
    let item = tenant.event_item("/shop", "1").await.unwrap();
    assert!(item.contains_key("data_object"), "the data is in the item");

    let messages = queue.take_at_least(1).await;
    assert_eq!(event_ids(&messages), [event_id].into());
    assert_eq!(body(&messages[0])["data"], large["data"]);

    let again = tenant.publish(&large).await;
    assert_eq!((again.status, again.event_id()), (200, event_id));
    let other = tenant
        .publish(with(json!({ "data": noise(900_001) })))
        .await;
    assert_problem(&other, 409, "differs in data");
    assert_eq!(other.body["differing"], json!(["data"]));
    assert_eq!(other.event_id(), event_id);
}

#[tokio::test]
async fn an_atomic_batch_of_more_than_a_transaction_holds_is_stored_and_delivered() {
    let tenant = Stack::of_process().tenant().await;
    let queue = tenant.subscribe("all", &["*"]).await;
    let data = noise(50_000);
    let member = |n: usize| with(json!({ "id": n.to_string(), "data": data }));
    let batch: Vec<Value> = (0..100).map(member).collect();
    let answer = tenant.publish_batch("?atomic=true", &batch).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let ids: BTreeSet<EventId> = answer.body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["event_id"].as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(ids.len(), 100);
    assert_eq!(event_ids(&queue.take_at_least(100).await), ids);
    let again = tenant.publish_batch("?atomic=true", &batch).await;
    assert_eq!(again.status, 201, "{again:?}");
    let results = again.body["results"].as_array().unwrap();
    assert!(results.iter().all(|result| result["duplicate"] == true));
}

#[tokio::test]
async fn an_atomic_batch_with_one_event_in_the_way_stores_none() {
    let tenant = Stack::of_process().tenant().await;
    let first = tenant.accepted(event("taken")).await;
    let conflict = with(json!({ "id": "taken", "subject": "other" }));
    let cases = [
        (conflict, 409, "batch[1]"),
        (json!({ "id": "bad" }), 400, "batch[1].specversion"),
    ];
    for (bad, status, field) in cases {
        let batch = [event("a"), bad, event("b")];
        let answer = tenant.publish_batch("?atomic=true", &batch).await;
        assert_problem(&answer, status, field);
        for id in ["a", "b"] {
            assert_eq!(tenant.event_item("/shop", id).await, None);
        }
    }
    let batch = [event("a"), event("taken")];
    let answer = tenant.publish_batch("?atomic=true", &batch).await;
    let results = &answer.body["results"];
    assert_eq!(results[1]["event_id"], first.to_string(), "{answer:?}");
    assert_eq!(results[0]["duplicate"], false);
}

#[tokio::test]
async fn what_is_only_logged_is_not_delivered() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let queue = tenant.subscribe("all", &["*"]).await;
    let answer = tenant
        .publish_batch("?outbox=none", &[event("silent")])
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let told = tenant.accepted(event("told")).await;
    // The stream is in order: once the second is handed over, the first has been looked at.
    stack.handed_over(told).await;
    assert_eq!(event_ids(&queue.take_at_least(1).await), [told].into());
    assert!(tenant.event_item("/shop", "silent").await.is_some());
}

#[tokio::test]
async fn a_tenants_retention_and_shards_are_what_its_administrator_sets() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let changed = tenant
        .set(&json!({ "retention_days": 30, "log_shards": 8 }))
        .await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let batch: Vec<Value> = (0..50).map(|n: u8| event(&n.to_string())).collect();
    let answer = tenant.publish_batch("", &batch).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let mut shards = BTreeSet::new();
    for (index, member) in batch.iter().enumerate() {
        let id = member["id"].as_str().unwrap();
        let item = tenant.event_item("/shop", id).await.unwrap();
        let expires_at: i64 = item["expires_at"].as_n().unwrap().parse().unwrap();
        let event_id = &answer.body["results"][index]["event_id"];
        let event_id: EventId = event_id.as_str().unwrap().parse().unwrap();
        let kept = expires_at - event_id.accepted_at().unix_timestamp();
        assert_eq!(kept, 30 * 24 * 60 * 60);
        let log_pk = item["log_pk"].as_s().unwrap();
        shards.insert(log_pk.rsplit('#').next().unwrap().to_owned());
    }
    assert!(shards.len() > 2, "{shards:?}");
    assert!(shards.iter().all(|shard| shard.parse::<u8>().unwrap() < 8));
    assert_problem(
        &tenant.set(&json!({ "log_shards": 7 })).await,
        409,
        "8 shards",
    );
    assert_problem(
        &tenant.set(&json!({ "retention_days": 6 })).await,
        400,
        "7 to 3650",
    );

    let path = format!("/v1/tenants/{}", tenant.id);
    let own = stack.request(Method::GET, &path, Some(&tenant.key));
    assert_problem(&Answer::to(own).await, 403, "admin");
}
