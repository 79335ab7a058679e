//! Requests as the HTTP API hands them over, on a log in memory.

use pillarbox_domain::LoggedEvent;
use pillarbox_domain::event_query::ShownEvent;
use pillarbox_runtime::http::{Request, Response};
use pillarbox_testkit::builders::{event, logged, tenant};
use pillarbox_testkit::queried::{Shards, Store};
use pillarbox_testkit::{ManualClock, MemoryActiveHours, MemoryEventLog};
use serde_json::{Value, json};

use super::Events;

struct Bus {
    events: Events<MemoryEventLog<ManualClock>, MemoryActiveHours, ManualClock>,
    shards: Shards,
}

impl Bus {
    fn new() -> Self {
        let clock = ManualClock::default();
        Self {
            events: Events {
                log: MemoryEventLog::new(clock.clone()),
                marks: MemoryActiveHours::default(),
                clock,
            },
            shards: Shards::of(1),
        }
    }

    async fn with(count: usize) -> (Self, Vec<LoggedEvent>) {
        let bus = Self::new();
        let Events { log, marks, clock } = &bus.events;
        let store = Store {
            log,
            index: log,
            marks,
            clock,
            shards: Shards::of(1),
        };
        let event = |n: usize| {
            logged(
                clock,
                &tenant("demo"),
                event(&n.to_string(), json!({ "n": n })),
            )
        };
        let events: Vec<LoggedEvent> = (0..count).map(event).collect();
        store.append(&events).await;
        (bus, events)
    }

    async fn list(&self, owner: &str, query: &str) -> (i64, Value) {
        let request = request(owner, "read", query, "");
        let answer = self.events.list(&self.shards, &request).await;
        read(&answer.unwrap_or_else(|problem| problem.into_response()))
    }

    async fn show(&self, owner: &str, event_id: &str) -> (i64, Value) {
        let request = request(owner, "read", "", event_id);
        let answer = self.events.show(&self.shards, &request).await;
        read(&answer.unwrap_or_else(|problem| problem.into_response()))
    }
}

fn request(owner: &str, scopes: &str, query: &str, event_id: &str) -> Request {
    let request = json!({
        "routeKey": "GET /v1/events",
        "rawQueryString": query,
        "headers": {},
        "pathParameters": { "event_id": event_id },
        "requestContext": {
            "authorizer": { "lambda": { "outcome": "known", "tenant": owner, "scopes": scopes } },
            "http": { "method": "GET", "path": "/v1/events" },
        },
    });
    serde_json::from_value(request).unwrap()
}

fn read(response: &Response) -> (i64, Value) {
    let body = response.body.as_deref().unwrap();
    (response.status_code, serde_json::from_slice(body).unwrap())
}

fn shown<'a>(events: impl IntoIterator<Item = &'a LoggedEvent>) -> Vec<Value> {
    let events = events.into_iter();
    events
        .map(|event| serde_json::to_value(ShownEvent(event)).unwrap())
        .collect()
}

#[tokio::test]
async fn a_list_is_read_page_by_page() {
    let (bus, events) = Bus::with(5).await;
    let (status, first) = bus.list("demo", "limit=3&type=order.%2A").await;
    assert_eq!(status, 200);
    assert_eq!(first["events"], json!(shown(events[2..].iter().rev())));
    let cursor = first["next_cursor"].as_str().unwrap();
    let (_, second) = bus
        .list("demo", &format!("type=order.*&cursor={cursor}"))
        .await;
    assert_eq!(second["events"], json!(shown(events[..2].iter().rev())));
    assert_eq!(second["next_cursor"], Value::Null);
    let (_, none) = bus.list("other", "").await;
    assert_eq!(none, json!({ "events": [], "next_cursor": null }));
}

#[tokio::test]
async fn every_bad_parameter_is_named() {
    let (bus, _) = Bus::with(2).await;
    let (_, page) = bus.list("demo", "limit=1").await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let foreign = format!("limit=1&cursor={cursor}");
    let cases = [
        ("demo", "limit=0&order=up&x=1", vec!["x", "order", "limit"]),
        ("demo", "from=2026-01-01T00:00:00+01:00", vec!["from"]),
        ("demo", "source=%ff", vec!["source"]),
        ("demo", "limit=1&limit=1", vec!["limit"]),
        ("other", &foreign, vec!["cursor"]),
    ];
    for (owner, query, names) in cases {
        let (status, problem) = bus.list(owner, query).await;
        let errors = problem["errors"].as_array().unwrap().iter();
        let named: Vec<&str> = errors
            .map(|error| error["field"].as_str().unwrap())
            .collect();
        assert_eq!((status, named), (400, names), "{query}: {problem}");
    }
}

#[tokio::test]
async fn an_event_is_shown_as_a_cloud_event_to_its_tenant_only() {
    let (bus, events) = Bus::with(1).await;
    let id = events[0].event_id.to_string();
    assert_eq!(
        bus.show("demo", &id).await,
        (200, shown(&events)[0].clone())
    );
    assert_eq!(bus.show("demo", &id.to_uppercase()).await.0, 200);
    assert_eq!(bus.show("other", &id).await.0, 404);
    let answer = bus
        .events
        .show(&bus.shards, &request("demo", "read", "", &id))
        .await;
    let content_type = &answer.unwrap().headers["content-type"];
    assert_eq!(content_type, "application/cloudevents+json");
    for bad in ["", "1", "919108f7-52d1-4320-9bac-f847db4148a8"] {
        let (status, problem) = bus.show("demo", bad).await;
        assert_eq!(
            (status, &problem["errors"][0]["field"]),
            (400, &json!("event_id")),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn to_read_the_log_a_key_needs_the_scope() {
    let bus = Bus::new();
    let request = request("demo", "publish operate", "", "");
    let list = bus.events.list(&bus.shards, &request).await.unwrap_err();
    let show = bus.events.show(&bus.shards, &request).await.unwrap_err();
    assert_eq!((list.status(), show.status()), (403, 403));
}
