//! Requests as the HTTP API hands them over, on a registry in memory.

use pillarbox_domain::credential::{ApiKey, KeyStore};
use pillarbox_domain::dispatch::Subscriptions;
use pillarbox_runtime::http::Request;
use pillarbox_testkit::builders::tenant;
use serde_json::{Value, json};

use crate::test_ops::{Call, TestOps, answer, ops};

async fn add_tenant(ops: &TestOps, body: Value) -> (i64, Value) {
    answer(ops, Call::of("POST /v1/tenants", "admin", body)).await
}

async fn add_key(ops: &TestOps, body: Value) -> (i64, Value) {
    answer(
        ops,
        Call::of("POST /v1/tenants/{tenant}/keys", "admin", body),
    )
    .await
}

async fn subscribe(ops: &TestOps, body: Value) -> (i64, Value) {
    answer(ops, Call::of("POST /v1/subscriptions", "operate", body)).await
}

fn subscription_body() -> Value {
    json!({ "id": "a", "types": ["order.*"], "queue_url": "https://sqs.test/1/pillarbox-sub-a" })
}

#[tokio::test]
async fn a_tenant_is_added_once() {
    let ops = ops();
    assert_eq!(
        add_tenant(&ops, json!({ "tenant": "demo", "name": "Demo" }))
            .await
            .0,
        201
    );
    assert_eq!(add_tenant(&ops, json!({ "tenant": "demo" })).await.0, 200);
}

#[tokio::test]
async fn a_key_is_shown_once_and_only_its_digest_is_kept() {
    let ops = ops();
    add_tenant(&ops, json!({ "tenant": "demo" })).await;
    let (status, shown) = add_key(&ops, json!({ "scopes": ["publish", "read"] })).await;
    assert_eq!(status, 201);
    let key: ApiKey = shown["key"].as_str().unwrap().parse().unwrap();
    assert_eq!(shown["key_id"], key.digest().key_id().to_string());
    let stored = ops
        .registry
        .key(&tenant("demo"), &key.digest().key_id())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.digest, key.digest());
    assert_eq!(stored.scopes.len(), 2);
}

#[tokio::test]
async fn a_key_needs_a_tenant_and_scopes_that_a_tenant_can_have() {
    let ops = ops();
    assert_eq!(add_key(&ops, json!({ "scopes": ["read"] })).await.0, 404);
    add_tenant(&ops, json!({ "tenant": "demo" })).await;
    for scopes in [
        json!([]),
        json!(["admin"]),
        json!(["fly"]),
        json!("read"),
        json!(null),
    ] {
        let (status, problem) = add_key(&ops, json!({ "scopes": scopes })).await;
        assert_eq!(status, 400, "{scopes}");
        assert!(
            problem["detail"].as_str().unwrap().contains("s"),
            "{problem}"
        );
    }
}

async fn change_tenant(ops: &TestOps, body: Value) -> (i64, Value) {
    answer(ops, Call::of("PATCH /v1/tenants/{tenant}", "admin", body)).await
}

#[tokio::test]
async fn a_tenants_settings_are_shown_and_changed() {
    let ops = ops();
    let show = || Call::of("GET /v1/tenants/{tenant}", "admin", json!({}));
    assert_eq!(answer(&ops, show()).await.0, 404);
    assert_eq!(change_tenant(&ops, json!({})).await.0, 404);
    add_tenant(&ops, json!({ "tenant": "demo", "name": "Demo" })).await;
    let mut expected =
        json!({ "tenant": "demo", "name": "Demo", "retention_days": 90, "log_shards": 1 });
    assert_eq!(answer(&ops, show()).await, (200, expected.clone()));
    for (setting, value) in [("retention_days", 365), ("log_shards", 4)] {
        expected[setting] = value.into();
        let changed = change_tenant(&ops, json!({ setting: value })).await;
        assert_eq!(changed, (200, expected.clone()));
    }
    assert_eq!(
        change_tenant(&ops, json!({ "log_shards": 4.0 })).await.0,
        200
    );
    assert_eq!(change_tenant(&ops, json!({ "log_shards": 3 })).await.0, 409);
    assert_eq!(answer(&ops, show()).await, (200, expected));
}

#[tokio::test]
async fn settings_beyond_their_limits_are_refused_by_field() {
    let ops = ops();
    add_tenant(&ops, json!({ "tenant": "demo" })).await;
    let cases = [
        ("retention_days", 6),
        ("retention_days", 3_651),
        ("log_shards", 0),
        ("log_shards", 65),
    ];
    let no_numbers = [
        ("log_shards", json!(1.5)),
        ("log_shards", json!(-1)),
        ("retention_days", json!(1e300)),
    ];
    let cases = cases.map(|(setting, value)| (setting, json!(value)));
    for (setting, value) in cases.into_iter().chain(no_numbers) {
        let (status, problem) = change_tenant(&ops, json!({ setting: value })).await;
        assert_eq!(
            (status, &problem["errors"][0]["field"]),
            (400, &json!(setting))
        );
    }
    for body in [
        json!({ "retention_days": "7" }),
        json!({ "shards": 2 }),
        json!([]),
        json!([null, 7, 1]),
    ] {
        assert_eq!(change_tenant(&ops, body.clone()).await.0, 400, "{body}");
    }
}

#[tokio::test]
async fn a_subscription_is_its_callers_and_no_one_elses() {
    let ops = ops();
    assert_eq!(subscribe(&ops, subscription_body()).await.0, 201);
    assert_eq!(subscribe(&ops, subscription_body()).await.0, 200);
    let mut other = subscription_body();
    other["types"] = json!(["*"]);
    assert_eq!(subscribe(&ops, other).await.0, 409);
    let mut foreign = subscription_body();
    foreign["tenant"] = "other".into();
    assert_eq!(subscribe(&ops, foreign).await.0, 400);
    assert_eq!(ops.registry.of(&tenant("demo")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn each_route_asks_for_its_scope() {
    let ops = ops();
    let routes = [
        ("POST /v1/tenants", "publish read operate"),
        ("GET /v1/tenants/{tenant}", "publish read operate"),
        ("PATCH /v1/tenants/{tenant}", "publish read operate"),
        ("POST /v1/tenants/{tenant}/keys", "publish read operate"),
        ("POST /v1/subscriptions", "publish read"),
        ("GET /v1/subscriptions", "publish operate"),
        ("POST /v1/subscriptions/test", "publish operate"),
        ("GET /v1/subscriptions/{subscription}", "publish operate"),
        ("PATCH /v1/subscriptions/{subscription}", "publish read"),
        ("DELETE /v1/subscriptions/{subscription}", "publish read"),
        (
            "POST /v1/subscriptions/{subscription}/pause",
            "publish read",
        ),
        (
            "POST /v1/subscriptions/{subscription}/resume",
            "publish read",
        ),
        (
            "POST /v1/subscriptions/{subscription}/test",
            "publish operate",
        ),
        ("GET /v1/dead-letters", "publish operate"),
        ("GET /v1/dead-letters/{dead_letter_id}", "publish operate"),
        (
            "POST /v1/dead-letters/{dead_letter_id}/redrive",
            "publish read",
        ),
        ("POST /v1/dead-letters/redrive", "publish read"),
        (
            "POST /v1/dead-letters/{dead_letter_id}/discard",
            "publish read",
        ),
        ("GET /v1/dispatch", "publish read operate"),
        ("GET /v1/health/deep", "publish read operate"),
        ("POST /v1/dispatch/pause", "publish read operate"),
        ("POST /v1/dispatch/resume", "publish read operate"),
        ("GET /v1/events/{event_id}/journey", "publish operate"),
        ("GET /v1/events", "publish operate"),
        ("GET /v1/events/{event_id}", "publish operate"),
    ];
    for (route, scopes) in routes {
        let (status, _) = answer(&ops, Call::of(route, scopes, json!({}))).await;
        assert_eq!(status, 403, "{route}");
    }
}

#[tokio::test]
async fn an_unknown_route_is_not_found_and_health_is_open() {
    let ops = ops();
    for route in ["$default", "GET /v1/nothing", ""] {
        assert_eq!(
            answer(&ops, Call::of(route, "", json!({}))).await.0,
            404,
            "{route}"
        );
    }
    let health = Call::of("GET /v1/health", "", json!({}));
    assert_eq!(answer(&ops, health).await, (200, json!({ "status": "ok" })));
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_refused_with_those_that_it_has() {
    let request: Request = serde_json::from_value(json!({
        "routeKey": "$default",
        "headers": {},
        "requestContext": { "http": { "method": "DELETE", "path": "/v1/tenants/demo/keys" } },
    }))
    .unwrap();
    let response = ops().handle(&request).await;
    assert_eq!(response.status_code, 405);
    assert_eq!(response.headers["allow"], "POST");
    let problem: Value = serde_json::from_slice(response.body.as_deref().unwrap()).unwrap();
    assert_eq!(problem["type"], "urn:pillarbox:method-not-allowed");
}
