//! Answers that may be some seconds old, kept so that they need not be read again.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::UtcDateTime;

use crate::clock::Clock;

/// Remembers values for a while. What is too old leaves at the next look, so the cache is never larger
/// than what was asked for within its age.
pub struct TimedCache<K, V, C> {
    max_age: Duration,
    clock: C,
    answers: Mutex<HashMap<K, (UtcDateTime, V)>>,
}

impl<K: Eq + Hash, V: Clone, C: Clock> TimedCache<K, V, C> {
    /// An empty cache whose values are `max_age` old at most.
    pub fn new(max_age: Duration, clock: C) -> Self {
        Self {
            max_age,
            clock,
            answers: Mutex::default(),
        }
    }

    /// The remembered value, or the one that `read` brings. A value is dated from before it was asked
    /// for, so it is never older than it seems. Failures and `None` are not remembered.
    pub async fn get_or_read<E>(
        &self,
        key: K,
        read: impl Future<Output = Result<Option<V>, E>>,
    ) -> Result<Option<V>, E> {
        let asked_at = self.clock.now();
        if let Some(known) = self.fresh(&key, asked_at) {
            return Ok(Some(known));
        }
        let value = read.await?;
        if let Some(value) = &value {
            self.answers().insert(key, (asked_at, value.clone()));
        }
        Ok(value)
    }

    fn fresh(&self, key: &K, now: UtcDateTime) -> Option<V> {
        let mut answers = self.answers();
        answers.retain(|_, (read_at, _)| now - *read_at < self.max_age);
        answers.get(key).map(|(_, value)| value.clone())
    }

    fn answers(&self) -> MutexGuard<'_, HashMap<K, (UtcDateTime, V)>> {
        // No code that can panic runs under the lock; a poisoned one still holds whole answers.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
