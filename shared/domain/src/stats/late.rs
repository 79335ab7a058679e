//! Receipts that come late to a minute that is rolled up: the minute is noted as stale first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::try_join_all;
use time::UtcDateTime;

use super::minute::Minute;
use super::roller::{LATE_AFTER, signed};
use super::rollup::{StaleMarks, StaleMinute};
use crate::clock::{Clock, whole_millis};
use crate::event_id::EventId;
use crate::receipt::{Bucket, Receipt, ReceiptLedger, ReceiptReader, Receipted, Receipts};
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// For how long a note need not be made again, so that the many batches of one catching up cost one note a minute and
/// tenant.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(30);

/// Notes that one environment remembers; above it, it begins anew.
const MAX_REMEMBERED: usize = 10_000;

/// Receipts whose minutes are noted as stale when they come late. Where nothing is late it costs nothing.
///
/// The note comes first: a crash after it makes readers read receipts that did not change. A receipt that was on time
/// when it was begun to be written, and late when it was there, is noted after it; who dies in between has not
/// answered, so the batch comes again, late this time.
pub struct LateReceipts<R, S, C> {
    receipts: R,
    marks: S,
    clock: C,
    noted: Mutex<BTreeMap<(TenantId, Minute), UtcDateTime>>,
}

impl<R, S, C> LateReceipts<R, S, C>
where
    S: StaleMarks + Sync,
    C: Clock + Sync,
{
    /// These receipts, with these notes.
    pub fn new(receipts: R, marks: S, clock: C) -> Self {
        Self {
            receipts,
            marks,
            clock,
            noted: Mutex::default(),
        }
    }

    /// Notes the receipt's minute for each of its tenants, if it is late by now. It tells whether it is.
    async fn note(&self, receipt: &Receipt) -> Result<bool, StoreError> {
        let now = whole_millis(self.clock.now());
        let minute = Minute::at(receipt.bucket.start());
        let end = receipt.bucket.next().start();
        if end.saturating_add(signed(LATE_AFTER)) > now {
            return Ok(false);
        }
        let tenants: BTreeSet<&TenantId> = receipt.groups.iter().map(|it| &it.tenant).collect();
        let stale: Vec<StaleMinute> = tenants
            .into_iter()
            .filter(|tenant| !self.is_noted(tenant, minute, now))
            .map(|tenant| StaleMinute {
                minute,
                tenant: tenant.clone(),
                noted_at: now,
            })
            .collect();
        try_join_all(stale.iter().map(|stale| self.marks.mark(stale))).await?;
        self.remember(stale);
        Ok(true)
    }

    fn is_noted(&self, tenant: &TenantId, minute: Minute, now: UtcDateTime) -> bool {
        let noted_at = self.noted().get(&(tenant.clone(), minute)).copied();
        noted_at.is_some_and(|at| now - at <= REMEMBERED_FOR)
    }

    fn remember(&self, stale: Vec<StaleMinute>) {
        let mut noted = self.noted();
        if noted.len() + stale.len() > MAX_REMEMBERED {
            noted.clear();
        }
        let stale = stale.into_iter();
        noted.extend(stale.map(|it| ((it.tenant, it.minute), it.noted_at)));
    }

    fn noted(&self) -> MutexGuard<'_, BTreeMap<(TenantId, Minute), UtcDateTime>> {
        // No code that can panic runs under the lock; a poisoned one still holds whole entries.
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R, S, C> Receipts for LateReceipts<R, S, C>
where
    R: Receipts + Sync,
    S: StaleMarks + Sync,
    C: Clock + Sync,
{
    async fn put(&self, receipt: &Receipt) -> Result<(), StoreError> {
        let was_late = self.note(receipt).await?;
        self.receipts.put(receipt).await?;
        if !was_late {
            self.note(receipt).await?;
        }
        Ok(())
    }
}

impl<R: ReceiptLedger + Sync, S: Sync, C: Sync> ReceiptLedger for LateReceipts<R, S, C> {
    async fn in_bucket(&self, bucket: Bucket) -> Result<Vec<Receipt>, StoreError> {
        self.receipts.in_bucket(bucket).await
    }
}

impl<R: ReceiptReader + Sync, S: Sync, C: Sync> ReceiptReader for LateReceipts<R, S, C> {
    async fn of_event(
        &self,
        tenant: &TenantId,
        event_id: EventId,
    ) -> Result<Vec<Receipted>, StoreError> {
        self.receipts.of_event(tenant, event_id).await
    }
}
