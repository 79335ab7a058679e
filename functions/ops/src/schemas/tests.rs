//! Requests as the HTTP API hands them over, on a registry in memory.

use pillarbox_domain::limits::{
    MAX_SCHEMA_BYTES, MAX_SCHEMA_TYPES, MAX_SCHEMA_VERSIONS, MAX_UPCASTER_BYTES,
};
use pillarbox_testkit::MemoryRegistry;
use pillarbox_testkit::builders::tenant;
use pillarbox_testkit::schemas::schema;
use serde_json::json;

use super::*;

struct Call<'a> {
    tenant: &'a str,
    scopes: &'a str,
    path: [&'a str; 2],
    body: Value,
}

impl Call<'_> {
    fn request(&self) -> Request {
        let [event_type, version] = self.path;
        let request = json!({
            "headers": {},
            "pathParameters": { "type": event_type, "version": version },
            "requestContext": {
                "authorizer": { "lambda": { "outcome": "known", "tenant": self.tenant, "scopes": self.scopes } },
                "http": { "method": "PUT", "path": "/v1/schemas" },
            },
            "body": self.body.to_string(),
        });
        serde_json::from_value(request).unwrap()
    }
}

fn call<'a>(scopes: &'a str, path: [&'a str; 2], body: Value) -> Request {
    let tenant = "demo";
    Call {
        tenant,
        scopes,
        path,
        body,
    }
    .request()
}

fn told(answer: Result<Response, Problem>) -> (i64, Value) {
    let response = answer.unwrap_or_else(Problem::into_response);
    let body = serde_json::from_slice(response.body.as_deref().unwrap()).unwrap();
    (response.status_code, body)
}

async fn put(store: &MemoryRegistry, path: [&str; 2], body: Value) -> (i64, Value) {
    told(add(store, &call("operate", path, body)).await)
}

fn fields(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().unwrap();
    errors
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect()
}

fn order() -> Value {
    json!({ "type": "object", "properties": { "total": { "type": "number" } }, "required": ["total"] })
}

#[tokio::test]
async fn a_version_is_registered_once_shown_and_listed() {
    let store = MemoryRegistry::default();
    let path = ["order.created", "1"];
    let (status, shown) = put(&store, path, json!({ "schema": order() })).await;
    let expected =
        json!({ "type": "order.created", "version": 1, "mode": "enforce", "schema": order() });
    assert_eq!((status, &shown), (201, &expected));
    assert_eq!(
        put(&store, path, json!({ "schema": order() })).await,
        (200, expected.clone())
    );
    assert_eq!(put(&store, path, json!({ "schema": true })).await.0, 409);
    let second = json!({ "schema": true, "upcaster": ".total *= 100" });
    let (status, shown) = put(&store, ["order.created", "2"], second.clone()).await;
    assert_eq!((status, &shown["upcaster"]), (201, &second["upcaster"]));
    let other = json!({ "schema": true, "upcaster": "." });
    assert_eq!(put(&store, ["order.created", "2"], other).await.0, 409);

    let read = |path| call("read", path, Value::Null);
    assert_eq!(told(show(&store, &read(path)).await), (200, expected));
    let (status, listed) = told(list(&store, &read(path)).await);
    let of_type = json!({ "type": "order.created", "mode": "enforce", "latest_version": 2 });
    assert_eq!(
        (status, listed),
        (200, json!({ "schemas": [of_type], "next_cursor": null }))
    );
    let (status, shown) = told(show_type(&store, &read(path)).await);
    assert_eq!((status, &shown["versions"]), (200, &json!([1, 2])));
    for path in [["order.created", "3"], ["other", "1"]] {
        assert_eq!(told(show(&store, &read(path)).await).0, 404);
    }
    assert_eq!(told(show_type(&store, &read(["other", ""])).await).0, 404);
}

#[tokio::test]
async fn schemas_are_their_tenants_alone() {
    let store = MemoryRegistry::default();
    put(&store, ["a", "1"], json!({ "schema": true })).await;
    let foreign = Call {
        tenant: "other",
        scopes: "read operate",
        path: ["a", "1"],
        body: json!(1),
    };
    assert_eq!(told(show(&store, &foreign.request()).await).0, 404);
    assert_eq!(told(show_type(&store, &foreign.request()).await).0, 404);
    assert_eq!(told(check(&store, &foreign.request()).await).0, 404);
    let (_, listed) = told(list(&store, &foreign.request()).await);
    assert_eq!(listed["schemas"], json!([]));
    let bus = Call {
        tenant: "_bus",
        scopes: "operate",
        path: ["a", "1"],
        body: json!({ "schema": true }),
    };
    assert_eq!(told(add(&store, &bus.request()).await).0, 403);
}

#[tokio::test]
async fn each_call_asks_for_its_scope() {
    let store = MemoryRegistry::default();
    let (path, nothing) = (["a", "1"], json!({}));
    for scopes in ["publish read", ""] {
        let request = call(scopes, path, nothing.clone());
        assert_eq!(told(add(&store, &request).await).0, 403);
        assert_eq!(told(change_mode(&store, &request).await).0, 403);
    }
    let request = call("publish operate", path, nothing);
    for answer in [
        list(&store, &request).await,
        show_type(&store, &request).await,
        show(&store, &request).await,
        check(&store, &request).await,
    ] {
        assert_eq!(told(answer).0, 403);
    }
}

#[tokio::test]
async fn what_cannot_be_registered_is_told_by_field() {
    let store = MemoryRegistry::default();
    let long = "x".repeat(MAX_SCHEMA_BYTES);
    let cases = [
        (["a/b", "1"], json!({ "schema": true }), "type"),
        (["a", "0"], json!({ "schema": true }), "version"),
        (["a", "one"], json!({ "schema": true }), "version"),
        (["a", "2"], json!({ "schema": true }), "version"),
        (
            ["a", "1"],
            json!({ "schema": { "type": "strnig" } }),
            "schema",
        ),
        (
            ["a", "1"],
            json!({ "schema": { "$ref": "https://example.com" } }),
            "schema",
        ),
        (
            ["a", "1"],
            json!({ "schema": { "description": long } }),
            "schema",
        ),
        (
            ["a", "1"],
            json!({ "schema": true, "upcaster": "." }),
            "upcaster",
        ),
        (
            ["a", "2"],
            json!({ "schema": true, "upcaster": ".a |" }),
            "upcaster",
        ),
        (
            ["a", "2"],
            json!({ "schema": true, "upcaster": "env" }),
            "upcaster",
        ),
        (
            ["a", "2"],
            json!({ "schema": true, "upcaster": " ".repeat(MAX_UPCASTER_BYTES + 1) }),
            "upcaster",
        ),
    ];
    for (path, body, field) in cases {
        let (status, problem) = put(&store, path, body).await;
        assert_eq!((status, fields(&problem)), (400, vec![field]), "{problem}");
    }
    for body in [
        json!({}),
        json!({ "schema": true, "more": 1 }),
        json!([]),
        json!({ "schema": true, "upcaster": 1 }),
    ] {
        assert_eq!(put(&store, ["a", "1"], body).await.0, 400);
    }
    let (_, told) = put(
        &store,
        ["a", "2"],
        json!({ "schema": true, "upcaster": ".a\n| foo" }),
    )
    .await;
    assert!(
        told["detail"]
            .as_str()
            .unwrap()
            .contains("line 2, column 3"),
        "{told}"
    );
}

#[tokio::test]
async fn a_version_that_takes_less_needs_an_upcaster() {
    let store = MemoryRegistry::default();
    put(&store, ["a", "1"], json!({ "schema": order() })).await;
    let mut narrower = order();
    narrower["properties"]["total"]["minimum"] = 0.into();
    narrower["required"] = json!(["total", "at"]);
    let (status, problem) = put(&store, ["a", "2"], json!({ "schema": narrower })).await;
    assert_eq!(status, 400);
    assert_eq!(
        fields(&problem),
        [
            "schema",
            "schema#/properties/total/minimum",
            "schema#/required"
        ]
    );
    let (status, _) = put(
        &store,
        ["a", "2"],
        json!({ "schema": narrower, "upcaster": "." }),
    )
    .await;
    assert_eq!(status, 201);
}

#[tokio::test]
async fn types_and_versions_are_limited_in_number() {
    let store = MemoryRegistry::default();
    for version in 1..=MAX_SCHEMA_VERSIONS {
        assert_eq!(
            put(
                &store,
                ["a", &version.to_string()],
                json!({ "schema": true })
            )
            .await
            .0,
            201
        );
    }
    let next = (MAX_SCHEMA_VERSIONS + 1).to_string();
    let (status, problem) = put(&store, ["a", &next], json!({ "schema": true })).await;
    assert_eq!((status, fields(&problem)), (400, vec!["version"]));
    for n in 1..MAX_SCHEMA_TYPES {
        register(
            &store,
            &tenant("demo"),
            &schema(&format!("t{n}"), 1, json!(true), None),
        )
        .await
        .unwrap();
    }
    let (status, problem) = put(&store, ["b", "1"], json!({ "schema": true })).await;
    assert_eq!((status, fields(&problem)), (400, vec!["type"]));
}

#[tokio::test]
async fn a_mode_is_set_for_a_type_that_has_schemas() {
    let store = MemoryRegistry::default();
    let set = |mode: Value| call("operate", ["a", ""], json!({ "mode": mode }));
    assert_eq!(told(change_mode(&store, &set(json!("warn"))).await).0, 404);
    put(&store, ["a", "1"], json!({ "schema": true })).await;
    for mode in ["warn", "off", "enforce"] {
        let (status, shown) = told(change_mode(&store, &set(json!(mode))).await);
        assert_eq!((status, &shown["mode"]), (200, &json!(mode)));
    }
    for bad in [json!("on"), json!(null), json!(1)] {
        assert_eq!(told(change_mode(&store, &set(bad)).await).0, 400);
    }
}

#[tokio::test]
async fn data_are_checked_without_being_published() {
    let store = MemoryRegistry::default();
    put(&store, ["a", "1"], json!({ "schema": order() })).await;
    let asked = |data: Value| call("read", ["a", "1"], data);
    let (status, answer) = told(check(&store, &asked(json!({ "total": 1 }))).await);
    assert_eq!(
        (status, answer),
        (200, json!({ "valid": true, "errors": [], "more": 0 }))
    );
    let (status, answer) = told(check(&store, &asked(json!({ "total": "1" }))).await);
    assert_eq!((status, &answer["valid"]), (200, &json!(false)));
    assert_eq!(answer["errors"][0]["field"], "data/total");
    let mut broken = asked(Value::Null);
    broken.body = Some("{".to_owned());
    assert_eq!(told(check(&store, &broken).await).0, 400);
}
