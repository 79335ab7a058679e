//! Schemas: what is refused, what is stored, and in which version it is delivered.

use pillarbox_tests::eventually;
use pillarbox_tests::stack::{Answer, Queue, Stack, Tenant};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{assert_problem, body, with};

/// What a tenant asks of `/v1/schemas`.
async fn call(stack: &Stack, tenant: &Tenant, method: Method, path: &str, sent: &Value) -> Answer {
    let path = format!("/v1/schemas{path}");
    let request = stack.request(method, &path, Some(&tenant.key));
    match sent {
        Value::Null => Answer::to(request).await,
        sent => Answer::to(request.json(sent)).await,
    }
}

async fn put(stack: &Stack, tenant: &Tenant, version: u32, schema: &Value) -> Answer {
    let path = format!("/order.created/{version}");
    call(stack, tenant, Method::PUT, &path, schema).await
}

fn cents() -> Value {
    json!({ "schema": {
        "type": "object",
        "required": ["cents"],
        "properties": { "cents": { "type": "integer" } },
    } })
}

fn total() -> Value {
    json!({
        "schema": {
            "type": "object",
            "required": ["total"],
            "additionalProperties": false,
            "properties": { "total": { "type": "number", "minimum": 0 } },
        },
        "upcaster": ".total = .cents / 100 | del(.cents)",
    })
}

/// A tenant with two versions, before it has published anything: so they are known from its first event on.
async fn tenant_with_versions(stack: &Stack) -> Tenant {
    let tenant = stack.tenant().await;
    for (version, schema) in [(1, cents()), (2, total())] {
        let answer = put(stack, &tenant, version, &schema).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    tenant
}

async fn subscribe(stack: &Stack, tenant: &Tenant, id: &str, target: Option<u32>) -> Queue {
    let queue = stack.subscriber_queue().await;
    let mut subscription = json!({ "id": id, "types": ["*"], "queue_url": queue.url });
    if let Some(version) = target {
        subscription["target_version"] = version.into();
    }
    let added = tenant.add_subscription(&subscription).await;
    assert_eq!(
        added.get("target_version"),
        subscription.get("target_version")
    );
    queue
}

#[tokio::test]
async fn a_version_is_registered_once_and_shown_to_its_tenant_alone() {
    let stack = Stack::of_process();
    let tenant = tenant_with_versions(&stack).await;
    assert_eq!(put(&stack, &tenant, 1, &cents()).await.status, 200);
    assert_problem(&put(&stack, &tenant, 1, &total()).await, 400, "upcaster");
    let other = json!({ "schema": true });
    assert_problem(&put(&stack, &tenant, 1, &other).await, 409, "never changes");
    assert_problem(&put(&stack, &tenant, 4, &other).await, 400, "must be 3");

    let get = async |tenant, path| call(&stack, tenant, Method::GET, path, &Value::Null).await;
    let shown = get(&tenant, "/order.created/2").await;
    assert_eq!(
        (shown.status, &shown.body["schema"]),
        (200, &total()["schema"])
    );
    let listed = get(&tenant, "").await;
    let of_type = json!({ "type": "order.created", "mode": "enforce", "latest_version": 2 });
    assert_eq!(
        listed.body,
        json!({ "schemas": [of_type], "next_cursor": null })
    );

    let stranger = stack.tenant().await;
    assert_eq!(get(&stranger, "").await.body["schemas"], json!([]));
    assert_problem(
        &get(&stranger, "/order.created/2").await,
        404,
        "no version 2",
    );
}

#[tokio::test]
async fn what_cannot_be_a_version_is_refused_when_it_is_registered() {
    let stack = Stack::of_process();
    let tenant = tenant_with_versions(&stack).await;
    let cases = [
        (
            json!({ "schema": { "type": "strnig" } }),
            "schema",
            "#/type",
        ),
        (
            json!({ "schema": { "$ref": "https://example.com/s" } }),
            "schema",
            "own parts only",
        ),
        (json!({ "schema": { "pattern": "(" } }), "schema", "pattern"),
        (
            json!({ "schema": true, "upcaster": ".a |" }),
            "upcaster",
            "line 1, column 5",
        ),
        (
            json!({ "schema": true, "upcaster": "now" }),
            "upcaster",
            "no filter now",
        ),
        (
            json!({ "schema": { "required": ["at", "total"] } }),
            "schema",
            "\"at\" was not required",
        ),
    ];
    for (schema, field, words) in cases {
        let answer = put(&stack, &tenant, 3, &schema).await;
        assert_problem(&answer, 400, words);
        assert_eq!(answer.body["errors"][0]["field"], field, "{answer:?}");
    }
    let answer = call(
        &stack,
        &tenant,
        Method::POST,
        "/order.created/1/check",
        &json!({ "cents": "1" }),
    )
    .await;
    assert_eq!((answer.status, &answer.body["valid"]), (200, &json!(false)));
    assert_eq!(answer.body["errors"][0]["field"], "data/cents");
}

#[tokio::test]
async fn data_that_do_not_fit_are_refused_by_pointer_and_never_stored() {
    let stack = Stack::of_process();
    let tenant = tenant_with_versions(&stack).await;
    let queue = subscribe(&stack, &tenant, "all", None).await;
    let cases = [
        (
            json!({ "id": "1", "data": { "cents": "12" } }),
            "data/cents",
        ),
        (
            json!({ "id": "1", "data": { "total": 1 }, "dataversion": "3" }),
            "dataversion",
        ),
        (
            json!({ "id": "1", "data": { "cents": 1 }, "dataversion": "one" }),
            "dataversion",
        ),
        (
            json!({ "id": "1", "data": { "cents": 1 }, "dataversion": "2" }),
            "data",
        ),
        (json!({ "id": "1", "data_base64": "AAAA" }), "data"),
    ];
    for (members, field) in cases {
        let answer = tenant.publish(with(members)).await;
        assert_problem(&answer, 400, field);
        assert_eq!(answer.body["errors"][0]["field"], field, "{answer:?}");
    }
    let fitting = with(json!({ "id": "1", "data": { "cents": 12 } }));
    tenant.accepted(fitting).await;
    assert_eq!(queue.take_at_least(1).await.len(), 1);

    let set = json!({ "mode": "warn" });
    let answer = call(&stack, &tenant, Method::PUT, "/order.created", &set).await;
    assert_eq!((answer.status, &answer.body["mode"]), (200, &json!("warn")));
    let unfit = with(json!({ "id": "2", "data": { "cents": "12" } }));
    eventually("a warned type takes what does not fit", async || {
        let answer = tenant.publish(&unfit).await;
        (answer.status == 201).then_some(())
    })
    .await;
}

#[tokio::test]
async fn each_subscription_gets_the_version_that_it_asks_for() {
    let stack = Stack::of_process();
    let tenant = tenant_with_versions(&stack).await;
    let as_published = subscribe(&stack, &tenant, "as-published", None).await;
    let second = subscribe(&stack, &tenant, "second", Some(2)).await;
    let old = with(json!({ "id": "old", "data": { "cents": 1250 } }));
    let new = with(json!({ "id": "new", "data": { "total": 7 }, "dataversion": "2" }));
    let other = json!({ "specversion": "1.0", "id": "other", "source": "/shop", "type": "t", "data": { "cents": 1 } });
    for event in [&old, &new, &other] {
        tenant.accepted(event).await;
    }
    for (queue, expected) in [
        (
            as_published,
            json!({ "old": [null, { "cents": 1250 }], "new": ["2", { "total": 7 }], "other": [null, { "cents": 1 }] }),
        ),
        (
            second,
            json!({ "old": ["2", { "total": 12.5 }], "new": ["2", { "total": 7 }], "other": [null, { "cents": 1 }] }),
        ),
    ] {
        let mut delivered = json!({});
        for message in queue.take_at_least(3).await {
            let event = body(&message);
            delivered[event["id"].as_str().unwrap()] = json!([event["dataversion"], event["data"]]);
        }
        assert_eq!(delivered, expected);
    }
}

#[tokio::test]
async fn a_failing_upcaster_puts_one_delivery_away_with_its_reason_and_nothing_else() {
    let stack = Stack::of_process();
    let tenant = tenant_with_versions(&stack).await;
    let as_published = subscribe(&stack, &tenant, "as-published", None).await;
    let second = subscribe(&stack, &tenant, "second", Some(2)).await;
    let bad = with(json!({ "id": "bad", "data": { "cents": -1 } }));
    let bad = tenant.accepted(bad).await;
    let good = with(json!({ "id": "good", "data": { "cents": 100 } }));
    tenant.accepted(good).await;
    assert_eq!(as_published.take_at_least(2).await.len(), 2);
    let delivered = second.take_at_least(1).await;
    let ids: Vec<Value> = delivered
        .iter()
        .map(|message| body(message)["id"].clone())
        .collect();
    assert_eq!(ids, [json!("good")]);
    let receipt = stack.handed_over(bad).await;
    assert_eq!(receipt.subscriptions, ["as-published", "second"]);

    let letter = eventually("the delivery is a dead letter", async || {
        let mut letters = tenant.dead_letters(&format!("?event_id={bad}")).await;
        letters.pop()
    })
    .await;
    let error = letter["error"]["message"].as_str().unwrap();
    assert!(error.contains("data/total"), "{letter}");
    let told = ["origin", "subscription", "state"].map(|member| letter[member].as_str().unwrap());
    assert_eq!(told, ["dispatch", "second", "OPEN"]);
    assert_eq!(letter["event"]["data"], json!({ "cents": -1 }));

    let path = format!(
        "/v1/dead-letters/{}/redrive",
        letter["dead_letter_id"].as_str().unwrap()
    );
    let redriven = tenant.call(Method::POST, &path, &Value::Null).await;
    assert_problem(&redriven, 409, "data/total");
}
