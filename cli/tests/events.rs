//! Reading the log, the binary itself, against a real HTTP server.

mod support;

use serde_json::json;
use support::*;

const FIRST: &str = r#"{"specversion":"1.0","id":"1001","source":"/shop/7","type":"order.created","data":{"total":12.50},"pbeventid":"017f22e2-79b0-7cc3-98c4-dc0c0c07398f"}"#;
const SECOND: &str = r#"{"specversion":"1.0","id":"a\u001b[31m","source":"/shop/7","type":"order.paid","pbeventid":"017f22e2-79b0-7cc3-98c4-dc0c0c073990"}"#;

fn page(events: &[&str], next: &str) -> Reply {
    let events = events.join(",");
    answer(
        200,
        &format!(r#"{{"events":[{events}],"next_cursor":{next}}}"#),
    )
}

#[tokio::test]
async fn events_are_listed_in_a_table_that_says_how_to_go_on() {
    let bus = Bus::with_script([page(&[FIRST, SECOND], r#""AbC_-""#)]).await;
    let ran = run(pillarbox_on(&bus, &["events", "ls"]), b"").await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{}", ran.stdout);
    assert!(lines[0].contains("accepted") && lines[0].contains("event id"));
    let first: Vec<&str> = lines[1].split_whitespace().collect();
    let id = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
    assert_eq!(
        first,
        [
            "2022-02-22T19:22:22.000Z",
            id,
            "order.created",
            "/shop/7",
            "1001"
        ]
    );
    assert!(!ran.stdout.contains('\u{1b}'), "{}", ran.stdout);
    assert_eq!(ran.stderr, "2 events; more with --all, or --cursor AbC_-\n");
    assert_eq!(
        bus.requests()[0].path,
        "/base/$default/v1/events?order=newest"
    );
}

#[tokio::test]
async fn every_parameter_is_sent_encoded() {
    let bus = Bus::with_script([page(&[], "null")]).await;
    let arguments = [
        "events",
        "ls",
        "--type",
        "order.*",
        "--source",
        "/50%+a b",
        "--from",
        "2026-01-01T00:00:00+01:00",
        "--to",
        "2027-01-01T00:00:00Z",
        "--correlation-id",
        "c#1&x",
        "--order",
        "oldest",
        "--limit",
        "7",
        "--cursor",
        "AbC",
    ];
    let ran = run(pillarbox_on(&bus, &arguments), b"").await;
    assert_eq!(
        (ran.code, &*ran.stdout, &*ran.stderr),
        (0, "", "0 events\n")
    );
    let path = &bus.requests()[0].path;
    let expected = "type=order.*&source=%2F50%25%2Ba+b&from=2026-01-01T00%3A00%3A00%2B01%3A00\
        &to=2027-01-01T00%3A00%3A00Z&correlation_id=c%231%26x&order=oldest&limit=7&cursor=AbC";
    assert_eq!(path.split_once('?').unwrap().1, expected);
}

#[tokio::test]
async fn all_follows_the_cursors_past_an_empty_page() {
    let script = [
        page(&[FIRST], r#""one""#),
        page(&[], r#""two""#),
        page(&[SECOND], "null"),
    ];
    let bus = Bus::with_script(script.clone()).await;
    let ran = run(pillarbox_on(&bus, &["events", "ls", "--all"]), b"").await;
    assert_eq!(
        (ran.code, &*ran.stderr),
        (0, "2 events\n"),
        "{}",
        ran.stdout
    );
    assert_eq!(ran.stdout.lines().count(), 3, "{}", ran.stdout);
    let cursors: Vec<bool> = ["one", "two"]
        .iter()
        .zip(&bus.requests()[1..])
        .map(|(cursor, request)| request.path.ends_with(&format!("cursor={cursor}")))
        .collect();
    assert_eq!(cursors, [true, true]);

    let bus = Bus::with_script(script).await;
    let ran = run(
        pillarbox_on(&bus, &["events", "ls", "--all", "--json"]),
        b"",
    )
    .await;
    assert_eq!(ran.stdout, format!("{FIRST}\n{SECOND}\n"));
}

#[tokio::test]
async fn a_page_as_json_is_what_the_bus_answered() {
    let bus = Bus::with_script([page(&[FIRST], r#""next""#)]).await;
    let ran = run(pillarbox_on(&bus, &["events", "ls", "--json"]), b"").await;
    assert_eq!(ran.json()["next_cursor"], "next");
    assert!(ran.stdout.contains(FIRST), "{}", ran.stdout);
}

#[tokio::test]
async fn one_event_is_shown_as_its_cloud_event() {
    let bus = Bus::with_script([answer(200, FIRST), answer(200, FIRST)]).await;
    let id = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
    let text = run(pillarbox_on(&bus, &["events", "get", id]), b"").await;
    assert_eq!(text.json()["id"], json!("1001"));
    let lines: Vec<&str> = text.stdout.lines().collect();
    assert_eq!(
        (lines.len(), lines[5]),
        (8, r#"  "data": {"total":12.50},"#)
    );
    let json = run(pillarbox_on(&bus, &["events", "get", id, "--json"]), b"").await;
    assert_eq!(json.stdout, format!("{FIRST}\n"));
    assert_eq!(
        bus.requests()[0].path,
        format!("/base/$default/v1/events/{id}")
    );
}

#[tokio::test]
async fn a_refused_query_names_the_parameter() {
    let refusal = r#"{"title":"The request breaks rules","detail":"limit must be 1 to 100","errors":[{"field":"limit","detail":"must be 1 to 100"}]}"#;
    let bus = Bus::with_script([problem(400, refusal)]).await;
    let ran = run(pillarbox_on(&bus, &["events", "ls", "--limit", "0"]), b"").await;
    assert_eq!((ran.code, &*ran.stdout), (1, ""));
    assert!(
        ran.stderr.contains("- limit: must be 1 to 100"),
        "{}",
        ran.stderr
    );
}
