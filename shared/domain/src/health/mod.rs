//! Whether the bus is well, check by check, for its operators.
//!
//! Each check is one question with an answer of its own: `ok`, `warn` or `fail`, a sentence, and a figure. They are
//! asked side by side, and each has [`LIMIT`]: what does not answer has failed, and keeps no other from its answer.

mod examiner;
mod ports;
mod shown;
mod verdict;

use std::time::Duration;

use time::UtcDateTime;

pub use examiner::{Examine, Examiner, Tables};
pub use ports::{BusQueue, QueueDepth, QueueDepths};
pub use shown::ShownExamination;

/// How long a check may take. A call to a store is given up after 8 s, and the HTTP API after 30.
pub const LIMIT: Duration = Duration::from_secs(10);

/// Of what a check tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CheckName {
    /// The log answers.
    EventLogTable,
    /// Receipts and rows answer.
    OutboxTable,
    /// The registry answers.
    RegistryTable,
    /// Dead letters answer.
    DeadLetterTable,
    /// Jobs answer.
    JobTable,
    /// What is on its way to the table of dead letters.
    DeadLetterQueue,
    /// Reminders of deliveries that are tried again.
    RetryQueue,
    /// Calls of workers.
    JobQueue,
    /// Events that the sweep found.
    SweepQueue,
    /// The mapping from the log's stream to dispatch.
    StreamMapping,
    /// Events that wait to be handed over.
    PendingEvents,
    /// How long the first of them waits.
    DispatchLag,
    /// Deliveries that are tried again.
    Retries,
    /// Dead letters that nobody has decided about.
    DeadLetters,
    /// How far the sweep is behind.
    Sweep,
    /// How far sealing is behind.
    Seals,
    /// Jobs that nobody works for.
    IdleJobs,
    /// Subscriptions that the bus has suspended.
    SuspendedSubscriptions,
}

impl CheckName {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 18] = [
        Self::EventLogTable,
        Self::OutboxTable,
        Self::RegistryTable,
        Self::DeadLetterTable,
        Self::JobTable,
        Self::DeadLetterQueue,
        Self::RetryQueue,
        Self::JobQueue,
        Self::SweepQueue,
        Self::StreamMapping,
        Self::PendingEvents,
        Self::DispatchLag,
        Self::Retries,
        Self::DeadLetters,
        Self::Sweep,
        Self::Seals,
        Self::IdleJobs,
        Self::SuspendedSubscriptions,
    ];

    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EventLogTable => "event_log_table",
            Self::OutboxTable => "outbox_table",
            Self::RegistryTable => "registry_table",
            Self::DeadLetterTable => "dead_letter_table",
            Self::JobTable => "job_table",
            Self::DeadLetterQueue => "dead_letter_queue",
            Self::RetryQueue => "retry_queue",
            Self::JobQueue => "job_queue",
            Self::SweepQueue => "sweep_queue",
            Self::StreamMapping => "stream_mapping",
            Self::PendingEvents => "pending_events",
            Self::DispatchLag => "dispatch_lag",
            Self::Retries => "retries",
            Self::DeadLetters => "dead_letters",
            Self::Sweep => "sweep",
            Self::Seals => "seals",
            Self::IdleJobs => "idle_jobs",
            Self::SuspendedSubscriptions => "suspended_subscriptions",
        }
    }
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// As it should be.
    Ok,
    /// Somebody should look at it; nothing is late yet that has to be in time.
    Warn,
    /// Something does not work, or is not known to work.
    Fail,
}

impl Status {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    /// By two limits, the first of which is where it should be looked at.
    fn by<T: PartialOrd>(figure: T, warn: T, fail: T) -> Self {
        match figure {
            figure if figure >= fail => Self::Fail,
            figure if figure >= warn => Self::Warn,
            _ => Self::Ok,
        }
    }
}

/// In what a figure is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Pieces.
    Count,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

impl Unit {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
        }
    }
}

/// What a check measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// How much.
    pub value: u64,
    /// Of what.
    pub unit: Unit,
    /// Whether it may be more.
    pub is_at_least: bool,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Which it is.
    pub name: CheckName,
    /// How it is.
    pub status: Status,
    /// The same in a sentence.
    pub message: String,
    /// What was measured; nothing where there is nothing to measure, or it could not be.
    pub figure: Option<Figure>,
}

/// All checks of one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examination {
    /// When.
    pub at: UtcDateTime,
    /// In the order of [`CheckName::ALL`].
    pub checks: Vec<Check>,
}

impl Examination {
    /// The worst of them.
    pub fn status(&self) -> Status {
        let all = self.checks.iter().map(|check| check.status);
        all.max().unwrap_or(Status::Fail)
    }
}
