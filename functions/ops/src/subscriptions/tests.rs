//! `/v1/subscriptions` on a registry and a log in memory.

use std::time::Duration;

use pillarbox_domain::Clock;
use pillarbox_domain::publish::EventLog;
use pillarbox_domain::registry::{SubscriptionRegistry, Suspension, Suspensions};
use pillarbox_testkit::builders::{event_with, logged, tenant};
use serde_json::{Value, json};

use crate::test_ops::{Call, TestOps, answer, ops};

const ONE: &str = "/v1/subscriptions/{subscription}";

fn body() -> Value {
    json!({ "id": "a", "types": ["order.*", "x"], "queue_url": "https://sqs.test/1/pillarbox-sub-a" })
}

async fn add(ops: &TestOps, body: Value) -> (i64, Value) {
    answer(ops, Call::of("POST /v1/subscriptions", "operate", body)).await
}

async fn call(ops: &TestOps, method: &str, action: &str, body: Value) -> (i64, Value) {
    let call = Call {
        route: &format!("{method} {ONE}{action}"),
        scopes: "read operate",
        path: json!({ "subscription": "a" }),
        query: "",
        body,
    };
    answer(ops, call).await
}

fn field(problem: &(i64, Value)) -> (i64, &str) {
    let field = problem.1["errors"][0]["field"].as_str();
    (problem.0, field.unwrap_or_default())
}

#[tokio::test]
async fn a_new_subscription_is_answered_whole_and_with_its_defaults() {
    let ops = ops();
    let (status, shown) = add(&ops, body()).await;
    let expected = json!({
        "id": "a",
        "pattern": { "type": [{ "prefix": "order." }, "x"] },
        "queue_url": "https://sqs.test/1/pillarbox-sub-a",
        "retry": { "retries": 5, "first_delay_ms": 1000, "factor": 2, "max_delay_ms": 60000 },
        "message_group": "tenant",
        "state": "ACTIVE",
        "version": 1,
        "created_at": "2026-11-23T12:00:00Z",
        "updated_at": "2026-11-23T12:00:00Z",
    });
    assert_eq!((status, &shown), (201, &expected));
    assert_eq!(add(&ops, body()).await, (200, expected.clone()));
    assert_eq!(call(&ops, "GET", "", Value::Null).await, (200, expected));
    let mut other = body();
    other["types"] = json!(["*"]);
    let (status, problem) = add(&ops, other).await;
    assert_eq!(status, 409);
    assert!(
        problem["detail"].as_str().unwrap().contains("version 1"),
        "{problem}"
    );
}

#[tokio::test]
async fn a_pattern_is_kept_as_it_was_written() {
    let ops = ops();
    let mut wanted = body();
    wanted.as_object_mut().unwrap().remove("types");
    wanted["pattern"] = json!({ "data": { "total": [{ "numeric": [">=", 12.50] }] } });
    wanted["retry"] = json!({ "retries": 0, "max_delay_ms": 1000 });
    wanted["message_group"] = json!("partitionkey");
    wanted["target_version"] = json!(2.0);
    let (status, shown) = add(&ops, wanted.clone()).await;
    assert_eq!(status, 201, "{shown}");
    assert_eq!(shown["pattern"], wanted["pattern"]);
    assert_eq!(shown["retry"]["retries"], 0);
    assert_eq!(shown["target_version"], 2);
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_by_its_field() {
    let ops = ops();
    let many: Vec<String> = (0..51).map(|n| n.to_string()).collect();
    let cases = [
        (json!({ "id": "Not A Name" }), "id"),
        (json!({ "id": "_bus-only" }), "id"),
        (json!({ "types": [] }), "types"),
        (json!({ "types": many }), "types"),
        (json!({ "types": ["ok", "a*b"] }), "types[1]"),
        (json!({ "types": null }), "pattern"),
        (json!({ "pattern": { "type": ["x"] } }), "types"),
        (
            json!({ "types": null, "pattern": { "type": [{ "prefx": "a" }] } }),
            "pattern",
        ),
        (json!({ "types": null, "pattern": [] }), "pattern"),
        (json!({ "types": null, "pattern": "{}" }), "pattern"),
        (json!({ "queue_url": "nonsense" }), "queue_url"),
        (
            json!({ "queue_url": "https://sqs.test/1/pillarbox-dead-letters" }),
            "queue_url",
        ),
        (json!({ "target_version": 0 }), "target_version"),
        (json!({ "target_version": 1.5 }), "target_version"),
        (json!({ "message_group": "data.shop" }), "message_group"),
        (json!({ "retry": { "retries": 21 } }), "retry.retries"),
        (json!({ "retry": { "retries": -1 } }), "retry.retries"),
        (
            json!({ "retry": { "first_delay_ms": 999 } }),
            "retry.first_delay_ms",
        ),
        (
            json!({ "retry": { "first_delay_ms": 900_001 } }),
            "retry.first_delay_ms",
        ),
        (json!({ "retry": { "factor": 0 } }), "retry.factor"),
        (json!({ "retry": { "factor": 11 } }), "retry.factor"),
        (
            json!({ "retry": { "max_delay_ms": 999 } }),
            "retry.max_delay_ms",
        ),
        (
            json!({ "retry": { "first_delay_ms": 61_000 } }),
            "retry.max_delay_ms",
        ),
    ];
    for (members, named) in cases {
        let mut wanted = body();
        for (name, value) in members.as_object().unwrap() {
            wanted[name] = value.clone();
        }
        let refused = add(&ops, wanted).await;
        assert_eq!(field(&refused), (400, named), "{members} {}", refused.1);
    }
    for unknown in ["tenant", "state", "version"] {
        let mut wanted = body();
        wanted[unknown] = json!("x");
        assert_eq!(add(&ops, wanted).await.0, 400, "{unknown}");
    }
    let none = ops.registry.subscriptions(&tenant("demo"), None, 9).await;
    assert!(none.unwrap().is_empty());
}

#[tokio::test]
async fn a_change_needs_the_version_that_is_there_and_keeps_what_it_does_not_name() {
    let ops = ops();
    assert_eq!(
        call(&ops, "PATCH", "", json!({ "version": 1 })).await.0,
        404
    );
    let mut wanted = body();
    wanted["target_version"] = json!(2);
    wanted["retry"] = json!({ "retries": 3 });
    add(&ops, wanted).await;
    ops.events.clock.advance(Duration::from_secs(1));
    let changed = call(&ops, "PATCH", "", json!({ "version": 1, "types": ["y"] })).await;
    assert_eq!(changed.0, 200, "{}", changed.1);
    assert_eq!(changed.1["pattern"], json!({ "type": ["y"] }));
    assert_eq!(
        (&changed.1["version"], &changed.1["target_version"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(changed.1["retry"]["retries"], 3);
    assert_eq!(changed.1["created_at"], "2026-11-23T12:00:00Z");
    assert_eq!(changed.1["updated_at"], "2026-11-23T12:00:01Z");
    let late = call(&ops, "PATCH", "", json!({ "version": 1, "types": ["z"] })).await;
    assert_eq!(late.0, 409);
    let told = late.1["detail"].as_str().unwrap();
    assert!(
        told.contains("version 2") && told.contains("version 1"),
        "{told}"
    );
    let merged = json!({ "version": 2, "target_version": null, "retry": { "factor": 3 } });
    let changed = call(&ops, "PATCH", "", merged).await;
    assert_eq!(changed.1["target_version"], Value::Null);
    assert_eq!(
        (
            &changed.1["retry"]["factor"],
            &changed.1["retry"]["retries"]
        ),
        (&json!(3), &json!(3))
    );
    for (bad, named) in [
        (json!({ "version": -1 }), "version"),
        (
            json!({ "version": 3, "queue_url": "https://sqs.test/1/other" }),
            "queue_url",
        ),
        (
            json!({ "version": 3, "types": ["a"], "pattern": { "type": ["a"] } }),
            "types",
        ),
    ] {
        assert_eq!(
            field(&call(&ops, "PATCH", "", bad.clone()).await),
            (400, named),
            "{bad}"
        );
    }
    assert_eq!(call(&ops, "PATCH", "", json!({})).await.0, 400);
}

#[tokio::test]
async fn a_subscription_is_removed_once_and_only_in_the_version_that_was_seen() {
    let ops = ops();
    add(&ops, body()).await;
    let remove = async |query: &str| {
        let call = Call {
            route: "DELETE /v1/subscriptions/{subscription}",
            scopes: "operate",
            path: json!({ "subscription": "a" }),
            query,
            body: Value::Null,
        };
        answer(&ops, call).await
    };
    assert_eq!(remove("version=2").await.0, 409);
    assert_eq!(field(&remove("version=x").await), (400, "version"));
    assert_eq!(field(&remove("force=true").await), (400, "force"));
    assert_eq!(remove("version=1").await, (204, Value::Null));
    assert_eq!(remove("").await.0, 404);
}

#[tokio::test]
async fn a_list_goes_on_from_its_cursor() {
    let ops = ops();
    for id in ["c", "a", "b"] {
        let mut wanted = body();
        wanted["id"] = json!(id);
        add(&ops, wanted).await;
    }
    let mut query = "limit=2".to_owned();
    let mut pages = vec![];
    loop {
        let call = Call {
            query: &query,
            ..Call::of("GET /v1/subscriptions", "read", Value::Null)
        };
        let (status, page) = answer(&ops, call).await;
        assert_eq!(status, 200, "{page}");
        let ids = page["subscriptions"].as_array().unwrap().iter();
        pages.push(ids.map(|one| one["id"].clone()).collect::<Vec<_>>());
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(pages, [vec!["a", "b"], vec!["c"]]);
}

#[tokio::test]
async fn a_pause_holds_back_and_a_resume_says_what_was_missed() {
    let ops = ops();
    add(&ops, body()).await;
    assert_eq!(
        call(&ops, "POST", "/resume", json!({})).await.1["gap"],
        Value::Null
    );
    // The store keeps whole milliseconds; an answer tells no more.
    ops.events.clock.advance(Duration::from_nanos(999_999));
    let paused = call(&ops, "POST", "/pause", json!({ "reason": "moving" })).await;
    assert_eq!(paused.0, 200, "{}", paused.1);
    assert_eq!(
        (&paused.1["state"], &paused.1["since"], &paused.1["reason"]),
        (
            &json!("PAUSED"),
            &json!("2026-11-23T12:00:00Z"),
            &json!("moving")
        )
    );
    ops.events.clock.advance(Duration::from_secs(60));
    let again = call(&ops, "POST", "/pause", json!({ "reason": "other" })).await;
    assert_eq!(again, paused, "it is paused already");
    for bad in [
        json!({ "reason": "" }),
        json!({ "reason": "x".repeat(257) }),
    ] {
        assert_eq!(
            field(&call(&ops, "POST", "/pause", bad).await),
            (400, "reason")
        );
    }
    let unknown = call(&ops, "POST", "/resume", json!({ "force": true })).await;
    assert_eq!(unknown.0, 400);
    let resumed = call(&ops, "POST", "/resume", json!({})).await;
    assert_eq!((resumed.0, &resumed.1["state"]), (200, &json!("ACTIVE")));
    // Dispatch hears of it within five seconds; the gap ends when it has for sure.
    let (from, to) = ("2026-11-23T12:00:00Z", "2026-11-23T12:01:10Z");
    let replay = json!({ "filter": { "from": from, "to": to }, "target": { "subscription": "a" } });
    assert_eq!(
        resumed.1["gap"],
        json!({ "from": from, "to": to, "replay": replay })
    );
}

#[tokio::test]
async fn a_suspension_is_shown_with_its_reason_and_resumed_by_hand() {
    let ops = ops();
    add(&ops, body()).await;
    let registered = ops.registry.registered(&tenant("demo"), "a").unwrap();
    let since = ops.events.clock.now();
    let suspension = Suspension::of(
        &registered.subscription,
        since,
        "QueueDoesNotExist: gone".to_owned(),
    );
    ops.registry.suspend(&suspension).await.unwrap();
    let shown = call(&ops, "GET", "", Value::Null).await.1;
    assert_eq!(
        (&shown["state"], &shown["reason"]),
        (&json!("SUSPENDED"), &json!("QueueDoesNotExist: gone"))
    );
    let paused = call(&ops, "POST", "/pause", json!({})).await.1;
    assert_eq!(paused["state"], "SUSPENDED", "since when is not forgotten");
    let resumed = call(&ops, "POST", "/resume", json!({})).await.1;
    assert_eq!(
        (&resumed["state"], &resumed["gap"]["from"]),
        (&json!("ACTIVE"), &json!("2026-11-23T12:00:00Z"))
    );
}

#[tokio::test]
async fn a_test_tells_what_matches_and_which_field_decides() {
    let ops = ops();
    add(&ops, body()).await;
    let event =
        json!({ "specversion": "1.0", "id": "1", "source": "/shop", "type": "price.changed" });
    let (status, tested) = call(&ops, "POST", "/test", json!({ "event": event })).await;
    assert_eq!(status, 200, "{tested}");
    assert_eq!(
        (&tested["tested"], &tested["matched"]),
        (&json!(1), &json!(0))
    );
    let result = &tested["results"][0];
    assert_eq!(
        (&result["event_id"], &result["type"]),
        (&Value::Null, &json!("price.changed"))
    );
    assert_eq!(result["decided_by"]["field"], "type");
    assert_eq!(result["decided_by"]["found"], r#""price.changed""#);

    let demo = tenant("demo");
    for (id, total) in [("1", 5), ("2", 50), ("3", 500)] {
        let event = event_with(json!({ "id": id, "data": { "total": total } }));
        let logged = logged(&ops.events.clock, &demo, event);
        ops.events.log.append(&logged).await.unwrap();
    }
    let pattern = json!({ "data": { "total": [{ "numeric": [">", 10] }] } });
    let wanted = json!({ "pattern": pattern, "last": 2 });
    let (status, tested) = answer(
        &ops,
        Call::of("POST /v1/subscriptions/test", "read", wanted),
    )
    .await;
    assert_eq!(status, 200, "{tested}");
    assert_eq!(
        (&tested["tested"], &tested["matched"]),
        (&json!(2), &json!(2))
    );
}

#[tokio::test]
async fn a_test_without_one_thing_to_test_is_refused() {
    let ops = ops();
    add(&ops, body()).await;
    for (bad, named) in [
        (json!({}), "event"),
        (json!({ "last": 0 }), "last"),
        (json!({ "last": 101 }), "last"),
        (json!({ "last": 1, "event": {} }), "event"),
        (json!({ "event": { "specversion": "1.0" } }), "event.id"),
    ] {
        let refused = call(&ops, "POST", "/test", bad.clone()).await;
        assert_eq!(refused.0, 400, "{bad}");
        let fields = refused.1["errors"].to_string();
        assert!(fields.contains(&format!("\"{named}\"")), "{bad} {fields}");
    }
    let none = Call::of("POST /v1/subscriptions/test", "read", json!({ "last": 1 }));
    assert_eq!(field(&answer(&ops, none).await), (400, "pattern"));
}

#[tokio::test]
async fn another_tenant_s_subscription_is_not_there() {
    let ops = ops();
    let mut foreign = pillarbox_testkit::builders::subscription(&tenant("other"), "a", &["*"]);
    foreign.tenant = tenant("other");
    ops.registry.put(foreign);
    for (method, action, body) in [
        ("GET", "", Value::Null),
        ("PATCH", "", json!({ "version": 1 })),
        ("POST", "/pause", json!({})),
        ("POST", "/resume", json!({})),
        ("POST", "/test", json!({ "last": 1 })),
    ] {
        assert_eq!(
            call(&ops, method, action, body).await.0,
            404,
            "{method} {action}"
        );
    }
    assert!(ops.registry.registered(&tenant("other"), "a").is_some());
}
