//! A shop that sells what events order, and the queue that they come from.

use std::future::pending;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use pillarbox::subscriber::{Builder, Connections, Event, HandlerError, Subscriber, Unknown};
use pillarbox_domain::LoggedEvent;
use pillarbox_domain::delivery::Delivery as Outgoing;
use pillarbox_domain::inbox::InboxKey;
use pillarbox_runtime::batch::{Batch, BatchAnswer};
use pillarbox_testkit::builders::{event_with, logged, tenant};
use pillarbox_testkit::{
    ManualClock, MemoryDeadLetterQueue, MemoryInbox, MemoryMetrics, MemoryVisibility,
};
use serde_json::{Value, json};

pub const HOLD: Duration = Duration::from_secs(30);

/// What Lambda gives a batch.
pub const REMAINING: Duration = Duration::from_secs(30);

pub const MAX_RECEIVES: u32 = 6;

type Inbox = MemoryInbox<ManualClock>;
type Parts = (Inbox, MemoryVisibility, MemoryDeadLetterQueue, ManualClock);
pub type TestBuilder = Builder<Inbox, MemoryVisibility, MemoryDeadLetterQueue, ManualClock>;
pub type TestSubscriber = Subscriber<Inbox, MemoryVisibility, MemoryDeadLetterQueue, ManualClock>;

#[derive(Debug, thiserror::Error)]
#[error("the shop is closed")]
pub struct Closed;

/// Sells what an event's data name; some names stand for trouble.
#[derive(Clone, Default)]
pub struct Shop(Arc<Mutex<Vec<String>>>);

impl Shop {
    pub fn handler(&self) -> impl Fn(Event<String>) -> BoxFuture<'static, Sold> + use<> {
        let shop = self.clone();
        move |event| shop.clone().sell(event).boxed()
    }

    async fn sell(self, event: Event<String>) -> Sold {
        match event.data.as_str() {
            "fail" => Err(Closed)?,
            "busy" => Err(HandlerError::retry_in(Closed, Duration::from_secs(90))),
            "permanent" => Err(HandlerError::permanent(Closed)),
            "named" => Err(HandlerError::permanent(Closed).class("ShopClosed")),
            "panic" => panic!("as the test wants it"),
            "hang" => pending().await,
            name => {
                self.0.lock().unwrap().push(name.to_owned());
                Ok(json!({ "sold": name }))
            }
        }
    }

    pub fn sold(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

type Sold = Result<Value, HandlerError>;

#[derive(Clone)]
pub struct Bench {
    pub clock: ManualClock,
    pub inbox: Inbox,
    pub visibility: MemoryVisibility,
    pub dead_letters: MemoryDeadLetterQueue,
    pub shop: Shop,
    pub metrics: MemoryMetrics,
}

impl Default for Bench {
    fn default() -> Self {
        let clock = ManualClock::default();
        Self {
            inbox: MemoryInbox::new(clock.clone()),
            metrics: MemoryMetrics::at("subscriber_example", clock.clone()),
            clock,
            visibility: MemoryVisibility::default(),
            dead_letters: MemoryDeadLetterQueue::default(),
            shop: Shop::default(),
        }
    }
}

impl Bench {
    /// A subscriber without handlers, on this bench.
    pub fn builder(&self) -> TestBuilder {
        let (inbox, visibility, dead_letters, clock): Parts = (
            self.inbox.clone(),
            self.visibility.clone(),
            self.dead_letters.clone(),
            self.clock.clone(),
        );
        let connections = Connections {
            inbox,
            visibility,
            dead_letters,
            clock,
        };
        Subscriber::builder(connections, NonZeroU32::new(MAX_RECEIVES).unwrap())
            .hold(HOLD)
            .metrics(self.metrics.metrics.clone())
    }

    /// The shop, for orders; anything else is a dead letter.
    pub fn subscriber(&self) -> TestSubscriber {
        self.shop_with(self.builder())
    }

    pub fn shop_with(&self, builder: TestBuilder) -> TestSubscriber {
        builder
            .on("order.created", self.shop.handler())
            .otherwise(Unknown::DeadLetter)
    }

    /// A new order of this.
    pub fn order(&self, data: &str) -> LoggedEvent {
        self.event(json!({ "data": data }))
    }

    pub fn event(&self, members: Value) -> LoggedEvent {
        logged(&self.clock, &tenant("demo"), event_with(members))
    }

    /// A batch through a new shop.
    pub async fn handle(&self, messages: Vec<Value>) -> BatchAnswer {
        handle(&self.subscriber(), messages).await
    }

    /// How long this message was hidden, in whole seconds as the queue counts.
    pub fn hidden(&self, message_id: &str) -> Option<u64> {
        let lasting = self.visibility.of(&handle_of(message_id))?;
        Some(lasting.as_secs() + u64::from(lasting.subsec_nanos() > 0))
    }

    /// The classes of the errors of all dead letters.
    pub fn dead(&self) -> Vec<String> {
        let taken = self.dead_letters.taken().into_iter();
        taken.map(|dead| dead.error.class.into_owned()).collect()
    }
}

pub async fn handle(subscriber: &TestSubscriber, messages: Vec<Value>) -> BatchAnswer {
    subscriber.handle(batch(messages), REMAINING).await.unwrap()
}

pub fn batch(messages: Vec<Value>) -> Batch {
    serde_json::from_value(json!({ "Records": messages })).unwrap()
}

pub fn inbox_key(event: &LoggedEvent) -> InboxKey {
    InboxKey {
        tenant: event.tenant.clone(),
        subscription: "shop".parse().unwrap(),
        event_id: event.event_id,
    }
}

fn handle_of(message_id: &str) -> String {
    format!("handle of {message_id}")
}

/// The message as Lambda hands it over, received for the first time.
pub fn message(message_id: &str, event: &LoggedEvent) -> Value {
    let sent = Outgoing {
        event,
        subscription: &"shop".parse().unwrap(),
        attempt: 1,
        job: None,
    }
    .to_message();
    let attributes: serde_json::Map<String, Value> = sent
        .attributes
        .into_iter()
        .map(|(name, value)| {
            let value = json!({ "stringValue": value, "dataType": "String" });
            (name.to_owned(), value)
        })
        .collect();
    json!({
        "messageId": message_id,
        "receiptHandle": handle_of(message_id),
        "body": sent.body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "ApproximateFirstReceiveTimestamp": "1795435200000",
        },
        "messageAttributes": attributes,
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:1:shop",
    })
}

/// The message, received this often.
pub fn received(mut message: Value, receives: u32) -> Value {
    message["attributes"]["ApproximateReceiveCount"] = json!(receives.to_string());
    message
}

/// The message, from a FIFO queue and of this group.
pub fn of_group(mut message: Value, group: &str) -> Value {
    message["attributes"]["MessageGroupId"] = json!(group);
    message["eventSourceARN"] = json!("arn:aws:sqs:eu-west-1:1:shop.fifo");
    message
}

pub fn failed(ids: &[&str]) -> BatchAnswer {
    ids.iter().map(|id| (*id).to_owned()).collect()
}
