//! Requests as the HTTP API hands them over, on stores in memory.

use std::time::Duration;

use pillarbox_domain::Clock;
use pillarbox_domain::receipt::{HandedOver, Receipts, receipts};
use pillarbox_domain::registry::Registry;
use pillarbox_testkit::builders::tenant;
use serde_json::{Value, json};

use crate::test_ops::{Call, TestOps, answer, answer_to, ops};

const ROUTES: [&str; 3] = [
    "GET /v1/stats",
    "GET /v1/stats/slow",
    "GET /v1/stats/failed",
];

/// One event of `demo`, which was handed over after three seconds.
async fn bus() -> TestOps {
    let ops = ops();
    let clock = &ops.events.clock;
    let event = HandedOver {
        tenant: tenant("demo"),
        event_type: "order.created".to_owned(),
        event_id: clock.next_id(),
        subscriptions: vec!["a".parse().unwrap()],
        withheld: vec![],
        retrying: 0,
        dead_lettered: 0,
    };
    clock.advance(Duration::from_secs(3));
    let now = clock.now();
    for receipt in receipts(
        &[event],
        clock.next_id(),
        now,
        now + Duration::from_secs(99),
    ) {
        ops.statistics.receipts.put(&receipt).await.unwrap();
    }
    ops.registry
        .add_tenant(&tenant("demo"), None)
        .await
        .unwrap();
    ops
}

fn call<'a>(route: &'a str, scopes: &'a str, query: &'a str) -> Call<'a> {
    Call {
        query,
        ..Call::of(route, scopes, Value::Null)
    }
}

#[tokio::test]
async fn a_tenant_sees_its_own_figures() {
    let ops = bus().await;
    let (status, stats) = answer(&ops, call(ROUTES[0], "read", "step=1h&types=order.*")).await;
    assert_eq!((status, &stats["tenant"]), (200, &json!("demo")));
    assert_eq!(stats["total"]["events"], 1);
    assert_eq!(stats["total"]["latency_ms"]["max"], 3_000);
    assert_eq!(stats["types"][0]["type"], "order.created");
    let (_, slow) = answer(&ops, call(ROUTES[1], "read", "over_ms=2000")).await;
    assert_eq!(slow["events"][0]["latency_ms"], 3_000);
    let (_, failed) = answer(&ops, call(ROUTES[2], "read", "")).await;
    assert_eq!(
        (&failed["failed"], &failed["total"]),
        (&json!([]), &json!(0))
    );
    let (_, others) = answer_to(&ops, "other", call(ROUTES[0], "read", "")).await;
    assert_eq!(others["total"]["events"], 0);
}

#[tokio::test]
async fn an_administrator_may_name_a_tenant_and_nobody_else() {
    let ops = bus().await;
    for route in ROUTES {
        let (status, _) = answer(&ops, call(route, "admin", "tenant=demo")).await;
        assert_eq!(status, 200, "{route}");
        for (scopes, query, status, field) in [
            ("read operate", "tenant=demo", 400, Some("tenant")),
            ("admin", "tenant=De%20mo", 400, Some("tenant")),
            ("admin", "tenant=demo&tenant=demo", 400, Some("tenant")),
            ("admin", "tenant=nobody", 404, None),
            ("admin", "", 403, None),
            ("publish", "", 403, None),
        ] {
            let (told, problem) = answer(&ops, call(route, scopes, query)).await;
            let fault = problem["errors"][0]["field"].as_str();
            assert_eq!((told, fault), (status, field), "{route} {scopes} {query}");
        }
    }
    let (_, stats) = answer(&ops, call(ROUTES[0], "admin", "tenant=demo")).await;
    assert_eq!(stats["total"]["events"], 1);
}

#[tokio::test]
async fn what_is_wrong_is_told_by_its_parameter() {
    let ops = bus().await;
    for (route, query, field) in [
        (ROUTES[0], "from=yesterday", "from"),
        (ROUTES[0], "step=1s", "step"),
        (ROUTES[0], "from=2026-01-01T00:00:00Z", "from"),
        (ROUTES[0], "limit=1", "limit"),
        (ROUTES[1], "over_ms=soon", "over_ms"),
        (ROUTES[1], "over_ms=86400001", "over_ms"),
        (ROUTES[1], "cursor=x", "cursor"),
        (ROUTES[2], "subscription=A%20B", "subscription"),
        (ROUTES[2], "types=", "types"),
    ] {
        let (status, problem) = answer(&ops, call(route, "read", query)).await;
        let told = (status, problem["errors"][0]["field"].as_str());
        assert_eq!(told, (400, Some(field)), "{route} {query}");
    }
}
