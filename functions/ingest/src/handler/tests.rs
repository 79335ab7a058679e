//! Requests as the HTTP API hands them over, on a log in memory.

mod figures;
mod traces;

use std::sync::atomic::{AtomicBool, Ordering};

use data_encoding::BASE64;
use pillarbox_domain::logged_event::OutboxMode;
use pillarbox_domain::publish::{Appended, AtomicAppendError, EventLog, EventReader};
use pillarbox_domain::registry::Registry;
use pillarbox_domain::schema::SchemaMode;
use pillarbox_domain::schema::publishing::SchemaCheck;
use pillarbox_domain::schema::registration::{register, set_mode};
use pillarbox_domain::tenant_settings::{
    CachedTenantSettings, Retention, SettingsChange, TenantSettingsWriter,
};
use pillarbox_domain::{LoggedEvent, StoreError};
use pillarbox_runtime::http::{Request, Response};
use pillarbox_testkit::builders::tenant;
use pillarbox_testkit::schemas::schema;
use pillarbox_testkit::{ManualClock, MemoryEventLog, MemoryMetrics, MemoryRegistry};
use serde_json::{Value, json};

use super::Ingest;

const EVENT: &str =
    r#"{"specversion":"1.0","id":"1","source":"/shop","type":"order.created","data":1}"#;

type TestIngest<L> = Ingest<L, &'static MemoryRegistry, &'static MemoryRegistry, ManualClock>;

fn ingest() -> TestIngest<MemoryEventLog<ManualClock>> {
    let clock = ManualClock::default();
    ingest_into(MemoryEventLog::new(clock.clone()), clock)
}

fn ingest_into<L: EventLog>(log: L, clock: ManualClock) -> TestIngest<L> {
    ingest_with(log, clock, MemoryRegistry::default())
}

fn ingest_with<L: EventLog>(log: L, clock: ManualClock, registry: MemoryRegistry) -> TestIngest<L> {
    let registry: &MemoryRegistry = Box::leak(Box::new(registry));
    Ingest {
        log,
        tenants: CachedTenantSettings::new(registry, clock.clone()),
        schemas: SchemaCheck::new(registry),
        clock,
        metrics: MemoryMetrics::of("ingest").metrics,
    }
}

/// `application/cloudevents+json` comes as base64: the HTTP API knows only a few types as text.
fn request(body: &str) -> Value {
    json!({
        "routeKey": "POST /v1/events",
        "rawPath": "/v1/events",
        "headers": { "content-type": "application/cloudevents+json; charset=utf-8" },
        "requestContext": {
            "authorizer": { "lambda": { "outcome": "known", "tenant": "demo", "scopes": "publish" } },
            "http": { "method": "POST", "path": "/v1/events" },
        },
        "body": BASE64.encode(body.as_bytes()),
        "isBase64Encoded": true,
    })
}

async fn answer<L: EventLog>(ingest: &TestIngest<L>, request: &Value) -> (i64, Value) {
    let request: Request = serde_json::from_value(request.clone()).unwrap();
    told(ingest.handle(&request).await)
}

fn told(response: Response) -> (i64, Value) {
    let body: Value = serde_json::from_slice(response.body.as_deref().unwrap()).unwrap();
    let content_type = response.headers["content-type"].to_str().unwrap();
    if response.status_code >= 400 {
        assert_eq!(content_type, "application/problem+json");
        assert_eq!(body["status"], response.status_code);
    } else {
        assert_eq!(content_type, "application/json");
    }
    (response.status_code, body)
}

#[tokio::test]
async fn new_duplicate_and_conflict_are_told_apart() {
    let ingest = ingest();
    let (status, first) = answer(&ingest, &request(EVENT)).await;
    assert_eq!((status, &first["duplicate"]), (201, &json!(false)));
    let (status, again) = answer(&ingest, &request(EVENT)).await;
    assert_eq!((status, &again["duplicate"]), (200, &json!(true)));
    assert_eq!(first["event_id"], again["event_id"]);
    let (status, conflict) = answer(&ingest, &request(&EVENT.replace(":1}", ":2}"))).await;
    assert_eq!((status, &conflict["event_id"]), (409, &first["event_id"]));
    assert_eq!(conflict["differing"], json!(["data"]));
}

#[tokio::test]
async fn a_body_that_comes_as_text_is_read_as_well() {
    let mut request = request("");
    request["body"] = EVENT.into();
    request["isBase64Encoded"] = false.into();
    assert_eq!(answer(&ingest(), &request).await.0, 201);
}

#[tokio::test]
async fn a_problem_names_every_field_at_fault() {
    let (status, problem) = answer(&ingest(), &request(r#"{"specversion":"0.3","id":7}"#)).await;
    assert_eq!(status, 400);
    let errors = problem["errors"].as_array().unwrap();
    let fields: Vec<&str> = errors
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["id", "specversion", "source", "type"]);
    for body in ["", "{", "[]"] {
        assert_eq!(answer(&ingest(), &request(body)).await.0, 400, "{body}");
    }
    let endless = EVENT.replace(":1}", ":1e999}");
    let (status, problem) = answer(&ingest(), &request(&endless)).await;
    assert_eq!(
        (status, &problem["errors"][0]["field"]),
        (400, &json!("data"))
    );
}

/// An event in binary form: attributes in headers, data in the body.
fn binary_request(headers: &Value, body: &str) -> Value {
    let mut request = request(body);
    request["headers"] = headers.clone();
    request
}

fn binary_headers() -> Value {
    json!({
        "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/shop", "ce-type": "order.created",
        "content-type": "application/json", "user-agent": "test",
    })
}

#[tokio::test]
async fn an_event_in_binary_form_is_the_same_event() {
    let ingest = ingest();
    let (status, first) = answer(&ingest, &binary_request(&binary_headers(), "1")).await;
    assert_eq!(status, 201);
    let structured = EVENT.replace(
        "\"data\"",
        "\"datacontenttype\":\"application/json\",\"data\"",
    );
    let (status, again) = answer(&ingest, &request(&structured)).await;
    assert_eq!((status, &again["event_id"]), (200, &first["event_id"]));
}

#[tokio::test]
async fn a_problem_of_the_binary_form_names_attributes_without_their_prefix() {
    let mut headers = binary_headers();
    headers["ce-source"] = "not a uri".into();
    headers["ce-pbeventid"] = "x".into();
    headers["ce-subject"] = "%FF".into();
    let (status, problem) = answer(&ingest(), &binary_request(&headers, "{")).await;
    assert_eq!(status, 400);
    let errors = problem["errors"].as_array().unwrap();
    let mut fields: Vec<&str> = errors
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    fields.sort_unstable();
    assert_eq!(fields, ["data", "pbeventid", "source", "subject"]);
}

fn batch_request(body: &str) -> Value {
    let mut request = request(body);
    request["headers"]["content-type"] = "application/cloudevents-batch+json".into();
    request
}

#[tokio::test]
async fn a_batch_is_answered_event_by_event_in_its_order() {
    let ingest = ingest();
    let (_, first) = answer(&ingest, &request(EVENT)).await;
    let other = EVENT.replace(r#""id":"1""#, r#""id":"2""#);
    let conflict = EVENT.replace(":1}", ":2}");
    let broken = r#"{"specversion":"1.0","id":7}"#;
    let body = format!("[{EVENT},{broken},{other},{conflict},{other},null]");
    let (status, answer) = answer(&ingest, &batch_request(&body)).await;
    assert_eq!(status, 207);
    let results = answer["results"].as_array().unwrap();
    let statuses: Vec<&Value> = results.iter().map(|result| &result["status"]).collect();
    assert_eq!(statuses, [200, 400, 201, 409, 200, 400]);
    assert_eq!(results[0]["event_id"], first["event_id"]);
    assert_eq!(results[0]["duplicate"], true);
    assert_eq!(results[1]["problem"]["errors"][0]["field"], "id");
    assert_eq!(results[3]["problem"]["event_id"], first["event_id"]);
    assert_eq!(results[4]["event_id"], results[2]["event_id"]);
}

#[tokio::test]
async fn a_batch_that_is_stored_whole_is_created() {
    let body = format!("[{EVENT}]");
    let (status, answer) = answer(&ingest(), &batch_request(&body)).await;
    assert_eq!(
        (status, &answer["results"][0]["status"]),
        (201, &json!(201))
    );
}

#[tokio::test]
async fn what_is_no_batch_or_too_many_is_refused_whole() {
    let many = format!("[{}]", vec![EVENT; 1_001].join(","));
    for body in ["", "{}", "[", "[]", EVENT, &many] {
        let ingest = ingest();
        assert_eq!(answer(&ingest, &batch_request(body)).await.0, 400);
        assert!(ingest.log.is_empty());
    }
}

#[tokio::test]
async fn a_parameter_that_a_caller_counts_on_is_not_passed_over() {
    for (query, field) in [("atomic=true", "atomic"), ("async=true", "async")] {
        let mut request = request(EVENT);
        request["rawQueryString"] = query.into();
        let (status, problem) = answer(&ingest(), &request).await;
        assert_eq!(
            (status, &problem["errors"][0]["field"]),
            (400, &json!(field))
        );
    }
}

fn atomic_request(body: &str) -> Value {
    let mut request = batch_request(body);
    request["rawQueryString"] = "atomic=true".into();
    request
}

#[tokio::test]
async fn an_atomic_batch_is_stored_whole_or_not_at_all() {
    let ingest = ingest();
    let other = EVENT.replace(r#""id":"1""#, r#""id":"2""#);
    let changed = EVENT.replace(":1}", ":2}");
    let broken = r#"{"specversion":"1.0","id":7}"#;
    let cases = [
        (format!("[{EVENT},{broken}]"), 400, "batch[1].id"),
        (format!("[{EVENT},{other},{changed}]"), 409, "batch[2]"),
        (format!("[{}]", vec![EVENT; 101].join(",")), 400, "batch"),
    ];
    for (body, status, field) in cases {
        let (answered, problem) = answer(&ingest, &atomic_request(&body)).await;
        assert_eq!(
            (answered, &problem["errors"][0]["field"]),
            (status, &json!(field))
        );
        assert!(ingest.log.is_empty());
    }
    let body = format!("[{EVENT},{other},{EVENT}]");
    for statuses in [[201, 201, 200], [200, 200, 200]] {
        let (status, answer) = answer(&ingest, &atomic_request(&body)).await;
        assert_eq!(status, 201);
        let results = answer["results"].as_array().unwrap().iter();
        let answered: Vec<&Value> = results.map(|result| &result["status"]).collect();
        assert_eq!(answered, statuses);
    }
    let (status, problem) = answer(&ingest, &atomic_request(&format!("[{changed}]"))).await;
    assert_eq!(
        (status, &problem["errors"][0]["field"]),
        (409, &json!("batch[0]"))
    );
    let detail = problem["errors"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("differs in data"), "{detail}");
}

/// What is in the log after one publish.
async fn logged_by(ingest: &TestIngest<MemoryEventLog<ManualClock>>, query: &str) -> LoggedEvent {
    let mut request = request(EVENT);
    request["rawQueryString"] = query.into();
    assert_eq!(answer(ingest, &request).await.0, 201);
    let logged = ingest.log.get(&tenant("demo"), "/shop", "1").await;
    logged.unwrap().unwrap()
}

#[tokio::test]
async fn an_event_is_stored_on_its_tenants_terms() {
    let logged = logged_by(&ingest(), "").await;
    let kept = logged.expires_at - logged.event_id.accepted_at();
    assert_eq!(
        (kept.whole_days(), logged.outbox),
        (90, OutboxMode::Dispatch)
    );

    let registry = MemoryRegistry::default();
    registry.add_tenant(&tenant("demo"), None).await.unwrap();
    let week = SettingsChange {
        retention: Some(Retention::from_days(7).unwrap()),
        ..SettingsChange::default()
    };
    registry
        .change_settings(&tenant("demo"), &week)
        .await
        .unwrap();
    let clock = ManualClock::default();
    let ingest = ingest_with(MemoryEventLog::new(clock.clone()), clock, registry);
    let logged = logged_by(&ingest, "outbox=none").await;
    let kept = logged.expires_at - logged.event_id.accepted_at();
    assert_eq!((kept.whole_days(), logged.outbox), (7, OutboxMode::None));
}

#[tokio::test]
async fn limits_and_media_types_have_their_own_answers() {
    let large = EVENT.replace(":1}", &format!(":\"{}\"}}", "x".repeat(1_000_000)));
    assert_eq!(answer(&ingest(), &request(&large)).await.0, 413);
    for content_type in [
        "application/json",
        "text/plain",
        "",
        "application/cloudevents+avro",
    ] {
        let mut request = request(EVENT);
        request["headers"]["content-type"] = content_type.into();
        assert_eq!(answer(&ingest(), &request).await.0, 415, "{content_type}");
    }
}

#[tokio::test]
async fn a_body_of_more_than_a_request_holds_is_refused() {
    let mut blank = batch_request(&format!("[{EVENT}]{}", " ".repeat(6_000_000)));
    let (status, problem) = answer(&ingest(), &blank).await;
    assert_eq!(status, 413);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("6000000 is the most"), "{detail}");
    let padding = " ".repeat(6_000_000 - EVENT.len() - 2);
    blank["body"] = BASE64
        .encode(format!("[{EVENT}]{padding}").as_bytes())
        .into();
    assert_eq!(answer(&ingest(), &blank).await.0, 201);
}

#[tokio::test]
async fn nobody_gets_in_without_the_authorizers_word() {
    let cases = [
        (json!(null), 401),
        (json!({ "lambda": null }), 401),
        (json!({ "lambda": { "outcome": "unknown" } }), 401),
        (
            json!({ "lambda": { "tenant": "demo", "scopes": "publish" } }),
            401,
        ),
        (
            json!({ "lambda": { "outcome": "known", "tenant": "DEMO!", "scopes": "publish" } }),
            401,
        ),
        (
            json!({ "lambda": { "outcome": "known", "tenant": "demo", "scopes": "read" } }),
            403,
        ),
        (
            json!({ "lambda": { "outcome": "known", "tenant": "demo", "scopes": "" } }),
            403,
        ),
        (json!({ "lambda": { "outcome": "unavailable" } }), 503),
    ];
    for (authorizer, status) in cases {
        let mut request = request(EVENT);
        request["requestContext"]["authorizer"] = authorizer.clone();
        assert_eq!(answer(&ingest(), &request).await.0, status, "{authorizer}");
    }
}

/// A log that is throttled until it is told otherwise.
struct ThrottledLog(AtomicBool);

impl EventLog for ThrottledLog {
    async fn append(&self, _: &LoggedEvent) -> Result<Appended, StoreError> {
        if self.0.load(Ordering::Relaxed) {
            return Err(StoreError::Throttled {
                operation: "PutItem",
            });
        }
        Ok(Appended::New)
    }

    async fn append_all(&self, events: &[LoggedEvent]) -> Vec<Result<Appended, StoreError>> {
        let answers = events.iter().map(|event| self.append(event));
        futures::future::join_all(answers).await
    }

    async fn append_atomically(
        &self,
        events: &[LoggedEvent],
    ) -> Result<Vec<Appended>, AtomicAppendError> {
        let answers = self.append_all(events).await;
        Ok(answers.into_iter().collect::<Result<_, _>>()?)
    }
}

#[tokio::test]
async fn a_throttled_log_asks_for_patience_and_then_takes_the_event() {
    let ingest = ingest_into(ThrottledLog(true.into()), ManualClock::default());
    let request: Request = serde_json::from_value(request(EVENT)).unwrap();
    let response = ingest.handle(&request).await;
    assert_eq!(response.headers["retry-after"], "1");
    assert_eq!(told(response).0, 503);
    ingest.log.0.store(false, Ordering::Relaxed);
    assert_eq!(told(ingest.handle(&request).await).0, 201);
}

/// `demo` has a schema of two versions for `order.created`: data are a number, from the second on a positive one.
async fn ingest_with_schemas(mode: SchemaMode) -> TestIngest<MemoryEventLog<ManualClock>> {
    let (registry, clock, demo) = (
        MemoryRegistry::default(),
        ManualClock::default(),
        tenant("demo"),
    );
    registry.add_tenant(&demo, None).await.unwrap();
    let first = schema("order.created", 1, json!({ "type": "number" }), None);
    let second = schema(
        "order.created",
        2,
        json!({ "type": "number", "minimum": 1 }),
        Some("."),
    );
    for version in [&first, &second] {
        register(&registry, &demo, version).await.unwrap();
    }
    set_mode(&registry, &demo, &first.event_type, mode)
        .await
        .unwrap();
    ingest_with(MemoryEventLog::new(clock.clone()), clock, registry)
}

fn with_data(id: &str, version: &str, data: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/shop","type":"order.created"{version},"data":{data}}}"#
    )
}

#[tokio::test]
async fn data_that_do_not_fit_an_enforced_schema_are_refused_by_pointer() {
    let ingest = ingest_with_schemas(SchemaMode::Enforce).await;
    let cases = [
        ("", "1", None),
        (r#","dataversion":"1""#, "-1", None),
        (r#","dataversion":"2""#, "1", None),
        (r#","dataversion":2"#, "1.5", None),
        ("", r#""text""#, Some("data")),
        (r#","dataversion":"2""#, "-1", Some("data")),
        (r#","dataversion":"3""#, "1", Some("dataversion")),
        (r#","dataversion":"0""#, "1", Some("dataversion")),
        (r#","dataversion":"two""#, "1", Some("dataversion")),
        (r#","dataversion":true"#, "1", Some("dataversion")),
    ];
    for (index, (version, data, field)) in cases.into_iter().enumerate() {
        let event = with_data(&index.to_string(), version, data);
        let (status, problem) = answer(&ingest, &request(&event)).await;
        let named = problem["errors"][0]["field"].as_str();
        let expected = if field.is_some() { 400 } else { 201 };
        assert_eq!((status, named), (expected, field), "{event}: {problem}");
    }
    assert_eq!(ingest.log.len(), 4);
}

#[tokio::test]
async fn what_is_not_json_does_not_fit_an_enforced_schema() {
    let ingest = ingest_with_schemas(SchemaMode::Enforce).await;
    let bare = r#"{"specversion":"1.0","id":"1","source":"/shop","type":"order.created""#;
    for event in [
        format!("{bare}}}"),
        format!(r#"{bare},"data_base64":"MQ=="}}"#),
    ] {
        let (status, problem) = answer(&ingest, &request(&event)).await;
        assert_eq!(
            (status, &problem["errors"][0]["field"]),
            (400, &json!("data"))
        );
    }
    let other = with_data("1", "", r#""text""#).replace("order.created", "order.changed");
    assert_eq!(answer(&ingest, &request(&other)).await.0, 201);
}

#[tokio::test]
async fn with_a_warning_or_without_everything_is_stored_but_an_unclear_version() {
    for mode in [SchemaMode::Warn, SchemaMode::Off] {
        let ingest = ingest_with_schemas(mode).await;
        let (status, _) = answer(&ingest, &request(&with_data("1", "", r#""text""#))).await;
        assert_eq!(status, 201, "{mode}");
        let newer = with_data("2", r#","dataversion":"9""#, "1");
        assert_eq!(answer(&ingest, &request(&newer)).await.0, 201, "{mode}");
        let unclear = with_data("3", r#","dataversion":"x""#, "1");
        assert_eq!(answer(&ingest, &request(&unclear)).await.0, 400, "{mode}");
    }
}

#[tokio::test]
async fn of_a_batch_the_events_that_fit_are_stored_and_with_atomic_none() {
    let ingest = ingest_with_schemas(SchemaMode::Enforce).await;
    let batch = format!("[{},{}]", with_data("1", "", "1"), with_data("2", "", "[]"));
    let mut atomic = batch_request(&batch);
    atomic["rawQueryString"] = "atomic=true".into();
    let (status, problem) = answer(&ingest, &atomic).await;
    assert_eq!(status, 400, "{problem}");
    assert!(problem.to_string().contains("[1]"), "{problem}");
    assert!(ingest.log.is_empty());
    let (status, answer) = answer(&ingest, &batch_request(&batch)).await;
    assert_eq!(status, 207);
    assert_eq!(
        answer["results"][1]["problem"]["errors"][0]["field"],
        "data"
    );
    assert_eq!(ingest.log.len(), 1);
}

#[tokio::test]
async fn a_schema_is_read_once_and_nothing_for_a_tenant_without() {
    let ingest = ingest_with_schemas(SchemaMode::Enforce).await;
    let registry: &MemoryRegistry = Box::leak(Box::new(MemoryRegistry::default()));
    let plain = Ingest {
        log: MemoryEventLog::new(ManualClock::default()),
        tenants: CachedTenantSettings::new(registry, ManualClock::default()),
        schemas: SchemaCheck::new(registry),
        clock: ManualClock::default(),
        metrics: MemoryMetrics::of("ingest").metrics,
    };
    for id in ["1", "2", "3"] {
        assert_eq!(
            answer(&ingest, &request(&with_data(id, "", "1"))).await.0,
            201
        );
        assert_eq!(
            answer(&plain, &request(&with_data(id, "", "[]"))).await.0,
            201
        );
    }
    assert_eq!(registry.reads(), 1, "the tenant's settings");
}
