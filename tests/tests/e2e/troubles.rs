//! Subscriptions that stop and go on: their queues are deleted and made anew, operators pause, resume and change them.
//! Every time the events that are not handed over are told, and those beside them are.

use pillarbox_domain::EventId;
use pillarbox_tests::eventually;
use pillarbox_tests::operating::{EFFECT_LIMIT, time_of};
use pillarbox_tests::stack::{HandedOver, Item, Queue, Stack, Tenant};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{assert_problem, event, event_ids, typed};

const GONE: &str = "gone";
const HEALTHY: &str = "healthy";

fn numbered(number: usize) -> Value {
    event(&format!("probe-{number}"))
}

fn goes_to(subscription: &str) -> impl Fn(&HandedOver) -> bool {
    move |event| event.subscriptions.iter().any(|id| id == subscription)
}

fn is_withheld_from(subscription: &str) -> impl Fn(&HandedOver) -> bool {
    move |event| event.withheld.iter().any(|id| id == subscription)
}

/// The subscription as soon as it is in this state.
async fn in_state(tenant: &Tenant, id: &str, state: &str) -> Value {
    eventually(&format!("{id} is {state}"), async || {
        let subscription = tenant.subscription(id).await;
        (subscription["state"] == state).then_some(subscription)
    })
    .await
}

/// The rows of an event's deliveries in trouble.
async fn rows(stack: &Stack, tenant: &Tenant, event_id: EventId) -> Vec<Item> {
    let key = pillarbox_aws::keys::trouble(&tenant.id, event_id);
    let query = stack.dynamodb.query().table_name(&stack.outbox_table);
    let found = query
        .key_condition_expression("pk = :key")
        .expression_attribute_values(":key", aws_sdk_dynamodb::types::AttributeValue::S(key))
        .consistent_read(true)
        .send()
        .await
        .unwrap();
    found.items.unwrap_or_default()
}

/// A tenant with two subscriptions to everything, the queue of one of which is deleted; and their queues.
async fn with_a_queue_gone(stack: &Stack) -> (Tenant, Queue, Queue) {
    let tenant = stack.tenant().await;
    let gone = tenant.subscribe(GONE, &["*"]).await;
    let healthy = tenant.subscribe(HEALTHY, &["*"]).await;
    gone.delete_itself().await;
    (tenant, gone, healthy)
}

#[tokio::test]
async fn a_subscription_whose_queue_is_gone_is_suspended_and_holds_up_no_other() {
    let stack = Stack::of_process();
    let (tenant, _, healthy) = with_a_queue_gone(&stack).await;
    let first = tenant.accepted(event("1")).await;
    let suspended = in_state(&tenant, GONE, "SUSPENDED").await;
    assert_eq!(time_of(&suspended["since"]), first.accepted_at());
    let reason = suspended["reason"].as_str().unwrap();
    assert!(reason.contains("queue"), "{reason}");
    assert_eq!(tenant.subscription(HEALTHY).await["state"], "ACTIVE");

    let second = tenant.accepted(event("2")).await;
    for event_id in [first, second] {
        let handed_over = stack.handed_over(event_id).await;
        assert_eq!(handed_over.subscriptions, [HEALTHY]);
        assert_eq!(handed_over.withheld, [GONE]);
        let withheld = tenant.delivery(event_id, GONE).await;
        assert_eq!(withheld["state"], "WITHHELD", "{withheld}");
        assert_eq!(withheld["attempts"], json!([]));
        let beside = tenant.delivery(event_id, HEALTHY).await;
        assert_eq!(beside["state"], "HANDED_OVER", "{beside}");
        assert_eq!(tenant.journey(event_id).await["state"], "COMPLETED");
        assert!(rows(&stack, &tenant, event_id).await.is_empty());
    }
    let got = event_ids(&healthy.take_at_least(2).await);
    assert_eq!(got, [first, second].into());
    let since = &tenant.subscription(GONE).await["since"];
    assert_eq!(
        since, &suspended["since"],
        "later events are no later beginning"
    );
}

#[tokio::test]
async fn a_suspended_subscription_is_resumed_with_the_way_to_what_it_missed() {
    let stack = Stack::of_process();
    let (tenant, gone, _) = with_a_queue_gone(&stack).await;
    let missed = tenant.accepted(event("1")).await;
    let suspended = in_state(&tenant, GONE, "SUSPENDED").await;
    gone.come_back().await;
    let resumed = tenant.operate(GONE, "resume", &json!({})).await;
    assert_eq!(resumed["state"], "ACTIVE");
    assert!(resumed.get("since").is_none(), "{resumed}");
    let gap = &resumed["gap"];
    assert_eq!(gap["from"], suspended["since"]);
    assert!(time_of(&gap["to"]) >= time_of(&resumed["updated_at"]) + EFFECT_LIMIT);
    let replay = json!({
        "filter": { "from": gap["from"], "to": gap["to"] },
        "target": { "subscription": GONE },
    });
    assert_eq!(gap["replay"], replay);

    let again = tenant
        .in_effect(&stack, &resumed, numbered, goes_to(GONE))
        .await;
    let got = event_ids(&gone.take_at_least(1).await);
    assert!(got.contains(&again) && !got.contains(&missed), "{got:?}");
    let second = tenant.operate(GONE, "resume", &json!({})).await;
    assert_eq!(
        (&second["state"], &second["gap"]),
        (&json!("ACTIVE"), &Value::Null)
    );
}

#[tokio::test]
async fn a_paused_subscription_gets_nothing_until_it_is_resumed() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let queue = tenant.subscribe("orders", &["*"]).await;
    let before = tenant.accepted(event("before")).await;
    assert_eq!(event_ids(&queue.take_at_least(1).await), [before].into());

    let reason = "the shop moves";
    let paused = tenant
        .operate("orders", "pause", &json!({ "reason": reason }))
        .await;
    assert_eq!(
        [&paused["state"], &paused["reason"]],
        [&json!("PAUSED"), &json!(reason)]
    );
    let withheld = tenant
        .in_effect(&stack, &paused, numbered, is_withheld_from("orders"))
        .await;
    let delivery = tenant.delivery(withheld, "orders").await;
    assert_eq!(delivery["state"], "WITHHELD", "{delivery}");
    let again = tenant.operate("orders", "pause", &json!({})).await;
    assert_eq!(again, paused, "pausing what is paused changes nothing");

    let resumed = tenant.operate("orders", "resume", &json!({})).await;
    assert_eq!(resumed["gap"]["from"], paused["since"]);
    let numbered = |number| event(&format!("after-{number}"));
    let after = tenant
        .in_effect(&stack, &resumed, numbered, goes_to("orders"))
        .await;
    let got = event_ids(&queue.take_at_least(1).await);
    assert!(got.contains(&after) && !got.contains(&withheld), "{got:?}");
}

#[tokio::test]
async fn a_change_from_an_old_version_is_refused_and_a_new_pattern_takes_effect() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let queue = tenant.subscribe("orders", &["order.*"]).await;
    let before = tenant.accepted(typed("1", "price.changed")).await;
    assert_eq!(
        stack.handed_over(before).await.subscriptions,
        Vec::<String>::new()
    );

    let path = "/v1/subscriptions/orders";
    let change = json!({ "version": 1, "pattern": { "type": [{ "prefix": "price." }] } });
    let changed = tenant.ask(Method::PATCH, path, &change).await;
    assert_eq!(changed["version"], 2);
    let late = json!({ "version": 1, "types": ["invoice.*"] });
    let refused = tenant.call(Method::PATCH, path, &late).await;
    assert_problem(&refused, 409, "version 2");
    assert_eq!(tenant.subscription("orders").await, changed);

    let price = |number: usize| typed(&format!("price-{number}"), "price.changed");
    let after = tenant
        .in_effect(&stack, &changed, price, goes_to("orders"))
        .await;
    let order = |number: usize| typed(&format!("order-{number}"), "order.created");
    let missed = tenant
        .in_effect(&stack, &changed, order, |event| {
            event.subscriptions.is_empty()
        })
        .await;
    let got = event_ids(&queue.take_at_least(1).await);
    assert!(got.contains(&after) && !got.contains(&missed), "{got:?}");

    let remove = tenant.call(
        Method::DELETE,
        "/v1/subscriptions/orders?version=1",
        &Value::Null,
    );
    assert_problem(&remove.await, 409, "version 2");
}
