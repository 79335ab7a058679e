//! The example's handler in a subscriber, on ports in memory.

use std::future::ready;
use std::num::NonZeroU32;
use std::time::Duration;

use pillarbox::subscriber::{Connections, Subscriber, Unknown};
use pillarbox_domain::LoggedEvent;
use pillarbox_domain::delivery::Delivery;
use pillarbox_domain::inbox::{Claim, Inbox, InboxKey};
use pillarbox_runtime::batch::{Batch, BatchAnswer};
use pillarbox_testkit::builders::{event_with, logged, tenant};
use pillarbox_testkit::{ManualClock, MemoryDeadLetterQueue, MemoryInbox, MemoryVisibility};
use serde_json::{Value, json};

use super::Recorder;
use crate::failing_types::FailingTypes;

const REMAINING: Duration = Duration::from_secs(30);

#[derive(Clone)]
struct Example {
    clock: ManualClock,
    inbox: MemoryInbox<ManualClock>,
    dead_letters: MemoryDeadLetterQueue,
}

impl Example {
    fn new() -> Self {
        let clock = ManualClock::default();
        Self {
            inbox: MemoryInbox::new(clock.clone()),
            clock,
            dead_letters: MemoryDeadLetterQueue::default(),
        }
    }

    fn event(&self, members: Value) -> LoggedEvent {
        logged(&self.clock, &tenant("demo"), event_with(members))
    }

    /// The event's delivery through the example, whose queue lets it be received once.
    async fn handle(&self, event: &LoggedEvent, failing: &str) -> BatchAnswer {
        let this = self.clone();
        let connections = Connections {
            inbox: this.inbox,
            visibility: MemoryVisibility::default(),
            dead_letters: this.dead_letters,
            clock: this.clock.clone(),
        };
        let recorder = Recorder {
            clock: this.clock,
            failing_types: FailingTypes::of(failing),
        };
        let subscriber = Subscriber::builder(connections, NonZeroU32::MIN)
            .on_prefix("", move |event| ready(recorder.record(&event)))
            .otherwise(Unknown::DeadLetter);
        subscriber.handle(batch(event), REMAINING).await.unwrap()
    }
}

fn batch(event: &LoggedEvent) -> Batch {
    let subscription = "example".parse().unwrap();
    let delivery = Delivery {
        event,
        subscription: &subscription,
        attempt: 1,
        job: None,
    };
    let record = json!({
        "messageId": "a",
        "body": delivery.to_message().body,
        "messageAttributes": { "tenant": { "stringValue": "demo", "dataType": "String" } },
    });
    serde_json::from_value(json!({ "Records": [record] })).unwrap()
}

#[tokio::test]
async fn the_latency_of_any_event_is_kept() {
    let example = Example::new();
    for members in [
        json!({}),
        json!({ "data": [1] }),
        json!({ "data_base64": "AAH/" }),
    ] {
        let event = example.event(members);
        example.clock.advance(Duration::from_millis(250));
        let answer = example.handle(&event, "invoice.*").await;
        assert_eq!(answer, BatchAnswer::default());
        let key = InboxKey {
            tenant: tenant("demo"),
            subscription: "example".parse().unwrap(),
            event_id: event.event_id,
        };
        let Claim::Done(kept) = example.inbox.claim(&key, REMAINING).await.unwrap() else {
            panic!("nothing is kept of {event:?}");
        };
        let kept: Value = serde_json::from_str(&kept).unwrap();
        let accepted_ms = event.event_id.unix_millis();
        let expected = json!({
            "type": "order.created", "accepted_ms": accepted_ms, "received_ms": accepted_ms + 250, "latency_ms": 250,
        });
        assert_eq!(kept, expected);
    }
    assert!(example.dead_letters.taken().is_empty());
}

#[tokio::test]
async fn events_that_are_to_fail_end_as_dead_letters_with_a_class_of_their_own() {
    let example = Example::new();
    let event = example.event(json!({ "type": "invoice.sent" }));
    let answer = example.handle(&event, "order.created, invoice.*").await;
    assert_eq!(answer, BatchAnswer::default());
    let dead = &example.dead_letters.taken()[0];
    assert_eq!(dead.error.class, "ExampleFault");
    assert!(dead.error.message.contains("invoice.sent"), "{dead:?}");
}
