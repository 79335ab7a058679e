use pillarbox_domain::Clock;
use pillarbox_domain::limits::MAX_SCHEDULES;
use pillarbox_domain::registry::SubscriptionRegistry;
use pillarbox_domain::schedule::Schedules;
use pillarbox_domain::subscription::request::FieldFault;
use pillarbox_testkit::builders::{subscription, tenant};
use pillarbox_testkit::schedules::schedule;
use serde_json::{Value, json};

use crate::test_ops::{Call, TestOps, answer, ops};

const OF_ONE: [&str; 2] = [
    "GET /v1/schedules/{schedule}",
    "DELETE /v1/schedules/{schedule}",
];

fn nightly() -> Value {
    json!({
        "name": "nightly",
        "expression": "cron(0 3 * * ? *)",
        "timezone": "Europe/Vienna",
        "replay": {
            "filter": { "types": ["order.*"], "range": "yesterday" },
            "target": { "subscription": "orders" },
            "max_events_per_second": 50,
        },
    })
}

fn with(member: &str, value: Value) -> Value {
    let mut body = nightly();
    body[member] = value;
    body
}

async fn ops_with_orders() -> TestOps {
    let ops = ops();
    let orders = subscription(&tenant("demo"), "orders", &["*"]);
    let added = ops
        .registry
        .add_subscription(&orders, ops.events.clock.now());
    added.await.unwrap();
    ops
}

async fn add(ops: &TestOps, body: Value) -> (i64, Value) {
    answer(ops, Call::of("POST /v1/schedules", "operate", body)).await
}

async fn of_one(ops: &TestOps, route: &str, scopes: &str, name: &str) -> (i64, Value) {
    let call = Call {
        path: json!({ "schedule": name }),
        ..Call::of(route, scopes, Value::Null)
    };
    answer(ops, call).await
}

async fn list(ops: &TestOps, query: &str) -> (i64, Value) {
    let call = Call {
        query,
        ..Call::of("GET /v1/schedules", "read", Value::Null)
    };
    answer(ops, call).await
}

fn fields(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().unwrap().iter();
    errors
        .map(|error| error["field"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_schedule_is_made_shown_listed_and_removed() {
    let ops = ops_with_orders().await;
    let (status, made) = add(&ops, nightly()).await;
    let mut expected = nightly();
    expected["enabled"] = true.into();
    expected["created_at"] = made["created_at"].clone();
    assert_eq!((status, &made), (201, &expected));
    assert!(made["created_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(
        add(&ops, nightly()).await,
        (200, made.clone()),
        "the same again"
    );

    let hourly = json!({ "name": "hourly", "expression": "rate(1 hour)", "redrive": {} });
    let (status, hourly) = add(&ops, hourly).await;
    assert_eq!((status, &hourly["timezone"]), (201, &json!("UTC")));
    assert_eq!(hourly.get("replay"), None);
    let listed = json!({ "schedules": [hourly, made], "next_cursor": null });
    assert_eq!(list(&ops, "").await, (200, listed));

    let [get, delete] = OF_ONE;
    assert_eq!(of_one(&ops, get, "read", "nightly").await, (200, made));
    assert_eq!(of_one(&ops, delete, "operate", "nightly").await.0, 204);
    for route in OF_ONE {
        let (status, problem) = of_one(&ops, route, "read operate", "nightly").await;
        assert_eq!(status, 404, "{problem}");
    }
}

#[tokio::test]
async fn another_schedule_under_that_name_is_a_conflict_and_changes_nothing() {
    let ops = ops_with_orders().await;
    let (_, made) = add(&ops, nightly()).await;
    for (member, value) in [
        ("expression", json!("cron(0 4 * * ? *)")),
        ("timezone", json!("UTC")),
        (
            "replay",
            json!({ "filter": { "range": "last 1d" }, "target": { "all": true } }),
        ),
    ] {
        let (status, problem) = add(&ops, with(member, value)).await;
        assert_eq!(status, 409, "{problem}");
    }
    let shown = of_one(&ops, OF_ONE[0], "read", "nightly").await;
    assert_eq!(shown, (200, made));
}

#[tokio::test]
async fn every_member_at_fault_is_told_at_once() {
    let ops = ops();
    let (status, problem) = add(
        &ops,
        json!({
            "name": "Nightly",
            "expression": "rate(1 minute)",
            "timezone": "Vienna",
            "tenant": "other",
            "replay": {
                "filter": { "range": "last week", "from": "2026-11-23T08:00:00Z" },
                "target": { "queue_url": "https://sqs.test/1/other" },
                "dry_run": true,
            },
        }),
    )
    .await;
    let expected = [
        "tenant",
        "name",
        "expression",
        "timezone",
        "replay.dry_run",
        "replay.filter.from",
        "replay.target.queue_url",
        "replay.filter.range",
    ];
    assert_eq!((status, fields(&problem)), (400, expected.to_vec()));
    let (status, problem) = add(&ops, json!({})).await;
    let expected = vec!["name", "expression", "replay"];
    assert_eq!((status, fields(&problem)), (400, expected));
    for body in [json!([nightly()]), json!("nightly"), Value::Null] {
        assert_eq!(add(&ops, body).await.0, 400);
    }
}

#[tokio::test]
async fn a_subscription_that_is_not_there_is_told_by_its_place() {
    let ops = ops();
    let (status, problem) = add(&ops, nightly()).await;
    assert_eq!(
        (status, fields(&problem)),
        (400, vec!["replay.target.subscription"])
    );
    let redrive = json!({
        "name": "a", "expression": "rate(1 day)", "redrive": { "filter": { "subscription": "orders" } },
    });
    let (status, problem) = add(&ops, redrive).await;
    assert_eq!(
        (status, fields(&problem)),
        (400, vec!["redrive.filter.subscription"])
    );
    // One of another tenant is none.
    let orders = subscription(&tenant("other"), "orders", &["*"]);
    let added = ops
        .registry
        .add_subscription(&orders, ops.events.clock.now());
    added.await.unwrap();
    assert_eq!(add(&ops, nightly()).await.0, 400);
}

#[tokio::test]
async fn what_the_scheduler_does_not_take_is_told_by_its_member() {
    let ops = ops_with_orders().await;
    let fault = FieldFault::new("expression", "is not taken: Invalid Schedule Expression");
    ops.schedules.refuse(fault);
    let (status, problem) = add(&ops, nightly()).await;
    assert_eq!((status, fields(&problem)), (400, vec!["expression"]));
}

#[tokio::test]
async fn a_tenant_has_so_many_schedules_and_no_more() {
    let ops = ops_with_orders().await;
    for n in 0..MAX_SCHEDULES {
        let (status, _) = add(&ops, with("name", json!(format!("s-{n}")))).await;
        assert_eq!(status, 201);
    }
    let (status, problem) = add(&ops, nightly()).await;
    assert_eq!(status, 409, "{problem}");
    assert_eq!(add(&ops, with("name", json!("s-0"))).await.0, 200);
}

#[tokio::test]
async fn a_schedule_is_its_tenants_alone() {
    let ops = ops_with_orders().await;
    let foreign = schedule("nightly", json!({}));
    for other in ["other", "demo-2", "dem", "_bus"] {
        ops.schedules
            .add(&tenant(other), &foreign, 1)
            .await
            .unwrap();
    }
    for route in OF_ONE {
        let (status, _) = of_one(&ops, route, "read operate", "nightly").await;
        assert_eq!(status, 404, "{route}");
    }
    let nothing = json!({ "schedules": [], "next_cursor": null });
    assert_eq!(list(&ops, "").await, (200, nothing));
    assert_eq!(add(&ops, nightly()).await.0, 201);
}

#[tokio::test]
async fn reading_and_writing_are_scopes_of_their_own() {
    let ops = ops_with_orders().await;
    let [get, delete] = OF_ONE;
    assert_eq!(of_one(&ops, get, "operate publish", "a").await.0, 403);
    assert_eq!(of_one(&ops, delete, "read publish", "a").await.0, 403);
    let reading = Call::of("POST /v1/schedules", "read publish", nightly());
    assert_eq!(answer(&ops, reading).await.0, 403);
    let operating = Call::of("GET /v1/schedules", "operate", Value::Null);
    assert_eq!(answer(&ops, operating).await.0, 403);
}

#[tokio::test]
async fn what_is_no_name_and_no_parameter_is_refused() {
    let ops = ops();
    for route in OF_ONE {
        let (status, problem) = of_one(&ops, route, "read operate", "demo.nightly").await;
        assert_eq!((status, fields(&problem)), (400, vec!["schedule"]));
    }
    let (status, problem) = list(&ops, "limit=1&tenant=other").await;
    assert_eq!((status, fields(&problem)), (400, vec!["limit", "tenant"]));
}
