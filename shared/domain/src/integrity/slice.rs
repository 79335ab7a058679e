//! Reading a slice of an hour: as much of it as a request may read, and all that belongs to it.
//!
//! A slice begins where the one before it ended. It ends where its hour does, or where the first of its sources was
//! not read any further: then what the others brought beyond is left to the next slice.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use time::UtcDateTime;

use super::budget::Budget;
use super::ledger::Slice;
use crate::event_id::EventId;
use crate::event_query::{IndexEntry, IndexPage, IndexPart, IndexQuery, LogIndex};
use crate::log_hour::{IdRange, LogHour, Order, Position};
use crate::log_shard::LogShards;
use crate::receipt::{Bucket, Receipt, ReceiptLedger};
use crate::store_error::StoreError;
use crate::tenant::TenantId;
use crate::trouble::{OpenStatus, TroubleLedger, TroubledEvents};

/// Calls that are under way at a time.
pub(super) const MAX_CALLS: usize = 16;

/// Entries that a call asks for at the least, however little is left: what has one id must fit into a call.
const MIN_ENTRIES: usize = 32;

/// Entries that stand outside their hour and are looked at, on either side of it and in each shard.
const MAX_MISPLACED: usize = 1_000;

/// Entries of a call that only counts.
const COUNTED_ENTRIES: usize = 1_000;

/// Reads slices of a tenant's hours.
pub(super) struct SliceReader<'a, I, R, T> {
    pub(super) tenant: &'a TenantId,
    pub(super) shards: LogShards,
    pub(super) index: &'a I,
    pub(super) receipts: &'a R,
    pub(super) trouble: &'a T,
}

/// Entries that stand where they do not belong.
#[derive(Default)]
pub(super) struct Misplaced {
    /// Events whose ids are of another hour.
    pub(super) event_ids: BTreeSet<EventId>,
    /// Entries that cannot be read.
    pub(super) unreadable: u64,
}

/// What one look at a shard brought.
struct ShardRead {
    entries: Vec<IndexEntry>,
    /// The last position that was read whole; none where all of it was.
    whole_until: Option<Position>,
    has_unreadable: bool,
}

/// A slice, and how far it goes.
pub(super) struct SliceRead {
    pub(super) ids: IdRange,
    pub(super) slice: Slice,
    /// Entries of it that cannot be read.
    pub(super) unreadable: u64,
}

impl<I, R, T> SliceReader<'_, I, R, T>
where
    I: LogIndex + Sync,
    R: ReceiptLedger + Sync,
    T: TroubleLedger + Sync,
{
    /// The slice that begins where `ids` do, of the same hour. Where the hour `is_marked` or has entries, its receipts
    /// are read, too: there are none of an hour that dispatch has not marked.
    pub(super) async fn read(
        &self,
        hour: LogHour,
        ids: IdRange,
        is_marked: bool,
        budget: &mut Budget,
    ) -> Result<SliceRead, StoreError> {
        let ids = match is_marked {
            true => until_bucket(ids, budget.buckets),
            false => ids,
        };
        let (mut shards, mut ids) = self.entries(hour, ids, budget).await?;
        let has_entries = shards.iter().any(|shard| !shard.entries.is_empty());
        let mut receipted = BTreeMap::new();
        if is_marked || has_entries {
            let ids_of_buckets = until_bucket(ids, budget.buckets);
            (receipted, ids) = self.receipted(ids_of_buckets, budget).await?;
        }
        let mut troubled = BTreeSet::new();
        for status in [OpenStatus::Retrying, OpenStatus::Failed] {
            let (found, until) = self.troubled(status, ids, budget).await?;
            troubled.extend(found);
            ids = until;
        }
        let is_in = |id: EventId| Position::of(id) <= ids.last();
        receipted.retain(|id, _| is_in(*id));
        troubled.retain(|id| is_in(*id));
        let mut unreadable = 0;
        for (shard, number) in shards.iter_mut().zip(self.shards.iter()) {
            shard.entries.retain(|entry| is_in(entry.event_id));
            if shard.has_unreadable {
                unreadable += self.unreadable(&IndexPart::Hour(hour, number), ids).await?;
            }
        }
        let shards = shards.into_iter().map(|shard| shard.entries).collect();
        let slice = Slice {
            shards,
            receipted,
            troubled,
        };
        Ok(SliceRead {
            ids,
            slice,
            unreadable,
        })
    }

    /// The entries of every shard, as far as all of them were read.
    async fn entries(
        &self,
        hour: LogHour,
        ids: IdRange,
        budget: &mut Budget,
    ) -> Result<(Vec<ShardRead>, IdRange), StoreError> {
        let count = usize::from(self.shards.count());
        let limit = (budget.entries / count).max(MIN_ENTRIES);
        let mut looks = Vec::new();
        for shard in self.shards.iter() {
            looks.push(self.page(IndexPart::Hour(hour, shard), ids, limit));
        }
        let pages: Vec<IndexPage> = in_turn(looks).await?;
        let mut until = ids;
        let mut shards = Vec::new();
        for page in pages {
            budget.spend_entries(page.examined);
            let shard = ShardRead::of(page, ids);
            if let Some(whole) = shard.whole_until {
                until = up_to(until, whole);
            }
            shards.push(shard);
        }
        Ok((shards, until))
    }

    async fn page(
        &self,
        part: IndexPart,
        range: IdRange,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        let query = IndexQuery {
            part: &part,
            range,
            order: Order::Oldest,
            event_type: None,
            limit,
        };
        self.index.page(self.tenant, query).await
    }

    /// Entries within these ids that cannot be read.
    async fn unreadable(&self, part: &IndexPart, ids: IdRange) -> Result<u64, StoreError> {
        let mut rest = Some(ids);
        let mut unreadable = 0;
        while let Some(range) = rest {
            let page = self.page(part.clone(), range, COUNTED_ENTRIES).await?;
            unreadable += page.examined.saturating_sub(page.entries.len());
            rest = page.rest;
        }
        Ok(u64::try_from(unreadable).unwrap_or(u64::MAX))
    }

    /// What stands in an hour of the index and does not belong there.
    pub(super) async fn misplaced(
        &self,
        hour: LogHour,
        budget: &mut Budget,
    ) -> Result<Misplaced, StoreError> {
        let before = IdRange::ALL.beyond(hour.ids().first(), Order::Newest);
        let after = IdRange::ALL.beyond(hour.ids().last(), Order::Oldest);
        let sides: Vec<IdRange> = [before, after].into_iter().flatten().collect();
        let mut looks = Vec::new();
        for shard in self.shards.iter() {
            for side in &sides {
                looks.push(self.page(IndexPart::Hour(hour, shard), *side, MAX_MISPLACED));
            }
        }
        let pages = in_turn(looks).await?;
        let mut misplaced = Misplaced::default();
        for page in pages {
            budget.spend_entries(page.examined);
            let unreadable = page.examined.saturating_sub(page.entries.len());
            misplaced.unreadable += u64::try_from(unreadable).unwrap_or(u64::MAX);
            let ids = page.entries.into_iter().map(|entry| entry.event_id);
            misplaced.event_ids.extend(ids);
        }
        Ok(misplaced)
    }

    /// Whether the log has anything of an hour.
    pub(super) async fn has_entries(&self, hour: LogHour) -> Result<bool, StoreError> {
        let mut looks = Vec::new();
        for shard in self.shards.iter() {
            looks.push(self.page(IndexPart::Hour(hour, shard), hour.ids(), 1));
        }
        let pages = in_turn(looks).await?;
        Ok(pages.iter().any(|page| page.examined > 0))
    }

    /// The tenant's events that receipts name, and when each was handed over first.
    async fn receipted(
        &self,
        ids: IdRange,
        budget: &mut Budget,
    ) -> Result<(BTreeMap<EventId, UtcDateTime>, IdRange), StoreError> {
        let buckets: Vec<Bucket> = buckets(ids).collect();
        let mut receipted = BTreeMap::new();
        let mut until = ids;
        for chunk in buckets.chunks(MAX_CALLS) {
            let mut looks = Vec::new();
            for bucket in chunk {
                looks.push(self.receipts.in_bucket(*bucket));
            }
            let receipts: Vec<Vec<Receipt>> = in_turn(looks).await?;
            budget.buckets = budget.buckets.saturating_sub(chunk.len());
            for receipt in receipts.iter().flatten() {
                budget.receipted = budget.receipted.saturating_sub(named(receipt));
                self.take(receipt, &mut receipted);
            }
            if let (Some(last), true) = (chunk.last(), budget.receipted == 0) {
                let end = IdRange::of_times(None, Some(last.next().start()));
                until = end.and_then(|end| ids.intersection(end)).unwrap_or(ids);
                break;
            }
        }
        // A bucket reaches beyond the ids that it was read for.
        let is_in = |id: &EventId| {
            let position = Position::of(*id);
            (until.first()..=until.last()).contains(&position)
        };
        receipted.retain(|id, _| is_in(id));
        Ok((receipted, until))
    }

    fn take(&self, receipt: &Receipt, receipted: &mut BTreeMap<EventId, UtcDateTime>) {
        let of_tenant = receipt
            .groups
            .iter()
            .filter(|group| group.tenant == *self.tenant);
        for event_id in of_tenant.flat_map(|group| &group.event_ids) {
            let first = receipted.entry(*event_id).or_insert(receipt.handed_over_at);
            *first = receipt.handed_over_at.min(*first);
        }
    }

    /// The tenant's events that have a row of this status.
    async fn troubled(
        &self,
        status: OpenStatus,
        ids: IdRange,
        budget: &mut Budget,
    ) -> Result<(Vec<EventId>, IdRange), StoreError> {
        let mut found = Vec::new();
        let mut range = Some(ids);
        while let Some(part) = range {
            let limit = budget.entries.max(MIN_ENTRIES);
            let read = self.trouble.of_status(self.tenant, status, part, limit);
            let TroubledEvents { event_ids, rest } = read.await?;
            budget.spend_entries(event_ids.len());
            found.extend(event_ids);
            if let (Some(rest), 0) = (rest, budget.entries) {
                let before = ids.beyond(rest.first(), Order::Newest);
                return Ok((found, before.unwrap_or(ids)));
            }
            range = rest;
        }
        Ok((found, ids))
    }
}

impl ShardRead {
    /// Where a page ends, an entry with the id of its last one may have been left out; so the last one is left to the
    /// next slice, unless there is no other.
    fn of(page: IndexPage, ids: IdRange) -> Self {
        let last = page
            .entries
            .last()
            .map(|entry| Position::of(entry.event_id));
        let first = page
            .entries
            .first()
            .map(|entry| Position::of(entry.event_id));
        let cut = page.rest.map(|rest| match last {
            Some(last) if first < Some(last) => last,
            _ => rest.first(),
        });
        let whole = cut.and_then(|cut| ids.beyond(cut, Order::Newest));
        Self {
            has_unreadable: page.examined > page.entries.len(),
            whole_until: whole.map(|whole| whole.last()),
            entries: page.entries,
        }
    }
}

fn up_to(ids: IdRange, last: Position) -> IdRange {
    ids.starting_at(last, Order::Newest).unwrap_or(ids)
}

/// The ids of the first `count` buckets, of one at the least.
fn until_bucket(ids: IdRange, count: usize) -> IdRange {
    let Some(last) = buckets(ids).take(count.max(1)).last() else {
        return ids;
    };
    let end = IdRange::of_times(None, Some(last.next().start()));
    end.and_then(|end| ids.intersection(end)).unwrap_or(ids)
}

fn buckets(ids: IdRange) -> impl Iterator<Item = Bucket> {
    let last = Bucket::at(ids.last().time());
    let first = Bucket::at(ids.first().time());
    std::iter::successors(Some(first), |bucket| Some(bucket.next()))
        .take_while(move |bucket| *bucket <= last)
}

fn named(receipt: &Receipt) -> usize {
    receipt
        .groups
        .iter()
        .map(|group| group.event_ids.len())
        .sum()
}

/// All of them, some at a time, in their order.
async fn in_turn<O, F>(calls: Vec<F>) -> Result<Vec<O>, StoreError>
where
    F: Future<Output = Result<O, StoreError>>,
{
    stream::iter(calls).buffered(MAX_CALLS).try_collect().await
}
