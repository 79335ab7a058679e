//! A subscriber as a process of its own. It reads a queue as Lambda does for a function, hands each batch to the SDK,
//! and takes what was handled off the queue.
//!
//! `subscriber ok | fail-first <receives> | fail-always <class> <message> | permanent <class> <message> | hang`
//!
//! `hang` begins events whose data have `"hang": true` and never ends them. What it does stands on standard output, a
//! line of JSON each: `{"handling": <event id>, "pid": …}`, `{"effect": <event id>, "pid": …}` and what the SDK logs. It ends
//! when its standard input does, so that it does not outlive who started it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test's own process that cannot go on has failed"
)]

use std::collections::HashMap;
use std::io::Read;
use std::num::NonZeroU32;
use std::time::Duration;

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use pillarbox::subscriber::{
    Connections, DynamoInbox, Event, HandlerError, SqsDeadLetterQueue, SqsVisibility, Subscriber,
    SystemClock, Unknown,
};
use pillarbox::{EventId, Retention};
use pillarbox_aws::Clients;
use pillarbox_runtime::batch::{Batch, BatchAnswer};
use pillarbox_runtime::env::Env;
use pillarbox_runtime::telemetry;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

/// Until the deadline of the function that this stands for. A handler has as long as its claim is held.
const REMAINING: Duration = Duration::from_secs(60);

/// Longer than any test.
const FOREVER: Duration = Duration::from_secs(3_600);

/// Messages of a batch, as Lambda's default.
const BATCH_MESSAGES: i32 = 10;

/// Seconds that a look into the queue waits for something to come.
const LOOK_SECONDS: i32 = 1;

type OwnSubscriber =
    Subscriber<DynamoInbox<SystemClock>, SqsVisibility, SqsDeadLetterQueue, SystemClock>;

/// What is to happen to every event.
#[derive(Clone)]
enum Behaviour {
    Succeed,
    FailFirst(u32),
    FailAlways { class: String, message: String },
    Permanent { class: String, message: String },
    Hang,
}

impl Behaviour {
    fn of_arguments() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let named = |class: &str, message: &str| (class.to_owned(), message.to_owned());
        match arguments[..] {
            ["ok"] => Self::Succeed,
            ["fail-first", receives] => Self::FailFirst(receives.parse().unwrap()),
            ["fail-always", class, message] => {
                let (class, message) = named(class, message);
                Self::FailAlways { class, message }
            }
            ["permanent", class, message] => {
                let (class, message) = named(class, message);
                Self::Permanent { class, message }
            }
            ["hang"] => Self::Hang,
            _ => panic!("no such behaviour: {arguments:?}"),
        }
    }

    async fn handle(self, event: Event<Value>) -> Result<Value, HandlerError> {
        say("handling", event.event_id);
        match self {
            Self::FailFirst(receives) if event.receives <= receives => {
                let told = format!("receive {} of {receives} that fail", event.receives);
                return Err(HandlerError::retry(told));
            }
            Self::FailAlways { class, message } => {
                return Err(HandlerError::retry(message).class(class));
            }
            Self::Permanent { class, message } => {
                return Err(HandlerError::permanent(message).class(class));
            }
            Self::Hang if event.data["hang"] == true => tokio::time::sleep(FOREVER).await,
            Self::Succeed | Self::FailFirst(_) | Self::Hang => {}
        }
        say("effect", event.event_id);
        Ok(json!({ "pid": std::process::id() }))
    }
}

fn say(what: &str, event_id: EventId) {
    let line = json!({ what: event_id.to_string(), "pid": std::process::id() });
    println!("{line}");
}

/// The queue, as Lambda reads it.
struct Source {
    sqs: aws_sdk_sqs::Client,
    url: String,
    arn: String,
    hidden_seconds: i32,
}

impl Source {
    async fn receive(&self) -> Vec<Message> {
        let receive = self.sqs.receive_message().queue_url(&self.url);
        let received = receive
            .max_number_of_messages(BATCH_MESSAGES)
            .visibility_timeout(self.hidden_seconds)
            .wait_time_seconds(LOOK_SECONDS)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await;
        received.unwrap().messages.unwrap_or_default()
    }

    async fn delete(&self, message: &Message) {
        let delete = self.sqs.delete_message().queue_url(&self.url);
        let receipt = message.receipt_handle().unwrap();
        delete.receipt_handle(receipt).send().await.unwrap();
    }

    /// A record of the event that Lambda makes of messages
    /// (<https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>).
    fn record(&self, message: &Message) -> Box<RawValue> {
        let attributes = message.attributes().into_iter().flatten();
        let attributes: HashMap<&str, &str> = attributes
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let own = message.message_attributes().into_iter().flatten();
        let own: HashMap<&str, Value> = own
            .map(|(name, value)| {
                let value = json!({
                    "stringValue": value.string_value(), "dataType": value.data_type(),
                    "stringListValues": [], "binaryListValues": [],
                });
                (name.as_str(), value)
            })
            .collect();
        let record = json!({
            "messageId": message.message_id(), "receiptHandle": message.receipt_handle(),
            "body": message.body(), "md5OfBody": message.md5_of_body(),
            "attributes": attributes, "messageAttributes": own,
            "eventSource": "aws:sqs", "eventSourceARN": self.arn,
        });
        to_raw_value(&record).unwrap()
    }

    /// Handles one batch, and takes what was handled off the queue.
    async fn poll(&self, subscriber: &OwnSubscriber) {
        let messages = self.receive().await;
        let records = messages.iter().map(|message| self.record(message));
        let batch = Batch {
            records: records.collect(),
        };
        let answer = subscriber.handle(batch, REMAINING).await.unwrap();
        for message in messages.iter().filter(|message| is_done(&answer, message)) {
            self.delete(message).await;
        }
    }
}

fn is_done(answer: &BatchAnswer, message: &Message) -> bool {
    let mut failures = answer.batch_item_failures.iter();
    !failures.any(|failure| Some(&*failure.item_identifier) == message.message_id())
}

async fn arn_of(sqs: &aws_sdk_sqs::Client, url: &str) -> String {
    let get = sqs.get_queue_attributes().queue_url(url);
    let get = get.attribute_names(QueueAttributeName::QueueArn);
    let mut found = get.send().await.unwrap().attributes.unwrap();
    found.remove(&QueueAttributeName::QueueArn).unwrap()
}

/// Ends this process when nobody holds its standard input any more.
fn end_with_who_started_it() {
    std::thread::spawn(|| {
        let rest = std::io::stdin().read_to_end(&mut vec![]);
        std::process::exit(i32::from(rest.is_err()));
    });
}

/// What the environment says.
struct Config {
    clients: Clients,
    queue_url: String,
    inbox_table: String,
    dead_letter_queue_url: String,
    max_receives: NonZeroU32,
    hold_seconds: u16,
}

impl Config {
    fn read(mut env: Env) -> Self {
        let aws = env.aws();
        let queue_url = env.required("QUEUE_URL");
        let inbox_table = env.required("INBOX_TABLE");
        let dead_letter_queue_url = env.required("DEAD_LETTER_QUEUE_URL");
        let max_receives = env.required("MAX_RECEIVES");
        let hold_seconds = env.required("HOLD_SECONDS");
        let config = env.finish(|| {
            Some(Self {
                clients: Clients::new(aws?),
                queue_url: queue_url?,
                inbox_table: inbox_table?,
                dead_letter_queue_url: dead_letter_queue_url?,
                max_receives: max_receives?,
                hold_seconds: hold_seconds?,
            })
        });
        config.unwrap()
    }

    async fn source(&self) -> Source {
        let sqs = self.clients.sqs();
        Source {
            arn: arn_of(&sqs, &self.queue_url).await,
            sqs,
            url: self.queue_url.clone(),
            hidden_seconds: self.hold_seconds.into(),
        }
    }

    fn subscriber(self, behaviour: Behaviour) -> OwnSubscriber {
        let (dynamodb, sqs) = (self.clients.dynamodb(), self.clients.sqs());
        let clock = SystemClock::default();
        let kept_for = Retention::default().duration();
        let connections = Connections {
            inbox: DynamoInbox::new(dynamodb, self.inbox_table, clock.clone(), kept_for),
            visibility: SqsVisibility::new(sqs.clone(), self.queue_url),
            dead_letters: SqsDeadLetterQueue::new(sqs, self.dead_letter_queue_url),
            clock,
        };
        let hold = Duration::from_secs(self.hold_seconds.into());
        Subscriber::builder(connections, self.max_receives)
            .on_prefix("", move |event| behaviour.clone().handle(event))
            .record_timeout(hold)
            .hold(hold)
            .otherwise(Unknown::DeadLetter)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    end_with_who_started_it();
    telemetry::init(telemetry::Level::INFO, "1".parse().unwrap());
    let config = Config::read(Env::of_process());
    let source = config.source().await;
    let subscriber = config.subscriber(Behaviour::of_arguments());
    loop {
        source.poll(&subscriber).await;
    }
}
