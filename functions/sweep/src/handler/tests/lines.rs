//! What is said of a run, of a message and of each event that was found.

use std::time::Duration;

use pillarbox_domain::Clock;
use pillarbox_domain::receipt::Bucket;
use pillarbox_testkit::{MemoryBus, logged};
use serde_json::{Value, json};

use super::{InvocationError, batch, bus, handle};

/// What is said of one call.
async fn lines(bus: &MemoryBus, input: Value) -> Vec<Value> {
    let (answer, lines) = said(bus, input).await;
    answer.unwrap();
    lines
}

async fn said(bus: &MemoryBus, input: Value) -> (Result<Value, InvocationError>, Vec<Value>) {
    logged::lines();
    let answer = handle(bus, input).await;
    (answer, logged::lines())
}

fn messages(lines: &[Value]) -> Vec<&str> {
    let messages = lines.iter().map(|line| line["message"].as_str());
    messages.map(Option::unwrap).collect()
}

/// These fields of a line.
fn fields<const N: usize>(line: &Value, names: [&str; N]) -> Value {
    json!(names.map(|name| line[name].clone()).to_vec())
}

#[tokio::test]
async fn an_event_that_was_found_has_a_line_and_the_run_one_with_its_counts() {
    let bus = bus().await;
    let event = bus.logged("demo", "1", "order.created").await;
    bus.clock.advance(Duration::from_secs(2 * 3_600));
    let lines = lines(&bus, json!({})).await;
    assert_eq!(messages(&lines), ["event.swept", "log.swept"]);
    let names = ["tenant.id", "event.id", "trace.id", "outcome", "matched"];
    let (id, trace) = (event.event_id.to_string(), event.trace_id().to_string());
    let expected = json!(["demo", id, trace, "handed_over", 1]);
    assert_eq!(fields(&lines[0], names), expected);
    let run = [
        "end",
        "swept_before",
        "lag_seconds",
        "missing",
        "dispatched",
    ];
    let run = fields(&lines[1], run);
    assert_eq!(run, json!(["closed", "2026-11-23T13:50:00Z", 600, 1, 1]));
}

#[tokio::test]
async fn what_is_in_the_way_is_named_each_time() {
    let bus = bus().await;
    let event = bus.logged("demo", "1", "t").await;
    bus.receipts.set_malformed(Bucket::of(event.event_id), true);
    bus.clock.advance(Duration::from_secs(2 * 3_600));
    for _ in 0..2 {
        let lines = lines(&bus, json!({})).await;
        assert_eq!(messages(&lines), ["sweep.blocked", "log.swept"]);
        assert_eq!(lines[0]["from"], "2026-11-23T12:00:00Z");
        assert_eq!(fields(&lines[1], ["blocked", "open"]), json!([1, 1]));
        bus.clock.advance(Duration::from_secs(300));
    }
}

#[tokio::test]
async fn what_was_asked_for_is_told_when_it_is_and_when_it_is_handed_over() {
    let bus = bus().await;
    bus.logged("demo", "1", "t").await;
    bus.clock.advance(Duration::from_secs(2 * 3_600));
    let asked = lines(&bus, json!({ "at_once": 0 })).await;
    assert_eq!(messages(&asked), ["event.swept", "log.swept"]);
    assert_eq!(asked[0]["outcome"], "asked");

    let bodies = bus.asked.take();
    bus.receipts.set_failing(true);
    let failed = lines(&bus, batch(&bodies)).await;
    assert_eq!(messages(&failed), ["event.swept", "found.taken"]);
    for line in &failed {
        assert_eq!(line["outcome"], "failed");
    }
    bus.receipts.set_failing(false);
    let taken = lines(&bus, batch(&bodies)).await;
    let counts = ["outcome", "dispatched", "receipted"];
    assert_eq!(fields(&taken[1], counts), json!(["handed_over", 1, 0]));
    let again = lines(&bus, batch(&bodies)).await;
    assert_eq!(messages(&again), ["found.taken"]);
    assert_eq!(fields(&again[0], counts), json!(["handed_over", 0, 1]));
    let age = bus.clock.now() - bus.sweeps.saved().unwrap().swept_before();
    assert!(
        age.whole_seconds() >= 7_200,
        "its slice is open still: {age}"
    );
}

#[tokio::test]
async fn a_pass_that_a_fault_ends_early_fails_and_still_tells_how_far_sealing_is() {
    let bus = bus().await;
    bus.clock.advance(Duration::from_secs(30 * 3_600));
    bus.registry.set_failing(true);
    let (answer, lines) = said(&bus, json!({ "task": "seal" })).await;
    assert!(
        matches!(answer, Err(InvocationError::Seal(_))),
        "{answer:?}"
    );
    assert_eq!(messages(&lines), ["hours.sealed"]);
    assert!(lines[0]["lag_hours"].as_f64().unwrap() > 24.0, "{lines:?}");
    assert!(lines[0]["error"].is_string(), "{lines:?}");
}
