//! What dispatch never saw is found and handed over (P1).
//!
//! A slice of the log that is closed is held against the receipts of its time. What is in the log, is to be
//! dispatched and stands in no receipt is missing: its stream lost it, or dispatch was down for longer than a
//! stream keeps what it holds.
//!
//! A stream that is merely behind still brings what is missing, and to hand that over as well would deliver it
//! twice. So the sweep hands over what the stream has passed, and what it will not bring ([`Frontier`]):
//!
//! ```text
//! one event is lost                     dispatch fails, or nothing calls it
//!
//! 12:00  x is accepted, and lost        12:00  the last receipt is written
//! 12:05  receipts up to 12:05: x waits  12:00  x is accepted, and all that comes after it waits
//! 12:10  receipts up to 12:10: x is     13:00  x waits for over an hour, and nothing was handed over for ten
//!        passed by ten minutes, and            minutes: what waits for over an hour is handed over
//!        handed over                    12:00  on the next day: no stream holds x any more; it is handed over
//!                                              whatever else is handed over
//! ```
//!
//! Nothing here makes an event delivered once and once only: a stream is many shards, and one of them may be
//! further behind than the others. It makes sure that none is lost, and repeats few.
//!
//! The order of writes is that of dispatch: queues, rows, receipts; then the watermark moves. Who dies in between
//! leaves the watermark where it was, and the next run finds what has no receipt yet. A slice in which something is
//! missing after a look stays open: the watermark stands before it until a later look finds every receipt, and the
//! slices after it are looked at meanwhile.
//!
//! What is accepted under an id whose time lies before the watermark already, by a clock that is further behind than
//! `settle`, is not looked at here: it is found missing when its hour is sealed. And only the logs of registered
//! tenants are looked at, and that of the bus.

mod frontier;
mod hand_over;
mod ledger;
mod look;
mod message;
mod run;
mod slice;
mod state;

use std::time::Duration;

use time::UtcDateTime;

use crate::event_query::IndexEntry;
use crate::logged_event::LoggedEvent;
use crate::seal::Redispatch;
use crate::store_error::StoreError;
use crate::tenant::TenantId;

pub use frontier::Frontier;
pub use hand_over::{HandOver, HandOverError, Handed};
pub(crate) use ledger::Receipted as ReceiptedIds;
pub use message::{MAX_MESSAGE_EVENTS, MalformedFound, messages, read_message};
pub use run::Sweep;
pub use slice::Slice;
pub use state::{ASK_AGAIN_AFTER, MAX_OPEN, OpenSlice, SweepState, SweepStore};

/// Events that were asked for and are named one by one in what a run answers; the others are only counted.
pub const MAX_TOLD: usize = 100;

/// An event that was found in the log and in no receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whose it is.
    pub tenant: TenantId,
    /// What the log's index has of it.
    pub entry: IndexEntry,
}

impl Found {
    /// What an index would have of this event.
    pub fn of(event: &LoggedEvent) -> Self {
        Self {
            tenant: event.tenant.clone(),
            entry: IndexEntry {
                event_id: event.event_id,
                source: event.event.source().to_owned(),
                id: event.event.id().to_owned(),
                event_type: event.event.event_type().to_owned(),
                outbox: event.outbox,
            },
        }
    }

    fn accepted_at(&self) -> UtcDateTime {
        self.entry.event_id.accepted_at()
    }
}

/// The queue of what was found where it is too much for one run.
pub trait SweepQueue {
    /// Sends [`messages`] of these events. `Ok` means that the queue has all of them; otherwise it may have some.
    fn ask(&self, found: &[Found]) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Has what a seal finds missing handed over as what a run finds: by the queue, unless it has a receipt by then.
pub struct Asking<'a, Q>(pub &'a Q);

impl<Q: SweepQueue + Sync> Redispatch for Asking<'_, Q> {
    async fn redispatch(&self, events: &[LoggedEvent]) -> Result<(), StoreError> {
        let found: Vec<Found> = events.iter().map(Found::of).collect();
        self.0.ask(&found).await
    }
}

/// By what a sweep goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How old a slice has to be before it is looked at, and by how much receipts have to be ahead of an event
    /// before it counts as passed. The log's index, clocks and retries of the stream have this long.
    pub settle: Duration,
    /// How long an event waits before it is handed over although nothing is ahead of it, if dispatch is silent.
    pub stalled_after: Duration,
    /// How long nothing was handed over when dispatch is silent.
    pub silent_after: Duration,
    /// How long a run may take; it stops between two slices.
    pub budget: Duration,
    /// Events that one run hands over itself. What is beyond goes to the queue.
    pub at_once: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            settle: Duration::from_secs(10 * 60),
            stalled_after: Duration::from_secs(60 * 60),
            silent_after: Duration::from_secs(10 * 60),
            budget: Duration::from_secs(200),
            at_once: 1_000,
        }
    }
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Swept {
    /// How it ended.
    pub end: End,
    /// Why it failed, if it did.
    pub fault: Option<StoreError>,
    /// Everything before this was handed over, when there is a watermark.
    pub swept_before: Option<UtcDateTime>,
    /// Slices before the last that was looked at in which something is missing still.
    pub open: usize,
    /// Slices that were looked at.
    pub slices: usize,
    /// Events in them that are to be dispatched.
    pub logged: usize,
    /// Those that stand in a receipt.
    pub receipted: usize,
    /// Those that do not.
    pub missing: usize,
    /// Missing ones that went to the queue.
    pub asked: usize,
    /// Missing ones that the stream may still bring.
    pub waiting: usize,
    /// What became of those that were handed over at once.
    pub handed: Handed,
    /// Some of those that went to the queue.
    pub told: Vec<Found>,
    /// Slices whose receipts cannot be read, and why. They stay open until a person has looked.
    pub blocked: Vec<(Slice, StoreError)>,
    /// What the queue did not take, and why.
    pub unasked: Vec<(Slice, StoreError)>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// Everything that is closed was looked at.
    #[default]
    Closed,
    /// Dispatch is switched off, or is being switched. Nothing was looked at.
    Off,
    /// What comes next waits for the stream.
    Waiting,
    /// Its time was over.
    OutOfTime,
    /// As many slices are open as may be.
    Full,
    /// Another run moved the watermark meanwhile.
    Overtaken,
    /// A store did not do what it was asked.
    Failed,
}

impl End {
    /// Its name in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Off => "off",
            Self::Waiting => "waiting",
            Self::OutOfTime => "out_of_time",
            Self::Full => "full",
            Self::Overtaken => "overtaken",
            Self::Failed => "failed",
        }
    }
}
