//! What is logged, and what never is.

use pillarbox_testkit::logged::all_lines;
use serde_json::{Value, json};

use super::{Bus, Fault, bus, create, delete, key, request};

/// Everything that is logged on the way to an answer, however small it is.
async fn logged(bus: &Bus, event: Value) -> Vec<Value> {
    all_lines();
    let answered = bus.handle(event).await;
    drop(answered);
    let lines = all_lines();
    for secret in ["pbk_", "s3cr3t"] {
        let tells = |line: &Value| line.to_string().contains(secret);
        assert!(!lines.iter().any(tells), "{lines:?}");
    }
    let lines = lines.into_iter();
    lines.map(|mut line| line["fields"].take()).collect()
}

#[tokio::test]
async fn a_request_is_one_line_and_neither_key_nor_address_is_in_it() {
    let bus = bus().await;
    let lines = logged(&bus, create(json!({}))).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = &lines[0];
    let expected = [
        ("message", "registration.handled"),
        ("tenant.id", "demo"),
        ("subscription.id", "orders"),
        ("request.kind", "Create"),
        ("outcome", "done"),
    ];
    for (name, value) in expected {
        assert_eq!(line[name], value, "{line}");
    }
    assert!(line["duration_ms"].is_number(), "{line}");
}

#[tokio::test]
async fn a_failure_s_line_says_what_the_answer_keeps_to_itself() {
    let bus = bus().await;
    let wrong_key = json!({ "ApiKey": key("demo", 7).expose() });
    let lines = logged(&bus, create(wrong_key)).await;
    assert_eq!(lines[0]["error"], "ApiKey is not a key of this bus");
    bus.registry.set(Fault::Fails);
    let lines = logged(&bus, delete("demo/orders", &key("demo", 1))).await;
    assert_eq!(lines[0]["outcome"], "failed");
    let error = "the store failed at TransactWriteItems: as the test wants it";
    assert_eq!(lines[0]["error"], error);
    assert_eq!(lines[0]["subscription.id"], "orders");
}

#[tokio::test]
async fn an_answer_that_was_not_left_is_in_the_line() {
    let bus = bus().await;
    bus.answers.set_failing(true);
    let lines = logged(&bus, request("Read", None, json!({}))).await;
    assert_eq!(
        lines[0]["error"],
        "RequestType must be Create, Update or Delete"
    );
    let unanswered = lines[0]["unanswered"].as_str().unwrap();
    assert!(
        unanswered.contains("the answer could not be left"),
        "{unanswered}"
    );
}
