//! Large data in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use pillarbox_domain::StoreError;
use pillarbox_domain::payload::{PayloadKey, Payloads};

/// Passes [`crate::conformance::payloads`]. Copies share what they hold.
#[derive(Clone, Default)]
pub struct MemoryPayloads {
    data: Arc<Mutex<HashMap<PayloadKey, Vec<u8>>>>,
    failing: Arc<Mutex<bool>>,
}

impl Payloads for MemoryPayloads {
    async fn put(&self, key: &PayloadKey, data: Vec<u8>) -> Result<(), StoreError> {
        self.data.lock().unwrap().insert(key.clone(), data);
        Ok(())
    }

    async fn get(&self, key: &PayloadKey) -> Result<Option<Vec<u8>>, StoreError> {
        if *self.failing.lock().unwrap() {
            return Err(StoreError::Throttled {
                operation: "GetObject",
            });
        }
        Ok(self.data.lock().unwrap().get(key).cloned())
    }
}

impl MemoryPayloads {
    /// From now on nothing can be read, or it can again.
    pub fn set_failing(&self, failing: bool) {
        *self.failing.lock().unwrap() = failing;
    }

    /// Of how many events it holds the data.
    pub fn len(&self) -> usize {
        self.data.lock().unwrap().len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
