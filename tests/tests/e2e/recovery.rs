//! Deliveries that somebody died over: the row says that they are due, and nobody is coming. The schedule finds them.
//!
//! The local queues never refuse for a while, so the row is written here as `dispatch` writes it, and dispatch's death
//! between the row and its reminder is what the test begins with.

use std::time::Duration;

use pillarbox_aws::DynamoTroubledDeliveries;
use pillarbox_domain::dead_letter::Failure;
use pillarbox_domain::trouble::{
    Attempt, DeliveryKey, TroubleStatus, TroubledDeliveries, TroubledDelivery,
};
use pillarbox_domain::{Clock, EventId};
use pillarbox_runtime::clock::SystemClock;
use pillarbox_tests::eventually;
use pillarbox_tests::stack::{Stack, Tenant};
use serde_json::{Value, json};

use crate::{body, event, event_ids};

/// How long the delivery has been due: longer than anybody waits before it is looked for.
const OVERDUE: Duration = Duration::from_secs(5 * 60);

/// The row of a delivery whose first attempt failed, and which nobody was reminded of. `event` is as [`event`] made
/// it.
pub(crate) async fn left_behind(
    stack: &Stack,
    tenant: &Tenant,
    event_id: EventId,
    event: &Value,
    subscription: &str,
) {
    let now = SystemClock::default().now();
    let text = |name: &str| event[name].as_str().unwrap().to_owned();
    let row = TroubledDelivery {
        key: DeliveryKey {
            tenant: tenant.id.clone(),
            event_id,
            subscription: subscription.parse().unwrap(),
        },
        source: text("source"),
        id: text("id"),
        event_type: text("type"),
        status: TroubleStatus::Retrying {
            next_attempt_at: now - OVERDUE,
        },
        attempts: vec![Attempt {
            at: now - OVERDUE,
            failure: Failure::new("ServiceUnavailable", "the queue is busy"),
        }],
        holds: 0,
        expires_at: now + Duration::from_secs(8 * 24 * 3_600),
    };
    let table = stack.outbox_table.clone();
    let rows = DynamoTroubledDeliveries::new(stack.dynamodb.clone(), table);
    assert!(rows.open(&row).await.unwrap(), "there is a row already");
}

/// The delivery as soon as the queue has taken it at last.
pub(crate) async fn recovered(tenant: &Tenant, event_id: EventId, subscription: &str) -> Value {
    let what = format!("{event_id} has recovered");
    eventually(&what, async || {
        let delivery = tenant.delivery(event_id, subscription).await;
        (delivery["state"] == "RECOVERED").then_some(delivery)
    })
    .await
}

#[tokio::test]
async fn a_retry_whose_time_is_past_is_found_and_made() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let event = event("1");
    let event_id = tenant.accepted(&event).await;
    // Nobody has it yet, so whoever gets it has it by the retry.
    stack.handed_over(event_id).await;
    let queue = tenant.subscribe("orders", &["order.*"]).await;
    left_behind(&stack, &tenant, event_id, &event, "orders").await;
    let journey = tenant.journey(event_id).await;
    assert_eq!(journey["state"], "PROCESSING", "{journey}");
    assert_eq!(journey["deliveries"][0]["state"], "RETRYING", "{journey}");

    let delivery = recovered(&tenant, event_id, "orders").await;
    assert_eq!(
        delivery["attempts"][0]["error"]["class"],
        "ServiceUnavailable"
    );
    assert_eq!(delivery["next_attempt_at"], Value::Null);
    assert_eq!(tenant.journey(event_id).await["state"], "COMPLETED");
    let messages = queue.take_at_least(1).await;
    assert_eq!(event_ids(&messages), [event_id].into());
    assert_eq!(messages.len(), 1);
    assert_eq!(body(&messages[0])["pbattempt"], json!(2));
}
