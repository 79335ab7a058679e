//! Pages of events from the log: what an index names, and what stands under it.

use std::collections::VecDeque;

use futures::{StreamExt, TryStreamExt, stream};

use super::page::{Entry, Found, MAX_PAGE_BYTES, Page, Pages};
use crate::clock::Clock;
use crate::event_query::{EventBodies, IndexEntry, IndexPage, IndexPart, IndexQuery, LogIndex};
use crate::job::pace::MAX_PAGE_EVENTS;
use crate::job::ports::Ports;
use crate::job::{Halt, ReplayFilter, UnitPart};
use crate::log_hour::{IdRange, Order, Position};
use crate::logged_event::LoggedEvent;
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// Bodies of one call, and calls under way at a time.
const BODIES_A_CALL: usize = 100;
const CALLS: usize = 5;

/// Entries that a call looks at whose filter may leave out most, and entries that are looked at for one page: then
/// the place that was come to is written down.
const FILTERED_ENTRIES: usize = 1_000;
const MAX_LOOKED_AT: usize = 10_000;

/// Events of the first page: how large they are is not known yet.
const FIRST_EVENTS: usize = BODIES_A_CALL;

/// A shard of an hour, or an operation.
pub(super) struct LogPages<'a, P> {
    ports: &'a P,
    tenant: &'a TenantId,
    filter: &'a ReplayFilter,
    part: Option<IndexPart>,
    range: IdRange,
    /// What was not looked at.
    rest: Option<IdRange>,
    /// What was found and is on no page yet.
    found: VecDeque<IndexEntry>,
    /// Events that a page may have, as far as can be told from the size of those before.
    fitting: usize,
}

impl<'a, P: Ports> LogPages<'a, P> {
    pub(super) fn new(
        ports: &'a P,
        tenant: &'a TenantId,
        filter: &'a ReplayFilter,
        range: IdRange,
        part: UnitPart,
        cursor: Option<Position>,
    ) -> Self {
        let (part, ids) = match part {
            UnitPart::Hour(hour, shard) => (Some(IndexPart::Hour(hour, shard)), Some(hour.ids())),
            UnitPart::Correlation(ids) => {
                let operation = filter.correlation_id.clone();
                (operation.map(IndexPart::Correlation), Some(ids))
            }
            UnitPart::Archived(_) | UnitPart::Letters(_) => (None, None),
        };
        let rest = ids.and_then(|ids| ids.intersection(range));
        let rest = rest.and_then(|rest| match cursor {
            Some(cursor) => rest.beyond(cursor, Order::Oldest),
            None => Some(rest),
        });
        Self {
            ports,
            tenant,
            filter,
            part,
            range,
            rest,
            found: VecDeque::new(),
            fitting: FIRST_EVENTS,
        }
    }

    /// Looks at the index until there is enough for a page.
    async fn look(&mut self, most: usize) -> Result<(), StoreError> {
        let mut looked_at = 0;
        while self.found.len() < most && looked_at < MAX_LOOKED_AT {
            let (Some(range), Some(part)) = (self.rest, &self.part) else {
                self.rest = None;
                return Ok(());
            };
            let query = IndexQuery {
                part,
                range,
                order: Order::Oldest,
                event_type: self.filter.only_type(),
                limit: match self.filter.is_selective() {
                    true => FILTERED_ENTRIES,
                    false => MAX_PAGE_EVENTS,
                },
            };
            let page = self.ports.parts().log.page(self.tenant, query).await?;
            let IndexPage {
                entries,
                examined,
                rest,
            } = page;
            let wanted = entries
                .into_iter()
                .filter(|entry| self.filter.takes_entry(entry));
            self.found.extend(wanted);
            self.rest = rest;
            looked_at += examined.max(1);
        }
        Ok(())
    }

    /// What stands under the first of these entries: some calls side by side, each of which stops once it has its
    /// share of a page's bytes.
    async fn bodies(&self, entries: &[IndexEntry]) -> Result<Vec<Option<LoggedEvent>>, StoreError> {
        let calls = entries.len().div_ceil(BODIES_A_CALL).max(1);
        let enough = MAX_PAGE_BYTES / calls;
        let log = &self.ports.parts().log;
        let mut reads = Vec::new();
        for asked in entries.chunks(BODIES_A_CALL) {
            reads.push(log.bodies(self.tenant, asked, enough));
        }
        let read: Vec<_> = stream::iter(reads).buffered(CALLS).try_collect().await?;
        let mut bodies = Vec::new();
        for (asked, read) in entries.chunks(BODIES_A_CALL).zip(read) {
            let is_short = read.len() < asked.len();
            bodies.extend(read);
            if is_short {
                break;
            }
        }
        Ok(bodies)
    }

    /// Whether what is under an entry's key is the entry's event, and still to be had.
    fn found(&self, entry: &IndexEntry, body: Option<LoggedEvent>) -> Found<LoggedEvent> {
        let now = self.ports.parts().clock.now();
        let is_it = |body: &LoggedEvent| {
            body.tenant == *self.tenant && body.event_id == entry.event_id && body.expires_at >= now
        };
        body.filter(is_it).map_or(Found::Gone, Found::Here)
    }

    /// The place up to which everything is on a page.
    fn end(&self, last: Option<Position>) -> Option<Position> {
        if !self.found.is_empty() {
            return last;
        }
        match self.rest {
            None => Some(self.range.last()),
            Some(rest) => {
                let before = self.range.beyond(rest.first(), Order::Newest);
                before.map(|before| before.last())
            }
        }
    }
}

impl<P: Ports> Pages for LogPages<'_, P> {
    type Item = LoggedEvent;

    async fn next(&mut self, most: usize) -> Result<Page<LoggedEvent>, Halt> {
        let most = most.min(self.fitting);
        self.look(most).await?;
        let asked: Vec<IndexEntry> = self.found.iter().take(most).cloned().collect();
        let bodies = match asked.is_empty() {
            true => vec![],
            false => self.bodies(&asked).await?,
        };
        self.fitting = fitting(&bodies);
        // One that was asked for is there, or is not: a page goes on in any case.
        let read = bodies
            .len()
            .clamp(usize::from(!asked.is_empty()), asked.len().max(1));
        let bodies = bodies.into_iter().chain(std::iter::repeat(None));
        let entries = asked.iter().take(read).zip(bodies);
        let entries: Vec<_> = entries
            .map(|(entry, body)| Entry {
                place: Position::of(entry.event_id),
                found: self.found(entry, body),
            })
            .collect();
        self.found.drain(..entries.len());
        Ok(Page {
            end: self.end(entries.last().map(|entry| entry.place)),
            is_last: self.found.is_empty() && self.rest.is_none(),
            entries,
        })
    }
}

/// How many events like these fit a page.
fn fitting(bodies: &[Option<LoggedEvent>]) -> usize {
    let data = bodies.iter().flatten().filter_map(|body| body.event.data());
    let bytes: usize = data.map(|data| data.bytes().len()).sum();
    let mean = bytes / bodies.len().max(1);
    (MAX_PAGE_BYTES / mean.max(1)).clamp(1, MAX_PAGE_EVENTS)
}
