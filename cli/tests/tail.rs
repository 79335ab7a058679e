//! `pillarbox tail`, the binary itself, against a real HTTP server.
#![allow(
    clippy::unwrap_used,
    reason = "a helper of tests that fails is a test that fails"
)]

mod support;

use serde_json::{Value, json};
use support::*;
use tokio::process::Command;

/// Noon by the bus's clock, and after.
const NOON_MILLIS: u64 = 1_795_435_200_000;

fn id(seconds: u64, tail: u32) -> String {
    let millis = NOON_MILLIS + seconds * 1_000;
    let hex = format!("{millis:012x}");
    format!("{}-{}-7000-8000-0000{tail:08x}", &hex[..8], &hex[8..])
}

fn event(seconds: u64, tail: u32, event_type: &str) -> Value {
    json!({
        "specversion": "1.0", "type": event_type, "source": "/shop", "id": tail.to_string(),
        "pbeventid": id(seconds, tail), "data": { "n": tail },
    })
}

/// An answer that was sent so many seconds after noon.
fn at(seconds: u64, body: &Value) -> Reply {
    let headers: &'static str = Box::leak(
        format!(
            "Content-Type: application/json\r\nDate: Mon, 23 Nov 2026 12:{:02}:{:02} GMT\r\n",
            seconds / 60,
            seconds % 60
        )
        .into_boxed_str(),
    );
    Reply::Answer {
        status: 200,
        headers,
        body: body.to_string(),
    }
}

fn page(seconds: u64, events: &[Value], next_cursor: Option<&str>) -> Reply {
    at(
        seconds,
        &json!({ "events": events, "next_cursor": next_cursor }),
    )
}

fn health() -> Reply {
    at(0, &json!({ "status": "ok" }))
}

fn queries(bus: &Bus) -> Vec<String> {
    let requests = bus.requests().into_iter().skip(1);
    requests
        .map(|request| request.path.split_once('?').unwrap().1.to_owned())
        .collect()
}

fn printed(ran: &Ran) -> Vec<&str> {
    let lines = ran.stdout.lines();
    lines.map(|line| line.split("  ").nth(4).unwrap()).collect()
}

#[tokio::test]
async fn events_are_printed_as_they_come_each_once_though_looks_overlap() {
    let (a, b) = (event(1, 1, "order.created"), event(2, 2, "order.created"));
    // It was accepted before the others, and is found after them.
    let late = event(0, 3, "order.created");
    let bus = Bus::with_script([
        health(),
        page(3, std::slice::from_ref(&a), None),
        page(4, &[a.clone(), b.clone()], None),
        page(5, &[late, a, b, event(4, 4, "order.created")], None),
    ])
    .await;
    let ran = run(pillarbox_on(&bus, &["tail", "--count", "4"]), b"").await;
    assert_eq!((ran.code, &*ran.stderr), (0, ""));
    assert_eq!(printed(&ran), ["1", "2", "3", "4"]);
    let first = ran.stdout.lines().next().unwrap();
    let expected = format!(
        "2026-11-23T12:00:01.000Z  {}  order.created  /shop  1",
        id(1, 1)
    );
    assert_eq!(first, expected);
    for query in queries(&bus) {
        assert_eq!(
            query,
            "from=2026-11-23T12%3A00%3A00.000Z&order=oldest&limit=100"
        );
    }
}

#[tokio::test]
async fn a_look_reads_every_page_and_the_next_begins_where_events_may_be_late() {
    let bus = Bus::with_script([
        health(),
        page(60, &[event(1, 1, "a")], Some("next")),
        page(90, &[], Some("again")),
        page(90, &[event(50, 2, "a")], None),
        page(91, &[event(50, 2, "a"), event(61, 3, "a")], None),
    ])
    .await;
    let ran = run(pillarbox_on(&bus, &["tail", "--count", "3"]), b"").await;
    assert_eq!(printed(&ran), ["1", "2", "3"]);
    let queries = queries(&bus);
    assert!(queries[1].ends_with("&cursor=next"), "{queries:?}");
    assert!(queries[2].ends_with("&cursor=again"), "{queries:?}");
    // Ten seconds before the first page was asked for, however long the others took; what that took is taken off.
    assert!(
        queries[3].contains("12%3A00%3A4") || queries[3].contains("12%3A00%3A50"),
        "{queries:?}"
    );
}

#[tokio::test]
async fn one_type_is_asked_for_and_of_several_the_others_are_left_out() {
    let events = [
        event(1, 1, "order.created"),
        event(1, 2, "price.changed"),
        event(1, 3, "order.paid"),
    ];
    let all = events.clone();
    let bus = Bus::answering(move |nth, _| match nth {
        0 => health(),
        _ => page(3, &all, None),
    })
    .await;
    let several = [
        "tail",
        "--types",
        "order.created",
        "--types",
        "price.*",
        "--source",
        "/shop",
        "--correlation",
        "c-1",
        "--count",
        "2",
    ];
    let ran = run(pillarbox_on(&bus, &several), b"").await;
    assert_eq!(printed(&ran), ["1", "2"]);
    assert_eq!(
        queries(&bus)[0],
        "source=%2Fshop&correlation_id=c-1&from=2026-11-23T12%3A00%3A00.000Z&order=oldest&limit=100"
    );

    let bus = Bus::answering(move |nth, _| match nth {
        0 => health(),
        _ => page(3, &events[..1], None),
    })
    .await;
    let one = [
        "tail", "--types", "order.*", "--since", "1m", "--count", "1", "--json",
    ];
    let ran = run(pillarbox_on(&bus, &one), b"").await;
    assert_eq!(ran.json()["data"], json!({ "n": 1 }));
    let query = &queries(&bus)[0];
    assert!(
        query.starts_with("type=order.*&from=2026-11-23T11%3A59%3A00"),
        "{query}"
    );
}

#[tokio::test]
async fn a_bus_that_is_busy_is_asked_again_and_nothing_is_missing() {
    let bus = Bus::with_script([
        health(),
        page(1, &[event(0, 1, "a")], None),
        busy(),
        busy(),
        page(9, &[event(0, 1, "a"), event(5, 2, "a")], None),
    ])
    .await;
    let ran = run(pillarbox_on(&bus, &["tail", "--count", "2"]), b"").await;
    assert_eq!((ran.code, printed(&ran)), (0, vec!["1", "2"]));
}

#[tokio::test]
async fn it_ends_well_when_it_is_interrupted_and_with_a_refusal_when_it_is_refused() {
    let mut bus = Bus::answering(|nth, _| match nth {
        0 => health(),
        _ => page(3, &[event(1, 1, "a")], None),
    })
    .await;
    let child = pillarbox_on(&bus, &["tail"]).spawn().unwrap();
    for _ in 0..3 {
        bus.arrival().await;
    }
    let id = child.id().unwrap().to_string();
    let told = Command::new("kill").args(["-INT", &id]).status().await;
    assert!(told.unwrap().success());
    let ran = finish(child).await;
    assert_eq!((ran.code, printed(&ran)), (0, vec!["1"]));

    let bus = Bus::with_script([health(), problem(403, r#"{"title":"Forbidden"}"#)]).await;
    let ran = run(pillarbox_on(&bus, &["tail"]), b"").await;
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("Forbidden"), "{}", ran.stderr);
}

#[tokio::test]
async fn patterns_and_spans_that_are_none_are_usage_errors() {
    let bus = Bus::with_script([]).await;
    for arguments in [
        ["tail", "--types", "*.created"],
        ["tail", "--every", "soon"],
    ] {
        assert_eq!(run(pillarbox_on(&bus, &arguments), b"").await.code, 2);
    }
}
