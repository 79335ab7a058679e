//! Order, where the queue keeps one.

use serde_json::Value;

use crate::support::{Bench, MAX_RECEIVES, failed, message, of_group, received};

/// Messages of a FIFO queue: id, group and what is ordered.
fn messages(bench: &Bench, orders: &[(&str, &str, &str)], receives: u32) -> Vec<Value> {
    let messages = orders.iter().map(|(id, group, data)| {
        let message = received(message(id, &bench.order(data)), receives);
        of_group(message, group)
    });
    messages.collect()
}

const ORDERS: [(&str, &str, &str); 6] = [
    ("a", "one", "a"),
    ("b", "two", "b"),
    ("c", "one", "fail"),
    ("d", "two", "d"),
    ("e", "one", "e"),
    ("f", "one", "f"),
];

#[tokio::test(start_paused = true)]
async fn a_group_stops_at_its_first_failure_and_the_others_go_on() {
    let bench = Bench::default();
    let answer = bench.handle(messages(&bench, &ORDERS, 2)).await;
    assert_eq!(answer, failed(&["c", "e", "f"]));
    let mut sold = bench.shop.sold();
    sold.sort_unstable();
    assert_eq!(sold, ["a", "b", "d"]);
    assert_eq!(bench.hidden("c"), Some(2));
    let behind = [bench.hidden("e"), bench.hidden("f")];
    assert_eq!(behind, [Some(0); 2], "the queue holds them back itself");
    assert!(bench.dead().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_group_is_handled_in_its_order_one_after_the_other() {
    let bench = Bench::default();
    let names: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let orders: Vec<_> = names.iter().map(|name| (&**name, "one", &**name)).collect();
    let answer = bench.handle(messages(&bench, &orders, 1)).await;
    assert_eq!(answer, failed(&[]));
    assert_eq!(bench.shop.sold(), names);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_does_not_hold_up_its_group() {
    let bench = Bench::default();
    let orders = [("a", "one", "permanent"), ("b", "one", "b")];
    let answer = bench.handle(messages(&bench, &orders, 1)).await;
    assert_eq!(answer, failed(&[]));
    let orders = [("c", "one", "fail"), ("d", "one", "d")];
    let answer = bench.handle(messages(&bench, &orders, MAX_RECEIVES)).await;
    assert_eq!(answer, failed(&[]));
    assert_eq!(bench.shop.sold(), ["b", "d"]);
    assert_eq!(bench.dead(), ["Permanent", "ReceivesExhausted"]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_is_refused_does() {
    let bench = Bench::default();
    bench.dead_letters.set_failing(true);
    let orders = [("a", "one", "permanent"), ("b", "one", "b")];
    let answer = bench.handle(messages(&bench, &orders, 1)).await;
    assert_eq!(answer, failed(&["a", "b"]));
    assert!(bench.shop.sold().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_behind_a_failure_at_its_own_last_receive_has_its_reason() {
    let bench = Bench::default();
    let mut messages = messages(&bench, &[("a", "one", "fail"), ("b", "one", "b")], 1);
    messages[1] = received(messages[1].clone(), MAX_RECEIVES);
    assert_eq!(bench.handle(messages).await, failed(&["a"]));
    assert_eq!(bench.dead(), ["NotBegun"]);
}

#[tokio::test(start_paused = true)]
async fn groups_of_a_standard_queue_say_nothing_of_order() {
    let bench = Bench::default();
    let mut messages = messages(&bench, &[("a", "one", "fail"), ("b", "one", "b")], 1);
    for message in &mut messages {
        message["eventSourceARN"] = "arn:aws:sqs:eu-west-1:1:shop".into();
    }
    assert_eq!(bench.handle(messages).await, failed(&["a"]));
    assert_eq!(bench.shop.sold(), ["b"]);
}
