//! The log in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use pillarbox_domain::event_query::{
    EventBodies, IndexEntry, IndexPage, IndexPart, IndexQuery, LogIndex,
};
use pillarbox_domain::log_hour::{IdRange, LogHour, Order, Position};
use pillarbox_domain::publish::{Appended, AtomicAppendError, EventLog, EventReader};
use pillarbox_domain::{Clock, EventId, LoggedEvent, StoreError, TenantId};

type Key = (TenantId, String, String);

/// Passes [`crate::conformance::event_log`] and [`crate::conformance::queries::event_query`].
pub struct MemoryEventLog<C> {
    clock: C,
    events: Mutex<Events>,
}

/// Events by their keys, and their keys by their ids.
#[derive(Default)]
struct Events {
    by_key: HashMap<Key, LoggedEvent>,
    by_id: BTreeMap<(TenantId, EventId), Vec<Key>>,
}

impl Events {
    fn insert(&mut self, event: &LoggedEvent) {
        let (key, place) = (key(event), (event.tenant.clone(), event.event_id));
        if let Some(before) = self.by_key.insert(key.clone(), event.clone()) {
            let keys = self.by_id.entry((before.tenant, before.event_id));
            keys.or_default().retain(|there| *there != key);
        }
        self.by_id.entry(place).or_default().push(key);
    }

    /// A tenant's events with ids of this range, in order.
    fn within(&self, tenant: &TenantId, range: IdRange) -> impl Iterator<Item = &LoggedEvent> {
        let first = lowest_from(range.first());
        let from = (tenant.clone(), first);
        let all = self.by_id.range(from..);
        let of_tenant = all.take_while(move |((owner, id), _)| {
            owner == tenant && Position::of(*id) <= range.last()
        });
        let keys = of_tenant.flat_map(|(_, keys)| keys);
        keys.filter_map(|key| self.by_key.get(key))
            .filter(move |event| Position::of(event.event_id) >= range.first())
    }
}

/// A UUIDv7 at this position or a little before it: not every position is one.
fn lowest_from(position: Position) -> EventId {
    let mut bytes = position.to_bytes();
    bytes[6] = 0x70;
    bytes[7..].fill(0);
    EventId::from_bytes(bytes).unwrap()
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
            events.insert(event);
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
                events.insert(event);
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

fn find<C: Clock>(events: &Events, event: &LoggedEvent, clock: &C) -> Appended {
    let taken = events.by_key.get(&key(event));
    match taken.filter(|taken| taken.expires_at >= clock.now()) {
        None => Appended::New,
        Some(taken) if taken.fingerprint == event.fingerprint => Appended::Same(taken.event_id),
        Some(taken) => Appended::Other(Box::new(taken.clone())),
    }
}

impl<C: Clock + Sync> MemoryEventLog<C> {
    /// How many events it holds, expired ones counted.
    pub fn len(&self) -> usize {
        self.events.lock().unwrap().by_key.len()
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
        let event = self.events.lock().unwrap().by_key.get(&key).cloned();
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
        let found = events.within(tenant, range);
        let found = found.filter(|event| stands_in(query.part, event));
        // One more than is wanted tells whether there is more.
        let mut found: Vec<&LoggedEvent> = match order {
            Order::Oldest => found.take(query.limit.saturating_add(1)).collect(),
            Order::Newest => {
                let mut all: Vec<_> = found.collect();
                all.reverse();
                all
            }
        };
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
            let body = events.by_key.get(&key).cloned();
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
