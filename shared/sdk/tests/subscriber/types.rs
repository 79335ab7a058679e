//! Which handler an event goes to, and with which data.

use std::sync::{Arc, Mutex};

use pillarbox::subscriber::{Event, HandlerError, Unknown};
use pillarbox_domain::inbox::{Claim, Inbox};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use crate::support::{Bench, HOLD, TestBuilder, failed, handle, inbox_key, message, received};

fn noting(
    called: &Arc<Mutex<Vec<&'static str>>>,
    name: &'static str,
) -> impl Fn(Event<IgnoredAny>) -> std::future::Ready<Result<(), HandlerError>> + use<> {
    let called = Arc::clone(called);
    move |_| {
        called.lock().unwrap().push(name);
        std::future::ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_type_s_own_handler_goes_before_that_of_the_longest_prefix() {
    let bench = Bench::default();
    let called = Arc::default();
    let subscriber = bench
        .builder()
        .on_prefix("", noting(&called, "any"))
        .on_prefix("order.created", noting(&called, "longest"))
        .on_prefix("order.", noting(&called, "prefix"))
        .on("order.created", noting(&called, "replaced"))
        .on("order.created", noting(&called, "own"))
        .otherwise(Unknown::DeadLetter);
    let types = [
        "order.created",
        "order.created.late",
        "order.x",
        "order",
        "z",
    ];
    for event_type in types {
        let event = bench.event(json!({ "type": event_type }));
        let answer = handle(&subscriber, vec![message("a", &event)]).await;
        assert_eq!(answer, failed(&[]));
    }
    let called: Vec<_> = called.lock().unwrap().clone();
    assert_eq!(called, ["own", "longest", "prefix", "any", "any"]);
    assert!(bench.dead().is_empty());
}

async fn unknown(bench: &Bench, unknown: Unknown, receives: u32) -> bool {
    let subscriber = bench
        .builder()
        .on("order.created", bench.shop.handler())
        .otherwise(unknown);
    let event = bench.event(json!({ "type": "order.deleted", "data": "apple" }));
    let message = received(message("a", &event), receives);
    let answer = handle(&subscriber, vec![message]).await;
    let claim = bench.inbox.claim(&inbox_key(&event), HOLD).await.unwrap();
    assert!(
        matches!(claim, Claim::Granted(_)),
        "something is kept of it"
    );
    answer == failed(&[])
}

#[tokio::test(start_paused = true)]
async fn an_unknown_type_is_skipped_or_retried_or_dead_lettered_as_it_was_chosen() {
    let bench = Bench::default();
    assert!(unknown(&bench, Unknown::Skip, 1).await);
    assert!(unknown(&bench, Unknown::Skip, 6).await);
    assert!(bench.dead().is_empty());
    assert!(!unknown(&bench, Unknown::Retry, 1).await);
    assert_eq!(bench.hidden("a"), Some(1));
    assert!(bench.dead().is_empty());
    assert!(unknown(&bench, Unknown::Retry, 6).await);
    assert_eq!(bench.dead(), ["UnknownType"]);
    assert!(unknown(&bench, Unknown::DeadLetter, 1).await);
    assert_eq!(bench.dead(), ["UnknownType"; 2]);
    let reason = bench.dead_letters.taken()[1].error.message.clone();
    assert!(reason.contains("order.deleted"), "{reason}");
    assert!(bench.shop.sold().is_empty());
}

#[derive(Debug, Deserialize, PartialEq)]
struct Order {
    total: f64,
}

#[tokio::test(start_paused = true)]
async fn a_handler_gets_its_data_and_all_that_is_known_of_the_event() {
    let bench = Bench::default();
    let event = bench.event(json!({ "data": { "total": 12.5 }, "subject": "s" }));
    let seen: Arc<Mutex<Vec<Event<Order>>>> = Arc::default();
    let see = Arc::clone(&seen);
    let subscriber = bench
        .builder()
        .on("order.created", move |event: Event<Order>| {
            see.lock().unwrap().push(event);
            std::future::ready(Ok(()))
        })
        .otherwise(Unknown::DeadLetter);
    let mut replayed: Value = received(message("a", &event), 3);
    let mut body: Value = serde_json::from_str(replayed["body"].as_str().unwrap()).unwrap();
    body["pbjob"] = json!("job-1");
    replayed["body"] = json!(body.to_string());
    assert_eq!(handle(&subscriber, vec![replayed]).await, failed(&[]));
    let seen = seen.lock().unwrap();
    let expected = Event {
        tenant: event.tenant.clone(),
        event: event.event.clone(),
        data: Order { total: 12.5 },
        event_id: event.event_id,
        subscription: "shop".parse().unwrap(),
        attempt: 1,
        receives: 3,
        job: Some("job-1".to_owned()),
    };
    assert_eq!(*seen, [expected]);
}

#[tokio::test(start_paused = true)]
async fn data_that_do_not_fit_are_a_dead_letter_at_once() {
    let bench = Bench::default();
    let cases = [
        json!({ "data": { "total": "12.5" } }),
        json!({ "data": 1 }),
        json!({}),
        json!({ "data_base64": "AAH/" }),
    ];
    let count = cases.len();
    let subscriber = bench
        .builder()
        .on("order.created", async |order: Event<Order>| {
            Ok(order.data.total)
        })
        .otherwise(Unknown::Retry);
    for members in cases {
        let event = bench.event(members);
        let answer = handle(&subscriber, vec![message("a", &event)]).await;
        assert_eq!(answer, failed(&[]), "{event:?}");
    }
    assert_eq!(bench.dead(), vec!["DataMismatch"; count]);
    let reason = bench.dead_letters.taken()[0].error.message.clone();
    assert!(reason.contains("invalid type: string"), "{reason}");
}

/// A repeat of what an earlier version of the handler took is no mismatch.
#[tokio::test(start_paused = true)]
async fn what_is_done_stays_done_when_its_handler_takes_other_data_now() {
    let bench = Bench::default();
    let event = bench.order("apple");
    assert_eq!(bench.handle(vec![message("a", &event)]).await, failed(&[]));
    let subscriber = bench
        .builder()
        .on("order.created", async |order: Event<Order>| {
            Ok(order.data.total)
        })
        .otherwise(Unknown::DeadLetter);
    let answer = handle(&subscriber, vec![message("b", &event)]).await;
    assert_eq!(answer, failed(&[]));
    assert!(bench.dead().is_empty());
}

#[tokio::test(start_paused = true)]
async fn no_data_are_null_and_binary_data_are_for_who_takes_anything() {
    let bench = Bench::default();
    let none = bench.event(json!({ "id": "1" }));
    let binary = bench.event(json!({ "id": "2", "type": "b", "data_base64": "AAH/" }));
    let subscriber = bench
        .builder()
        .on("order.created", async |none: Event<Option<Order>>| {
            Ok(none.data.is_none())
        })
        .on("b", async |event: Event<IgnoredAny>| {
            Ok(event.event.data().map(|data| data.bytes().to_vec()))
        })
        .otherwise(Unknown::DeadLetter);
    let messages = vec![message("a", &none), message("b", &binary)];
    assert_eq!(handle(&subscriber, messages).await, failed(&[]));
    let mut kept = Vec::new();
    for event in [none, binary] {
        kept.push(bench.inbox.claim(&inbox_key(&event), HOLD).await.unwrap());
    }
    let results = ["true", "[0,1,255]"].map(|result| Claim::Done(result.to_owned()));
    assert_eq!(kept, results);
}

struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("as the test wants it"))
    }
}

async fn kept_of(bench: &Bench, builder: TestBuilder) -> Claim {
    let event = bench.event(json!({}));
    let subscriber = builder.otherwise(Unknown::DeadLetter);
    let answer = handle(&subscriber, vec![message("a", &event)]).await;
    assert_eq!(answer, failed(&[]));
    bench.inbox.claim(&inbox_key(&event), HOLD).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_result_that_cannot_be_kept_does_not_make_the_effect_again() {
    let bench = Bench::default();
    let unwritable = async |_: Event<IgnoredAny>| Ok(Unwritable);
    let builder = bench.builder().on("order.created", unwritable);
    assert_eq!(
        kept_of(&bench, builder).await,
        Claim::Done("null".to_owned())
    );
    for (length, fits) in [(299_998, true), (299_999, false)] {
        let long = move |_: Event<IgnoredAny>| std::future::ready(Ok("x".repeat(length)));
        let builder = bench.builder().on("order.created", long);
        let kept = kept_of(&bench, builder).await;
        assert_eq!(kept != Claim::Done("null".to_owned()), fits, "{length}");
    }
}
