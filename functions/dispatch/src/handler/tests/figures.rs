//! What is measured of a batch; each line is held against the format's schema and the catalogue as it is written.

use pillarbox_testkit::MemoryMetrics;
use pillarbox_testkit::metrics::told;
use serde_json::json;

use super::{BatchAnswer, TestDispatch, batch, dispatch_to, dispatch_to_connector, recorded};

fn measured(mut dispatch: TestDispatch) -> (TestDispatch, MemoryMetrics) {
    let metrics = MemoryMetrics::of("dispatch");
    dispatch.metrics = metrics.metrics.clone();
    (dispatch, metrics)
}

#[tokio::test]
async fn a_batch_tells_its_size_and_what_became_of_its_events_by_the_families_of_their_types() {
    let (dispatch, metrics) = measured(dispatch_to_connector());
    dispatch.queues.refuse("connector", r#""id":"3""#);
    let answer = dispatch.handle(batch(&recorded())).await.unwrap();
    assert_eq!(answer, BatchAnswer::default());
    let lines = metrics.lines();
    assert_eq!(lines.len(), 2, "one of the function and one of the family");
    let first = told([
        ("ColdStart", "dispatch", &[1.0]),
        ("BatchSize", "dispatch", &[6.0]),
        ("EventsDispatched", "order", &[4.0]),
        ("DeliveriesSent", "order", &[3.0]),
        ("DispatchLatency", "order", &[0.0; 4]),
    ]);
    assert_eq!(pillarbox_testkit::metrics::values(&lines), first);
    // What came again is told again: it was handed over again.
    dispatch.handle(batch(&recorded())).await.unwrap();
    assert!(!metrics.values().keys().any(|(name, _)| name == "ColdStart"));
}

#[tokio::test]
async fn what_nobody_asked_for_is_dispatched_and_told_apart() {
    let (dispatch, metrics) = measured(dispatch_to([]));
    dispatch.handle(batch(&recorded())).await.unwrap();
    let values = metrics.values();
    let of = |name: &str| values.get(&(name.to_owned(), "order".to_owned()));
    assert_eq!(of("EventsDispatched"), Some(&vec![4.0]));
    assert_eq!(of("EventsUnrouted"), Some(&vec![4.0]));
    assert_eq!(of("DeliveriesSent"), None);
}

#[tokio::test]
async fn what_comes_again_and_what_is_only_logged_is_not_dispatched() {
    let (dispatch, metrics) = measured(dispatch_to_connector());
    dispatch.receipts.set_failing(true);
    dispatch.handle(batch(&recorded())).await.unwrap();
    dispatch.receipts.set_failing(false);
    let mut logged = recorded();
    for record in logged["Records"].as_array_mut().unwrap() {
        record["dynamodb"]["NewImage"]["outbox_mode"] = json!({ "S": "none" });
    }
    dispatch.handle(batch(&logged)).await.unwrap();
    let expected = told([
        ("ColdStart", "dispatch", &[1.0]),
        ("BatchSize", "dispatch", &[6.0, 6.0]),
    ]);
    assert_eq!(metrics.values(), expected);
}
