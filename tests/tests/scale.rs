//! A job of 100,000 events, end to end; it takes minutes, and says how long each part took.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use pillarbox_domain::EventId;
use pillarbox_tests::many::{deliveries, publish_many_of};
use pillarbox_tests::operating::rfc3339;
use pillarbox_tests::stack::Stack;
use serde_json::json;

const COUNT: usize = 100_000;

/// As many as a tenant of that size would have. The local engine looks at every event of a part of the log for each
/// page of it, too, so small parts are fast there.
const LOG_SHARDS: u8 = 64;

/// Event types, each with a subscription of its own: the local engine looks at every message of a queue, too, for each
/// that is taken.
const TYPES: usize = 50;

/// Events a second: what the local engine takes and still answers others.
const SPEED: u32 = 1_000;

#[tokio::test]
async fn a_job_of_a_hundred_thousand_events_sends_each_of_them() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let set = tenant.set(&json!({ "log_shards": LOG_SHARDS })).await;
    assert_eq!(set.status, 200, "{set:?}");
    let mut queues = Vec::new();
    for number in 0..TYPES {
        let id = format!("orders-{number}");
        queues.push(tenant.subscribe(&id, &[&event_type(number)]).await);
    }
    let begun = Instant::now();
    let ids = publish_many_of(&tenant, "?outbox=none", COUNT, event_type).await;
    println!("published {COUNT} in {:.1?}", begun.elapsed());

    let filter = json!({ "from": rfc3339(ids[0].accepted_at()) });
    let request = json!({
        "filter": filter, "target": { "all": true }, "max_events_per_second": SPEED,
    });
    let begun = Instant::now();
    let job = tenant.start_replay(&request).await;
    let job = tenant.job_in(&job, "COMPLETED").await;
    println!("replayed in {:.1?}: {job}", begun.elapsed());
    assert_eq!(
        (&job["total"], &job["sent"]),
        (&json!(COUNT), &json!(COUNT)),
        "{job}"
    );

    let mut delivered: BTreeMap<EventId, usize> = BTreeMap::new();
    for queue in &queues {
        delivered.extend(deliveries(queue).await);
    }
    // A queue that answers too late, as a machine that is busy with this makes it, may have the messages all the same.
    let repeated = delivered.values().filter(|count| **count > 1).count();
    println!("{repeated} of them came more than once");
    let delivered: BTreeSet<EventId> = delivered.into_keys().collect();
    assert_eq!(delivered.len(), COUNT);
    assert_eq!(delivered, ids.into_iter().collect());
}

fn event_type(number: usize) -> String {
    format!("order.of-kind-{}", number % TYPES)
}
