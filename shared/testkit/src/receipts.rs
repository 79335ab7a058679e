//! Receipts in memory.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use pillarbox_domain::receipt::{
    Bucket, Group, Receipt, ReceiptLedger, ReceiptReader, Receipted, Receipts,
};
use pillarbox_domain::{EventId, StoreError, TenantId};

/// Remembers what it was given, or refuses all of it. Passes [`crate::conformance::receipts::receipts_of_events`]
/// and [`crate::conformance::receipts::receipts_of_a_time`].
#[derive(Default)]
pub struct MemoryReceipts {
    written: Mutex<Vec<Receipt>>,
    failing: Mutex<bool>,
    malformed: Mutex<BTreeSet<Bucket>>,
    looks: AtomicUsize,
}

impl MemoryReceipts {
    /// From now on every write is throttled, or not any more.
    pub fn set_failing(&self, failing: bool) {
        *self.failing.lock().unwrap() = failing;
    }

    /// From now on something in this bucket cannot be read, or everything can again.
    pub fn set_malformed(&self, bucket: Bucket, malformed: bool) {
        let mut buckets = self.malformed.lock().unwrap();
        match malformed {
            true => buckets.insert(bucket),
            false => buckets.remove(&bucket),
        };
    }

    /// Loses the receipts of one event, and of those that stand in the same groups.
    pub fn lose(&self, event_id: EventId) {
        let mut written = self.written.lock().unwrap();
        for receipt in &mut *written {
            let is_other = |group: &Group| !group.event_ids.contains(&event_id);
            receipt.groups.retain(is_other);
        }
    }

    /// How many buckets were looked at.
    pub fn looks(&self) -> usize {
        self.looks.load(Ordering::Relaxed)
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

impl ReceiptLedger for MemoryReceipts {
    async fn in_bucket(&self, bucket: Bucket) -> Result<Vec<Receipt>, StoreError> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        if self.malformed.lock().unwrap().contains(&bucket) {
            return Err(StoreError::Malformed {
                what: "receipt",
                detail: format!("{bucket:?}: as the test wants it"),
            });
        }
        let written = self.written.lock().unwrap();
        let of_bucket = written.iter().filter(|receipt| receipt.bucket == bucket);
        Ok(of_bucket.cloned().collect())
    }
}

impl Receipts for &MemoryReceipts {
    async fn put(&self, receipt: &Receipt) -> Result<(), StoreError> {
        (*self).put(receipt).await
    }
}
