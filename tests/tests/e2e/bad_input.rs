//! What is refused, and how it is told: as a problem that names what to change.

use std::collections::BTreeSet;

use pillarbox_domain::limits::MAX_EVENT_BYTES;
use pillarbox_tests::stack::{Answer, STRUCTURED, Stack};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::{assert_problem, body, event, event_ids, with};

#[tokio::test]
async fn an_event_that_breaks_a_rule_is_refused_and_the_field_named() {
    let tenant = Stack::of_process().tenant().await;
    let without = |name: &str| {
        let mut event = event("1");
        event.as_object_mut().unwrap().remove(name).unwrap();
        event
    };
    let cases = [
        (without("specversion"), "specversion"),
        (without("id"), "id"),
        (without("source"), "source"),
        (without("type"), "type"),
        (with(json!({ "specversion": "0.3" })), "specversion"),
        (with(json!({ "specversion": 1.0 })), "specversion"),
        (with(json!({ "id": 7 })), "id"),
        (with(json!({ "id": "" })), "id"),
        (with(json!({ "id": null })), "id"),
        (with(json!({ "id": ["1"] })), "id"),
        (with(json!({ "source": "not a uri" })), "source"),
        (with(json!({ "source": "" })), "source"),
        (with(json!({ "source": true })), "source"),
        (with(json!({ "type": {} })), "type"),
        (with(json!({ "type": "t".repeat(257) })), "type"),
        (with(json!({ "type": "line\nbreak" })), "type"),
        (with(json!({ "time": "yesterday" })), "time"),
        (with(json!({ "time": 1 })), "time"),
        (with(json!({ "dataschema": "relative" })), "dataschema"),
        (with(json!({ "subject": "" })), "subject"),
        (with(json!({ "subject": 1 })), "subject"),
        (
            with(json!({ "correlationid": "c".repeat(513) })),
            "correlationid",
        ),
        (with(json!({ "correlationid": false })), "correlationid"),
        (with(json!({ "Upper": "x" })), "Upper"),
        (with(json!({ "under_score": "x" })), "under_score"),
        (with(json!({ "extension": 1.5 })), "extension"),
        (with(json!({ "extension": 2_147_483_648_u64 })), "extension"),
        (with(json!({ "extension": { "nested": 1 } })), "extension"),
        (with(json!({ "pk": "T#other" })), "pk"),
        (with(json!({ "pbeventid": "x" })), "pbeventid"),
        (with(json!({ "pbjob": "x" })), "pbjob"),
        (with(json!({ "data_base64": "not base64" })), "data_base64"),
        (with(json!({ "data_base64": 1 })), "data_base64"),
        (
            with(json!({ "data": 1, "data_base64": "AAAA" })),
            "data_base64",
        ),
        (with(json!({ "id": "i".repeat(1_901) })), "source and id"),
        (
            with(json!({ "subject": "s".repeat(33_000) })),
            "context attributes",
        ),
    ];
    for (event, field) in cases {
        let answer = tenant.publish(&event).await;
        assert_problem(&answer, 400, field);
        let errors = answer.body["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{answer:?}");
        assert_eq!(errors[0]["field"], field, "{answer:?}");
        assert!(errors[0]["detail"].is_string(), "{answer:?}");
    }
}

#[tokio::test]
async fn every_field_at_fault_is_named_at_once() {
    let tenant = Stack::of_process().tenant().await;
    let answer = tenant
        .publish(json!({ "specversion": "2", "id": "", "time": "x", "data": 1 }))
        .await;
    assert_problem(&answer, 400, "specversion");
    let errors = answer.body["errors"].as_array().unwrap();
    let fields: BTreeSet<&str> = errors
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    assert!(
        fields.is_superset(&["id", "source", "specversion", "time", "type"].into()),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused() {
    let tenant = Stack::of_process().tenant().await;
    let nested = format!(
        r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{}{}}}"#,
        "[".repeat(2_000),
        "]".repeat(2_000)
    );
    for body in [
        "",
        "{",
        "null",
        "[]",
        "7",
        "\"text\"",
        "{\"id\": 1,}",
        "\u{feff}{}",
        "{}{}",
        &nested,
    ] {
        let answer = tenant.publish(body).await;
        assert_problem(&answer, 400, "");
    }
    let twice = r#"{"specversion":"1.0","id":"1","id":"2","source":"/s","type":"t"}"#;
    assert_problem(&tenant.publish(twice).await, 400, "id is given twice");

    let stack = Stack::of_process();
    let request = stack.request(Method::POST, "/v1/events", Some(&tenant.key));
    let request = request.header(CONTENT_TYPE, STRUCTURED);
    let not_utf8 =
        b"{\"specversion\":\"1.0\",\"id\":\"\xff\",\"source\":\"/s\",\"type\":\"t\"}".to_vec();
    assert_problem(&Answer::to(request.body(not_utf8)).await, 400, "");
}

#[tokio::test]
async fn a_call_without_a_valid_key_is_refused_on_every_guarded_route() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let other = stack.tenant().await;
    let (_, secret) = other.key.rsplit_once('_').unwrap();
    let wrong = [
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some("Bearer ".to_owned()),
        Some("Bearer garbled".to_owned()),
        Some(format!("Basic {}", tenant.key)),
        Some(format!("Bearer {}x", tenant.key)),
        Some(format!("Bearer {}", &tenant.key[..tenant.key.len() - 1])),
        Some(format!("Bearer {}", tenant.key.to_uppercase())),
        Some(format!("Bearer pbk_{}_{secret}", tenant.id)),
        Some(format!("Bearer pbk__bus_{secret}")),
        Some(format!("Bearer pbk_{}_{}", tenant.id, "a".repeat(52))),
        Some("Bearer ".to_owned() + &"x".repeat(5_000)),
    ];
    let paths = [
        "/v1/events",
        "/v1/tenants",
        "/v1/tenants/demo/keys",
        "/v1/subscriptions",
        "/v1/dead-letters/redrive",
    ];
    for header in &wrong {
        for path in paths {
            let mut request = stack
                .request(Method::POST, path, None)
                .header(CONTENT_TYPE, STRUCTURED);
            if let Some(header) = header {
                request = request.header(AUTHORIZATION, header);
            }
            let answer = Answer::to(request.body(event("1").to_string())).await;
            assert_problem(&answer, 401, "Authorization: Bearer");
        }
    }
}

#[tokio::test]
async fn a_key_without_the_scope_is_refused() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let cases = [
        ("/v1/events", &["read", "operate"][..], "publish"),
        ("/v1/subscriptions", &["read", "publish"], "operate"),
        ("/v1/dead-letters/redrive", &["read", "publish"], "operate"),
        ("/v1/tenants", &["read", "publish", "operate"], "admin"),
        (
            "/v1/tenants/demo/keys",
            &["read", "publish", "operate"],
            "admin",
        ),
    ];
    for (path, scopes, needed) in cases {
        let key = stack.key(tenant.id.as_str(), scopes).await;
        let request = stack
            .request(Method::POST, path, Some(&key))
            .header(CONTENT_TYPE, STRUCTURED);
        let answer = Answer::to(request.body(event("1").to_string())).await;
        assert_problem(&answer, 403, needed);
    }
    let path = format!("/v1/tenants/{}/keys", tenant.id);
    let admin = stack.as_admin(&path, &json!({ "scopes": ["admin"] })).await;
    assert_problem(&admin, 400, "scopes");
}

#[tokio::test]
async fn an_event_of_the_largest_size_is_delivered_and_one_byte_more_is_refused() {
    let tenant = Stack::of_process().tenant().await;
    let queue = tenant.subscribe("all", &["*"]).await;
    let of_bytes = |bytes: usize| {
        let frame = with(json!({ "data": "" })).to_string().len();
        with(json!({ "data": "x".repeat(bytes - frame) })).to_string()
    };
    let answer = tenant.publish(of_bytes(MAX_EVENT_BYTES + 1)).await;
    assert_problem(&answer, 413, "1000001 bytes; 1000000 is the most");

    let largest = of_bytes(MAX_EVENT_BYTES);
    assert_eq!(largest.len(), 1_000_000);
    let event_id = tenant.accepted(&largest).await;
    let messages = queue.take_at_least(1).await;
    assert_eq!(event_ids(&messages), [event_id].into());
    let sent: Value = serde_json::from_str(&largest).unwrap();
    assert_eq!(body(&messages[0])["data"], sent["data"]);
}

#[tokio::test]
async fn another_content_type_is_refused() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let publish = |content_type: Option<&'static str>| {
        let mut request = stack.request(Method::POST, "/v1/events", Some(&tenant.key));
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        Answer::to(request.body(event("1").to_string()))
    };
    let others = [
        "application/json",
        "text/plain",
        "application/cloudevents",
        "cloudevents+json",
        ";",
    ];
    for content_type in others.map(Some).into_iter().chain([None]) {
        assert_problem(&publish(content_type).await, 415, STRUCTURED);
    }
    let spelled = "Application/CloudEvents+JSON; charset=utf-8";
    assert_eq!(publish(Some(spelled)).await.status, 201);
}

#[tokio::test]
async fn an_unknown_route_is_not_found() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let cases = [
        (Method::GET, "/", 404),
        (Method::GET, "/v1", 404),
        (Method::GET, "/v1/nothing", 404),
        (Method::POST, "/v2/events", 404),
        (Method::POST, "/v1/tenants/demo/keys/extra", 404),
        (Method::DELETE, "/v1/events", 405),
        (Method::PUT, "/v1/tenants", 405),
        (Method::POST, "/v1/health", 405),
    ];
    for (method, path, status) in cases {
        for key in [None, Some(&*tenant.key)] {
            let answer = Answer::to(stack.request(method.clone(), path, key)).await;
            assert_problem(&answer, status, path);
        }
    }
    let health = Answer::to(stack.request(Method::GET, "/v1/health", None)).await;
    assert_eq!(
        (health.status, health.body),
        (200, json!({ "status": "ok" }))
    );
}

#[tokio::test]
async fn a_subscription_that_breaks_a_rule_is_refused_and_the_field_named() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let good = json!({ "id": "a", "types": ["*"], "queue_url": stack.example_queue.url });
    let foreign = stack.dead_letter_queue.url.clone();
    let cases = [
        ("id", json!("Upper"), "id"),
        ("id", json!("_audit"), "id"),
        ("id", json!("x".repeat(64)), "id"),
        ("types", json!([]), "types"),
        ("types", json!(["order.created", "order.*.v2"]), "types[1]"),
        ("types", json!(vec!["t"; 51]), "types"),
        ("queue_url", json!("example"), "queue_url"),
        ("queue_url", json!(foreign), "queue_url"),
    ];
    for (member, value, field) in cases {
        let mut subscription = good.clone();
        subscription[member] = value;
        let request = stack.request(Method::POST, "/v1/subscriptions", Some(&tenant.key));
        let answer = Answer::to(request.json(&subscription)).await;
        assert_problem(&answer, 400, field);
        assert_eq!(answer.body["errors"][0]["field"], field, "{answer:?}");
    }
    for body in [
        "",
        "[]",
        r#"{"id":"a"}"#,
        r#"{"id":"a","types":["*"],"queue_url":"u","more":1}"#,
    ] {
        let request = stack.request(Method::POST, "/v1/subscriptions", Some(&tenant.key));
        assert_problem(&Answer::to(request.body(body)).await, 400, "");
    }
}
