//! Calls and messages as Lambda hands them over, on a bus in memory.

mod lines;

use std::time::Duration;

use pillarbox_domain::dispatch_switch::SwitchState;
use pillarbox_domain::registry::Registry;
use pillarbox_testkit::builders::{subscription, tenant};
use pillarbox_testkit::metrics::told;
use pillarbox_testkit::{MemoryBus, MemoryMetrics};
use serde_json::{Value, json};

use super::*;

/// A bus with a tenant whose events all go to one queue.
async fn bus() -> MemoryBus {
    let demo = tenant("demo");
    let bus = MemoryBus::with([subscription(&demo, "all", &["*"])]);
    bus.registry.add_tenant(&demo, None).await.unwrap();
    bus
}

async fn handle(bus: &MemoryBus, input: Value) -> Result<Value, InvocationError> {
    measured(bus, input, &MemoryMetrics::of("sweep")).await
}

async fn measured(
    bus: &MemoryBus,
    input: Value,
    metrics: &MemoryMetrics,
) -> Result<Value, InvocationError> {
    let upcasts = bus.upcasts();
    let handler = Handler {
        sweep: bus.sweeper(&upcasts),
        archive: &bus.archive,
        seals: &bus.seals,
        rules: Rules::default(),
        metrics: metrics.metrics.clone(),
    };
    let input = serde_json::from_str(&input.to_string()).unwrap();
    let answer = handler.handle(input).await?;
    Ok(serde_json::to_value(answer).unwrap())
}

fn batch(bodies: &[String]) -> Value {
    let records: Vec<Value> = bodies
        .iter()
        .enumerate()
        .map(|(n, body)| {
            json!({ "messageId": format!("m{n}"), "body": body, "attributes": {}, "messageAttributes": {} })
        })
        .collect();
    json!({ "Records": records })
}

fn failed(ids: &[&str]) -> Value {
    let failures = ids.iter().map(|id| json!({ "itemIdentifier": id }));
    json!({ "batchItemFailures": failures.collect::<Vec<_>>() })
}

#[tokio::test]
async fn a_run_answers_with_what_it_came_to() {
    let bus = bus().await;
    bus.logged("demo", "1", "t").await;
    bus.clock.advance(Duration::from_secs(2 * 3_600));
    let answer = handle(&bus, json!({ "task": "sweep" })).await.unwrap();
    let expected = json!({
        "end": "closed", "swept_before": "2026-11-23T13:50:00Z", "open": 0, "slices": 25,
        "logged": 1, "receipted": 0, "missing": 1, "dispatched": 1, "asked": 0, "waiting": 0,
        "unreadable": 0, "failed": 0, "blocked": 0,
    });
    assert_eq!(answer, expected);
    assert_eq!(bus.queues.bodies("all").len(), 1);
}

#[tokio::test]
async fn a_run_by_rules_of_its_own_need_not_wait() {
    let bus = bus().await;
    bus.logged("demo", "1", "t").await;
    bus.clock.advance(Duration::from_secs(10));
    let waiting = handle(&bus, json!({ "settle_seconds": 0 })).await.unwrap();
    assert_eq!(
        (&waiting["end"], &waiting["waiting"]),
        (&json!("waiting"), &json!(1))
    );
    let forced = json!({ "settle_seconds": 0, "stalled_seconds": 0, "silent_seconds": 0 });
    let answer = handle(&bus, forced).await.unwrap();
    assert_eq!(
        (&answer["end"], &answer["dispatched"]),
        (&json!("closed"), &json!(1))
    );
}

#[tokio::test]
async fn while_dispatch_is_off_nothing_is_done_and_that_is_said() {
    let bus = bus().await;
    bus.logged("demo", "1", "t").await;
    bus.clock.advance(Duration::from_secs(30 * 3_600));
    bus.switch.set(SwitchState::Disabled);
    let answer = handle(&bus, json!({})).await.unwrap();
    assert_eq!(
        (&answer["end"], &answer["slices"]),
        (&json!("off"), &json!(0))
    );
    assert!(bus.queues.bodies("all").is_empty());
}

#[tokio::test]
async fn messages_are_handled_each_by_itself() {
    let bus = bus().await;
    for id in ["1", "2"] {
        bus.logged("demo", id, "t").await;
    }
    bus.clock.advance(Duration::from_secs(2 * 3_600));
    let answer = handle(&bus, json!({ "at_once": 0 })).await.unwrap();
    assert_eq!((&answer["asked"], &answer["open"]), (&json!(2), &json!(1)));
    let mut bodies = bus.asked.take();
    bodies.insert(0, "nonsense".to_owned());
    bodies.push(bodies[1].clone());
    // What is none of the sweep's comes again, and ends in the dead letter queue by the queue's own policy. One that
    // comes twice is done with.
    assert_eq!(handle(&bus, batch(&bodies)).await.unwrap(), failed(&["m0"]));
    assert_eq!(bus.queues.bodies("all").len(), 2);
}

#[tokio::test]
async fn a_message_with_an_event_that_fails_comes_again_and_hands_over_no_other_twice() {
    let bus = bus().await;
    for id in ["1", "2"] {
        bus.logged("demo", id, "t").await;
    }
    bus.clock.advance(Duration::from_secs(2 * 3_600));
    handle(&bus, json!({ "at_once": 0 })).await.unwrap();
    let bodies = bus.asked.take();
    bus.queues.refuse("all", r#""id":"2""#);
    bus.rows.set_failing(true);
    assert_eq!(handle(&bus, batch(&bodies)).await.unwrap(), failed(&["m0"]));
    bus.queues.recover();
    bus.rows.set_failing(false);
    assert_eq!(handle(&bus, batch(&bodies)).await.unwrap(), failed(&[]));
    assert_eq!(bus.queues.bodies("all").len(), 2);
}

#[tokio::test]
async fn messages_that_come_while_dispatch_is_off_are_let_go() {
    let bus = bus().await;
    bus.logged("demo", "1", "t").await;
    bus.clock.advance(Duration::from_secs(2 * 3_600));
    handle(&bus, json!({ "at_once": 0 })).await.unwrap();
    let bodies = bus.asked.take();
    bus.switch.set(SwitchState::Disabled);
    assert_eq!(handle(&bus, batch(&bodies)).await.unwrap(), failed(&[]));
    assert!(bus.queues.bodies("all").is_empty());
    // Its slice is open still.
    bus.switch.set(SwitchState::Enabled);
    bus.clock.advance(Duration::from_secs(15 * 60));
    let answer = handle(&bus, json!({})).await.unwrap();
    assert_eq!(
        (&answer["dispatched"], &answer["open"]),
        (&json!(1), &json!(0))
    );
}

#[tokio::test]
async fn a_run_that_cannot_be_finished_is_an_error() {
    let bus = bus().await;
    bus.logged("demo", "1", "t").await;
    bus.clock.advance(Duration::from_secs(2 * 3_600));
    bus.sweeps.set_failing(true);
    let error = handle(&bus, json!({})).await.unwrap_err();
    assert!(matches!(error, InvocationError::Sweep(_)), "{error:?}");
}

#[tokio::test]
async fn a_batch_that_lambda_malformed_fails_as_a_whole() {
    let input = json!({ "Records": [{ "body": "{}" }] });
    let error = handle(&bus().await, input).await.unwrap_err();
    assert!(
        matches!(error, InvocationError::NotAMessage(_)),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_closed_hour_is_sealed_once_all_of_it_is_handed_over() {
    let bus = bus().await;
    bus.logged("demo", "1", "t").await;
    bus.clock.advance(Duration::from_secs(26 * 3_600 + 600));
    let seal = json!({ "task": "seal" });
    let answer = handle(&bus, seal.clone()).await.unwrap();
    let expected = json!({
        "sealed": 0, "resealed": 0, "events": 0, "bytes": 0, "dispatched": 1, "unreadable": 0, "waiting": 1,
        "lag_hours": 25.17, "is_held": false,
        "left": [{ "hour": "2026-11-23T12:00:00Z", "why": answer["left"][0]["why"] }],
    });
    assert_eq!(answer, expected);
    let why = answer["left"][0]["why"].as_str().unwrap();
    assert!(why.starts_with("1 events were in no receipt"), "{why}");

    for body in bus.asked.take() {
        assert_eq!(handle(&bus, batch(&[body])).await.unwrap(), failed(&[]));
    }
    let answer = handle(&bus, seal).await.unwrap();
    assert_eq!(
        (&answer["sealed"], &answer["events"], &answer["lag_hours"]),
        (&json!(1), &json!(1), &json!(24.17))
    );
    assert_eq!(answer["left"], json!([]));
    let keys = bus.archive.keys();
    assert_eq!(keys.len(), 4, "{keys:?}");
}

#[tokio::test]
async fn a_pass_whose_seals_cannot_be_read_fails() {
    let bus = bus().await;
    bus.seals.set_failing(true);
    let error = handle(&bus, json!({ "task": "seal" })).await.unwrap_err();
    assert!(matches!(error, InvocationError::Seal(_)), "{error:?}");
}

#[tokio::test]
async fn what_dispatch_never_saw_is_counted_when_it_is_found_and_when_it_is_handed_over() {
    let bus = bus().await;
    bus.logged("demo", "1", "order.created").await;
    bus.clock.advance(Duration::from_secs(2 * 3_600));
    let metrics = MemoryMetrics::of("sweep");
    measured(&bus, json!({ "at_once": 0 }), &metrics)
        .await
        .unwrap();
    let expected = told([("ColdStart", "sweep", &[1.0]), ("SweepFound", "", &[1.0])]);
    assert_eq!(metrics.values(), expected);

    let bodies = bus.asked.take();
    measured(&bus, batch(&bodies), &metrics).await.unwrap();
    let expected = told([
        ("BatchSize", "sweep", &[1.0]),
        ("EventsDispatched", "order", &[1.0]),
        ("DeliveriesSent", "order", &[1.0]),
        ("DispatchLatency", "order", &[7_200_000.0]),
    ]);
    assert_eq!(metrics.values(), expected);
    measured(&bus, json!({}), &metrics).await.unwrap();
    assert!(metrics.lines().is_empty(), "nothing is told of nothing");
}

#[tokio::test]
async fn each_pass_over_closed_hours_tells_in_seconds_how_far_it_is_behind() {
    let bus = bus().await;
    bus.clock.advance(Duration::from_secs(26 * 3_600 + 600));
    let metrics = MemoryMetrics::of("sweep");
    let seal = json!({ "task": "seal" });
    let answer = measured(&bus, seal, &metrics).await.unwrap();
    let values = metrics.values();
    let [lag_seconds] = values[&("SealLag".to_owned(), String::new())][..] else {
        panic!("not one lag");
    };
    let lag_hours = answer["lag_hours"].as_f64().unwrap();
    assert!((lag_seconds / 3_600.0 - lag_hours).abs() < 0.01, "{answer}");
}
