//! Pages of a tenant's log, and single events.

use futures::future::try_join_all;
use time::UtcDateTime;

use super::cursor::cursors;
use super::walk::{Route, Stop, Walk};
use super::{
    EventBodies, EventFilter, EventQuery, IndexEntry, IndexPart, IndexQuery, LogIndex, ShownEvent,
};
use crate::active_hours::MarkedHours;
use crate::event_id::EventId;
use crate::limits::{MAX_PAGE_BYTES, MAX_PAGE_ENTRIES};
use crate::log_hour::{IdRange, LogHour, Order, Position};
use crate::log_shard::LogShards;
use crate::logged_event::LoggedEvent;
use crate::store_error::StoreError;
use crate::tenant::TenantId;
use crate::tenant_settings::TenantSettingsReader;

/// How often bodies are read for one page. Once is enough, unless events have expired that the store has
/// not removed yet: only their bodies tell.
const MAX_BODY_READS: usize = 10;

/// Entries of one id that are looked at; a producer that gives an id twice cannot make it cost more.
const MAX_ENTRIES_OF_AN_ID: usize = 10;

/// What one page may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Index entries looked at, see [`MAX_PAGE_ENTRIES`].
    pub entries: usize,
    /// Bytes of events, see [`MAX_PAGE_BYTES`].
    pub bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            entries: MAX_PAGE_ENTRIES,
            bytes: MAX_PAGE_BYTES,
        }
    }
}

/// Some events, in the order asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// As many as were asked for, or fewer where a bound was reached; then there is a cursor.
    pub events: Vec<LoggedEvent>,
    /// Where the next page begins. `None` when there is nothing more.
    pub next_cursor: Option<String>,
}

/// Reads tenants' logs.
pub struct LogReader<'a, S, H, I> {
    /// How many shards a log has. Asked for with each query: a number that is too old hides events.
    pub settings: &'a S,
    /// In which hours there are events.
    pub marks: &'a H,
    /// The log itself: its index and its events.
    pub log: &'a I,
    /// What has expired by now is not shown.
    pub now: UtcDateTime,
    /// What a page may cost.
    pub bounds: Bounds,
}

impl<S, H, I> LogReader<'_, S, H, I>
where
    S: TenantSettingsReader + Sync,
    H: MarkedHours + Sync,
    I: LogIndex + EventBodies + Sync,
{
    /// The page of a query.
    pub async fn list(&self, tenant: &TenantId, query: &EventQuery) -> Result<Page, StoreError> {
        let EventQuery { filter, order, .. } = query;
        let ids = filter.ids().and_then(|ids| match query.start {
            Some(start) => ids.starting_at(start, *order),
            None => Some(ids),
        });
        let Some(range) = ids else {
            return Ok(Page {
                events: vec![],
                next_cursor: None,
            });
        };
        let route = Route {
            tenant,
            filter,
            order: *order,
            range,
            shards: self.shards(tenant, filter).await?,
            now: self.now,
        };
        let mut walk = Walk::new(route, self.log, self.marks, self.bounds.entries);
        let (events, next) = self.fill(tenant, query, range, &mut walk).await?;
        Ok(Page {
            events,
            next_cursor: next.map(|position| cursors(tenant, filter, *order).write(position)),
        })
    }

    /// The event of this id, unless it has expired.
    pub async fn find(
        &self,
        tenant: &TenantId,
        event_id: EventId,
    ) -> Result<Option<LoggedEvent>, StoreError> {
        let shards = self.shards(tenant, &EventFilter::default()).await?;
        let hour = LogHour::of(event_id);
        let parts: Vec<IndexPart> = shards
            .iter()
            .map(|shard| IndexPart::Hour(hour, shard))
            .collect();
        let mut looks = Vec::new();
        for part in &parts {
            let query = IndexQuery {
                part,
                range: IdRange::one(event_id),
                order: Order::default(),
                event_type: None,
                limit: MAX_ENTRIES_OF_AN_ID,
            };
            looks.push(self.log.page(tenant, query));
        }
        let pages = try_join_all(looks).await?;
        let entries: Vec<IndexEntry> = pages.into_iter().flat_map(|page| page.entries).collect();
        if entries.is_empty() {
            return Ok(None);
        }
        let bodies = self.log.bodies(tenant, &entries, usize::MAX).await?;
        let found = entries.iter().zip(bodies);
        Ok(found
            .filter_map(|(entry, body)| body.filter(|body| self.is_shown(tenant, entry, body)))
            .next())
    }

    /// A correlation id has one place in the log, whatever the shards are.
    async fn shards(
        &self,
        tenant: &TenantId,
        filter: &EventFilter,
    ) -> Result<LogShards, StoreError> {
        if filter.correlation_id.is_some() {
            return Ok(LogShards::default());
        }
        // The bus itself is registered nowhere.
        let settings = self.settings.settings(tenant).await?.unwrap_or_default();
        Ok(settings.log_shards)
    }

    /// The events of a page, and where the next one begins.
    async fn fill(
        &self,
        tenant: &TenantId,
        query: &EventQuery,
        range: IdRange,
        walk: &mut Walk<'_, I, H>,
    ) -> Result<(Vec<LoggedEvent>, Option<Position>), StoreError> {
        let mut page = Filling {
            events: vec![],
            room: self.bounds.bytes,
        };
        let mut last = None;
        for _ in 0..MAX_BODY_READS {
            let (entries, stop) = walk.next(query.limit - page.events.len()).await?;
            let bodies = match entries.is_empty() {
                true => vec![],
                false => self.log.bodies(tenant, &entries, page.room).await?,
            };
            let mut bodies = bodies.into_iter();
            for entry in &entries {
                let is_taken = match bodies.next() {
                    // Enough was read for this page.
                    None => false,
                    Some(Some(body)) if self.is_shown(tenant, entry, &body) => page.take(body),
                    Some(_) => true,
                };
                if !is_taken {
                    return Ok((page.events, Some(Position::of(entry.event_id))));
                }
                last = Some(Position::of(entry.event_id));
            }
            match stop {
                Stop::End => return Ok((page.events, None)),
                Stop::Bound(next) => return Ok((page.events, Some(next))),
                Stop::Found if page.events.len() == query.limit => break,
                Stop::Found => {}
            }
        }
        let next = match last {
            Some(last) if !walk.is_over() => range.beyond(last, query.order),
            _ => None,
        };
        Ok((page.events, next.map(|rest| rest.start(query.order))))
    }

    /// Whether what is under an entry's key is the entry's event, and still to be shown.
    fn is_shown(&self, tenant: &TenantId, entry: &IndexEntry, body: &LoggedEvent) -> bool {
        body.tenant == *tenant && body.event_id == entry.event_id && body.expires_at >= self.now
    }
}

/// A page that is being filled.
struct Filling {
    events: Vec<LoggedEvent>,
    room: usize,
}

impl Filling {
    /// Takes the event in, if there is room. One event always fits.
    fn take(&mut self, event: LoggedEvent) -> bool {
        let bytes = ShownEvent(&event).answer_bytes();
        if bytes > self.room && !self.events.is_empty() {
            return false;
        }
        self.room = self.room.saturating_sub(bytes);
        self.events.push(event);
        true
    }
}
