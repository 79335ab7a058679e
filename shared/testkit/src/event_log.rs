//! The log in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use pillarbox_domain::publish::{AppendError, Appended, EventLog, EventReader};
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
    async fn append(&self, event: &LoggedEvent) -> Result<Appended, AppendError> {
        let key = (
            event.tenant.clone(),
            event.event.source().into(),
            event.event.id().into(),
        );
        let mut events = self.events.lock().unwrap();
        let now = self.clock.now();
        match events.get(&key).filter(|taken| taken.expires_at >= now) {
            Some(taken) => Ok(Appended::Taken {
                event_id: taken.event_id,
                fingerprint: taken.fingerprint,
            }),
            None => {
                events.insert(key, event.clone());
                Ok(Appended::New)
            }
        }
    }

    async fn append_all(&self, events: &[LoggedEvent]) -> Vec<Result<Appended, AppendError>> {
        let mut answers = Vec::with_capacity(events.len());
        for event in events {
            answers.push(self.append(event).await);
        }
        answers
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
