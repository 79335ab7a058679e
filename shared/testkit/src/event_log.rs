//! The log in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use pillarbox_domain::event_query::{
    EventBodies, IndexEntry, IndexPage, IndexPart, IndexQuery, LogIndex,
};
use pillarbox_domain::log_hour::{LogHour, Order, Position};
use pillarbox_domain::publish::{Appended, AtomicAppendError, EventLog, EventReader};
use pillarbox_domain::{Clock, LoggedEvent, StoreError, TenantId};

type Key = (TenantId, String, String);

/// Passes [`crate::conformance::event_log`] and [`crate::conformance::queries::event_query`].
pub struct MemoryEventLog<C> {
    clock: C,
    events: Mutex<HashMap<Key, LoggedEvent>>,
}

impl<C: Clock> MemoryEventLog<C> {
    /// An empty log.
    pub fn new(clock: C) -> Self {
        Self {
            clock,
            events: Mutex::default(),
        }
    }
}

impl<C: Clock + Sync> EventLog for MemoryEventLog<C> {
    async fn append(&self, event: &LoggedEvent) -> Result<Appended, StoreError> {
        let mut events = self.events.lock().unwrap();
        let found = find(&events, event, &self.clock);
        if found == Appended::New {
            events.insert(key(event), event.clone());
        }
        Ok(found)
    }

    async fn append_all(&self, events: &[LoggedEvent]) -> Vec<Result<Appended, StoreError>> {
        let mut answers = Vec::with_capacity(events.len());
        for event in events {
            answers.push(self.append(event).await);
        }
        answers
    }

    async fn append_atomically(
        &self,
        wanted: &[LoggedEvent],
    ) -> Result<Vec<Appended>, AtomicAppendError> {
        let mut events = self.events.lock().unwrap();
        let found: Vec<Appended> = wanted
            .iter()
            .map(|event| find(&events, event, &self.clock))
            .collect();
        let others = found
            .iter()
            .enumerate()
            .filter_map(|(place, found)| match found {
                Appended::Other(first) => Some((place, (**first).clone())),
                _ => None,
            });
        let others: Vec<_> = others.collect();
        if !others.is_empty() {
            return Err(AtomicAppendError::Taken(others));
        }
        for (event, found) in wanted.iter().zip(&found) {
            if *found == Appended::New {
                events.insert(key(event), event.clone());
            }
        }
        Ok(found)
    }
}

fn key(event: &LoggedEvent) -> Key {
    let LoggedEvent { tenant, event, .. } = event;
    (
        tenant.clone(),
        event.source().to_owned(),
        event.id().to_owned(),
    )
}

fn find<C: Clock>(events: &HashMap<Key, LoggedEvent>, event: &LoggedEvent, clock: &C) -> Appended {
    let taken = events.get(&key(event));
    match taken.filter(|taken| taken.expires_at >= clock.now()) {
        None => Appended::New,
        Some(taken) if taken.fingerprint == event.fingerprint => Appended::Same(taken.event_id),
        Some(taken) => Appended::Other(Box::new(taken.clone())),
    }
}

impl<C: Clock + Sync> MemoryEventLog<C> {
    /// How many events it holds, expired ones counted.
    pub fn len(&self) -> usize {
        self.events.lock().unwrap().len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<C: Clock + Sync> EventReader for MemoryEventLog<C> {
    async fn get(
        &self,
        tenant: &TenantId,
        source: &str,
        id: &str,
    ) -> Result<Option<LoggedEvent>, StoreError> {
        let key = (tenant.clone(), source.to_owned(), id.to_owned());
        let event = self.events.lock().unwrap().get(&key).cloned();
        Ok(event.filter(|event| event.expires_at >= self.clock.now()))
    }
}

impl<C: Clock + Sync> LogIndex for MemoryEventLog<C> {
    async fn page(
        &self,
        tenant: &TenantId,
        query: IndexQuery<'_>,
    ) -> Result<IndexPage, StoreError> {
        let IndexQuery { range, order, .. } = query;
        let events = self.events.lock().unwrap();
        let is_meant = |event: &&LoggedEvent| {
            let position = Position::of(event.event_id);
            event.tenant == *tenant
                && (range.first()..=range.last()).contains(&position)
                && stands_in(query.part, event)
        };
        let mut found: Vec<&LoggedEvent> = events.values().filter(is_meant).collect();
        found.sort_by_key(|event| event.event_id);
        if order == Order::Newest {
            found.reverse();
        }
        let is_cut = found.len() > query.limit;
        found.truncate(query.limit);
        let last = found.last().filter(|_| is_cut);
        Ok(IndexPage {
            examined: found.len(),
            rest: last.and_then(|last| range.beyond(Position::of(last.event_id), order)),
            entries: found.into_iter().map(entry).collect(),
        })
    }
}

fn stands_in(part: &IndexPart, event: &LoggedEvent) -> bool {
    match part {
        IndexPart::Hour(hour, shard) => {
            (LogHour::of(event.event_id), event.shard) == (*hour, *shard)
        }
        IndexPart::Correlation(id) => event.event.correlation_id() == Some(id),
    }
}

fn entry(logged: &LoggedEvent) -> IndexEntry {
    let (source, id) = (logged.event.source(), logged.event.id());
    IndexEntry {
        event_id: logged.event_id,
        source: source.to_owned(),
        id: id.to_owned(),
        event_type: logged.event.event_type().to_owned(),
        outbox: logged.outbox,
    }
}

impl<C: Clock + Sync> EventBodies for MemoryEventLog<C> {
    async fn bodies(
        &self,
        tenant: &TenantId,
        entries: &[IndexEntry],
        enough_bytes: usize,
    ) -> Result<Vec<Option<LoggedEvent>>, StoreError> {
        let events = self.events.lock().unwrap();
        let mut bodies = Vec::new();
        let mut bytes = 0;
        for entry in entries {
            let key = (tenant.clone(), entry.source.clone(), entry.id.clone());
            let body = events.get(&key).cloned();
            let data = body.as_ref().and_then(|body| body.event.data());
            bytes += data.map_or(0, |data| data.bytes().len());
            bodies.push(body);
            if bytes >= enough_bytes {
                break;
            }
        }
        Ok(bodies)
    }
}
