//! Which events stand in receipts.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures::{StreamExt, stream};
use time::UtcDateTime;

use super::frontier::Frontier;
use super::slice::{Slice, buckets};
use super::state::signed;
use crate::active_hours::UNMARKED_FOR;
use crate::event_id::EventId;
use crate::receipt::{Bucket, Receipt, ReceiptLedger};
use crate::store_error::{Disposition, StoreError};
use crate::tenant::TenantId;

/// Buckets that are read at a time.
const MAX_READS: usize = 16;

/// Ids that are kept of what was read to learn how far the stream is: about 40 bytes each. What is beyond is read
/// again when its slice is looked at.
const MAX_KEPT: usize = 500_000;

/// Ids up to which several slices are looked at as one. A look asks every shard of every tenant, so where there is
/// little in them fewer looks are better.
const MAX_MERGED: usize = 20_000;

/// The events of one bucket that stand in receipts. An id alone names no event: producers choose theirs.
#[derive(Debug, Default)]
pub(crate) struct Receipted {
    ids: HashMap<TenantId, HashSet<EventId>>,
    count: usize,
}

impl Receipted {
    pub(crate) fn of(receipts: Vec<Receipt>) -> Self {
        let mut receipted = Self::default();
        for group in receipts.into_iter().flat_map(|receipt| receipt.groups) {
            receipted.count += group.event_ids.len();
            let of_tenant = receipted.ids.entry(group.tenant).or_default();
            of_tenant.extend(group.event_ids);
        }
        receipted
    }

    pub(crate) fn has(&self, tenant: &TenantId, event_id: EventId) -> bool {
        let of_tenant = self.ids.get(tenant);
        of_tenant.is_some_and(|ids| ids.contains(&event_id))
    }
}

/// Buckets that were read.
#[derive(Debug, Default)]
pub(super) struct Ledger(BTreeMap<Bucket, Receipted>);

impl Ledger {
    pub(super) fn has(&self, tenant: &TenantId, event_id: EventId) -> bool {
        let bucket = self.0.get(&Bucket::of(event_id));
        bucket.is_some_and(|receipted| receipted.has(tenant, event_id))
    }
}

/// What the receipts since the watermark tell.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) frontier: Frontier,
    kept: BTreeMap<Bucket, Receipted>,
    count: usize,
}

impl Survey {
    /// Reads all that a stream can still bring the like of. What is older tells nothing of how far it is.
    pub(super) async fn read<R: ReceiptLedger + Sync>(
        receipts: &R,
        from: UtcDateTime,
        now: UtcDateTime,
    ) -> Result<Self, StoreError> {
        let from = from.max(now.saturating_sub(signed(UNMARKED_FOR)));
        // To the end of the bucket of now.
        let to = Bucket::at(now).next().start();
        let mut survey = Self::default();
        let reads = buckets(from, to).map(|bucket| read(receipts, bucket));
        let mut reads = stream::iter(reads).buffered(MAX_READS);
        while let Some((bucket, found)) = reads.next().await {
            match found {
                Ok(found) => survey.take(bucket, found),
                // Whoever looks at its slice tells it.
                Err(error) if error.disposition() == Disposition::GiveUp => {}
                Err(error) => return Err(error),
            }
        }
        Ok(survey)
    }

    fn take(&mut self, bucket: Bucket, receipts: Vec<Receipt>) {
        for receipt in &receipts {
            self.frontier.see(receipt);
        }
        if self.count < MAX_KEPT {
            let receipted = Receipted::of(receipts);
            self.count += receipted.count;
            self.kept.insert(bucket, receipted);
        }
    }

    /// Whether it is known that little was handed over in this time.
    pub(super) fn is_sparse(&self, slice: Slice) -> bool {
        let counts = slice
            .buckets()
            .map(|bucket| Some(self.kept.get(&bucket)?.count));
        let count: Option<usize> = counts.sum();
        count.is_some_and(|count| count <= MAX_MERGED)
    }

    /// The receipts of a slice: those that were kept, which are given away, and the others as they are now.
    pub(super) async fn ledger<R: ReceiptLedger + Sync>(
        &mut self,
        receipts: &R,
        slice: Slice,
    ) -> Result<Ledger, StoreError> {
        let mut ledger = Ledger::default();
        let mut unread = Vec::new();
        for bucket in slice.buckets() {
            match self.kept.remove(&bucket) {
                Some(kept) => {
                    ledger.0.insert(bucket, kept);
                }
                None => unread.push(bucket),
            }
        }
        let reads = unread.into_iter().map(|bucket| read(receipts, bucket));
        let mut reads = stream::iter(reads).buffer_unordered(MAX_READS);
        while let Some((bucket, found)) = reads.next().await {
            ledger.0.insert(bucket, Receipted::of(found?));
        }
        Ok(ledger)
    }
}

/// Reads some buckets, each to its own end.
pub(super) async fn read_all<R: ReceiptLedger + Sync>(
    receipts: &R,
    buckets: BTreeSet<Bucket>,
) -> BTreeMap<Bucket, Result<Receipted, StoreError>> {
    let reads = buckets.into_iter().map(|bucket| read(receipts, bucket));
    let reads = stream::iter(reads).buffer_unordered(MAX_READS);
    let found = reads.map(|(bucket, found)| (bucket, found.map(Receipted::of)));
    found.collect().await
}

async fn read<R: ReceiptLedger>(
    receipts: &R,
    bucket: Bucket,
) -> (Bucket, Result<Vec<Receipt>, StoreError>) {
    (bucket, receipts.in_bucket(bucket).await)
}
