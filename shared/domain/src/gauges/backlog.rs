//! Events that wait: they are in the log, are to be handed over, and no receipt tells of them.
//!
//! Receipts end where dispatch is. So what is after the last event that stands in one waits, and is counted first;
//! then some seconds before it, since the stream is many shards and none is just where the others are. What lies
//! further back and was lost is the sweep's: it tells of a slice in which something is missing, and such a slice counts
//! as one event at the least, until a later look of the sweep found every receipt.
//!
//! ```text
//!   swept           looked                    frontier - 10 s   frontier        now
//! ---+---------------+------------------------------+-------------+--------------+
//!    open slices: 1   not looked at here: the sweep  held against   counted, less
//!    event each, at   looks at it within a quarter   its receipts   what was handed
//!    the least        of an hour                                    over meanwhile
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::iter::{once, successors};

use futures::future::{join_all, try_join_all};
use futures::{StreamExt, TryStreamExt, stream};
use time::{Duration, UtcDateTime};

use super::Counted;
use super::logs::Logs;
use crate::active_hours::UNMARKED_FOR;
use crate::event_id::EventId;
use crate::event_query::{IndexEntry, IndexPart, IndexQuery, LogIndex};
use crate::log_hour::{HourRange, IdRange, LogHour, Order};
use crate::log_shard::LogShard;
use crate::logged_event::OutboxMode;
use crate::receipt::{Bucket, ReceiptLedger};
use crate::store_error::{Disposition, StoreError};
use crate::sweep::{Frontier, ReceiptedIds, SweepState, SweepStore};
use crate::tenant::TenantId;

/// Parts of logs that are looked into, each a shard of an hour of a tenant.
pub(super) const MAX_PARTS: usize = 4_000;

/// Pages of entries that are read of the parts in which there is something.
pub(super) const MAX_PAGES: usize = 200;

/// Entries of one page; an entry takes about 200 bytes, and a page of an index 1 MB.
const PAGE_ENTRIES: usize = 1_000;

/// Entries that are held against receipts: about 8 MB of the index.
const MAX_ENTRIES: usize = 40_000;

/// Buckets of receipts that are looked at to find where they end: those of a quarter of an hour.
pub(super) const MAX_WALKED: usize = 90;

/// Buckets that are looked at at a time on the way there: those of a minute.
const WALKED_AT_A_TIME: usize = 6;

/// Buckets that entries are held against, the earliest first: those of half an hour.
pub(super) const MAX_CHECKED: usize = 180;

/// How long before the last event that stands in a receipt others may wait that are not lost.
const OVERLAP: Duration = Duration::seconds(10);

/// Calls at a time.
const MAX_CALLS: usize = 16;

/// Events that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many.
    pub pending: Counted,
    /// When the first of them was accepted.
    pub oldest: Option<UtcDateTime>,
}

/// Counts them.
pub struct BacklogReader<'a, W, R, L> {
    /// How far the sweep has come.
    pub sweep: &'a W,
    /// What was handed over.
    pub receipts: &'a R,
    /// The log.
    pub log: &'a L,
}

/// A shard of an hour of a tenant, and which of its events are meant.
#[derive(Clone)]
struct Part<'a> {
    tenant: &'a TenantId,
    hour: LogHour,
    shard: LogShard,
    range: IdRange,
}

/// Entries that were found, by the buckets that their receipts are in.
#[derive(Default)]
struct Entries<'a> {
    by_bucket: BTreeMap<Bucket, Vec<(&'a TenantId, EventId)>>,
    count: usize,
    is_cut: bool,
}

impl<W, R, L> BacklogReader<'_, W, R, L>
where
    W: SweepStore + Sync,
    R: ReceiptLedger + Sync,
    L: LogIndex + Sync,
{
    /// Events of these logs that wait now.
    ///
    /// Looks into 4,000 parts of logs, at 40,000 entries and at 270 buckets of receipts, at the most.
    pub async fn read(&self, logs: &Logs, now: UtcDateTime) -> Result<Backlog, StoreError> {
        let state = self.sweep.read().await?;
        let state = state.unwrap_or_else(|| SweepState::beginning(now));
        let kept = now.saturating_sub(Duration::try_from(UNMARKED_FOR).unwrap_or_default());
        let kept = Bucket::at(kept).start();
        let from = state.looked_before.max(kept);
        let (parts, is_cut) = parts(logs, from, now);
        let live = self.live(parts).await?;
        let mut backlog = match live.is_empty() {
            true => Backlog::default(),
            false => self.held_against_receipts(live, from, now).await?,
        };
        backlog.take_open(&state);
        let is_cut = is_cut || logs.is_cut || state.looked_before < kept;
        backlog.pending = backlog.pending.unless_cut(is_cut);
        Ok(backlog)
    }

    /// The parts in which there is anything, in the order of time.
    async fn live<'p>(&self, parts: Vec<Part<'p>>) -> Result<Vec<Part<'p>>, StoreError> {
        let looks = parts.into_iter().map(async |part| {
            let page = self
                .log
                .page(part.tenant, part.query(&part.index(), 1))
                .await?;
            Ok((page.examined > 0).then_some(part))
        });
        let live = stream::iter(looks).buffered(MAX_CALLS);
        let live = live.try_filter_map(async |part| Ok(part));
        let mut live: Vec<Part<'p>> = live.try_collect().await?;
        live.sort_by_key(|part| part.hour);
        Ok(live)
    }

    async fn held_against_receipts(
        &self,
        live: Vec<Part<'_>>,
        from: UtcDateTime,
        now: UtcDateTime,
    ) -> Result<Backlog, StoreError> {
        let frontier = self.frontier(from, now).await?;
        let mut entries = Entries::default();
        match frontier {
            None => self.collect(live, &mut entries).await?,
            Some(frontier) => {
                let before = frontier.saturating_sub(OVERLAP).max(from);
                let after = within(&live, Some(frontier), None);
                self.collect(after, &mut entries).await?;
                let before = within(&live, Some(before), Some(frontier));
                self.collect(before, &mut entries).await?;
            }
        }
        self.without_receipts(entries).await
    }

    /// When the last event was accepted that stands in a receipt, if one of the last minutes does.
    async fn frontier(
        &self,
        from: UtcDateTime,
        now: UtcDateTime,
    ) -> Result<Option<UtcDateTime>, StoreError> {
        let back = successors(Some(Bucket::at(now)), |bucket| Some(bucket.previous()));
        let since = Bucket::at(from);
        let walked = back.take(MAX_WALKED).take_while(|bucket| *bucket >= since);
        let buckets: Vec<Bucket> = walked.collect();
        for some in buckets.chunks(WALKED_AT_A_TIME) {
            let reads = some.iter().map(|bucket| self.receipts.in_bucket(*bucket));
            let mut frontier = Frontier::default();
            for found in join_all(reads).await {
                match found {
                    Ok(found) => found.iter().for_each(|receipt| frontier.see(receipt)),
                    // The sweep tells of it, and looks at its slice.
                    Err(error) if error.disposition() == Disposition::GiveUp => {}
                    Err(error) => return Err(error),
                }
            }
            if frontier.accepted.is_some() {
                return Ok(frontier.accepted);
            }
        }
        Ok(None)
    }

    /// Reads what is in some parts, the first pages of all before the second of any.
    async fn collect<'p>(
        &self,
        parts: Vec<Part<'p>>,
        entries: &mut Entries<'p>,
    ) -> Result<(), StoreError> {
        let mut parts: VecDeque<Part<'p>> = parts.into();
        let mut pages = 0;
        while !parts.is_empty() {
            if pages >= MAX_PAGES || entries.count >= MAX_ENTRIES {
                entries.is_cut = true;
                return Ok(());
            }
            let asked: Vec<Part<'p>> = parts.drain(..parts.len().min(MAX_CALLS)).collect();
            pages += asked.len();
            let reads = asked.iter().map(async |part| {
                let index = part.index();
                self.log
                    .page(part.tenant, part.query(&index, PAGE_ENTRIES))
                    .await
            });
            let found = try_join_all(reads).await?;
            for (part, page) in asked.into_iter().zip(found) {
                entries.take(part.tenant, page.entries);
                parts.extend(page.rest.map(|range| Part { range, ..part }));
            }
        }
        Ok(())
    }

    /// Takes out what was handed over. Receipts are read after the entries, so that nothing counts that was handed
    /// over meanwhile.
    async fn without_receipts(&self, entries: Entries<'_>) -> Result<Backlog, StoreError> {
        let is_beyond = entries.by_bucket.len() > MAX_CHECKED;
        let mut backlog = Backlog {
            pending: Counted::default().unless_cut(entries.is_cut || is_beyond),
            oldest: None,
        };
        let reads = entries
            .by_bucket
            .into_iter()
            .take(MAX_CHECKED)
            .map(async |(bucket, entries)| (entries, self.receipts.in_bucket(bucket).await));
        let mut reads = stream::iter(reads).buffered(MAX_CALLS);
        while let Some((entries, receipts)) = reads.next().await {
            match receipts {
                Ok(receipts) => backlog.take(&entries, &ReceiptedIds::of(receipts)),
                Err(error) if error.disposition() == Disposition::GiveUp => {
                    backlog.pending.is_at_least = true;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(backlog)
    }
}

impl Backlog {
    fn take(&mut self, entries: &[(&TenantId, EventId)], receipted: &ReceiptedIds) {
        let waiting = entries
            .iter()
            .filter(|(tenant, event_id)| !receipted.has(tenant, *event_id));
        for (_, event_id) in waiting {
            self.pending.count += 1;
            self.see(event_id.accepted_at());
        }
    }

    /// What the sweep has found missing.
    fn take_open(&mut self, state: &SweepState) {
        let open = Counted::all(state.open.len());
        self.pending = self.pending.plus(open.unless_cut(open.count > 0));
        for open in &state.open {
            self.see(open.slice.from());
        }
    }

    fn see(&mut self, at: UtcDateTime) {
        self.oldest = Some(self.oldest.map_or(at, |oldest| oldest.min(at)));
    }
}

impl<'a> Entries<'a> {
    fn take(&mut self, tenant: &'a TenantId, entries: Vec<IndexEntry>) {
        self.count += entries.len();
        let meant = entries
            .into_iter()
            .filter(|entry| entry.outbox == OutboxMode::Dispatch);
        for entry in meant {
            let bucket = self
                .by_bucket
                .entry(Bucket::of(entry.event_id))
                .or_default();
            bucket.push((tenant, entry.event_id));
        }
    }
}

impl Part<'_> {
    fn index(&self) -> IndexPart {
        IndexPart::Hour(self.hour, self.shard)
    }

    fn query<'q>(&self, part: &'q IndexPart, limit: usize) -> IndexQuery<'q> {
        IndexQuery {
            part,
            range: self.range,
            order: Order::Oldest,
            event_type: None,
            limit,
        }
    }
}

/// The parts of these logs since a time, and whether there are more: those of the last hour first, in which most of
/// what waits is, and then the earliest, in which the first of it is.
fn parts(logs: &Logs, from: UtcDateTime, now: UtcDateTime) -> (Vec<Part<'_>>, bool) {
    let hours = HourRange {
        first: LogHour::at(from),
        last: LogHour::at(now),
    };
    let before = hours.iter().filter(|hour| *hour != hours.last);
    let all = once(hours.last).chain(before).flat_map(|hour| {
        let range = IdRange::of_times(Some(from.max(hour.start())), Some(hour.end()));
        let range = range.unwrap_or_else(|| hour.ids());
        let shards = logs.logs.iter();
        shards.flat_map(move |(tenant, shards)| {
            shards.iter().map(move |shard| Part {
                tenant,
                hour,
                shard,
                range,
            })
        })
    });
    let mut parts: Vec<Part<'_>> = all.take(MAX_PARTS + 1).collect();
    let is_cut = parts.len() > MAX_PARTS;
    parts.truncate(MAX_PARTS);
    (parts, is_cut)
}

/// What of these parts lies between two times.
fn within<'a>(
    parts: &[Part<'a>],
    from: Option<UtcDateTime>,
    to: Option<UtcDateTime>,
) -> Vec<Part<'a>> {
    let Some(wanted) = IdRange::of_times(from, to) else {
        return vec![];
    };
    let parts = parts.iter().filter_map(|part| {
        let range = part.range.intersection(wanted)?;
        Some(Part {
            range,
            ..part.clone()
        })
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_shard::LogShards;
    use time::macros::utc_datetime;

    const NOW: UtcDateTime = utc_datetime!(2026-11-23 12:30);

    fn logs(count: usize) -> Logs {
        let tenant = |number: usize| format!("t{number}").parse().unwrap();
        let logs = (0..count).map(|number| (tenant(number), LogShards::default()));
        Logs {
            logs: logs.collect(),
            is_cut: false,
        }
    }

    #[test]
    fn a_log_has_a_part_in_each_hour_that_is_cut_to_what_is_meant() {
        let logs = logs(2);
        let from = NOW - Duration::minutes(45);
        let (parts, is_cut) = parts(&logs, from, NOW);
        assert_eq!((parts.len(), is_cut), (4, false));
        let times = parts.iter().map(|part| part.range.times().0);
        let noon = utc_datetime!(2026-11-23 12:00);
        assert_eq!(
            times.flatten().collect::<Vec<_>>(),
            [noon, noon, from, from]
        );
    }

    #[test]
    fn of_more_than_may_be_looked_into_the_last_hour_is_whole_and_the_earliest_are_next() {
        let logs = logs(1_500);
        let (parts, is_cut) = parts(&logs, NOW - Duration::hours(9), NOW);
        assert_eq!((parts.len(), is_cut), (MAX_PARTS, true));
        let of = |hour: LogHour| parts.iter().filter(|part| part.hour == hour).count();
        let first = LogHour::at(NOW - Duration::hours(9));
        let counts = [LogHour::at(NOW), first, first.next(), first.next().next()].map(of);
        assert_eq!(counts, [1_500, 1_500, 1_000, 0]);
    }
}
