//! Consuming deliveries in a Lambda function of your own, on the queue of a subscription.
//!
//! A [`Subscriber`] has a handler for each type of event. Every record of a batch succeeds or fails alone, an event
//! takes effect once although its deliveries may repeat, and what fails for good goes to the dead letter queue with
//! the reason. `docs/subscribers.md` has the permissions and the settings of the queue, and says how to do without
//! this crate.
//!
//! ```
//! use pillarbox::subscriber::{Event, HandlerError, Subscriber, Unknown};
//! # use pillarbox::subscriber::Connections;
//! # use pillarbox_testkit::{ManualClock, MemoryDeadLetterQueue, MemoryInbox, MemoryVisibility};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! struct OrderPlaced {
//!     total: f64,
//! }
//!
//! /// What the inbox keeps of the effect.
//! #[derive(Serialize)]
//! struct Invoice {
//!     number: String,
//! }
//!
//! #[derive(Debug, thiserror::Error)]
//! #[error("an order of {0} is no order")]
//! struct NoOrder(f64);
//!
//! async fn invoice(event: Event<OrderPlaced>) -> Result<Invoice, HandlerError> {
//!     if event.data.total <= 0.0 {
//!         // It will never be one: to the dead letter queue, at once.
//!         return Err(HandlerError::permanent(NoOrder(event.data.total)).class("NoOrder"));
//!     }
//!     // Any error that `?` passes on lets the delivery come again.
//!     let number = i64::try_from(event.event_id.unix_millis())?;
//!     Ok(Invoice { number: format!("I-{number}") })
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let clock = ManualClock::default();
//! # let connections = Connections {
//! #     inbox: MemoryInbox::new(clock.clone()),
//! #     visibility: MemoryVisibility::default(),
//! #     dead_letters: MemoryDeadLetterQueue::default(),
//! #     clock,
//! # };
//! # let max_receives = std::num::NonZeroU32::MIN;
//! let subscriber = Subscriber::builder(connections, max_receives)
//!     .on("order.placed", invoice)
//!     .on_prefix("order.", async |event: Event<serde_json::Value>| {
//!         println!("{} is of no interest", event.event.event_type());
//!         Ok(())
//!     })
//!     .otherwise(Unknown::DeadLetter);
//!
//! # let batch = serde_json::from_str(r#"{"Records":[]}"#)?;
//! # let remaining = std::time::Duration::from_secs(30);
//! // In the Lambda function, for each batch, with the time that is left until its deadline:
//! let answer = subscriber.handle(batch, remaining).await?;
//! # assert!(answer.batch_item_failures.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! On AWS, [`Connections`] are of a [`DynamoInbox`], an [`SqsVisibility`] and an [`SqsDeadLetterQueue`], and
//! `functions/subscriber_example` is a whole function.
//!
//! # What is logged
//!
//! One line `delivery.handled` per record, whose `outcome` is one of
//!
//! | outcome | what happened | what the queue is told |
//! |---|---|---|
//! | `done` | the effect was made now | done |
//! | `repeat` | it had been made before; `result` is what it was | done |
//! | `skipped` | no handler is for its type, and [`Unknown::Skip`] was chosen | done |
//! | `dead_lettered` | it failed for good; the dead letter queue has it | done |
//! | `failed` | it failed, and comes again after `retry_in_ms` | failed |
//!
//! # What is measured
//!
//! Nothing, unless it is asked for with [`Builder::metrics`]. [`Metrics::of_process`] writes CloudWatch's embedded metrics
//! to standard output, in the namespace that the variable `METRICS_NAMESPACE` names, and nothing where it is not set:
//! `EndToEndLatency` (from when the bus accepted an event until its handler had succeeded; not of what is sent again by
//! a job) and `DeliveryRetries` (attempts after the first) by `Subscription`, of which the first 20 names are told apart;
//! `BatchSize` and `ColdStart` by `Function`.

mod attempt;
mod builder;
mod error;
mod event;
mod figures;
mod handlers;
mod log;
mod record;
mod schedule;
mod settle;

use std::num::NonZeroU32;
use std::time::Duration;

use futures::{StreamExt, stream};
use pillarbox_domain::Clock;
use pillarbox_domain::dead_letter::DeadLetterQueue;
use pillarbox_domain::inbox::Inbox;
use pillarbox_domain::visibility::Visibility;
use pillarbox_runtime::batch::{Batch, BatchAnswer};

pub use builder::{Builder, Unknown};
pub use error::HandlerError;
pub use event::Event;
pub use record::NotAMessage;

pub use pillarbox_aws::{DynamoInbox, SqsDeadLetterQueue, SqsVisibility};
pub use pillarbox_domain::retry_policy::Backoff;
pub use pillarbox_runtime::clock::SystemClock;
pub use pillarbox_runtime::metrics::Metrics;
pub use pillarbox_runtime::process::serve_until;

use handlers::Handlers;
use pillarbox_runtime::metrics::catalogue::BATCH_SIZE;
use schedule::{Deadline, groups};
use settle::Settled;

/// What a subscriber works with.
pub struct Connections<I, V, D, C> {
    /// Makes each effect happen once.
    pub inbox: I,
    /// The queue that the batches come from, where messages wait that come again.
    pub visibility: V,
    /// Where messages go that fail for good.
    pub dead_letters: D,
    /// What time it is.
    pub clock: C,
}

/// Handlers of events, and all that keeps a failure to the record that failed.
pub struct Subscriber<I, V, D, C> {
    connections: Connections<I, V, D, C>,
    handlers: Handlers,
    settings: Settings,
    metrics: Metrics,
}

/// What may be set by the [`Builder`].
struct Settings {
    unknown: Unknown,
    /// How often the queue lets a message be received.
    max_receives: NonZeroU32,
    backoff: Backoff,
    record_timeout: Duration,
    hold: Duration,
    margin: Duration,
    concurrency: usize,
}

impl<I, V, D, C> Subscriber<I, V, D, C>
where
    I: Inbox + Sync,
    V: Visibility + Sync,
    D: DeadLetterQueue + Sync,
    C: Clock + Sync,
{
    /// A subscriber on a queue whose redrive policy has this `maxReceiveCount`. It has no handlers yet.
    pub fn builder(
        connections: Connections<I, V, D, C>,
        max_receives: NonZeroU32,
    ) -> Builder<I, V, D, C> {
        Builder::new(connections, max_receives)
    }

    /// Handles a batch within the time that is left, and answers with the records that have to come again.
    ///
    /// Records of a standard queue are handled side by side; of a FIFO queue, groups are, and the records of a
    /// group one after the other until one of them has to come again.
    ///
    /// # Errors
    /// When a record has no id by which its failure could be told. Then nothing of the batch was begun.
    pub async fn handle(
        &self,
        batch: Batch,
        remaining: Duration,
    ) -> Result<BatchAnswer, NotAMessage> {
        let answer = self.handle_measured(batch, remaining).await;
        self.metrics.flush(None);
        answer
    }

    async fn handle_measured(
        &self,
        batch: Batch,
        remaining: Duration,
    ) -> Result<BatchAnswer, NotAMessage> {
        let deadline = Deadline::in_time(remaining, self.settings.margin);
        self.metrics
            .record(&BATCH_SIZE, (), batch.records.len() as f64);
        let mut work = Vec::new();
        for group in groups(record::records(&batch)?) {
            work.push(self.handle_group(group, &deadline));
        }
        let handled = stream::iter(work).buffer_unordered(self.settings.concurrency);
        let settled: Vec<Settled> = handled.collect::<Vec<_>>().await.concat();
        self.delay(&settled, &deadline).await;
        let again = settled.into_iter().filter(Settled::comes_again);
        Ok(again.map(|settled| settled.message_id).collect())
    }
}
