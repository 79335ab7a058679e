//! `pillarbox publish`, the binary itself, against a real HTTP server that answers as each test says.

mod support;

use serde_json::json;
use support::*;
use tokio::io::AsyncWriteExt;

const ONE_LINE: &[u8] = b"{\"id\":\"1\"}\n";

fn lines(count: usize) -> Vec<u8> {
    (1..=count)
        .flat_map(|n| format!("{{\"id\":\"{n}\"}}\n").into_bytes())
        .collect()
}

#[tokio::test]
async fn new_and_known_events_are_counted_apart() {
    let bus = Bus::with_script([accepted(), duplicate(), accepted()]).await;
    let ran = run(
        pillarbox_on(&bus, &["publish", "--concurrency", "1", "--json"]),
        &lines(3),
    )
    .await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let summary = ran.json();
    assert_eq!(summary["accepted"], 2);
    assert_eq!(summary["duplicates"], 1);
    assert_eq!(summary["rejected"], 0);
    assert_eq!(summary["problems"], json!([]));
    assert!(summary["latency_ms"]["p50"].is_f64());
    assert_eq!(ran.stderr, "");
}

#[tokio::test]
async fn request_is_what_the_api_documents_and_the_body_is_untouched() {
    let bus = Bus::with_script([accepted()]).await;
    let line = "  { \"id\" : \"1\",\"data\":1.10, \"é\":\"\\u00e9\" } ";
    let ran = run(
        pillarbox_on(&bus, &["publish", "-"]),
        format!("\n{line}\r\n").as_bytes(),
    )
    .await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let request = &bus.requests()[0];
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/base/$default/v1/events")
    );
    assert_eq!(
        request.header("content-type"),
        Some("application/cloudevents+json")
    );
    assert_eq!(
        request.header("authorization"),
        Some(format!("Bearer {KEY}").as_str())
    );
    assert_eq!(request.body, line.as_bytes());
}

#[tokio::test]
async fn file_is_read_and_a_table_printed() {
    let bus = Bus::answering(|_, _| accepted()).await;
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/two_events.jsonl"
    );
    let ran = run(pillarbox_on(&bus, &["publish", file]), b"").await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(bus.requests().len(), 2);
    let first: Vec<_> = ran
        .stdout
        .lines()
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(first, ["accepted", "2"]);
}

#[tokio::test]
async fn busy_bus_is_asked_again() {
    let bus = Bus::with_script([busy(), accepted()]).await;
    let ran = run(pillarbox_on(&bus, &["publish", "--json"]), ONE_LINE).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["accepted"], 1);
    assert_eq!(ran.json()["retries"], 1);
    let bodies: Vec<_> = bus
        .requests()
        .into_iter()
        .map(|request| request.body)
        .collect();
    assert_eq!(bodies, [b"{\"id\":\"1\"}", b"{\"id\":\"1\"}"]);
}

#[tokio::test]
async fn lost_answer_is_asked_for_again() {
    let bus = Bus::with_script([Reply::HangUp, accepted()]).await;
    let ran = run(pillarbox_on(&bus, &["publish", "--json"]), ONE_LINE).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["accepted"], 1);
    assert_eq!(ran.json()["retries"], 1);
}

#[tokio::test]
async fn attempts_are_bounded_and_the_next_line_has_its_own() {
    let bus = Bus::with_script([busy(), Reply::HangUp, accepted()]).await;
    let arguments = [
        "publish",
        "--max-attempts",
        "2",
        "--concurrency",
        "1",
        "--json",
    ];
    let ran = run(pillarbox_on(&bus, &arguments), &lines(2)).await;
    assert_eq!(ran.code, 1);
    let summary = ran.json();
    assert_eq!(
        (&summary["gave_up"], &summary["accepted"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(summary["problems"][0]["line"], 1);
    assert_eq!(summary["problems"][0]["status"], json!(null));
    assert!(
        ran.stderr
            .contains("line 1: no answer from http://127.0.0.1"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("1 of 2 events are not stored"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn refused_line_is_reported_and_the_others_are_stored() {
    let refusal = problem(
        400,
        r#"{"title":"Invalid event","status":400,"detail":"1 attribute is wrong","errors":[{"field":"source","detail":"is missing"}]}"#,
    );
    let bus = Bus::answering(move |_, request| match request.json()["id"].as_str() {
        Some("2") => refusal.clone(),
        _ => accepted(),
    })
    .await;
    let input = [lines(3).as_slice(), b"{not json\n[]\n", &lines(1)].concat();
    let ran = run(
        pillarbox_on(&bus, &["publish", "--concurrency", "1", "--json"]),
        &input,
    )
    .await;
    assert_eq!(ran.code, 1);
    let summary = ran.json();
    assert_eq!(
        (&summary["accepted"], &summary["rejected"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(
        summary["problems"][0],
        json!({"line": 2, "status": 400, "detail": "Invalid event: 1 attribute is wrong (source: is missing)"})
    );
    assert_eq!(
        bus.requests().len(),
        4,
        "what is not a JSON object is not sent"
    );
    for expected in [
        "line 2: 400 Invalid event",
        "line 4: is not JSON",
        "line 5: is JSON, but not an object",
    ] {
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
}

#[tokio::test]
async fn conflict_names_the_first_event() {
    let conflict = problem(
        409,
        r#"{"title":"Conflict","detail":"other content","event_id":"0198"}"#,
    );
    let bus = Bus::with_script([conflict]).await;
    let ran = run(pillarbox_on(&bus, &["publish"]), ONE_LINE).await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr
            .contains("line 1: 409 Conflict: other content [event_id 0198]"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn problems_on_standard_error_are_bounded() {
    let bus = Bus::answering(|_, _| problem(413, r#"{"title":"Too large"}"#)).await;
    let ran = run(pillarbox_on(&bus, &["publish", "--json"]), &lines(30)).await;
    assert_eq!(ran.code, 1);
    assert_eq!(ran.stderr.matches("413 Too large").count(), 20);
    assert!(ran.stderr.contains("… and 10 more lines"), "{}", ran.stderr);
    assert_eq!(ran.json()["problems"].as_array().map(Vec::len), Some(20));
    assert_eq!(ran.json()["rejected"], 30);
}

/// A second line may come at any time, so a read of standard input is under way when the run ends.
#[tokio::test]
async fn unknown_key_stops_at_once_though_more_input_may_come() {
    let refusal = problem(
        401,
        &format!(r#"{{"title":"Unauthorized","detail":"unknown key {KEY}"}}"#),
    );
    let bus = Bus::with_script([refusal]).await;
    let mut child = pillarbox_on(&bus, &["publish", "--json"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(ONE_LINE).await.unwrap();
    let ran = finish(child).await;
    drop(stdin);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.json()["rejected"], 1);
    assert!(ran.stderr.contains("stopped at line 1"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("check PILLARBOX_API_KEY"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn key_without_the_scope_stops_at_once() {
    let bus = Bus::answering(|_, _| answer(403, r#"{"message":"Forbidden"}"#)).await;
    let ran = run(
        pillarbox_on(&bus, &["publish", "--concurrency", "1"]),
        &lines(3),
    )
    .await;
    assert_eq!(ran.code, 1);
    assert_eq!(bus.requests().len(), 1);
    assert!(ran.stderr.contains("lacks the scope"), "{}", ran.stderr);
}

#[tokio::test]
async fn bus_out_of_reach_stops_the_run_after_the_last_attempt() {
    let mut command = pillarbox(&["publish", "--max-attempts", "2", "--concurrency", "1"]);
    command
        .env("PILLARBOX_URL", closed_port())
        .env("PILLARBOX_API_KEY", KEY);
    let ran = run(command, &lines(3)).await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("stopped at line 1: no answer from"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("refused"), "{}", ran.stderr);
}

#[tokio::test]
async fn success_that_says_nothing_is_no_receipt() {
    let bus = Bus::answering(|_, _| answer(200, "<html>welcome</html>")).await;
    let ran = run(pillarbox_on(&bus, &["publish", "--json"]), ONE_LINE).await;
    assert_eq!(ran.code, 1);
    assert_eq!(ran.json()["accepted"], 0);
    assert!(ran.stderr.contains("check PILLARBOX_URL"), "{}", ran.stderr);
}

#[tokio::test]
async fn as_many_requests_as_asked_for_are_on_their_way_together() {
    let bus = Bus::holding_back(5, |_, _| accepted()).await;
    let ran = run(
        pillarbox_on(&bus, &["publish", "--concurrency", "5", "--json"]),
        &lines(10),
    )
    .await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["accepted"], 10);
}

#[tokio::test]
async fn standard_input_is_published_line_by_line_as_it_comes() {
    let mut bus = Bus::answering(|_, _| accepted()).await;
    let mut child = pillarbox_on(&bus, &["publish", "--json"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for _ in 0..3 {
        stdin.write_all(ONE_LINE).await.unwrap();
        bus.arrival().await;
    }
    drop(stdin);
    let ran = finish(child).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["accepted"], 3);
}

#[tokio::test]
async fn empty_input_is_a_success_that_published_nothing() {
    let bus = Bus::with_script([]).await;
    let ran = run(pillarbox_on(&bus, &["publish", "--json"]), b"\n\n").await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["accepted"], 0);
    assert_eq!(ran.json()["latency_ms"], json!(null));
}

#[tokio::test]
async fn missing_file_is_a_usage_error_and_a_directory_a_read_error() {
    let bus = Bus::with_script([]).await;
    let ran = run(
        pillarbox_on(&bus, &["publish", "/nonexistent/events.jsonl"]),
        b"",
    )
    .await;
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("/nonexistent/events.jsonl"),
        "{}",
        ran.stderr
    );
    let ran = run(
        pillarbox_on(&bus, &["publish", env!("CARGO_MANIFEST_DIR")]),
        b"",
    )
    .await;
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("cannot read on from"), "{}", ran.stderr);
}
