//! Replays and redrives: a frozen set of events or dead letters that is sent again, as one kind of job.
//!
//! A job is planned first: its set is cut into units, each with its exact count, and cannot grow after that.
//! Workers then claim units one by one. Whoever holds a unit sends a page, writes its place down, and sends the
//! next; when it dies, another goes on from the last place written down. So a dead worker repeats a page at the
//! most, and loses none.
//!
//! ```text
//! PLANNING --planned--> RUNNING --all units done--> COMPLETED
//!    |  (dry run) --> COUNTED
//! PLANNING, RUNNING --pause--> PAUSED --resume--> as it was
//! PLANNING, RUNNING, PAUSED --cancel--> CANCELLED
//! ```

mod archived;
mod change;
mod filter;
pub(crate) mod members;
mod pace;
mod planner;
mod ports;
pub mod price;
mod query;
pub mod request;
mod shown;
mod store;
mod worker;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Serialize, Serializer};
use time::UtcDateTime;

use crate::event_id::{EventId, InvalidEventId};
use crate::letters::LetterFilter;
use crate::log_hour::{IdRange, LogHour, Position};
use crate::log_shard::LogShard;
use crate::store_error::StoreError;
use crate::subscription::{QueueUrl, SubscriptionId, TypePattern};
use crate::tenant::TenantId;

pub use change::{KEPT, MAX_WORKERS};
pub use pace::{MAX_PAGE_EVENTS, Turn, page_events, speed};
pub use ports::{Caller, HandledPage, Parts, Ports, Sleeper};
pub use query::{FailureList, FailureQuery, JobList, JobQuery};
pub use shown::{ShownFailure, ShownJob, ShownTarget};
pub use store::{
    ChangeJob, Changed, Created, FailedEvent, Holder, IdleJobs, JobQueue, JobStore, JobsPage,
    MAX_NEW_UNITS, Saved,
};
pub use worker::{Ran, Run, Worker};

/// How long a worker holds a unit without writing its place down. The message that it works for is invisible for
/// as long.
pub const LEASE: Duration = Duration::from_secs(30);

/// How long a job waits before it is looked into, and after the end of its set: what was accepted before is in the log's
/// index by then, which may be some moments behind.
pub const SETTLING: Duration = Duration::from_secs(2);

/// Names a job: a UUIDv7 of the time at which it was asked for, so jobs are in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(EventId);

impl JobId {
    /// The job of this UUIDv7, which a clock gave.
    pub fn new(id: EventId) -> Self {
        Self(id)
    }

    /// The UUIDv7 itself.
    pub fn uuid(self) -> EventId {
        self.0
    }
}

impl FromStr for JobId {
    type Err = InvalidEventId;

    fn from_str(text: &str) -> Result<Self, InvalidEventId> {
        text.parse().map(Self)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// What is sent again, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Events of the log.
    Replay {
        /// Which of them.
        filter: ReplayFilter,
        /// To whom.
        target: Target,
    },
    /// Dead letters, each to its own subscription. `from` and `to` of the filter are within [`JobSpec::range`].
    Redrive {
        /// Which of them.
        filter: LetterFilter,
    },
}

/// Which events are sent again; those that keep to everything that is set, within [`JobSpec::range`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayFilter {
    /// Of one of these types; of any when there are none.
    pub types: Vec<TypePattern>,
    /// Of this source and no other.
    pub source: Option<String>,
    /// Of this operation.
    pub correlation_id: Option<String>,
}

/// To whom events are sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Every active subscription of the tenant whose pattern matches.
    All,
    /// This subscription, where its pattern matches.
    Subscription(SubscriptionId),
    /// This queue, whatever the event is. Messages carry the subscription [`QUEUE_SUBSCRIPTION`].
    Queue(QueueUrl),
}

/// What messages name as their subscription that go to a queue of no subscription.
pub const QUEUE_SUBSCRIPTION: &str = "_replay";

/// What a job was asked to do. It never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobSpec {
    /// What is sent again.
    pub work: Work,
    /// Ids of events or letters that are in the set. It ends when the job was asked for, or, where that was asked for,
    /// up to [`crate::limits::MAX_JOB_LEAD`] later; then it is waited for.
    pub range: IdRange,
    /// Events a second, all workers together; as fast as they can when there is none.
    pub max_events_per_second: Option<u32>,
    /// For how long after its start the job only comes up to its speed, evenly.
    pub ramp: Option<Duration>,
    /// Whether it is only counted.
    pub dry_run: bool,
    /// The schedule that asked for it, if one did.
    pub schedule: Option<String>,
}

/// A job, as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which it is.
    pub id: JobId,
    /// What it was asked to do.
    pub spec: JobSpec,
    /// Where it is.
    pub state: JobState,
    /// Why it is paused, where the bus paused it.
    pub reason: Option<String>,
    /// How far it is planned.
    pub plan: Plan,
    /// What its units came to, with those that are being worked on.
    pub done: Counts,
    /// When it was asked for.
    pub created_at: UtcDateTime,
    /// When its first unit was claimed.
    pub started_at: Option<UtcDateTime>,
    /// When it was over.
    pub finished_at: Option<UtcDateTime>,
    /// From when on the store may forget it. A job that is not over is not forgotten.
    pub expires_at: Option<UtcDateTime>,
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// Its units are counted.
    Planning,
    /// Its units are worked on.
    Running,
    /// Nobody works on it until it is resumed.
    Paused,
    /// All of it was sent, but for what failed.
    Completed,
    /// Somebody decided that it is not needed.
    Cancelled,
    /// It was a dry run, and is counted.
    Counted,
}

/// How far a job is planned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What is not looked at yet; `None` once all is.
    pub rest: Option<IdRange>,
    /// Whether all is.
    pub is_whole: bool,
    /// Units that there are.
    pub units: u32,
    /// Units that are done.
    pub units_done: u32,
    /// Events or letters in them, exactly, when they were counted.
    pub total: u64,
    /// Bytes of events of which the size was looked at, and how many those are.
    pub sampled_bytes: u64,
    /// See [`Plan::sampled_bytes`].
    pub sampled: u64,
}

/// What was done with some events or letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events or letters that were handled: sent, skipped or failed.
    pub events: u64,
    /// Messages that queues took.
    pub sent: u64,
    /// Events that nobody was to get, and letters that were no longer open.
    pub skipped: u64,
    /// Events of which a message was not taken for good, and letters that could not be redriven.
    pub failed: u64,
    /// Bytes of the messages that queues took.
    pub bytes: u64,
}

/// A part of a job that one worker works on at a time, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Which of the job's units it is, from 0.
    pub number: u32,
    /// Where its events are.
    pub part: UnitPart,
    /// Events or letters in it when it was counted.
    pub total: u64,
    /// The last one that was handled. The next page begins after it. In an archived hour, of whose objects later ones
    /// may have earlier ids, it is not an id: it counts objects and lines.
    pub cursor: Option<Position>,
    /// What was done so far.
    pub done: Counts,
}

/// Where the events of a unit are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitPart {
    /// In a shard of an hour of the log.
    Hour(LogHour, LogShard),
    /// In the log's index of the operation that the filter names, these ids.
    Correlation(IdRange),
    /// In the archive of an hour.
    Archived(LogHour),
    /// Dead letters with these ids.
    Letters(IdRange),
}

/// Why a job cannot go on now.
#[derive(Debug)]
enum Halt {
    /// A store failed. It may work again soon.
    Store(StoreError),
    /// A person has to do something. This is what.
    Pause(String),
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl JobState {
    const ALL: [Self; 6] = [
        Self::Planning,
        Self::Running,
        Self::Paused,
        Self::Completed,
        Self::Cancelled,
        Self::Counted,
    ];

    /// Its name in the API and in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Planning => "PLANNING",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::Counted => "COUNTED",
        }
    }

    /// Whether nothing more comes of it.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Counted)
    }
}

/// The text names no state of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be PLANNING, RUNNING, PAUSED, COMPLETED, CANCELLED or COUNTED")]
pub struct UnknownJobState;

impl FromStr for JobState {
    type Err = UnknownJobState;

    fn from_str(text: &str) -> Result<Self, UnknownJobState> {
        let found = Self::ALL.into_iter().find(|state| state.name() == text);
        found.ok_or(UnknownJobState)
    }
}

impl Work {
    /// Its name in the API and in the store.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Replay { .. } => "REPLAY",
            Self::Redrive { .. } => "REDRIVE",
        }
    }
}
