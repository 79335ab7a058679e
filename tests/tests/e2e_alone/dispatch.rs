//! Dispatch, paused and resumed for everybody.

use std::collections::BTreeSet;

use pillarbox_domain::guarded::guarded;
use pillarbox_domain::{Clock, EventId};
use pillarbox_runtime::clock::SystemClock;
use pillarbox_tests::eventually;
use pillarbox_tests::functions::Function;
use pillarbox_tests::stack::{Queue, Stack, Tenant};
use serde_json::{Value, json};

const COUNT: usize = 20;

/// Switches dispatch, and waits until it stands so.
pub(crate) async fn switch(stack: &Stack, operation: &str, state: &str) {
    let path = format!("/v1/dispatch/{operation}");
    eventually(&format!("dispatch is {state}"), async || {
        let switched = stack.as_admin(&path, &json!({})).await;
        let seen = stack.seen_by_admin("/v1/dispatch").await;
        assert_eq!((switched.status, seen.status), (200, 200), "{switched:?}");
        (seen.body["state"] == state).then_some(())
    })
    .await;
}

async fn published_while_it_is_paused(stack: &Stack, tenant: &Tenant) -> Vec<EventId> {
    switch(stack, "pause", "DISABLED").await;
    let mut ids = Vec::new();
    for n in 0..COUNT {
        let event = json!({
            "specversion": "1.0", "id": n.to_string(), "source": "/shop", "type": "order.created",
        });
        ids.push(tenant.accepted(event).await);
    }
    for event_id in &ids {
        let journey = tenant.journey(*event_id).await;
        assert_eq!(journey["state"], "PENDING", "{journey}");
        assert_eq!(journey["deliveries"], json!([]), "{journey}");
    }
    what_waits_is_told(stack).await;
    ids
}

fn check<'a>(health: &'a Value, name: &str) -> &'a Value {
    let mut checks = health["checks"].as_array().unwrap().iter();
    checks.find(|check| check["name"] == name).unwrap()
}

/// By the deep health, and by what the function `metrics` tells. On a machine that is busy a check may not answer in its
/// ten seconds, and has no figure then: it is asked again.
async fn what_waits_is_told(stack: &Stack) {
    let (health, pending) = eventually("what waits is counted", async || {
        let health = stack.seen_by_admin("/v1/health/deep").await.body;
        let pending = check(&health, "pending_events")["figure"]["value"].as_u64();
        pending.map(|pending| (health, pending))
    })
    .await;
    assert!(pending >= COUNT as u64, "{health}");
    let mapping = check(&health, "stream_mapping");
    assert_eq!(mapping["status"], "warn", "{health}");
    let told = stack.invoke(Function("metrics"), &json!({})).await;
    assert!(
        told["outbox_pending"].as_u64().unwrap() >= COUNT as u64,
        "{told}"
    );
}

async fn all_taken(queue: &Queue) -> BTreeSet<EventId> {
    let messages = queue.take_at_least(COUNT).await;
    let bodies = messages.iter().map(|message| message.body.as_deref());
    bodies
        .map(|body| serde_json::from_str::<Value>(body.unwrap()).unwrap())
        .map(|event| event["pbeventid"].as_str().unwrap().parse().unwrap())
        .collect()
}

/// Whatever fails in between, dispatch is resumed.
#[tokio::test]
async fn what_is_published_while_dispatch_is_paused_waits_and_is_all_handed_over_afterwards() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let queue = tenant.subscribe("orders", &["*"]).await;
    let published = guarded(published_while_it_is_paused(&stack, &tenant)).await;
    let resumed_at = SystemClock::default().now();
    switch(&stack, "resume", "ENABLED").await;
    let ids = published.unwrap();

    assert_eq!(all_taken(&queue).await, ids.iter().copied().collect());
    let resumed_ms = u64::try_from(resumed_at.unix_timestamp_nanos() / 1_000_000).unwrap();
    for event_id in ids {
        let handed_over = stack.handed_over(event_id).await;
        assert!(handed_over.at_ms >= resumed_ms, "{handed_over:?}");
        let journey = tenant.journey(event_id).await;
        assert_eq!(journey["state"], "COMPLETED", "{journey}");
        assert_eq!(
            journey["deliveries"][0]["state"], "HANDED_OVER",
            "{journey}"
        );
    }
}
