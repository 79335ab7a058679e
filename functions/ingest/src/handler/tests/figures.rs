//! What is measured of a publish; each line is held against the format's schema and the catalogue as it is written.

use pillarbox_testkit::metrics::{Values, told};
use pillarbox_testkit::{ManualClock, MemoryEventLog, MemoryMetrics};
use serde_json::Value;

use super::{EVENT, TestIngest, answer, atomic_request, batch_request, ingest, request};

/// A function that has told of its start.
fn measured() -> (TestIngest<MemoryEventLog<ManualClock>>, MemoryMetrics) {
    let metrics = MemoryMetrics::of("ingest");
    assert_eq!(metrics.values(), told([("ColdStart", "ingest", &[1.0])]));
    let mut ingest = ingest();
    ingest.metrics = metrics.metrics.clone();
    (ingest, metrics)
}

async fn values_of(request: &Value, status: i64) -> Values {
    let (ingest, metrics) = measured();
    assert_eq!(answer(&ingest, request).await.0, status);
    metrics.values()
}

#[tokio::test]
async fn events_are_counted_by_how_they_ended_and_by_the_family_of_their_type() {
    let (ingest, metrics) = measured();
    let size = ("BatchSize", "ingest", &[1.0][..]);
    let conflict = EVENT.replace(":1}", ":2}");
    for (body, ended) in [
        (EVENT, "EventsAccepted"),
        (EVENT, "EventsDuplicate"),
        (&conflict, "EventsConflict"),
    ] {
        answer(&ingest, &request(body)).await;
        assert_eq!(metrics.values(), told([size, (ended, "order", &[1.0])]));
    }
}

#[tokio::test]
async fn each_event_of_a_batch_is_counted_by_itself() {
    let (ingest, metrics) = measured();
    let push = EVENT.replace("order.created", "com.github.push");
    let push = push.replace(r#""id":"1""#, r#""id":"2""#);
    let batch = format!(r#"[{EVENT},{{"specversion":"1.0","id":7}},{push},{EVENT}]"#);
    answer(&ingest, &batch_request(&batch)).await;
    let lines = metrics.lines();
    assert_eq!(lines.len(), 4, "one of the function and one of each family");
    let expected = told([
        ("BatchSize", "ingest", &[4.0]),
        ("EventsAccepted", "order", &[1.0]),
        ("EventsDuplicate", "order", &[1.0]),
        ("EventsAccepted", "com.github", &[1.0]),
        ("EventsRejected", "none", &[1.0]),
    ]);
    assert_eq!(pillarbox_testkit::metrics::values(&lines), expected);
}

#[tokio::test]
async fn what_is_refused_as_a_whole_is_counted_as_far_as_it_was_read() {
    let one = told([("EventsRejected", "none", &[1.0])]);
    assert_eq!(values_of(&request("nonsense"), 400).await, one);
    assert_eq!(values_of(&batch_request("nonsense"), 400).await, one);
    let atomic = format!(r#"[{EVENT},{{"specversion":"1.0","id":7}}]"#);
    let both = told([
        ("EventsRejected", "order", &[1.0]),
        ("EventsRejected", "none", &[1.0]),
    ]);
    assert_eq!(values_of(&atomic_request(&atomic), 400).await, both);
}

#[tokio::test]
async fn who_may_not_publish_brings_no_events() {
    let mut stranger = request(EVENT);
    stranger["requestContext"]["authorizer"]["lambda"]["scopes"] = "read".into();
    assert!(values_of(&stranger, 403).await.is_empty());
}
