//! What is measured of a batch; each line is held against the format's schema and the catalogue as it is written.

use std::time::Duration;

use pillarbox::subscriber::{Metrics, Subscriber};
use pillarbox_testkit::metrics::told;
use serde_json::json;

use crate::support::{Bench, failed, handle, message, received};

#[tokio::test(start_paused = true)]
async fn the_way_from_acceptance_to_the_effect_is_measured_once_for_each_event() {
    let bench = Bench::default();
    let (apple, pear) = (bench.order("apple"), bench.order("pear"));
    bench.clock.advance(Duration::from_millis(40));
    let batch = vec![
        message("a", &apple),
        message("b", &pear),
        message("c", &apple),
    ];
    bench.handle(batch).await;
    let expected = told([
        ("ColdStart", "subscriber_example", &[1.0]),
        ("BatchSize", "subscriber_example", &[3.0]),
        ("EndToEndLatency", "shop", &[40.0, 40.0]),
    ]);
    assert_eq!(bench.metrics.values(), expected);
}

#[tokio::test(start_paused = true)]
async fn lines_are_written_before_the_batch_is_answered() {
    let bench = Bench::default();
    bench.handle(vec![]).await;
    // What is left to be written now would be written by asking for the lines, too: they are of one invocation each.
    bench
        .handle(vec![message("a", &bench.order("apple"))])
        .await;
    let lines = bench.metrics.lines();
    let sizes: Vec<_> = lines.iter().map(|line| &line["BatchSize"]).collect();
    assert_eq!(sizes[..2], [&json!(0), &json!(1)]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_after_the_first_is_a_retry_however_it_ends() {
    let bench = Bench::default();
    let subscriber = bench.subscriber();
    let (fails, sells, named) = (
        bench.order("fail"),
        bench.order("apple"),
        bench.order("named"),
    );
    let first = vec![message("a", &fails), message("b", &sells)];
    assert_eq!(handle(&subscriber, first).await, failed(&["a"]));
    bench.metrics.lines();
    let again = vec![
        received(message("a", &fails), 2),
        // It was done at its first receive: nothing is tried.
        received(message("b", &sells), 2),
        received(message("c", &named), 3),
    ];
    assert_eq!(handle(&subscriber, again).await, failed(&["a"]));
    let expected = told([
        ("BatchSize", "subscriber_example", &[3.0]),
        ("DeliveryRetries", "shop", &[2.0]),
    ]);
    assert_eq!(bench.metrics.values(), expected);
}

#[tokio::test(start_paused = true)]
async fn what_a_job_sends_again_has_no_latency() {
    let bench = Bench::default();
    let mut replayed = message("a", &bench.order("apple"));
    let body = replayed["body"].as_str().unwrap();
    let mut body: serde_json::Value = serde_json::from_str(body).unwrap();
    body["pbjob"] = json!("01a20846-fe00-7000-8000-000000000009");
    replayed["body"] = body.to_string().into();
    bench.handle(vec![replayed]).await;
    assert_eq!(bench.shop.sold(), ["apple"]);
    let measured = bench.metrics.values();
    assert!(!measured.keys().any(|(name, _)| name == "EndToEndLatency"));
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_no_metrics_gets_none() {
    let bench = Bench::default();
    let builder = bench.builder().metrics(Metrics::off());
    let subscriber: &Subscriber<_, _, _, _> = &bench.shop_with(builder);
    handle(subscriber, vec![message("a", &bench.order("apple"))]).await;
    let expected = told([("ColdStart", "subscriber_example", &[1.0])]);
    assert_eq!(
        bench.metrics.values(),
        expected,
        "what the bench itself tells"
    );
}
