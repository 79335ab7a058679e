//! Finding events in a tenant's log: by type, source, time and correlation id, in order, page by page.
//!
//! The log is an index of small entries, in units of an hour and a shard. A page is made of a walk over
//! those units, merged by event id, and of the bodies of just the events that it shows. What one request
//! may read is bounded; when a bound is reached the page is short, even empty, and names where to go on.

mod cursor;
mod parameters;
mod reader;
mod shown;
mod walk;

pub use crate::page_cursor::InvalidCursor;
pub use crate::query_parameters::BadParameter;
pub use reader::{Bounds, LogReader, Page};
pub use shown::ShownEvent;

use time::UtcDateTime;

use crate::event_id::EventId;
use crate::log_hour::{IdRange, LogHour, Order, Position};
use crate::log_shard::LogShard;
use crate::logged_event::{LoggedEvent, OutboxMode};
use crate::store_error::StoreError;
use crate::subscription::TypePattern;
use crate::tenant::TenantId;

/// Which events are wanted; one that keeps to everything that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Types that match.
    pub event_type: Option<TypePattern>,
    /// This source and no other.
    pub source: Option<String>,
    /// Accepted then or later.
    pub from: Option<UtcDateTime>,
    /// Accepted before.
    pub to: Option<UtcDateTime>,
    /// Of this operation.
    pub correlation_id: Option<String>,
}

impl EventFilter {
    fn ids(&self) -> Option<IdRange> {
        IdRange::of_times(self.from, self.to)
    }

    /// Whether an entry within the right hours, or of the right operation, is wanted.
    fn takes(&self, entry: &IndexEntry) -> bool {
        let is_of_type = |pattern: &TypePattern| pattern.matches(&entry.event_type);
        self.event_type.as_ref().is_none_or(is_of_type)
            && self
                .source
                .as_ref()
                .is_none_or(|source| *source == entry.source)
    }

    fn is_selective(&self) -> bool {
        self.event_type.is_some() || self.source.is_some()
    }
}

/// A page of events that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventQuery {
    /// Which events.
    pub filter: EventFilter,
    /// Which of them first.
    pub order: Order,
    /// How many at the most.
    pub limit: usize,
    /// Where the page begins; at the start of the order when there was none before it.
    pub start: Option<Position>,
}

/// What an index has of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Its id.
    pub event_id: EventId,
    /// Who said it.
    pub source: String,
    /// Which of its source's events it is.
    pub id: String,
    /// What happened.
    pub event_type: String,
    /// Whether it is to be dispatched, in the index by time; the one by correlation id does not tell.
    pub outbox: OutboxMode,
}

/// A part of a tenant's index that has its own order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexPart {
    /// A shard of an hour.
    Hour(LogHour, LogShard),
    /// The events of one operation.
    Correlation(String),
}

/// What is asked of an index.
#[derive(Clone, Copy, Debug)]
pub struct IndexQuery<'a> {
    /// Where.
    pub part: &'a IndexPart,
    /// Which ids.
    pub range: IdRange,
    /// Which of them first.
    pub order: Order,
    /// Entries of other types need not be returned.
    pub event_type: Option<&'a TypePattern>,
    /// Entries to look at, at the most.
    pub limit: usize,
}

/// What an index answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexPage {
    /// Entries within the range, in order. One that cannot be read is left out, and logged.
    pub entries: Vec<IndexEntry>,
    /// Entries looked at, with those that are not returned.
    pub examined: usize,
    /// What was not looked at: it begins after all that was.
    pub rest: Option<IdRange>,
}

/// The index over a log. It may be some moments behind its log.
pub trait LogIndex {
    /// Looks at the first entries of a part.
    fn page(
        &self,
        tenant: &TenantId,
        query: IndexQuery<'_>,
    ) -> impl Future<Output = Result<IndexPage, StoreError>> + Send;
}

/// The events that an index names.
pub trait EventBodies {
    /// What is in the log now under the key of each entry, in their order; `None` where nothing is, or
    /// nothing that can be read, which is logged. It may stop early, once there are `enough_bytes` of data,
    /// but not before the first.
    ///
    /// What is found may be another event than the entry's, which has expired and lost its key to it.
    fn bodies(
        &self,
        tenant: &TenantId,
        entries: &[IndexEntry],
        enough_bytes: usize,
    ) -> impl Future<Output = Result<Vec<Option<LoggedEvent>>, StoreError>> + Send;
}
