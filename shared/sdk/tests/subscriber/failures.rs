//! What fails: who it concerns, when it comes again, and when it does not.

use pillarbox::subscriber::{Event, Unknown};
use pillarbox_domain::Clock;
use pillarbox_domain::dead_letter::{MAX_MESSAGE_BYTES, Origin};
use pillarbox_domain::inbox::{Claim, Inbox};
use serde::de::IgnoredAny;
use serde_json::json;
use time::macros::utc_datetime;

use crate::support::{
    Bench, HOLD, MAX_RECEIVES, batch, failed, handle, inbox_key, message, of_group, received,
};

const TROUBLES: [&str; 6] = ["fail", "busy", "permanent", "named", "panic", "hang"];

#[tokio::test(start_paused = true)]
async fn each_failure_is_its_own_record_s_alone() {
    for trouble in TROUBLES {
        let bench = Bench::default();
        let events = [
            bench.order("apple"),
            bench.order(trouble),
            bench.order("pear"),
        ];
        let ids = ["a", "b", "c"];
        let messages = ids
            .iter()
            .zip(&events)
            .map(|(id, event)| message(id, event));
        let answer = bench.handle(messages.collect()).await;
        let is_dead = !bench.dead().is_empty();
        let expected = if is_dead { failed(&[]) } else { failed(&["b"]) };
        assert_eq!(answer, expected, "{trouble}");
        let mut sold = bench.shop.sold();
        sold.sort_unstable();
        assert_eq!(sold, ["apple", "pear"], "{trouble}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_again_waits_longer_the_oftener_it_was_received() {
    let bench = Bench::default();
    let most = [1, 2, 4, 8, 16];
    for (receives, most) in (1..).zip(most) {
        let event = bench.order("fail");
        let message = received(message("a", &event), receives);
        assert_eq!(bench.handle(vec![message]).await, failed(&["a"]));
        let waits = bench.hidden("a").unwrap();
        assert!(
            waits <= most && waits * 5 >= most * 4,
            "{receives}: {waits}"
        );
    }
    assert!(bench.dead().is_empty());
    assert_eq!(bench.visibility.calls(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_say_when_it_wants_to_be_asked_again() {
    let bench = Bench::default();
    let event = bench.order("busy");
    assert_eq!(
        bench.handle(vec![message("a", &event)]).await,
        failed(&["a"])
    );
    assert_eq!(bench.hidden("a"), Some(90));
}

#[tokio::test(start_paused = true)]
async fn one_call_hides_a_whole_batch_and_none_is_made_for_what_is_done() {
    let bench = Bench::default();
    let events = [
        bench.order("fail"),
        bench.order("panic"),
        bench.order("apple"),
    ];
    let messages = ["a", "b", "c"].iter().zip(&events);
    let messages = messages.map(|(id, event)| message(id, event)).collect();
    assert_eq!(bench.handle(messages).await.batch_item_failures.len(), 2);
    assert_eq!(bench.visibility.calls(), 1);
    assert_eq!(bench.hidden("c"), None);
    bench.handle(vec![message("c", &events[2])]).await;
    assert_eq!(bench.visibility.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_hidden_has_failed_no_more_than_before() {
    let bench = Bench::default();
    bench.visibility.set_failing(true);
    let events = [bench.order("fail"), bench.order("apple")];
    let messages = vec![message("a", &events[0]), message("b", &events[1])];
    assert_eq!(bench.handle(messages).await, failed(&["a"]));
    assert!(bench.dead().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_permanent_error_is_a_dead_letter_at_once_with_its_reason() {
    let bench = Bench::default();
    for (trouble, class) in [("permanent", "Permanent"), ("named", "ShopClosed")] {
        let event = bench.order(trouble);
        let message = message("a", &event);
        let answer = bench.handle(vec![message.clone()]).await;
        assert_eq!(answer, failed(&[]));
        let taken = bench.dead_letters.taken();
        let dead = taken.last().unwrap();
        assert_eq!(dead.error.class, class);
        assert_eq!(dead.error.message, "the shop is closed");
        assert_eq!((dead.origin, dead.attempts), (Origin::Subscriber, 1));
        assert_eq!(dead.first_failed_at, utc_datetime!(2026-11-23 12:00));
        assert_eq!(dead.last_failed_at, bench.clock.now());
        assert_eq!(json!(dead.message.body), message["body"]);
        for (name, value) in &dead.message.attributes {
            let attribute = &message["messageAttributes"][name]["stringValue"];
            assert_eq!(json!(value), *attribute);
        }
        assert_eq!(dead.message.attributes.len(), 5);
        assert_eq!(dead.message.group, "demo");
    }
    assert_eq!(bench.visibility.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_last_receive_ends_in_a_dead_letter_with_the_handler_s_own_error() {
    let cases = [
        ("fail", "ReceivesExhausted", "the shop is closed"),
        ("busy", "ReceivesExhausted", "the shop is closed"),
        ("named", "ShopClosed", "the shop is closed"),
        ("panic", "Panicked", "as the test wants it"),
        ("hang", "Timeout", "20s"),
    ];
    for (trouble, class, words) in cases {
        let bench = Bench::default();
        let event = bench.order(trouble);
        let last = received(message("a", &event), MAX_RECEIVES);
        assert_eq!(bench.handle(vec![last]).await, failed(&[]), "{trouble}");
        let [dead] = &bench.dead_letters.taken()[..] else {
            panic!("{trouble}");
        };
        assert_eq!((&*dead.error.class, dead.attempts), (class, MAX_RECEIVES));
        assert!(dead.error.message.contains(words), "{dead:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_is_refused_leaves_its_message_in_the_queue() {
    let bench = Bench::default();
    bench.dead_letters.set_failing(true);
    for (trouble, receives) in [("permanent", 1), ("fail", MAX_RECEIVES), ("fail", 9)] {
        let event = bench.order(trouble);
        let message = received(message("a", &event), receives);
        assert_eq!(bench.handle(vec![message.clone()]).await, failed(&["a"]));
        assert!(bench.hidden("a").is_some());
        bench.dead_letters.set_failing(false);
        assert_eq!(bench.handle(vec![message]).await, failed(&[]));
        bench.dead_letters.set_failing(true);
    }
    assert_eq!(bench.dead_letters.taken().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_delivery_is_a_dead_letter_as_it_came() {
    let bench = Bench::default();
    let event = bench.order("apple");
    let changed = |place: &str, value| {
        let mut message = message("a", &event);
        message[place] = value;
        message
    };
    let not_delivered = json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "t" });
    let cases = [
        changed("body", json!("not json")),
        changed("body", json!(not_delivered.to_string())),
        changed("messageAttributes", json!({})),
        changed(
            "messageAttributes",
            json!({ "tenant": { "stringValue": "NO!", "dataType": "String" } }),
        ),
        changed("body", json!(null)),
        changed("attributes", json!(7)),
    ];
    let count = cases.len();
    for malformed in cases {
        let messages = vec![malformed.clone(), message("b", &event)];
        assert_eq!(bench.handle(messages).await, failed(&[]), "{malformed}");
        let taken = bench.dead_letters.taken();
        let body = &taken.last().unwrap().message.body;
        let expected = match &malformed["attributes"] {
            attributes if attributes.is_number() => malformed.to_string(),
            _ => malformed["body"].as_str().unwrap_or_default().to_owned(),
        };
        assert_eq!(*body, expected);
    }
    assert_eq!(bench.dead(), vec!["Malformed"; count]);
    assert_eq!(bench.shop.sold(), ["apple"]);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_named_stops_the_batch_before_it_began() {
    let bench = Bench::default();
    let good = message("a", &bench.order("apple"));
    for nameless in [json!({ "body": "x" }), json!(7)] {
        let batch = batch(vec![good.clone(), nameless]);
        let remaining = crate::support::REMAINING;
        let answer = bench.subscriber().handle(batch, remaining).await;
        assert!(answer.is_err());
    }
    assert!(bench.shop.sold().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_largest_event_is_dead_lettered_whole() {
    let bench = Bench::default();
    let rest = bench.order("").event.to_structured().len();
    let event = bench.order(&"x".repeat(1_000_000 - rest));
    assert_eq!(event.event.to_structured().len(), 1_000_000);
    let subscriber = bench
        .builder()
        .on("order.created", async |_: Event<u32>| Ok(()))
        .otherwise(Unknown::DeadLetter);
    let message = message("a", &event);
    assert_eq!(
        handle(&subscriber, vec![message.clone()]).await,
        failed(&[])
    );
    let sent = bench.dead_letters.taken()[0].to_message();
    assert_eq!(json!(sent.body), message["body"]);
    let attributes = sent.attributes.iter();
    let attributes: usize = attributes
        .map(|(name, value)| name.len() + 6 + value.len())
        .sum();
    assert!(sent.body.len() + attributes <= MAX_MESSAGE_BYTES);
}

/// Whatever happens to it, a message is done, put away, or comes again.
#[tokio::test(start_paused = true)]
async fn nothing_is_lost() {
    let cases = [1, 5, 6, 7].into_iter().flat_map(|receives| {
        let flags = [false, true];
        let queues = flags
            .into_iter()
            .flat_map(move |refusing| flags.map(|fifo| (refusing, fifo)));
        queues.map(move |(refusing, fifo)| (receives, refusing, fifo))
    });
    for (receives, refusing, fifo) in cases {
        let bench = Bench::default();
        bench.dead_letters.set_failing(refusing);
        let mut events = TROUBLES.map(|trouble| bench.order(trouble)).to_vec();
        events.extend([
            bench.order("apple"),
            bench.event(json!({ "type": "unknown" })),
        ]);
        let ids: Vec<String> = (0..events.len()).map(|n| n.to_string()).collect();
        let messages = ids.iter().zip(&events).map(|(id, event)| {
            let message = received(message(id, event), receives);
            if fifo {
                of_group(message, "one")
            } else {
                message
            }
        });
        let answer = bench.handle(messages.collect()).await;
        let case = format!("{receives} {refusing} {fifo}");
        for (id, event) in ids.iter().zip(&events) {
            let comes_again = answer
                .batch_item_failures
                .iter()
                .any(|one| one.item_identifier == *id);
            let dead = bench.dead_letters.taken();
            let event_id = event.event_id.to_string();
            let is_dead = dead
                .iter()
                .any(|dead| dead.message.body.contains(&event_id));
            let claim = bench.inbox.claim(&inbox_key(event), HOLD).await.unwrap();
            let is_done = matches!(claim, Claim::Done(_));
            let ends = [comes_again, is_dead, is_done].map(u8::from);
            assert_eq!(ends.iter().sum::<u8>(), 1, "{case} {id}: {ends:?}");
            assert_eq!(bench.hidden(id).is_some(), comes_again, "{case} {id}");
        }
    }
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("as the test wants it");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_before_it_awaits_or_when_it_is_cut_off_fails_alone() {
    let bench = Bench::default();
    let subscriber = bench
        .builder()
        .on("at-once", |_: Event<IgnoredAny>| {
            assert!(Vec::<u8>::new().pop().is_some(), "as the test wants it");
            std::future::ready(Ok(()))
        })
        .on("dropped", async |_: Event<IgnoredAny>| {
            let _guard = PanicsWhenDropped;
            std::future::pending::<()>().await;
            Ok(())
        })
        .on("order.created", bench.shop.handler())
        .otherwise(Unknown::DeadLetter);
    let events = ["at-once", "dropped", "order.created"]
        .map(|event_type| bench.event(json!({ "type": event_type, "data": "apple" })));
    let messages = ["a", "b", "c"].iter().zip(&events);
    let messages = messages.map(|(id, event)| message(id, event)).collect();
    let answer = handle(&subscriber, messages).await;
    let mut again: Vec<_> = answer
        .batch_item_failures
        .into_iter()
        .map(|one| one.item_identifier)
        .collect();
    again.sort_unstable();
    assert_eq!(again, ["a", "b"]);
    assert_eq!(bench.shop.sold(), ["apple"]);
}
