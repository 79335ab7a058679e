//! A record has its time, and a batch ends before its function does.

use std::future::pending;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pillarbox::subscriber::{Connections, Event, HandlerError, Subscriber, Unknown};
use pillarbox_domain::dead_letter::{DeadLetterQueue, GivenUp};
use pillarbox_domain::inbox::{Claim, ClaimToken, Inbox, InboxKey};
use pillarbox_domain::visibility::{Hidden, NotHidden, Visibility};
use pillarbox_domain::{Clock, StoreError};
use pillarbox_testkit::ManualClock;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::support::{
    Bench, HOLD, MAX_RECEIVES, REMAINING, batch, failed, handle, inbox_key, message, of_group,
    received,
};

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_too_long_fails_alone_and_leaves_its_event_free() {
    let bench = Bench::default();
    let events = [bench.order("hang"), bench.order("apple")];
    let messages = vec![message("a", &events[0]), message("b", &events[1])];
    let subscriber = bench.shop_with(bench.builder().record_timeout(Duration::from_secs(5)));
    let begun = Instant::now();
    assert_eq!(handle(&subscriber, messages).await, failed(&["a"]));
    assert_eq!(begun.elapsed().as_secs(), 5);
    assert_eq!(bench.shop.sold(), ["apple"]);
    assert_eq!(bench.hidden("a"), Some(1));
    let claim = bench
        .inbox
        .claim(&inbox_key(&events[0]), HOLD)
        .await
        .unwrap();
    assert!(matches!(claim, Claim::Granted(_)), "{claim:?}");
}

#[tokio::test(start_paused = true)]
async fn no_handler_runs_longer_than_its_claim_is_held() {
    let bench = Bench::default();
    let builder = bench.builder().record_timeout(HOLD * 2).hold(HOLD / 2);
    let begun = Instant::now();
    let messages = vec![message("a", &bench.order("hang"))];
    let subscriber = bench.shop_with(builder);
    let answer = subscriber.handle(batch(messages), HOLD * 4).await.unwrap();
    assert_eq!(answer, failed(&["a"]));
    assert_eq!(begun.elapsed(), HOLD / 2);
}

#[tokio::test(start_paused = true)]
async fn no_limit_is_too_long_to_be_counted() {
    let bench = Bench::default();
    let for_ever = Duration::MAX;
    let builder = bench.builder().record_timeout(for_ever).hold(for_ever);
    let messages = vec![message("a", &bench.order("apple"))];
    let subscriber = bench.shop_with(builder.margin(Duration::ZERO));
    let answer = subscriber.handle(batch(messages), for_ever).await;
    assert_eq!(answer.unwrap(), failed(&[]));
}

#[tokio::test(start_paused = true)]
async fn what_runs_at_the_margin_is_cut_off_and_what_is_not_begun_comes_again_at_once() {
    let bench = Bench::default();
    let events = [bench.order("hang"), bench.order("apple")];
    let messages = vec![message("a", &events[0]), message("b", &events[1])];
    let subscriber = bench.shop_with(bench.builder().concurrency(1));
    let begun = Instant::now();
    let remaining = Duration::from_secs(10);
    let answer = subscriber.handle(batch(messages), remaining).await;
    assert_eq!(answer.unwrap(), failed(&["a", "b"]));
    assert_eq!(begun.elapsed().as_secs(), 7, "3 s are the margin");
    assert_eq!((bench.hidden("a"), bench.hidden("b")), (Some(1), Some(0)));
    assert!(bench.shop.sold().is_empty());
    let claim = bench
        .inbox
        .claim(&inbox_key(&events[0]), HOLD)
        .await
        .unwrap();
    assert!(matches!(claim, Claim::Granted(_)), "{claim:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_within_the_margin() {
    for remaining in [0, 1, 3] {
        let bench = Bench::default();
        let messages = vec![message("a", &bench.order("apple"))];
        let remaining = Duration::from_secs(remaining);
        let answer = bench.subscriber().handle(batch(messages), remaining).await;
        assert_eq!(answer.unwrap(), failed(&["a"]));
        assert!(bench.shop.sold().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_cut_off_or_not_begun_at_its_last_receive_has_its_reason() {
    let bench = Bench::default();
    let messages = [("a", "hang"), ("b", "apple")]
        .map(|(id, data)| received(message(id, &bench.order(data)), MAX_RECEIVES));
    let subscriber = bench.shop_with(bench.builder().concurrency(1));
    let remaining = Duration::from_secs(10);
    let answer = subscriber.handle(batch(messages.to_vec()), remaining).await;
    assert_eq!(answer.unwrap(), failed(&[]));
    assert_eq!(bench.dead(), ["Timeout", "NotBegun"]);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_runs_out_of_time_keeps_its_order() {
    let bench = Bench::default();
    let messages = [("a", "apple"), ("b", "hang"), ("c", "pear")]
        .map(|(id, data)| of_group(message(id, &bench.order(data)), "one"));
    let answer = bench.handle(messages.to_vec()).await;
    assert_eq!(answer, failed(&["b", "c"]));
    assert_eq!(bench.shop.sold(), ["apple"]);
}

/// How many handlers run at a time.
#[derive(Clone, Default)]
struct Crowd {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Crowd {
    async fn join(self) -> Result<(), HandlerError> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        sleep(Duration::from_secs(1)).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn records_are_handled_side_by_side_and_no_more_than_it_was_set() {
    let bench = Bench::default();
    for (concurrency, most) in [(0, 1), (1, 1), (4, 4), (100, 25)] {
        let crowd = Crowd::default();
        let joined = crowd.clone();
        let subscriber = bench
            .builder()
            .concurrency(concurrency)
            .on("order.created", move |_: Event<Value>| {
                joined.clone().join()
            })
            .otherwise(Unknown::DeadLetter);
        let messages = (0..25).map(|n| message(&n.to_string(), &bench.order("apple")));
        let answer = handle(&subscriber, messages.collect()).await;
        assert_eq!(answer, failed(&[]), "{concurrency}");
        assert_eq!(crowd.most.load(Ordering::SeqCst), most, "{concurrency}");
    }
}

/// Nothing that is not granted is ever answered.
#[derive(Clone, Default)]
struct Silent {
    grants: bool,
}

impl Inbox for Silent {
    async fn claim(&self, _: &InboxKey, _: Duration) -> Result<Claim, StoreError> {
        if self.grants {
            return Ok(Claim::Granted(ClaimToken(ManualClock::default().next_id())));
        }
        pending().await
    }

    async fn done(&self, _: &InboxKey, _: ClaimToken, _: &str) -> Result<bool, StoreError> {
        pending().await
    }

    async fn release(&self, _: &InboxKey, _: ClaimToken) -> Result<(), StoreError> {
        pending().await
    }
}

impl DeadLetterQueue for Silent {
    async fn put(&self, _: &GivenUp) -> Result<(), StoreError> {
        pending().await
    }
}

impl Visibility for Silent {
    async fn hide(&self, _: &[Hidden]) -> Vec<Result<(), NotHidden>> {
        pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn stores_that_never_answer_do_not_keep_the_batch_from_being_answered() {
    let bench = Bench::default();
    let troubles = ["apple", "fail", "permanent", "hang"];
    for grants in [false, true] {
        let silent = Silent { grants };
        let connections = Connections {
            inbox: silent.clone(),
            visibility: silent.clone(),
            dead_letters: silent,
            clock: bench.clock.clone(),
        };
        let subscriber = Subscriber::builder(connections, NonZeroU32::MIN)
            .on("order.created", bench.shop.handler())
            .otherwise(Unknown::DeadLetter);
        let messages = troubles.map(|trouble| message(trouble, &bench.order(trouble)));
        let begun = Instant::now();
        let answer = subscriber.handle(batch(messages.to_vec()), REMAINING).await;
        assert_eq!(answer.unwrap().batch_item_failures.len(), troubles.len());
        assert!(begun.elapsed() < REMAINING, "{:?}", begun.elapsed());
    }
}
