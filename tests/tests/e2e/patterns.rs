//! Patterns over whole events: what matches is delivered, and for what does not there is a reason to be read.

use std::collections::BTreeSet;

use pillarbox_domain::EventId;
use pillarbox_tests::eventually;
use pillarbox_tests::stack::{Stack, Tenant};
use serde_json::{Value, json};

use crate::{event_ids, with};

const SUBSCRIPTION: &str = "large-orders";

fn order(total: Value) -> Value {
    with(json!({ "id": total.to_string(), "data": { "total": total } }))
}

/// A test of the subscription over the last events, as soon as all of them can be found.
async fn tested(tenant: &Tenant, count: usize) -> Value {
    eventually("all events can be tested", async || {
        let tested = tenant
            .operate(SUBSCRIPTION, "test", &json!({ "last": 100 }))
            .await;
        (tested["tested"] == count).then_some(tested)
    })
    .await
}

fn matching(tested: &Value) -> BTreeSet<EventId> {
    let results = tested["results"].as_array().unwrap().iter();
    let matching = results.filter(|result| result["matches"] == true);
    matching
        .map(|result| result["event_id"].as_str().unwrap().parse().unwrap())
        .collect()
}

#[tokio::test]
async fn a_pattern_over_data_delivers_what_matches_and_the_journey_names_what_decided() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let queue = stack.subscriber_queue().await;
    let pattern = json!({ "type": [{ "prefix": "order." }], "data": { "total": [{ "numeric": [">", 100] }] } });
    let subscription = json!({ "id": SUBSCRIPTION, "pattern": pattern, "queue_url": queue.url });
    let added = tenant.add_subscription(&subscription).await;
    assert_eq!(added["pattern"], pattern);

    let mut ids = Vec::new();
    for total in [
        json!(12.5),
        json!(100),
        json!(100.01),
        json!("250"),
        json!(1e3),
    ] {
        ids.push(tenant.accepted(order(total)).await);
    }
    for event_id in &ids {
        stack.handed_over(*event_id).await;
    }
    let got = event_ids(&queue.take_at_least(2).await);
    assert_eq!(got, [ids[2], ids[4]].into());

    let journey = tenant.journey(ids[0]).await;
    assert_eq!(journey["deliveries"], json!([]));
    let decided = json!([{
        "subscription": SUBSCRIPTION, "note": null,
        "decided_by": { "field": "data.total", "test": r#"[{"numeric":[">",100]}]"#, "found": "12.5" },
    }]);
    assert_eq!(journey["not_matched"], decided);
    let journey = tenant.journey(ids[2]).await;
    assert_eq!(journey["not_matched"], json!([]));
    assert_eq!(journey["deliveries"][0]["state"], "HANDED_OVER");

    let tested = tested(&tenant, ids.len()).await;
    assert_eq!(tested["matched"], 2);
    assert_eq!(matching(&tested), got, "the test and the delivery differ");
}
