//! Batches as Lambda hands them over from the dead letter queue, on a store in memory.

use pillarbox_domain::LoggedEvent;
use pillarbox_domain::delivery::Delivery;
use pillarbox_domain::letters::{Keeper, LetterStore, Origin};
use pillarbox_runtime::batch::{Batch, BatchAnswer};
use pillarbox_testkit::builders::{event, logged, tenant};
use pillarbox_testkit::metrics::told;
use pillarbox_testkit::{ManualClock, MemoryLetters, MemoryMetrics};
use serde_json::{Value, json};

use super::DeadLetterBox;

struct Bench {
    clock: ManualClock,
    letters: DeadLetterBox<MemoryLetters, ManualClock>,
    metrics: MemoryMetrics,
}

impl Bench {
    fn new() -> Self {
        let clock = ManualClock::default();
        let metrics = MemoryMetrics::of("dead_letter");
        Self {
            letters: DeadLetterBox {
                keeper: Keeper {
                    letters: MemoryLetters::default(),
                    clock: clock.clone(),
                    retention: "90".parse().unwrap(),
                },
                metrics: metrics.metrics.clone(),
            },
            clock,
            metrics,
        }
    }

    fn event(&self, id: &str, data: Value) -> LoggedEvent {
        logged(&self.clock, &tenant("demo"), event(id, data))
    }

    async fn handle(&self, messages: Vec<Value>) -> BatchAnswer {
        let batch: Batch = serde_json::from_value(json!({ "Records": messages })).unwrap();
        self.letters.handle(batch).await.unwrap()
    }

    fn store(&self) -> &MemoryLetters {
        &self.letters.keeper.letters
    }
}

/// A delivery that its queue gave up on, as SQS moves it and Lambda hands it over.
fn message(message_id: &str, event: &LoggedEvent) -> Value {
    let subscription = "shop".parse().unwrap();
    let sent = Delivery {
        event,
        subscription: &subscription,
        attempt: 1,
        job: None,
    }
    .to_message();
    let attributes = sent.attributes.into_iter().map(|(name, value)| {
        let value = json!({ "stringValue": value, "dataType": "String", "stringListValues": [], "binaryListValues": [] });
        (name.to_owned(), value)
    });
    let attributes: serde_json::Map<String, Value> = attributes.collect();
    json!({
        "messageId": message_id,
        "receiptHandle": "h",
        "body": sent.body,
        "attributes": {
            "ApproximateReceiveCount": "7",
            "ApproximateFirstReceiveTimestamp": "1795435200123",
            "SentTimestamp": "1795435200000",
            "SenderId": "AROAEXAMPLE:dispatch",
            "DeadLetterQueueSourceArn": "arn:aws:sqs:eu-west-1:123456789012:pillarbox-sub-shop",
        },
        "messageAttributes": attributes,
        "md5OfBody": "0",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:pillarbox-dead-letters",
        "awsRegion": "eu-west-1",
    })
}

fn failed(ids: &[&str]) -> BatchAnswer {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[tokio::test]
async fn what_a_queue_gave_up_on_is_kept_with_the_queue_and_its_first_receive() {
    let bench = Bench::new();
    let event = bench.event("1", json!({ "total": 12.5 }));
    let sent = message("a", &event);
    assert_eq!(bench.handle(vec![sent.clone()]).await, failed(&[]));
    let [letter] = &bench.store().all()[..] else {
        panic!("one letter");
    };
    assert_eq!(letter.tenant, tenant("demo"));
    assert_eq!(letter.origin, Origin::Queue);
    assert_eq!(letter.error.class, "ReceivesExhausted");
    let told = &letter.error.message;
    assert!(told.contains("pillarbox-sub-shop"), "{told}");
    let first = letter.first_failed_at.unwrap();
    assert_eq!(first.unix_timestamp_nanos(), 1_795_435_200_123_000_000);
    let body = bench.store().body(letter).await.unwrap();
    assert_eq!(body.as_deref(), sent["body"].as_str());
}

#[tokio::test]
async fn a_message_that_comes_again_is_one_letter() {
    let bench = Bench::new();
    let event = bench.event("1", json!(1));
    for id in ["a", "a", "b"] {
        assert_eq!(bench.handle(vec![message(id, &event)]).await, failed(&[]));
    }
    assert_eq!(bench.store().all().len(), 1);
}

#[tokio::test]
async fn a_letter_that_the_store_refuses_fails_alone_and_comes_again() {
    let bench = Bench::new();
    let events = ["fine", "refused", "fine, too"].map(|data| bench.event(data, json!(data)));
    let messages = || {
        let messages = ["a", "b", "c"].iter().zip(&events);
        messages.map(|(id, event)| message(id, event)).collect()
    };
    bench.store().refuse("\"refused\"");
    assert_eq!(bench.handle(messages()).await, failed(&["b"]));
    assert_eq!(bench.store().all().len(), 2);
    bench.store().recover();
    assert_eq!(bench.handle(messages()).await, failed(&[]));
    assert_eq!(bench.store().all().len(), 3);
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_as_it_came() {
    let bench = Bench::new();
    let event = bench.event("1", json!(1));
    let mut garbage = message("a", &event);
    garbage["body"] = "not json".into();
    let mut bare = message("b", &event);
    bare["messageAttributes"] = json!({});
    let mut binary = message("c", &event);
    binary["messageAttributes"]["tenant"] =
        json!({ "binaryValue": "ZGVtbw==", "dataType": "Binary" });
    let mut empty = message("d", &event);
    empty.as_object_mut().unwrap().remove("body");
    let messages = vec![garbage, bare, binary, empty, message("e", &event)];
    assert_eq!(bench.handle(messages).await, failed(&[]));
    let letters = bench.store().all();
    let of_bus = letters.iter().filter(|letter| letter.tenant.is_bus());
    let classes: Vec<&str> = of_bus.map(|letter| &*letter.error.class).collect();
    assert_eq!(classes, ["Unreadable"; 4]);
    assert_eq!(letters.len(), 5);
}

#[tokio::test]
async fn an_event_of_the_largest_size_is_kept_whole() {
    let bench = Bench::new();
    let frame = event("1", json!("")).to_structured().len();
    let largest = bench.event("1", json!("x".repeat(1_000_000 - frame)));
    assert_eq!(largest.event.to_structured().len(), 1_000_000);
    let sent = message("a", &largest);
    assert_eq!(bench.handle(vec![sent.clone()]).await, failed(&[]));
    let letters = bench.store().all();
    assert!(letters[0].delivery.is_some(), "{:?}", letters[0].error);
    let body = bench.store().body(&letters[0]).await.unwrap();
    assert!(body.as_deref() == sent["body"].as_str());
}

#[tokio::test]
async fn a_batch_that_lambda_malformed_comes_again_whole() {
    let bench = Bench::new();
    for record in [json!({ "body": "no id" }), json!("nonsense")] {
        let batch = serde_json::from_value(json!({ "Records": [record] })).unwrap();
        assert!(bench.letters.handle(batch).await.is_err());
    }
}

#[tokio::test]
async fn a_letter_is_counted_once_by_its_subscription_if_it_is_a_delivery() {
    let bench = Bench::new();
    let event = bench.event("1", json!(1));
    let mut garbage = message("b", &event);
    garbage["body"] = "not json".into();
    for _ in 0..2 {
        let messages = vec![message("a", &event), garbage.clone()];
        assert_eq!(bench.handle(messages).await, failed(&[]));
    }
    let expected = told([
        ("ColdStart", "dead_letter", &[1.0]),
        ("BatchSize", "dead_letter", &[2.0, 2.0]),
        ("DeliveriesDeadLettered", "shop", &[1.0]),
        ("DeliveriesDeadLettered", "none", &[1.0]),
    ]);
    assert_eq!(bench.metrics.values(), expected);
}
