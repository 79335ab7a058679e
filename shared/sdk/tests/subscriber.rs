//! Batches from SQS through a subscriber, on an inbox in memory.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pillarbox::subscriber::{Delivery, Handler, Subscriber};
use pillarbox_domain::LoggedEvent;
use pillarbox_domain::delivery::Delivery as Outgoing;
use pillarbox_runtime::batch::{Batch, BatchAnswer};
use pillarbox_testkit::builders::{event, logged, tenant};
use pillarbox_testkit::{ManualClock, MemoryInbox};
use serde_json::{Value, json};

#[derive(Debug, thiserror::Error)]
#[error("the shop is closed")]
struct Closed;

/// Fails for the data "fail", panics for "panic", and counts what it does.
#[derive(Default)]
struct Shop {
    sold: AtomicUsize,
}

impl Handler for Shop {
    type Error = Closed;

    async fn handle(&self, delivery: &Delivery) -> Result<String, Closed> {
        let data = delivery
            .received
            .event
            .data()
            .map(|data| data.bytes())
            .unwrap_or_default();
        match data {
            b"\"fail\"" => Err(Closed),
            b"\"panic\"" => panic!("as the test wants it"),
            _ => {
                self.sold.fetch_add(1, Ordering::Relaxed);
                Ok("{}".to_owned())
            }
        }
    }
}

const HOLD: Duration = Duration::from_secs(30);

struct Bench {
    clock: ManualClock,
    subscriber: Subscriber<Shop, MemoryInbox<ManualClock>>,
}

impl Bench {
    fn new() -> Self {
        let clock = ManualClock::default();
        let inbox = MemoryInbox::new(clock.clone());
        Self {
            clock,
            subscriber: Subscriber {
                handler: Shop::default(),
                inbox,
                hold: HOLD,
            },
        }
    }

    fn event(&self, id: &str, data: &str) -> LoggedEvent {
        logged(&self.clock, &tenant("demo"), event(id, json!(data)))
    }

    async fn handle(&self, messages: Vec<Value>) -> BatchAnswer {
        let batch: Batch = serde_json::from_value(json!({ "Records": messages })).unwrap();
        self.subscriber.handle(batch).await.unwrap()
    }

    fn sold(&self) -> usize {
        self.subscriber.handler.sold.load(Ordering::Relaxed)
    }
}

fn message(message_id: &str, event: &LoggedEvent) -> Value {
    let subscription = "shop".parse().unwrap();
    let sent = Outgoing {
        event,
        subscription: &subscription,
        attempt: 1,
    }
    .to_message();
    let attributes: serde_json::Map<String, Value> = sent
        .attributes
        .into_iter()
        .map(|(name, value)| {
            (
                name.to_owned(),
                json!({ "stringValue": value, "dataType": "String" }),
            )
        })
        .collect();
    json!({
        "messageId": message_id,
        "receiptHandle": "h",
        "body": sent.body,
        "attributes": { "ApproximateReceiveCount": "1" },
        "messageAttributes": attributes,
        "eventSource": "aws:sqs",
    })
}

fn failed(ids: &[&str]) -> BatchAnswer {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[tokio::test]
async fn an_event_takes_effect_once_however_often_it_is_delivered() {
    let bench = Bench::new();
    let event = bench.event("1", "buy");
    assert_eq!(bench.handle(vec![message("a", &event)]).await, failed(&[]));
    assert_eq!(
        bench
            .handle(vec![message("b", &event), message("c", &event)])
            .await,
        failed(&[])
    );
    assert_eq!(bench.sold(), 1);
}

#[tokio::test]
async fn what_fails_or_panics_fails_alone_and_can_come_again_at_once() {
    let bench = Bench::new();
    let events = [
        bench.event("1", "buy"),
        bench.event("2", "fail"),
        bench.event("3", "panic"),
    ];
    let messages = || {
        vec![
            message("a", &events[0]),
            message("b", &events[1]),
            message("c", &events[2]),
        ]
    };
    for _ in 0..2 {
        assert_eq!(bench.handle(messages()).await, failed(&["b", "c"]));
    }
    assert_eq!(bench.sold(), 1);
}

#[tokio::test]
async fn a_message_that_is_no_delivery_fails_alone() {
    let bench = Bench::new();
    let event = bench.event("1", "buy");
    let mut garbage = message("a", &event);
    garbage["body"] = "not json".into();
    let mut of_nobody = message("b", &event);
    of_nobody["messageAttributes"] = json!({});
    let answer = bench
        .handle(vec![garbage, of_nobody, message("c", &event)])
        .await;
    assert_eq!(answer, failed(&["a", "b"]));
    assert_eq!(bench.sold(), 1);
}

#[tokio::test]
async fn an_event_that_another_consumer_holds_waits_until_its_claim_runs_out() {
    use pillarbox_domain::inbox::{Inbox, InboxKey};
    let bench = Bench::new();
    let event = bench.event("1", "buy");
    let key = InboxKey {
        tenant: tenant("demo"),
        subscription: "shop".parse().unwrap(),
        event_id: event.event_id,
    };
    bench.subscriber.inbox.claim(&key, HOLD).await.unwrap();
    assert_eq!(
        bench.handle(vec![message("a", &event)]).await,
        failed(&["a"])
    );
    bench.clock.advance(HOLD + Duration::from_millis(1));
    assert_eq!(bench.handle(vec![message("a", &event)]).await, failed(&[]));
    assert_eq!(bench.sold(), 1);
}
