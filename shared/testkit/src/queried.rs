//! A log that is queried: filled as the bus does it, and read page by page.

use pillarbox_domain::active_hours::{HourMarks, MarkedHours};
use pillarbox_domain::event_query::{
    Bounds, EventBodies, EventFilter, EventQuery, IndexPart, IndexQuery, LogIndex, LogReader,
};
use pillarbox_domain::log_hour::{IdRange, LogHour, Order};
use pillarbox_domain::log_shard::LogShards;
use pillarbox_domain::publish::{Appended, EventLog};
use pillarbox_domain::tenant_settings::{TenantSettings, TenantSettingsReader};
use pillarbox_domain::{Clock, EventId, LoggedEvent, StoreError, TenantId};
use time::UtcDateTime;

use crate::ManualClock;
use crate::builders::{RETENTION, event_with, logged};

/// Looks that an index is given to follow its log.
const MAX_LOOKS: usize = 10_000;

/// A number of shards that is the same for every tenant.
pub struct Shards(pub LogShards);

impl Shards {
    /// So many.
    pub fn of(count: u64) -> Self {
        Self(LogShards::new(count).unwrap())
    }
}

impl TenantSettingsReader for Shards {
    async fn settings(&self, _: &TenantId) -> Result<Option<TenantSettings>, StoreError> {
        Ok(Some(TenantSettings {
            log_shards: self.0,
            ..TenantSettings::default()
        }))
    }
}

/// What a query reads, in this many shards.
pub struct Store<'a, L, I, M> {
    /// The log.
    pub log: &'a L,
    /// Its index and its events.
    pub index: &'a I,
    /// In which hours there are events.
    pub marks: &'a M,
    /// What time it is.
    pub clock: &'a ManualClock,
    /// How a tenant's log is spread.
    pub shards: Shards,
}

impl<L, I, M> Store<'_, L, I, M>
where
    L: EventLog,
    I: LogIndex + EventBodies + Sync,
    M: HourMarks + MarkedHours + Sync,
{
    /// An event that is accepted at this time.
    pub fn event(
        &self,
        owner: &TenantId,
        at: UtcDateTime,
        members: serde_json::Value,
    ) -> LoggedEvent {
        let now = self.clock.now();
        let millis = now - UtcDateTime::UNIX_EPOCH - (now - at);
        // Ids of one millisecond differ by what the suite's own clock counts.
        let mut event = logged(self.clock, owner, event_with(members));
        let mut bytes = *event.event_id.as_bytes();
        let millis = u64::try_from(millis.whole_milliseconds()).unwrap();
        bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        event.event_id = EventId::from_bytes(bytes).unwrap();
        event.shard = self.shards.0.shard_of(event.event_id);
        event.expires_at = event.event_id.accepted_at() + RETENTION;
        event
    }

    /// Stores events as the bus does, and waits until they can be found.
    pub async fn append(&self, events: &[LoggedEvent]) {
        let appended = self.log.append_all(events).await;
        assert!(appended.iter().all(|it| matches!(it, Ok(Appended::New))));
        for event in events {
            let hours = [LogHour::of(event.event_id)].into();
            self.marks.mark(&event.tenant, &hours).await.unwrap();
            self.is_indexed(event).await;
        }
    }

    async fn is_indexed(&self, event: &LoggedEvent) {
        let part = IndexPart::Hour(LogHour::of(event.event_id), event.shard);
        let correlation = event.event.correlation_id().map(str::to_owned);
        let parts = [Some(part), correlation.map(IndexPart::Correlation)];
        for part in parts.iter().flatten() {
            let query = IndexQuery {
                part,
                range: IdRange::one(event.event_id),
                order: Order::Oldest,
                event_type: None,
                limit: 1,
            };
            for look in 0.. {
                assert!(look < MAX_LOOKS, "the index does not follow its log");
                let page = self.index.page(&event.tenant, query).await.unwrap();
                if !page.entries.is_empty() {
                    break;
                }
            }
        }
    }

    /// Reads as of now.
    pub fn reader(&self) -> LogReader<'_, Shards, M, I> {
        LogReader {
            settings: &self.shards,
            marks: self.marks,
            log: self.index,
            now: self.clock.now(),
            bounds: Bounds::default(),
        }
    }

    /// All pages of a query, one after the other, each asked for by its cursor.
    pub async fn all(&self, owner: &TenantId, filter: &Filter, limit: usize) -> Vec<LoggedEvent> {
        let mut parameters = filter.parameters();
        parameters.push(("limit".to_owned(), limit.to_string()));
        let mut events = Vec::new();
        loop {
            let query = EventQuery::parse(owner, &parameters).unwrap();
            let page = self.reader().list(owner, &query).await.unwrap();
            assert!(page.events.len() <= limit);
            events.extend(page.events);
            let Some(cursor) = page.next_cursor else {
                return events;
            };
            parameters.retain(|(name, _)| name != "cursor");
            parameters.push(("cursor".to_owned(), cursor));
        }
    }
}

/// A filter and an order as a caller writes them.
#[derive(Clone, Debug, Default)]
pub struct Filter(pub Vec<(&'static str, String)>);

impl Filter {
    /// This one.
    pub fn of(parameters: &[(&'static str, &str)]) -> Self {
        let parameters = parameters.iter();
        Self(
            parameters
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
        )
    }

    fn parameters(&self) -> Vec<(String, String)> {
        let parameters = self.0.iter().cloned();
        parameters
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// What it finds among these events, by looking at each.
    pub fn expected(&self, owner: &TenantId, events: &[LoggedEvent]) -> Vec<LoggedEvent> {
        let EventQuery { filter, order, .. } =
            EventQuery::parse(owner, &self.parameters()).unwrap();
        let EventFilter {
            event_type,
            source,
            from,
            to,
            correlation_id,
        } = filter;
        let is_meant = |event: &&LoggedEvent| {
            let at = event.event_id.accepted_at();
            event.tenant == *owner
                && event_type
                    .as_ref()
                    .is_none_or(|it| it.matches(event.event.event_type()))
                && source.as_ref().is_none_or(|it| it == event.event.source())
                && from.is_none_or(|from| at >= from)
                && to.is_none_or(|to| at < to)
                && correlation_id
                    .as_deref()
                    .is_none_or(|it| event.event.correlation_id() == Some(it))
        };
        let mut expected: Vec<LoggedEvent> = events.iter().filter(is_meant).cloned().collect();
        expected.sort_by_key(|event| event.event_id);
        if order == Order::Newest {
            expected.reverse();
        }
        expected
    }
}
