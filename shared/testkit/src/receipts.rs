//! Receipts in memory.

use std::sync::Mutex;

use pillarbox_domain::StoreError;
use pillarbox_domain::receipt::{Receipt, Receipts};

/// Remembers what it was given, or refuses all of it.
#[derive(Default)]
pub struct MemoryReceipts {
    written: Mutex<Vec<Receipt>>,
    failing: Mutex<bool>,
}

impl MemoryReceipts {
    /// From now on every write is throttled, or not any more.
    pub fn set_failing(&self, failing: bool) {
        *self.failing.lock().unwrap() = failing;
    }

    /// What was written, in order.
    pub fn written(&self) -> Vec<Receipt> {
        self.written.lock().unwrap().clone()
    }
}

impl Receipts for MemoryReceipts {
    async fn put(&self, receipt: &Receipt) -> Result<(), StoreError> {
        if *self.failing.lock().unwrap() {
            return Err(StoreError::Throttled {
                operation: "PutItem",
            });
        }
        self.written.lock().unwrap().push(receipt.clone());
        Ok(())
    }
}
