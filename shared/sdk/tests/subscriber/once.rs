//! An event takes effect once, however often it is delivered.

use std::time::Duration;

use pillarbox::subscriber::{Event, Unknown};
use pillarbox_domain::inbox::{Claim, Inbox};
use serde_json::{Value, json};

use crate::support::{Bench, HOLD, failed, handle, inbox_key, message, received};

#[tokio::test(start_paused = true)]
async fn a_repeat_is_done_without_the_handler() {
    let bench = Bench::default();
    let event = bench.order("apple");
    assert_eq!(bench.handle(vec![message("a", &event)]).await, failed(&[]));
    let repeats = vec![message("b", &event), message("c", &event)];
    assert_eq!(bench.handle(repeats).await, failed(&[]));
    assert_eq!(bench.shop.sold(), ["apple"]);
    let kept = bench.inbox.claim(&inbox_key(&event), HOLD).await.unwrap();
    assert_eq!(kept, Claim::Done(r#"{"sold":"apple"}"#.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn the_second_of_two_copies_in_one_batch_comes_again_after_a_back_off() {
    let bench = Bench::default();
    let event = bench.order("apple");
    let subscriber = bench
        .builder()
        .on("order.created", async |event: Event<String>| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(event.data)
        })
        .otherwise(Unknown::DeadLetter);
    let copies = || vec![message("a", &event), message("b", &event)];
    assert_eq!(handle(&subscriber, copies()).await, failed(&["b"]));
    assert_eq!((bench.hidden("a"), bench.hidden("b")), (None, Some(1)));
    assert_eq!(handle(&subscriber, copies()).await, failed(&[]));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_another_consumer_holds_waits_until_its_claim_runs_out_at_most() {
    let bench = Bench::default();
    let event = bench.order("apple");
    let claim = bench.inbox.claim(&inbox_key(&event), HOLD).await.unwrap();
    assert!(matches!(claim, Claim::Granted(_)));
    let fifth = received(message("a", &event), 5);
    let short = bench.builder().hold(Duration::from_secs(5));
    let answer = handle(&bench.shop_with(short), vec![fifth]).await;
    assert_eq!(answer, failed(&["a"]));
    assert_eq!(
        bench.hidden("a"),
        Some(5),
        "the back-off alone would be 13 to 16"
    );
}

#[tokio::test(start_paused = true)]
async fn an_expired_claim_is_taken_over() {
    let bench = Bench::default();
    let event = bench.order("apple");
    bench.inbox.claim(&inbox_key(&event), HOLD).await.unwrap();
    let messages = || vec![message("a", &event)];
    assert_eq!(bench.handle(messages()).await, failed(&["a"]));
    assert_eq!(bench.shop.sold(), [""; 0]);
    bench.clock.advance(HOLD + Duration::from_millis(1));
    assert_eq!(bench.handle(messages()).await, failed(&[]));
    assert_eq!(bench.shop.sold(), ["apple"]);
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_leaves_its_event_free_at_once() {
    let bench = Bench::default();
    for trouble in ["fail", "busy", "permanent", "panic", "hang"] {
        let event = bench.order(trouble);
        bench.handle(vec![message("a", &event)]).await;
        let claim = bench.inbox.claim(&inbox_key(&event), HOLD).await.unwrap();
        assert!(matches!(claim, Claim::Granted(_)), "{trouble}: {claim:?}");
    }
}

/// The effect is made, but whoever took the claim over may have failed.
#[tokio::test(start_paused = true)]
async fn who_loses_the_claim_does_not_call_it_done() {
    let bench = Bench::default();
    let event = bench.order("apple");
    let (key, rival) = (inbox_key(&event), bench.clone());
    let subscriber = bench
        .builder()
        .on("order.created", move |_: Event<Value>| {
            let (key, rival) = (key.clone(), rival.clone());
            async move {
                rival.clock.advance(HOLD + Duration::from_millis(1));
                let claim = rival.inbox.claim(&key, HOLD).await?;
                assert!(matches!(claim, Claim::Granted(_)), "{claim:?}");
                Ok(json!("mine"))
            }
        })
        .otherwise(Unknown::DeadLetter);
    let answer = handle(&subscriber, vec![message("a", &event)]).await;
    assert_eq!(answer, failed(&["a"]));
    let claim = bench.inbox.claim(&inbox_key(&event), HOLD).await.unwrap();
    assert_eq!(
        claim,
        Claim::Held,
        "the claim of the other one is untouched"
    );
}
