//! Lines as they are written, held against the published schema and the catalogue by the same checker that every
//! function's tests use.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

use std::io;
use std::sync::{Arc, Mutex};

use pillarbox_aws::WriteUnits;
use pillarbox_domain::Clock;
use pillarbox_domain::receipt::HandedOver;
use pillarbox_runtime::clock::SystemClock;
use pillarbox_runtime::metrics::catalogue::{
    BATCH_SIZE, DELIVERIES_DEAD_LETTERED, DELIVERY_RETRIES, DISPATCH_LATENCY, EVENTS_ACCEPTED,
    EVENTS_DISPATCHED, JOB_EVENTS, OUTBOX_PENDING, SEAL_LAG,
};
use pillarbox_runtime::metrics::{MAX_NAMES, MAX_VALUES, Metrics, OTHER};
use pillarbox_testkit::builders::tenant;
use pillarbox_testkit::metrics::{NAMESPACE, faults, told, values};
use pillarbox_testkit::{ManualClock, MemoryMetrics};
use serde_json::{Value, json};

/// Without what every process tells first.
fn started(function: &'static str) -> MemoryMetrics {
    let metrics = MemoryMetrics::of(function);
    let first = metrics.values();
    assert_eq!(first, told([("ColdStart", function, &[1.0])]));
    metrics
}

#[test]
fn a_line_says_what_its_numbers_are_where_they_belong_and_who_wrote_it() {
    let metrics = started("dispatch");
    for latency_ms in [12.0, 7.0, 12.0] {
        metrics
            .metrics
            .add(&EVENTS_DISPATCHED, Some("order.created"), 1);
        metrics
            .metrics
            .record(&DISPATCH_LATENCY, Some("order.created"), latency_ms);
    }
    metrics.metrics.flush(Some("8b6c1b5e"));
    let lines = metrics.lines();
    let expected = json!({
        "_aws": {
            "CloudWatchMetrics": [{
                "Namespace": "pillarbox-test",
                "Dimensions": [["TypeFamily"], []],
                "Metrics": [
                    { "Name": "EventsDispatched", "Unit": "Count" },
                    { "Name": "DispatchLatency", "Unit": "Milliseconds" },
                ],
            }],
            "Timestamp": 1_795_435_200_000_u64,
        },
        "TypeFamily": "order",
        "Function": "dispatch",
        "requestId": "8b6c1b5e",
        "EventsDispatched": 3,
        "DispatchLatency": { "Values": [7, 12], "Counts": [1, 2] },
    });
    assert_eq!(lines, [expected]);
}

#[test]
fn what_is_told_of_different_things_is_in_different_lines() {
    let metrics = started("sweep");
    metrics.metrics.record(&BATCH_SIZE, (), 2.0);
    metrics
        .metrics
        .add(&EVENTS_DISPATCHED, Some("order.created"), 1);
    metrics
        .metrics
        .add(&EVENTS_DISPATCHED, Some("order.paid"), 2);
    metrics
        .metrics
        .add(&EVENTS_DISPATCHED, Some("com.github.push"), 1);
    metrics.metrics.add(&EVENTS_DISPATCHED, None, 1);
    metrics.metrics.record(&SEAL_LAG, (), 0.0);
    let lines = metrics.lines();
    assert_eq!(lines.len(), 5);
    let expected = told([
        ("BatchSize", "sweep", &[2.0]),
        ("EventsDispatched", "order", &[3.0]),
        ("EventsDispatched", "com.github", &[1.0]),
        ("EventsDispatched", "none", &[1.0]),
        ("SealLag", "", &[0.0]),
    ]);
    assert_eq!(values(&lines), expected);
    assert!(metrics.lines().is_empty(), "what was told is told once");
}

#[test]
fn every_scope_has_its_dimensions() {
    let replay = started("replay");
    replay.metrics.add(&JOB_EVENTS, "REPLAY", 3);
    assert_eq!(replay.values(), told([("JobEvents", "REPLAY", &[3.0])]));
    let gauges = started("metrics");
    gauges.metrics.record(&OUTBOX_PENDING, (), 0.0);
    let expected = told([("OutboxPending", "", &[0.0])]);
    assert_eq!(gauges.values(), expected);
    let letters = started("dead_letter");
    letters.metrics.add(&DELIVERIES_DEAD_LETTERED, None, 1);
    let expected = told([("DeliveriesDeadLettered", "none", &[1.0])]);
    assert_eq!(letters.values(), expected);
}

#[test]
fn nothing_is_told_of_no_things() {
    let metrics = started("ingest");
    metrics
        .metrics
        .add(&EVENTS_ACCEPTED, Some("order.created"), 0);
    assert!(metrics.lines().is_empty());
}

#[test]
fn names_beyond_the_first_share_one_metric_in_every_invocation() {
    let metrics = started("retry");
    let names = 0..MAX_NAMES + 30;
    for _ in 0..2 {
        for name in names.clone() {
            let name = format!("s{name}").parse().unwrap();
            metrics.metrics.add(&DELIVERY_RETRIES, Some(&name), 1);
        }
        let values = metrics.values();
        assert_eq!(values.len(), MAX_NAMES + 1);
        let of = |name: &str| &values[&("DeliveryRetries".to_owned(), name.to_owned())];
        assert_eq!(
            (of("s0"), of("s19"), of(OTHER)),
            (&vec![1.0], &vec![1.0], &vec![30.0])
        );
    }
}

#[test]
fn more_values_than_a_line_can_have_take_more_lines_and_counts_stay_one() {
    let metrics = started("dispatch");
    let latencies: Vec<f64> = (0..2 * MAX_VALUES + 1).map(|ms| ms as f64).collect();
    for latency_ms in &latencies {
        metrics.metrics.add(&EVENTS_DISPATCHED, Some("a.b"), 1);
        metrics
            .metrics
            .record(&DISPATCH_LATENCY, Some("a.b"), *latency_ms);
    }
    let lines = metrics.lines();
    let counts: Vec<&Value> = lines.iter().map(|line| &line["EventsDispatched"]).collect();
    assert_eq!(counts, [&json!(201), &Value::Null, &Value::Null]);
    assert_eq!(lines[2]["DispatchLatency"], 200);
    let values = values(&lines);
    assert_eq!(
        values[&("DispatchLatency".to_owned(), "a".to_owned())],
        latencies
    );
}

/// What was written, for whoever looks at it after its writer is gone.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_is_left_when_the_process_ends_is_written() {
    let kept = Kept::default();
    let metrics = Metrics::new("n", "ingest", ManualClock::default(), kept.clone());
    metrics.add(&EVENTS_ACCEPTED, Some("a.b"), 1);
    drop(metrics);
    let written = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<Value> = written.lines().map(|line| line.parse().unwrap()).collect();
    let expected = told([
        ("ColdStart", "ingest", &[1.0]),
        ("EventsAccepted", "a", &[1.0]),
    ]);
    assert_eq!(values(&lines), expected);
}

#[test]
fn who_wants_none_has_none() {
    let metrics = Metrics::off().with_write_units(WriteUnits::default());
    metrics.add(&EVENTS_ACCEPTED, Some("a.b"), 1);
    metrics.record(&SEAL_LAG, (), 1.0);
    metrics.flush(None);
}

/// An output that is gone.
struct Gone;

impl io::Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::from(io::ErrorKind::BrokenPipe))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_output_that_takes_nothing_is_no_ones_failure() {
    let metrics = Metrics::new("n", "ingest", SystemClock::default(), Gone);
    metrics.add(&EVENTS_ACCEPTED, Some("a.b"), 1);
    metrics.flush(None);
}

#[test]
fn a_hand_over_counts_what_was_sent_and_how_long_it_took() {
    let clock = ManualClock::default();
    let metrics = started("dispatch");
    let subscriptions = ["a", "b", "c"].map(|id| id.parse().unwrap());
    let mut event = HandedOver {
        tenant: tenant("demo"),
        event_type: "order.created".to_owned(),
        event_id: clock.next_id(),
        subscriptions: subscriptions.to_vec(),
        withheld: vec![],
        retrying: 1,
        dead_lettered: 1,
    };
    let now = clock.now() + std::time::Duration::from_millis(40);
    metrics.metrics.handed_over(&event, now);
    let one = [
        ("EventsDispatched", "order", &[1.0][..]),
        ("DeliveriesSent", "order", &[1.0]),
        ("DispatchLatency", "order", &[40.0]),
    ];
    assert_eq!(metrics.values(), told(one));
    event.subscriptions.clear();
    metrics
        .metrics
        .handed_over(&event, now - std::time::Duration::from_secs(1));
    let one = [
        ("EventsDispatched", "order", &[1.0][..]),
        ("EventsUnrouted", "order", &[1.0]),
        ("DispatchLatency", "order", &[0.0]),
    ];
    assert_eq!(metrics.values(), told(one));
}

/// A checker that finds nothing checks nothing.
#[test]
fn a_line_that_is_wrong_is_found() {
    let metrics = started("dispatch");
    metrics
        .metrics
        .add(&EVENTS_DISPATCHED, Some("order.created"), 1);
    let [line] = &metrics.lines()[..] else {
        panic!("not one line");
    };
    assert_eq!(faults("dispatch", NAMESPACE, line), [""; 0]);
    let directive = "/_aws/CloudWatchMetrics/0";
    let broken = [
        ("/_aws/Timestamp".to_owned(), json!("now"), "integer"),
        (
            format!("{directive}/Metrics/0/Unit"),
            json!("Events"),
            "does not match",
        ),
        (
            format!("{directive}/Metrics/0/Unit"),
            json!("Seconds"),
            "another unit",
        ),
        (
            format!("{directive}/Metrics/0/Name"),
            json!("Events"),
            "not in the catalogue",
        ),
        (
            format!("{directive}/Dimensions"),
            json!([["Tenant"]]),
            "other dimensions",
        ),
        (
            format!("{directive}/Namespace"),
            json!("other"),
            "another namespace",
        ),
        ("/EventsDispatched".to_owned(), json!("1"), "no number"),
        (
            "/EventsDispatched".to_owned(),
            json!({ "Values": [1] }),
            "no number",
        ),
        (
            "/EventsDispatched".to_owned(),
            json!({ "Values": vec![1; 101], "Counts": vec![1; 101] }),
            "101 values",
        ),
        (
            "/TypeFamily".to_owned(),
            json!(""),
            "not the value of a dimension",
        ),
        ("/Function".to_owned(), json!("dispatch"), ""),
    ];
    for (place, value, expected) in broken {
        let mut line = line.clone();
        *line.pointer_mut(&place).unwrap() = value;
        let faults = faults("dispatch", NAMESPACE, &line).join("; ");
        assert!(faults.contains(expected), "{place}: {faults}");
        assert_eq!(faults.is_empty(), expected.is_empty(), "{place}: {faults}");
    }
    assert!(
        faults("retry", NAMESPACE, line)
            .join("; ")
            .contains("not emitted by retry")
    );
    let mut line = line.clone();
    line["data"] = json!("secret");
    assert!(
        faults("dispatch", NAMESPACE, &line)
            .join("; ")
            .contains("data is neither")
    );
}
