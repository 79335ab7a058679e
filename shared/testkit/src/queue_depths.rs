//! Depths of the bus's own queues, as a test wants them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use pillarbox_domain::StoreError;
use pillarbox_domain::health::{BusQueue, QueueDepth, QueueDepths};

/// Every queue is empty until something else is said of it.
#[derive(Default)]
pub struct MemoryQueueDepths(Mutex<BTreeMap<BusQueue, Option<QueueDepth>>>);

impl MemoryQueueDepths {
    /// From now on a queue is this deep, or does not answer.
    pub fn set(&self, queue: BusQueue, depth: Option<QueueDepth>) {
        self.0.lock().unwrap().insert(queue, depth);
    }
}

impl QueueDepths for MemoryQueueDepths {
    async fn depth(&self, queue: BusQueue) -> Result<QueueDepth, StoreError> {
        let told = self.0.lock().unwrap().get(&queue).copied();
        told.unwrap_or(Some(QueueDepth::default()))
            .ok_or(StoreError::Throttled {
                operation: "GetQueueAttributes",
            })
    }
}
