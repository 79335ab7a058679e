//! A replay whose workers are killed in the middle of it.

use std::collections::BTreeSet;

use pillarbox_domain::job::MAX_PAGE_EVENTS;
use pillarbox_tests::functions::Function;
use pillarbox_tests::many::{deliveries, publish_many};
use pillarbox_tests::operating::rfc3339;
use pillarbox_tests::stack::Stack;
use serde_json::json;

const COUNT: usize = 20_000;

/// The local engine looks at every event of a part of the log for each page of it, so small parts are fast there.
const LOG_SHARDS: u8 = 8;

/// Events a second: what the local engine takes and still answers others.
const SPEED: u32 = 500;

const REPLAY: Function = Function("replay");

#[tokio::test]
async fn a_replay_whose_worker_is_killed_sends_every_event_and_repeats_a_page_at_most() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let set = tenant.set(&json!({ "log_shards": LOG_SHARDS })).await;
    assert_eq!(set.status, 200, "{set:?}");
    let ids = publish_many(&tenant, "?outbox=none", COUNT).await;
    let queue = stack.subscriber_queue().await;
    let from = ids[0].accepted_at();
    let job = tenant
        .start_replay(&json!({
            "filter": { "from": rfc3339(from) },
            "target": { "queue_url": queue.url },
            "max_events_per_second": SPEED,
        }))
        .await;

    let half = |job: &serde_json::Value| job["done"].as_u64() > Some(COUNT as u64 / 4);
    let begun = tenant.job_when(&job, "it is well begun", half).await;
    assert_eq!(begun["state"], "RUNNING", "{begun}");
    let killed = stack.kill(REPLAY);
    assert!(killed > 0, "nobody worked on it");
    let after = tenant.job(&job).await;
    assert_eq!(after["state"], "RUNNING", "it was over before: {after}");

    let job = tenant.job_in(&job, "COMPLETED").await;
    let counted = |name: &str| usize::try_from(job[name].as_u64().unwrap()).unwrap();
    assert_eq!(counted("total"), COUNT, "{job}");
    assert_eq!(counted("done"), COUNT, "{job}");
    assert_eq!((counted("failed"), counted("skipped")), (0, 0), "{job}");

    let deliveries = deliveries(&queue).await;
    let delivered: BTreeSet<_> = deliveries.keys().copied().collect();
    assert_eq!(delivered, ids.iter().copied().collect::<BTreeSet<_>>());
    let messages: usize = deliveries.values().sum();
    println!("{messages} messages for {COUNT} events, {killed} workers killed: {job}");
    assert!(
        messages - COUNT <= killed * MAX_PAGE_EVENTS,
        "{messages} messages"
    );
}
