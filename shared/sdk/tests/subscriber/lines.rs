//! One wide line per record.

use pillarbox::subscriber::{Event, Unknown};
use pillarbox_testkit::logged;
use serde_json::{Value, json};

use crate::support::{Bench, handle, message};

/// The lines about records since it was asked last.
fn lines() -> Vec<Value> {
    let lines = logged::lines().into_iter();
    lines
        .filter(|fields| fields["message"] == "delivery.handled")
        .collect()
}

#[tokio::test(start_paused = true)]
async fn each_record_has_one_line_that_says_how_it_ended() {
    lines();
    let bench = Bench::default();
    let subscriber = bench
        .builder()
        .on("order.created", bench.shop.handler())
        .otherwise(Unknown::Skip);
    let apple = bench.order("apple");
    let mut seen = Vec::new();
    for event in [
        &apple,
        &apple,
        &bench.event(json!({ "type": "unknown" })),
        &bench.order("named"),
        &bench.order("fail"),
        &bench.order("panic"),
    ] {
        handle(&subscriber, vec![message("a", event)]).await;
        let [line] = &lines()[..] else {
            panic!("not one line");
        };
        assert_eq!(line["tenant.id"], "demo");
        assert_eq!(line["event.id"], event.event_id.to_string());
        assert_eq!(line["trace.id"], event.trace_id().to_string());
        assert_eq!(line["subscription.id"], "shop");
        assert_eq!(
            (&line["message.id"], &line["receives"]),
            (&json!("a"), &json!(1))
        );
        assert!(line["duration_ms"].is_number());
        let told = ["outcome", "error.class", "error", "result"];
        seen.push(told.map(|name| line[name].clone()));
        assert_eq!(line["retry_in_ms"].is_number(), line["outcome"] == "failed");
    }
    let none = Value::Null;
    let closed = json!("the shop is closed");
    let panicked = json!("the handler panicked: as the test wants it");
    let expected = [
        [json!("done"), none.clone(), none.clone(), none.clone()],
        [
            json!("repeat"),
            none.clone(),
            none.clone(),
            json!(r#"{"sold":"apple"}"#),
        ],
        [json!("skipped"), none.clone(), none.clone(), none.clone()],
        [
            json!("dead_lettered"),
            json!("ShopClosed"),
            closed.clone(),
            none.clone(),
        ],
        [json!("failed"), none.clone(), closed, none.clone()],
        [json!("failed"), json!("Panicked"), panicked, none],
    ];
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_delivery_has_a_line_without_payload() {
    lines();
    let bench = Bench::default();
    let mut malformed = message("a", &bench.order("apple"));
    malformed["body"] = json!("secret");
    bench.handle(vec![malformed]).await;
    let [line] = &lines()[..] else {
        panic!("not one line");
    };
    assert_eq!(line["outcome"], "dead_lettered");
    assert_eq!(line["error.class"], "Malformed");
    assert!(!line.to_string().contains("secret"), "{line}");
}

#[tokio::test(start_paused = true)]
async fn a_line_has_the_trace_that_its_event_came_with_and_so_has_the_handler() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    lines();
    let bench = Bench::default();
    let subscriber = bench
        .builder()
        .on("order.created", async |event: Event<String>| {
            let parent = event.trace_parent().map(|parent| parent.to_string());
            Ok(json!([event.trace_id().to_string(), parent]))
        })
        .otherwise(Unknown::Skip);
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    let event = bench.event(json!({ "data": "apple", "traceparent": parent }));
    for _ in ["done", "repeat"] {
        handle(&subscriber, vec![message("a", &event)]).await;
    }
    let seen = lines();
    assert_eq!(seen[0]["trace.id"], TRACE);
    let told: Value = serde_json::from_str(seen[1]["result"].as_str().unwrap()).unwrap();
    assert_eq!(told, json!([TRACE, parent]));
}

#[tokio::test(start_paused = true)]
async fn what_data_do_not_match_is_not_quoted() {
    lines();
    let bench = Bench::default();
    let subscriber = bench
        .builder()
        .on("order.created", async |_: Event<u32>| Ok(()))
        .otherwise(Unknown::Skip);
    handle(&subscriber, vec![message("a", &bench.order("secret"))]).await;
    let [line] = &lines()[..] else {
        panic!("not one line");
    };
    assert_eq!(line["error.class"], "DataMismatch");
    assert!(!line.to_string().contains("secret"), "{line}");
    let letters = bench.dead_letters.taken();
    assert!(letters[0].error.message.contains("secret"), "{letters:?}");
}
