//! The log in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use pillarbox_domain::publish::{Appended, AtomicAppendError, EventLog, EventReader};
use pillarbox_domain::{Clock, LoggedEvent, StoreError, TenantId};

type Key = (TenantId, String, String);

/// Passes [`crate::conformance::event_log`].
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
