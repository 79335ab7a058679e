//! `pillarbox publish`, the binary itself, against a real HTTP server that answers as each test says.

mod support;

use serde_json::{Value, json};
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

const BATCHED: &str = "application/cloudevents-batch+json";

/// The answer to a batch: each event as its entry says.
fn results(status: u16, results: &[Value]) -> Reply {
    answer(status, &json!({ "results": results }).to_string())
}

fn stored(duplicate: bool) -> Value {
    let status = if duplicate { 200 } else { 201 };
    json!({ "status": status, "event_id": "01980000-0000-7000-8000-000000000001", "duplicate": duplicate })
}

fn refused(status: u16, title: &str) -> Value {
    let problem = json!({ "type": "urn:x", "title": title, "status": status, "detail": "why" });
    json!({ "status": status, "problem": problem })
}

fn bodies(bus: &Bus) -> Vec<Value> {
    bus.requests().iter().map(Request::json).collect()
}

#[tokio::test]
async fn batches_are_filled_and_hold_the_lines_as_they_are() {
    let bus = Bus::answering(|_, request| {
        let count = request.json().as_array().unwrap().len();
        results(201, &vec![stored(false); count])
    })
    .await;
    let arguments = ["publish", "--batch=2", "--concurrency", "1", "--json"];
    let input = b"{\"id\":\"1\", \"data\":1.10}\r\n\n{\"id\":\"2\"}\n{\"id\":\"3\"}";
    let ran = run(pillarbox_on(&bus, &arguments), input).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["accepted"], 3);
    let requests = bus.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].path, "/base/$default/v1/events");
    assert_eq!(requests[0].header("content-type"), Some(BATCHED));
    assert_eq!(
        requests[0].body,
        b"[{\"id\":\"1\", \"data\":1.10},{\"id\":\"2\"}]"
    );
    assert_eq!(requests[1].body, b"[{\"id\":\"3\"}]");
}

#[tokio::test]
async fn a_batch_has_100_lines_unless_told_otherwise_and_a_file_may_follow() {
    let bus = Bus::answering(|_, request| {
        let count = request.json().as_array().unwrap().len();
        results(201, &vec![stored(false); count])
    })
    .await;
    let ran = run(
        pillarbox_on(&bus, &["publish", "--batch", "--concurrency", "1", "-"]),
        &lines(101),
    )
    .await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let counts: Vec<_> = bodies(&bus)
        .iter()
        .map(|body| body.as_array().unwrap().len())
        .collect();
    assert_eq!(counts, [100, 1]);
}

#[tokio::test]
async fn what_may_pass_is_sent_again_and_what_is_refused_is_named_by_its_line() {
    let bus = Bus::with_script([
        results(
            207,
            &[
                stored(false),
                refused(400, "Wrong"),
                refused(503, "Busy"),
                refused(424, "Not yet"),
                stored(true),
            ],
        ),
        results(207, &[stored(false), refused(429, "Slow down")]),
        results(201, &[stored(false)]),
    ])
    .await;
    let ran = run(
        pillarbox_on(&bus, &["publish", "--batch", "--json"]),
        &[&b"\n"[..], &lines(5)].concat(),
    )
    .await;
    assert_eq!(ran.code, 1);
    let summary = ran.json();
    assert_eq!(
        (
            &summary["accepted"],
            &summary["duplicates"],
            &summary["rejected"],
            &summary["retries"]
        ),
        (&json!(3), &json!(1), &json!(1), &json!(3))
    );
    assert_eq!(
        summary["problems"],
        json!([{"line": 3, "status": 400, "detail": "Wrong: why"}])
    );
    let ids = |body: &Value| -> Vec<String> {
        let events = body.as_array().unwrap().iter();
        events
            .map(|event| event["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let sent: Vec<_> = bodies(&bus).iter().map(ids).collect();
    assert_eq!(sent[1..], [vec!["3", "4"], vec!["4"]]);
    assert!(ran.stderr.contains("line 3: 400 Wrong"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("1 of 5 events are not stored"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn a_batch_that_is_never_taken_is_given_up_line_by_line() {
    let bus = Bus::answering(|_, _| busy()).await;
    let arguments = ["publish", "--batch", "--max-attempts", "2", "--json"];
    let ran = run(pillarbox_on(&bus, &arguments), &lines(2)).await;
    assert_eq!(ran.code, 1);
    assert_eq!(ran.json()["gave_up"], 2);
    assert_eq!(ran.json()["problems"][1]["line"], 2);
    assert_eq!(bus.requests().len(), 2);
}

#[tokio::test]
async fn a_line_that_is_no_object_does_not_keep_its_batch_from_being_sent() {
    let bus = Bus::with_script([results(201, &[stored(false)])]).await;
    let ran = run(
        pillarbox_on(&bus, &["publish", "--batch", "--json"]),
        b"{not json\n{\"id\":\"1\"}\n",
    )
    .await;
    assert_eq!(ran.code, 1);
    assert_eq!(ran.json()["accepted"], 1);
    assert_eq!(ran.json()["problems"][0]["line"], 1);
}

#[tokio::test]
async fn results_that_are_not_one_for_each_event_are_no_receipt() {
    let bus = Bus::answering(|_, _| results(201, &[stored(false)])).await;
    let ran = run(
        pillarbox_on(&bus, &["publish", "--batch", "--json"]),
        &lines(2),
    )
    .await;
    assert_eq!(ran.code, 1);
    assert_eq!(ran.json()["accepted"], 0);
    assert!(
        ran.stderr.contains("1 results for 2 events"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn all_lines_are_one_atomic_batch() {
    let bus = Bus::with_script([results(201, &[stored(false), stored(true)])]).await;
    let ran = run(
        pillarbox_on(&bus, &["publish", "--atomic", "--json"]),
        &lines(2),
    )
    .await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(
        (&ran.json()["accepted"], &ran.json()["duplicates"]),
        (&json!(1), &json!(1))
    );
    let request = &bus.requests()[0];
    assert_eq!(request.path, "/base/$default/v1/events?atomic=true");
    assert_eq!(request.header("content-type"), Some(BATCHED));
}

#[tokio::test]
async fn an_atomic_batch_names_the_lines_that_are_in_the_way_first() {
    let refusal = json!({
        "title": "Something else is there", "status": 409, "detail": "batch[1] has the source and id of …",
        "errors": [{"field": "batch[1]", "detail": "has the source and id of another"}],
    });
    let bus = Bus::with_script([problem(409, &refusal.to_string())]).await;
    let ran = run(
        pillarbox_on(&bus, &["publish", "--atomic", "--json"]),
        &lines(3),
    )
    .await;
    assert_eq!(ran.code, 1);
    assert_eq!(ran.json()["rejected"], 3);
    let shared = "is not stored, since another line is in the way: all or none";
    assert_eq!(
        ran.json()["problems"],
        json!([
            {"line": 2, "status": 409, "detail": "Something else is there: has the source and id of another"},
            {"line": 1, "status": null, "detail": shared},
            {"line": 3, "status": null, "detail": shared},
        ])
    );
}

#[tokio::test]
async fn an_atomic_batch_is_sent_again_while_the_bus_is_busy() {
    let bus = Bus::with_script([busy(), results(201, &[stored(false)])]).await;
    let ran = run(
        pillarbox_on(&bus, &["publish", "--atomic", "--json"]),
        ONE_LINE,
    )
    .await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["retries"], 1);
}

#[tokio::test]
async fn nothing_of_an_atomic_batch_is_sent_when_a_line_cannot_be_or_there_are_too_many() {
    let bus = Bus::with_script([]).await;
    let ran = run(
        pillarbox_on(&bus, &["publish", "--atomic", "--json"]),
        b"{\"id\":\"1\"}\n{not json\n",
    )
    .await;
    assert_eq!((ran.code, &ran.json()["rejected"]), (1, &json!(2)));
    assert_eq!(ran.json()["problems"][0]["line"], 2);

    let ran = run(
        pillarbox_on(&bus, &["publish", "--atomic", "--json"]),
        &lines(250),
    )
    .await;
    assert_eq!((ran.code, &ran.json()["accepted"]), (1, &json!(0)));
    assert!(
        ran.stderr
            .contains("100 lines are the most that are stored as a whole"),
        "{}",
        ran.stderr
    );
    assert_eq!(bus.requests().len(), 0);
}

#[tokio::test]
async fn events_can_be_logged_without_being_handed_over() {
    let bus = Bus::with_script([accepted(), results(201, &[stored(false)])]).await;
    for arguments in [
        &["publish", "--no-dispatch"][..],
        &["publish", "--no-dispatch", "--atomic"],
    ] {
        let ran = run(pillarbox_on(&bus, arguments), ONE_LINE).await;
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    let paths: Vec<_> = bus
        .requests()
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert_eq!(
        paths,
        [
            "/base/$default/v1/events?outbox=none",
            "/base/$default/v1/events?atomic=true&outbox=none",
        ]
    );
}

#[tokio::test]
async fn forms_that_do_not_go_together_are_usage_errors() {
    let bus = Bus::with_script([]).await;
    for arguments in [
        &["--batch=0"][..],
        &["--batch=1001"],
        &["--batch", "--atomic"],
        &["--atomic", "--concurrency", "2"],
    ] {
        let ran = run(
            pillarbox_on(&bus, &[&["publish"], arguments].concat()),
            ONE_LINE,
        )
        .await;
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
    }
}
