//! The dead letter queue in memory.

use std::sync::Mutex;

use pillarbox_domain::StoreError;
use pillarbox_domain::dead_letter::{DeadLetters, DeadRecord};

/// Remembers what it was given, or refuses all of it.
#[derive(Default)]
pub struct MemoryDeadLetters {
    taken: Mutex<Vec<DeadRecord>>,
    failing: Mutex<bool>,
}

impl MemoryDeadLetters {
    /// From now on nothing is taken, or everything is again.
    pub fn set_failing(&self, failing: bool) {
        *self.failing.lock().unwrap() = failing;
    }

    /// What was taken, in order.
    pub fn taken(&self) -> Vec<DeadRecord> {
        self.taken.lock().unwrap().clone()
    }
}

impl DeadLetters for MemoryDeadLetters {
    async fn put(&self, record: &DeadRecord) -> Result<(), StoreError> {
        if *self.failing.lock().unwrap() {
            return Err(StoreError::Throttled {
                operation: "SendMessage",
            });
        }
        self.taken.lock().unwrap().push(record.clone());
        Ok(())
    }
}
