//! Events whose stream records are lost: only the sweep can find them.

use std::collections::BTreeSet;

use pillarbox_tests::eventually;
use pillarbox_tests::functions::Function;
use pillarbox_tests::many::{deliveries, publish_many};
use pillarbox_tests::operating::rfc3339;
use pillarbox_tests::stack::{Stack, Tenant};
use reqwest::Method;
use serde_json::{Value, json};
use time::UtcDateTime;

use crate::dispatch::switch;

const COUNT: usize = 5_000;

const SWEEP: Function = Function("sweep");

#[tokio::test]
async fn events_that_the_stream_lost_are_swept_up_each_once_and_the_ledger_balances() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let queue = tenant.subscribe("orders", &["order.*"]).await;
    switch(&stack, "pause", "DISABLED").await;
    let lost = publish_many(&tenant, "", COUNT).await;
    stack.let_a_day_pass_for_streams();
    switch(&stack, "resume", "ENABLED").await;

    // Dispatch hands over what comes now: it has passed what was lost.
    let later =
        json!({ "specversion": "1.0", "id": "later", "source": "/shop", "type": "order.created" });
    let later = tenant.accepted(later).await;
    stack.handed_over(later).await;
    let pending = tenant.journey(lost[0]).await;
    assert_eq!(pending["state"], "PENDING", "{pending}");

    eventually("everything lost is handed over", async || {
        let swept = stack
            .invoke(SWEEP, &json!({ "task": "sweep", "settle_seconds": 0 }))
            .await;
        println!("{swept}");
        let integrity = integrity(&tenant, lost[0].accepted_at()).await;
        (integrity["totals"]["pending"] == 0).then_some(())
    })
    .await;

    let integrity = integrity(&tenant, lost[0].accepted_at()).await;
    let totals = &integrity["totals"];
    assert_eq!(totals["logged"], json!(COUNT + 1), "{integrity}");
    assert_eq!(totals["receipted"], json!(COUNT + 1), "{integrity}");
    assert_eq!(integrity["findings"], json!([]), "{integrity}");

    let deliveries = deliveries(&queue).await;
    let all: BTreeSet<_> = lost.iter().copied().chain([later]).collect();
    assert_eq!(deliveries.keys().copied().collect::<BTreeSet<_>>(), all);
    let repeated = deliveries.values().filter(|count| **count > 1).count();
    assert_eq!(repeated, 0, "events that came more than once");
}

async fn integrity(tenant: &Tenant, from: UtcDateTime) -> Value {
    let path = format!("/v1/integrity?from={}", rfc3339(from));
    tenant.ask(Method::GET, &path, &Value::Null).await
}
