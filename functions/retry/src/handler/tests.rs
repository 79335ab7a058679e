//! Reminders as Lambda hands them over, on rows, queues and a log in memory.

use pillarbox_domain::dead_letter::Failure as Refused;
use pillarbox_domain::publish::EventLog;
use pillarbox_domain::schema::delivery::Upcasting;
use pillarbox_domain::trouble::{Attempt, GRACE, TroubleStatus, TroubledDelivery};
use pillarbox_domain::{EventId, LoggedEvent};
use pillarbox_testkit::builders::{event, logged, subscription, tenant};
use pillarbox_testkit::metrics::told;
use pillarbox_testkit::{
    ManualClock, MemoryDeadLetterQueue, MemoryEventLog, MemoryMetrics, MemoryQueues,
    MemoryRegistry, MemoryRetryQueue, MemoryTroubledDeliveries,
};
use serde_json::{Value, json};

use super::*;

type TestRetry = Retry<
    MemoryTroubledDeliveries,
    MemoryRetryQueue,
    MemoryEventLog<ManualClock>,
    MemoryRegistry,
    Upcasting<MemoryRegistry, ManualClock>,
    MemoryQueues,
    MemoryDeadLetterQueue,
    MemoryRegistry,
    ManualClock,
>;

fn retry() -> TestRetry {
    let clock = ManualClock::default();
    let connector = subscription(&tenant("demo"), "connector", &["*"]);
    Retry {
        rows: MemoryTroubledDeliveries::default(),
        reminders: MemoryRetryQueue::default(),
        log: MemoryEventLog::new(clock.clone()),
        subscriptions: MemoryRegistry::with([connector]),
        upcasts: Upcasting::new(MemoryRegistry::default(), clock.clone()),
        queues: MemoryQueues::default(),
        dead_letters: MemoryDeadLetterQueue::default(),
        suspensions: MemoryRegistry::default(),
        clock,
        metrics: MemoryMetrics::of("retry").metrics,
    }
}

/// An event in the log whose delivery is in trouble, and due.
async fn in_trouble(retry: &TestRetry, id: &str) -> LoggedEvent {
    let event = logged(&retry.clock, &tenant("demo"), event(id, json!(id)));
    retry.log.append(&event).await.unwrap();
    let now = retry.clock.now();
    let attempt = Attempt {
        at: now,
        failure: Refused::new("RequestThrottled", "slow down"),
    };
    let status = TroubleStatus::Retrying {
        next_attempt_at: now,
    };
    let row = TroubledDelivery::new(&event, &"connector".parse().unwrap(), status, attempt);
    assert!(retry.rows.open(&row).await.unwrap());
    event
}

fn reminder(event_id: EventId) -> String {
    json!({ "tenant": "demo", "event_id": event_id, "subscription": "connector" }).to_string()
}

/// A batch of messages `m0`, `m1` and so on.
fn batch(bodies: &[String]) -> Input {
    let records: Vec<Value> = bodies
        .iter()
        .enumerate()
        .map(|(n, body)| json!({ "messageId": format!("m{n}"), "body": body, "attributes": {}, "messageAttributes": {} }))
        .collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

fn failed(ids: &[&str]) -> BatchAnswer {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[tokio::test]
async fn reminders_are_handled_each_by_itself() {
    let retry = retry();
    let first = in_trouble(&retry, "1").await;
    let second = in_trouble(&retry, "2").await;
    let bodies = [
        reminder(first.event_id),
        "nonsense".to_owned(),
        json!({ "tenant": "NO", "event_id": first.event_id, "subscription": "connector" })
            .to_string(),
        json!({ "tenant": "demo", "event_id": "x", "subscription": "connector" }).to_string(),
        reminder(retry.clock.next_id()),
        reminder(second.event_id),
    ];
    let answer = retry.handle(batch(&bodies)).await.unwrap();
    // What is no reminder comes again, and ends in the dead letter queue by the queue's own policy. One of a
    // delivery that is not in trouble is done with.
    assert_eq!(answer, failed(&["m1", "m2", "m3"]));
    assert_eq!(retry.queues.bodies("connector").len(), 2);
}

#[tokio::test]
async fn a_reminder_whose_end_is_not_known_comes_again() {
    let retry = retry();
    let event = in_trouble(&retry, "1").await;
    retry.rows.set_failing(true);
    let bodies = [reminder(event.event_id)];
    assert_eq!(retry.handle(batch(&bodies)).await.unwrap(), failed(&["m0"]));
    retry.rows.set_failing(false);
    assert_eq!(retry.handle(batch(&bodies)).await.unwrap(), failed(&[]));
}

#[tokio::test]
async fn a_delivery_that_fails_again_is_reminded_of_and_its_message_is_done() {
    let retry = retry();
    let event = in_trouble(&retry, "1").await;
    retry.queues.refuse("connector", "");
    let answer = retry
        .handle(batch(&[reminder(event.event_id)]))
        .await
        .unwrap();
    assert_eq!(answer, failed(&[]));
    let reminders = retry.reminders.take();
    assert_eq!(reminders[0].0.event_id, event.event_id);
}

#[tokio::test]
async fn the_schedule_s_call_reminds_of_what_nobody_looked_at() {
    let retry = retry();
    let event = in_trouble(&retry, "1").await;
    let pass = || serde_json::from_value(json!({})).unwrap();
    assert_eq!(retry.handle(pass()).await.unwrap(), failed(&[]));
    assert!(retry.reminders.take().is_empty(), "it may still come");
    retry
        .clock
        .advance(GRACE + std::time::Duration::from_secs(1));
    assert_eq!(retry.handle(pass()).await.unwrap(), failed(&[]));
    let [(key, wait)] = &retry.reminders.take()[..] else {
        panic!("one reminder");
    };
    assert_eq!((key.event_id, wait.as_secs()), (event.event_id, 0));
}

#[tokio::test]
async fn a_batch_that_lambda_malformed_fails_as_a_whole() {
    let retry = retry();
    let input = serde_json::from_value(json!({ "Records": [{ "body": "{}" }] })).unwrap();
    assert!(retry.handle(input).await.is_err());
}

#[tokio::test]
async fn attempts_are_counted_by_subscription_and_reminders_that_came_too_early_are_not() {
    let metrics = MemoryMetrics::of("retry");
    let mut retry = retry();
    retry.metrics = metrics.metrics.clone();
    let event = in_trouble(&retry, "1").await;
    retry.queues.refuse("connector", "");
    let bodies = [reminder(event.event_id), "nonsense".to_owned()];
    for _ in 0..2 {
        retry.handle(batch(&bodies)).await.unwrap();
    }
    let expected = told([
        ("ColdStart", "retry", &[1.0]),
        ("BatchSize", "retry", &[2.0, 2.0]),
        ("DeliveryRetries", "connector", &[1.0]),
    ]);
    assert_eq!(metrics.values(), expected);
}
