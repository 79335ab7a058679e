//! The dead letter queue in memory.

use std::sync::{Arc, Mutex};

use pillarbox_domain::StoreError;
use pillarbox_domain::dead_letter::{DeadLetterQueue, GivenUp};

/// Remembers what it was given, or refuses all of it. Copies share what they have.
#[derive(Clone, Default)]
pub struct MemoryDeadLetterQueue {
    taken: Arc<Mutex<Vec<GivenUp>>>,
    failing: Arc<Mutex<bool>>,
}

impl MemoryDeadLetterQueue {
    /// From now on nothing is taken, or everything is again.
    pub fn set_failing(&self, failing: bool) {
        *self.failing.lock().unwrap() = failing;
    }

    /// What was taken, in order.
    pub fn taken(&self) -> Vec<GivenUp> {
        self.taken.lock().unwrap().clone()
    }
}

impl DeadLetterQueue for MemoryDeadLetterQueue {
    async fn put(&self, given_up: &GivenUp) -> Result<(), StoreError> {
        if *self.failing.lock().unwrap() {
            return Err(StoreError::Throttled {
                operation: "SendMessage",
            });
        }
        self.taken.lock().unwrap().push(given_up.clone());
        Ok(())
    }
}
