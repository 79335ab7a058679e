//! `pillarbox schedules`, the binary itself, against a real HTTP server.
#![allow(
    clippy::unwrap_used,
    reason = "a helper of tests that fails is a test that fails"
)]

mod support;

use serde_json::{Value, json};
use support::*;

const NIGHTLY: &str = r#"{"name":"nightly","expression":"cron(0 3 * * ? *)","timezone":"Europe/Vienna","enabled":true,"replay":{"filter":{"types":["order.*"],"range":"yesterday"},"target":{"subscription":"orders"},"max_events_per_second":50.0},"created_at":"2026-11-24T08:00:00.123Z"}"#;
const HOURLY: &str = r#"{"name":"hourly","expression":"rate(1 hour)","timezone":"UTC","enabled":false,"redrive":{},"created_at":"2026-11-24T08:00:00Z\u001b[2J"}"#;

async fn ran_on(bus: &Bus, arguments: &[&str]) -> Ran {
    let arguments = [&["schedules"], arguments].concat();
    run(pillarbox_on(bus, &arguments), b"").await
}

/// What was sent first: method and path below the address.
fn sent(bus: &Bus) -> (String, String) {
    let request = bus.requests().remove(0);
    let path = request.path.strip_prefix("/base/$default").unwrap();
    (request.method, path.to_owned())
}

async fn added(arguments: &[&str], reply: Reply) -> (Ran, Value) {
    let bus = Bus::answering(move |_, _| reply.clone()).await;
    let ran = ran_on(&bus, &[&["add"], arguments].concat()).await;
    assert_eq!(sent(&bus), ("POST".to_owned(), "/v1/schedules".to_owned()));
    let body = bus.requests()[0].json();
    (ran, body)
}

#[tokio::test]
async fn every_setting_of_a_replay_is_sent() {
    let arguments = [
        "nightly",
        "cron(0 3 * * ? *)",
        "--timezone",
        "Europe/Vienna",
        "replay",
        "--range",
        "yesterday",
        "--types",
        "order.*",
        "--types",
        "price.set",
        "--source",
        "/shop",
        "--correlation-id",
        "c-1",
        "--subscription",
        "orders",
        "--max-events-per-second",
        "50",
        "--ramp-seconds",
        "60",
    ];
    let (ran, body) = added(&arguments, answer(201, NIGHTLY)).await;
    let told = "schedule nightly added: a replay at cron(0 3 * * ? *) in Europe/Vienna\n";
    assert_eq!((ran.code, &*ran.stdout), (0, told), "{}", ran.stderr);
    let expected = json!({
        "name": "nightly",
        "expression": "cron(0 3 * * ? *)",
        "timezone": "Europe/Vienna",
        "replay": {
            "filter": {
                "range": "yesterday",
                "types": ["order.*", "price.set"],
                "source": "/shop",
                "correlation_id": "c-1",
            },
            "target": { "subscription": "orders" },
            "max_events_per_second": 50,
            "ramp_seconds": 60,
        },
    });
    assert_eq!(body, expected);
    let json = [&arguments[..], &["--json"]].concat();
    let (ran, _) = added(&json, answer(201, NIGHTLY)).await;
    let expected = NIGHTLY.replace(".123Z\"}", ".123Z\",\"created\":true}");
    assert_eq!(ran.stdout, format!("{expected}\n"));
}

#[tokio::test]
async fn nothing_is_sent_that_was_not_said() {
    let cases = [
        (
            vec!["replay", "--range", "last 24h", "--all"],
            json!({ "replay": { "filter": { "range": "last 24h" }, "target": { "all": true } } }),
        ),
        (
            vec!["replay", "--correlation-id", "c-1", "--queue-url", "q"],
            json!({ "replay": {
                "filter": { "correlation_id": "c-1" }, "target": { "queue_url": "q" },
            }}),
        ),
        (vec!["redrive"], json!({ "redrive": { "filter": {} } })),
        (
            vec![
                "redrive",
                "--range",
                "previous hour",
                "--types",
                "a",
                "--subscription",
                "s",
                "--error-class",
                "E",
                "--text",
                "t",
                "--max-events-per-second",
                "1",
            ],
            json!({ "redrive": {
                "filter": {
                    "range": "previous hour", "types": ["a"], "subscription": "s", "error_class": "E", "text": "t",
                },
                "max_events_per_second": 1,
            }}),
        ),
    ];
    for (work, mut expected) in cases {
        expected["name"] = "hourly".into();
        expected["expression"] = "rate(1 hour)".into();
        let arguments = [&["hourly", "rate(1 hour)"], &work[..]].concat();
        let (ran, body) = added(&arguments, answer(200, HOURLY)).await;
        assert_eq!((ran.code, body), (0, expected), "{}", ran.stderr);
        let told = "schedule hourly already exists, and is disabled: a redrive at rate(1 hour) in UTC; nothing changed\n";
        assert_eq!(ran.stdout, told);
    }
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_before_anything_is_sent() {
    let bus = Bus::with_script([]).await;
    let add = ["add", "a", "rate(1 hour)"];
    for (arguments, words) in [
        (vec![], "Usage"),
        (vec!["replay"], "--range"),
        (vec!["replay", "--range", "yesterday"], "--subscription"),
        (vec!["replay", "--all"], "--range"),
        (
            vec![
                "replay",
                "--range",
                "yesterday",
                "--all",
                "--queue-url",
                "q",
            ],
            "cannot be used with",
        ),
        (
            vec!["redrive", "--ramp-seconds", "60"],
            "--max-events-per-second",
        ),
        (vec!["redrive", "--all"], "unexpected argument"),
    ] {
        let ran = ran_on(&bus, &[&add[..], &arguments].concat()).await;
        assert_eq!((ran.code, &*ran.stdout), (2, ""), "{arguments:?}");
        assert!(ran.stderr.contains(words), "{arguments:?}: {}", ran.stderr);
    }
    for arguments in [["show", ".."], ["rm", ""]] {
        let ran = ran_on(&bus, &arguments).await;
        assert_eq!(ran.code, 2);
        assert!(ran.stderr.contains("is no id"), "{}", ran.stderr);
    }
    assert!(bus.requests().is_empty());
}

#[tokio::test]
async fn schedules_are_listed_as_a_table_and_as_they_came() {
    let page = format!(r#"{{"schedules":[{HOURLY},{NIGHTLY}],"next_cursor":null}}"#);
    let reply = answer(200, &page);
    let bus = Bus::answering(move |_, _| reply.clone()).await;
    let ran = ran_on(&bus, &["ls"]).await;
    let expected = [
        "name     expression         timezone       job      range      state",
        "hourly   rate(1 hour)       UTC            redrive  -          disabled",
        "nightly  cron(0 3 * * ? *)  Europe/Vienna  replay   yesterday  enabled",
    ];
    let lines: Vec<_> = ran.stdout.lines().map(str::trim).collect();
    assert_eq!((ran.code, &lines[..]), (0, &expected[..]), "{}", ran.stderr);
    assert_eq!(sent(&bus), ("GET".to_owned(), "/v1/schedules".to_owned()));
    let ran = ran_on(&bus, &["ls", "--json"]).await;
    assert_eq!(ran.stdout, format!("{page}\n"));
}

#[tokio::test]
async fn a_schedule_is_shown_whole() {
    let bus = Bus::with_script([answer(200, NIGHTLY), answer(200, HOURLY)]).await;
    let ran = ran_on(&bus, &["show", "nightly"]).await;
    let expected = r#"schedule    nightly
state       enabled
expression  cron(0 3 * * ? *)
timezone    Europe/Vienna
replay      {"filter":{"types":["order.*"],"range":"yesterday"},"target":{"subscription":"orders"},"max_events_per_second":50.0}
created     2026-11-24T08:00:00.123Z
"#;
    assert_eq!((ran.code, &*ran.stdout), (0, expected), "{}", ran.stderr);
    let path = "/v1/schedules/nightly".to_owned();
    assert_eq!(sent(&bus), ("GET".to_owned(), path));
    let ran = ran_on(&bus, &["show", "hourly"]).await;
    assert!(ran.stdout.contains("redrive     {}"), "{}", ran.stdout);
    assert!(!ran.stdout.contains('\u{1b}'), "{:?}", ran.stdout);
}

#[tokio::test]
async fn a_schedule_is_removed_by_its_name() {
    let bus = Bus::answering(|_, _| answer(204, "")).await;
    let ran = ran_on(&bus, &["rm", "nightly"]).await;
    assert_eq!((ran.code, &*ran.stdout), (0, "schedule nightly removed\n"));
    let path = "/v1/schedules/nightly".to_owned();
    assert_eq!(sent(&bus), ("DELETE".to_owned(), path));
    let ran = ran_on(&bus, &["rm", "nightly", "--json"]).await;
    assert_eq!(ran.json(), json!({ "name": "nightly", "removed": true }));
}

#[tokio::test]
async fn what_the_bus_refuses_is_told_field_by_field() {
    let refusal = r#"{"title":"The request breaks rules","errors":[{"field":"expression","detail":"must leave 5 minutes"}]}"#;
    let arguments = ["a", "rate(1 minute)", "redrive"];
    let (ran, _) = added(&arguments, problem(400, refusal)).await;
    assert_eq!((ran.code, &*ran.stdout), (1, ""));
    let told = "expression: must leave 5 minutes";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
}
