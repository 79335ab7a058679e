//! One trace id, from a publish to what a subscriber made of it, in everybody's log.

use pillarbox_domain::{Clock, TraceId};
use pillarbox_runtime::clock::SystemClock;
use pillarbox_tests::eventually;
use pillarbox_tests::functions::Function;
use pillarbox_tests::stack::{Queue, Stack, Tenant};
use pillarbox_tests::subscriber_process::{SubscriberProcess, Subscribing};
use reqwest::Method;
use serde_json::{Value, json};

use crate::event;

const INGEST: Function = Function("ingest");
const DISPATCH: Function = Function("dispatch");
const DEAD_LETTER: Function = Function("dead_letter");
const OPS: Function = Function("ops");

/// A trace that no other test is part of, and where in it a producer is.
fn new_trace() -> (TraceId, String) {
    let trace_id = TraceId::from(SystemClock::default().next_id());
    (trace_id, format!("00-{trace_id}-b7ad6b7169203331-01"))
}

fn start(stack: &Stack, queue: &Queue, behaviour: &[&str]) -> SubscriberProcess {
    let subscribing = Subscribing {
        stack,
        queue,
        program: env!("CARGO_BIN_EXE_subscriber"),
        hold_seconds: 10,
    };
    subscribing.start(behaviour)
}

/// Calls a function once more: the local engine has a line that came late in the log of the next call.
async fn call_again(tenant: &Tenant, stack: &Stack, function: Function) {
    match function.0 {
        "ingest" => assert_eq!(tenant.publish("no event").await.status, 400),
        "ops" => drop(tenant.call(Method::GET, "/v1/health", &Value::Null).await),
        _ => drop(stack.invoke(function, &json!({ "Records": [] })).await),
    }
}

/// The line of this function that tells this of a trace, as soon as it is in its log.
async fn line(
    tenant: &Tenant,
    stack: &Stack,
    function: Function,
    message: &str,
    trace_id: TraceId,
) -> Value {
    let what = format!("{message} of {trace_id} in the log of {}", function.0);
    eventually(&what, async || {
        let lines = stack.lines(function, trace_id).await;
        let found = lines.into_iter().find(|line| line["message"] == message);
        if found.is_none() {
            call_again(tenant, stack, function).await;
        }
        found
    })
    .await
}

/// How a subscriber's records of a trace ended.
async fn outcomes(subscriber: &mut SubscriberProcess, trace_id: TraceId) -> Vec<Value> {
    let lines = subscriber.until("a line of the trace", |process| {
        Some(process.lines(trace_id)).filter(|lines| !lines.is_empty())
    });
    let lines = lines.await;
    lines.iter().map(|line| line["outcome"].clone()).collect()
}

#[tokio::test]
async fn a_delivery_that_failed_was_redriven_and_succeeded_has_one_trace_in_every_log() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let queue = stack.guided_queue().await;
    tenant.subscribe_queue("orders", &["order.*"], &queue).await;
    let (trace_id, parent) = new_trace();

    let mut broken = start(
        &stack,
        &queue,
        &["permanent", "NoOrder", "an order of 0 is none"],
    );
    let answer = tenant.publish_traced(event("1"), &parent).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let event_id = answer.event_id();
    let letter = tenant.letters_of(event_id, 1).await.remove(0);
    assert_eq!(letter["event"]["traceparent"], parent);
    assert_eq!(outcomes(&mut broken, trace_id).await, ["dead_lettered"]);
    broken.kill();

    let mut mended = start(&stack, &queue, &["ok"]);
    assert_eq!(tenant.redrive(&letter).await.status, 200);
    assert_eq!(mended.makes_effects(1).await, [event_id]);
    assert_eq!(outcomes(&mut mended, trace_id).await, ["done"]);
    mended.kill();

    for (function, message, outcome) in [
        (INGEST, "publish.answered", "accepted"),
        (DISPATCH, "event.dispatched", "handed_over"),
        (DEAD_LETTER, "dead_letter.stored", "new"),
        (OPS, "dead_letter.redriven", "redriven"),
    ] {
        let line = line(&tenant, &stack, function, message, trace_id).await;
        let told = ["outcome", "tenant.id", "event.id", "event.type"].map(|name| &line[name]);
        let expected = [
            json!(outcome),
            json!(tenant.id.to_string()),
            json!(event_id),
            json!("order.created"),
        ];
        assert_eq!(told, expected.each_ref(), "{line}");
    }
}

#[tokio::test]
async fn an_event_from_nowhere_begins_a_trace_and_so_does_one_from_a_place_that_cannot_be_read() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let without = tenant.accepted(event("1")).await;
    let (_, parent) = new_trace();
    let malformed = tenant.publish_traced(event("2"), &parent[..54]).await;
    assert_eq!(malformed.status, 201, "{malformed:?}");
    for event_id in [without, malformed.event_id()] {
        let trace_id = TraceId::from(event_id);
        for (function, message) in [(INGEST, "publish.answered"), (DISPATCH, "event.dispatched")] {
            let line = line(&tenant, &stack, function, message, trace_id).await;
            assert_eq!(line["event.id"], event_id.to_string());
        }
    }
    let item = tenant.event_item("/shop", "2").await.unwrap();
    assert!(!item.contains_key("traceparent"), "{item:?}");
}
