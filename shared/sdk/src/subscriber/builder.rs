//! How a subscriber is put together.

use std::num::NonZeroU32;
use std::time::Duration;

use pillarbox_domain::retry_policy::Backoff;
use pillarbox_domain::visibility::MAX_HIDDEN;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::HandlerError;
use super::event::Event;
use super::handlers::{Handlers, erased};
use super::{Connections, Metrics, Settings, Subscriber};

/// How long a record's handler may run.
const RECORD_TIMEOUT: Duration = Duration::from_secs(20);

/// How much longer than a handler may run its claim is held: a call to AWS takes 8 s with all its retries, and the
/// effect has to be written down within the claim.
const CLOSING_TIME: Duration = Duration::from_secs(10);

/// How long before the deadline handlers are cut off: time for one attempt of each call that is still to be made.
const MARGIN: Duration = Duration::from_secs(3);

/// Records of a standard queue, or groups of a FIFO queue, that are handled at a time: a batch of the default size.
const CONCURRENCY: usize = 10;

/// What to do with an event for whose type there is no handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// It is of no interest: it counts as done, and nothing is kept of it.
    Skip,
    /// It comes again, in the hope of a newer version of this function, until its last receive.
    Retry,
    /// It should not be here: it goes to the dead letter queue at once.
    DeadLetter,
}

/// Handlers and settings of a [`Subscriber`] to be. [`Builder::otherwise`] ends it.
pub struct Builder<I, V, D, C> {
    connections: Connections<I, V, D, C>,
    max_receives: NonZeroU32,
    handlers: Handlers,
    backoff: Backoff,
    record_timeout: Duration,
    hold: Option<Duration>,
    margin: Duration,
    concurrency: usize,
    metrics: Metrics,
}

impl<I, V, D, C> Builder<I, V, D, C> {
    pub(super) fn new(connections: Connections<I, V, D, C>, max_receives: NonZeroU32) -> Self {
        Self {
            connections,
            max_receives,
            handlers: Handlers::default(),
            backoff: Backoff::default(),
            record_timeout: RECORD_TIMEOUT,
            hold: None,
            margin: MARGIN,
            concurrency: CONCURRENCY,
            metrics: Metrics::off(),
        }
    }

    /// Handles events of exactly this type. Of two handlers for one type the later counts.
    ///
    /// The handler's result is kept in the inbox as JSON, 300,000 bytes at most. Data that are no `T` go to the dead
    /// letter queue at once.
    #[must_use]
    pub fn on<T, R, F, Fut>(mut self, event_type: impl Into<String>, handler: F) -> Self
    where
        T: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
        F: Fn(Event<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, HandlerError>> + Send + 'static,
    {
        let handler = erased(handler);
        self.handlers.of_type.insert(event_type.into(), handler);
        self
    }

    /// Handles events whose type begins so, and which no handler of a type or of a longer prefix is for. The empty
    /// prefix is of every type.
    #[must_use]
    pub fn on_prefix<T, R, F, Fut>(mut self, prefix: impl Into<String>, handler: F) -> Self
    where
        T: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
        F: Fn(Event<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, HandlerError>> + Send + 'static,
    {
        let handler = erased(handler);
        self.handlers.of_prefix.insert(prefix.into(), handler);
        self
    }

    /// How long a record that failed waits, by how often it was received: 1 s, ×2, 60 s at most, unless it is set.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// How long a handler may run for one record: 20 s, unless it is set. Only a handler that awaits can be cut off.
    #[must_use]
    pub fn record_timeout(mut self, timeout: Duration) -> Self {
        self.record_timeout = timeout;
        self
    }

    /// How long a claim is held, after which its holder counts as dead: 10 s longer than a handler may run, unless
    /// it is set, and never longer than a message can stay hidden. A handler is cut off when its claim runs out.
    #[must_use]
    pub fn hold(mut self, hold: Duration) -> Self {
        self.hold = Some(hold);
        self
    }

    /// How long before the deadline everything is cut off: 3 s, unless it is set.
    #[must_use]
    pub fn margin(mut self, margin: Duration) -> Self {
        self.margin = margin;
        self
    }

    /// How many records, or groups of a FIFO queue, are handled at a time: 10, unless it is set; 1 at the least.
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency.max(1);
        self
    }

    /// Measures what is done, and writes it before each answer: [`Metrics::of_process`], with the function's name.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// The subscriber, which does this with events of any other type.
    #[must_use]
    pub fn otherwise(self, unknown: Unknown) -> Subscriber<I, V, D, C> {
        let hold = self.record_timeout.saturating_add(CLOSING_TIME);
        let hold = self.hold.unwrap_or(hold).min(MAX_HIDDEN);
        Subscriber {
            connections: self.connections,
            handlers: self.handlers,
            settings: Settings {
                unknown,
                max_receives: self.max_receives,
                backoff: self.backoff,
                record_timeout: self.record_timeout.min(hold),
                hold,
                margin: self.margin,
                concurrency: self.concurrency,
            },
            metrics: self.metrics,
        }
    }
}
