//! A job of 100,000 events, end to end; it takes minutes, and says how long each part took.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

use std::time::Instant;

use pillarbox_tests::many::{deliveries, publish_many};
use pillarbox_tests::operating::rfc3339;
use pillarbox_tests::stack::Stack;
use serde_json::json;

const COUNT: usize = 100_000;

/// As many as a tenant of that size would have. The local engine looks at every event of a part of the log for each
/// page of it, too, so small parts are fast there.
const LOG_SHARDS: u8 = 64;

#[tokio::test]
async fn a_job_of_a_hundred_thousand_events_sends_each_of_them() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let set = tenant.set(&json!({ "log_shards": LOG_SHARDS })).await;
    assert_eq!(set.status, 200, "{set:?}");
    let begun = Instant::now();
    let ids = publish_many(&tenant, "?outbox=none", COUNT).await;
    println!("published {COUNT} in {:.1?}", begun.elapsed());

    let queue = stack.subscriber_queue().await;
    let filter = json!({ "from": rfc3339(ids[0].accepted_at()) });
    let request = json!({ "filter": filter, "target": { "queue_url": queue.url } });
    let begun = Instant::now();
    let job = tenant.start_replay(&request).await;
    let job = tenant.job_in(&job, "COMPLETED").await;
    println!("replayed in {:.1?}: {job}", begun.elapsed());
    assert_eq!(
        (&job["total"], &job["sent"]),
        (&json!(COUNT), &json!(COUNT)),
        "{job}"
    );

    let deliveries = deliveries(&queue).await;
    assert_eq!(deliveries.len(), COUNT);
    let repeated = deliveries.values().filter(|count| **count > 1).count();
    assert_eq!(repeated, 0, "nobody died");
}
