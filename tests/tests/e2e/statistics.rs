//! Statistics against a count that is made from the subscriber's side and from raw receipts.

use futures::{StreamExt, stream};
use pillarbox_domain::EventId;
use pillarbox_tests::many::publish_many;
use pillarbox_tests::stack::{Stack, Tenant};
use pillarbox_tests::{eventually, operating};
use reqwest::Method;
use serde_json::{Value, json};

use crate::dead_letters::give_up;
use crate::{event_ids, with};

const EVENTS: usize = 1_000;

/// Every so manieth delivery is given up on.
const FAILS: usize = 125;

async fn ask(tenant: &Tenant, path: &str) -> Value {
    tenant.ask(Method::GET, path, &Value::Null).await
}

/// From the first event to after the last.
fn window(ids: &[EventId]) -> String {
    let from = ids.iter().min().unwrap().accepted_at();
    let to = ids.iter().max().unwrap().accepted_at() + time::Duration::MILLISECOND;
    let (from, to) = (operating::rfc3339(from), operating::rfc3339(to));
    format!("from={from}&to={to}")
}

/// Latencies by the receipts as they stand in the table, in order.
async fn latencies(stack: &Stack, ids: &[EventId]) -> Vec<u64> {
    let reads = ids.iter().map(|id| async move {
        let handed_over = stack.handed_over(*id).await;
        handed_over.at_ms.saturating_sub(id.unix_millis())
    });
    let reads: Vec<_> = reads.collect();
    let mut latencies: Vec<u64> = stream::iter(reads).buffer_unordered(8).collect().await;
    latencies.sort_unstable();
    latencies
}

fn percentiles(latencies: &[u64]) -> Value {
    let at = |percent: usize| latencies[(latencies.len() * percent).div_ceil(100) - 1];
    json!({ "p50": at(50), "p95": at(95), "p99": at(99), "max": at(100) })
}

#[tokio::test]
async fn figures_of_a_thousand_events_are_those_that_its_subscriber_and_receipts_come_to() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let queue = tenant.subscribe("orders", &["order.*"]).await;
    let ids = publish_many(&tenant, "", EVENTS).await;
    let latencies = latencies(&stack, &ids).await;
    let messages = queue.take_all().await;
    assert_eq!(event_ids(&messages).len(), EVENTS);
    let failed: Vec<_> = messages.into_iter().step_by(FAILS).collect();
    give_up(&stack, &failed).await;
    let failed = event_ids(&failed);

    let window = window(&ids);
    let path = format!("/v1/stats?{window}&types=order.*");
    let stats = eventually("every dead letter is counted", async || {
        let stats = ask(&tenant, &path).await;
        let count = stats["total"]["dead_lettered"].as_u64();
        (count == u64::try_from(failed.len()).ok()).then_some(stats)
    })
    .await;
    let total = &stats["total"];
    for (name, expected) in [
        ("events", EVENTS),
        ("handed_over", EVENTS),
        ("deliveries", EVENTS),
        ("withheld", 0),
        ("unrouted", 0),
        ("retrying", 0),
    ] {
        assert_eq!(total[name], expected, "{name}: {stats}");
    }
    assert_eq!(total["latency_ms"], percentiles(&latencies));
    assert_eq!(stats["types"][0]["type"], "order.created");
    let of_series = stats["series"].as_array().unwrap().iter();
    let of_series: u64 = of_series.map(|it| it["events"].as_u64().unwrap()).sum();
    assert_eq!(of_series, u64::try_from(EVENTS).unwrap());

    let page = ask(&tenant, &format!("/v1/stats/failed?{window}&limit=100")).await;
    let listed = page["failed"].as_array().unwrap().iter();
    let listed: Vec<EventId> = listed
        .map(|it| it["event_id"].as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(
        listed
            .into_iter()
            .collect::<std::collections::BTreeSet<_>>(),
        failed
    );
    let slowest = latencies[EVENTS - 1];
    let over = slowest.saturating_sub(1);
    let page = ask(&tenant, &format!("/v1/stats/slow?{window}&over_ms={over}")).await;
    let slow = page["events"].as_array().unwrap();
    assert!(
        !slow.is_empty() && slow.iter().all(|it| it["latency_ms"] == slowest),
        "{page}"
    );

    // An administrator sees the same, a stranger nothing.
    let seen = stack
        .seen_by_admin(&format!("{path}&tenant={}", tenant.id))
        .await;
    assert_eq!(seen.body["total"], *total);
    let stranger = stack.tenant().await;
    assert_eq!(ask(&stranger, &path).await["total"]["events"], 0);
}

#[tokio::test]
async fn an_operation_is_told_in_order_with_the_state_of_each_event() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    tenant.subscribe("orders", &["order.*"]).await;
    let mut ids = Vec::new();
    for n in 1..=3 {
        let event = with(json!({ "id": n.to_string(), "correlationid": "sync-42" }));
        let event_id = tenant.accepted(event).await;
        stack.handed_over(event_id).await;
        ids.push(event_id.to_string());
    }
    let operation = eventually("the index has all three", async || {
        let operation = ask(&tenant, "/v1/correlations/sync-42").await;
        let count = operation["events"].as_array().unwrap().len();
        (count == ids.len()).then_some(operation)
    })
    .await;
    for (event, id) in operation["events"].as_array().unwrap().iter().zip(&ids) {
        assert_eq!(
            (&event["event_id"], &event["state"]),
            (&json!(id), &json!("COMPLETED"))
        );
        assert_eq!(event["deliveries"][0]["subscription"], "orders");
    }
}
