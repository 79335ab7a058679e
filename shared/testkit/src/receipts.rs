//! Receipts in memory.

use std::sync::Mutex;

use pillarbox_domain::receipt::{Receipt, ReceiptReader, Receipted, Receipts};
use pillarbox_domain::{EventId, StoreError, TenantId};

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

impl ReceiptReader for MemoryReceipts {
    async fn of_event(
        &self,
        tenant: &TenantId,
        event_id: EventId,
    ) -> Result<Vec<Receipted>, StoreError> {
        let written = self.written.lock().unwrap();
        let mut found: Vec<Receipted> = written
            .iter()
            .flat_map(|receipt| receipt.groups.iter().map(move |group| (receipt, group)))
            .filter(|(_, group)| group.tenant == *tenant && group.event_ids.contains(&event_id))
            .map(|(receipt, group)| Receipted {
                subscriptions: group.subscriptions.clone(),
                withheld: group.withheld.clone(),
                handed_over_at: receipt.handed_over_at,
            })
            .collect();
        found.sort_by_key(|receipted| receipted.handed_over_at);
        Ok(found)
    }
}
