//! A tenant's figures minute by minute: from rollups where there are, else from receipts.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};
use time::UtcDateTime;

use super::figures::Figures;
use super::minute::{Minute, MinuteRange};
use super::query::Window;
use super::rollup::{RollState, RolledHour, Rollup, RollupStore};
use super::tally::Tally;
use crate::event_id::EventId;
use crate::log_hour::Position;
use crate::receipt::{Bucket, Receipt, ReceiptLedger};
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// Hours of rollups that are read at a time.
const MAX_HOUR_READS: usize = 8;

/// Minutes of receipts that are read at a time, each in six calls.
const MAX_RAW_READS: usize = 4;

/// Where figures come from.
pub(super) struct Source<'a, R, S> {
    pub(super) receipts: &'a R,
    pub(super) rollups: &'a S,
    pub(super) tenant: &'a TenantId,
    pub(super) window: Window,
    /// Minutes whose receipts may be read.
    pub(super) raw_minutes: usize,
}

/// What is known of a minute without its receipts.
pub(super) struct Known {
    pub(super) minute: Minute,
    /// Of its rollup, where it can be used.
    pub(super) figures: Option<Figures>,
    /// From when on its receipts have to be read. None when the rollup has all of it.
    pub(super) unknown_from: Option<UtcDateTime>,
}

impl<R, S> Source<'_, R, S>
where
    R: ReceiptLedger + Sync,
    S: RollupStore + Sync,
{
    /// Gives the figures of each minute of the window that has any, in any order. Where more receipts would have to be
    /// read than may be, it ends before the first such minute, and tells it.
    pub(super) async fn figures(
        &self,
        mut take: impl FnMut(Minute, Figures),
    ) -> Result<Option<Minute>, StoreError> {
        let Some(minutes) = self.window.minutes() else {
            return Ok(None);
        };
        // Before the rollups: what it says is rolled up is found.
        let state = self.rollups.state().await?;
        let state = state.as_ref();
        let hours = minutes.by_hour().map(|part| self.hour(state, part));
        let mut hours = stream::iter(hours).buffered(MAX_HOUR_READS);
        let mut raw = Vec::new();
        let mut end = None;
        while let Some(hour) = hours.try_next().await?.filter(|_| end.is_none()) {
            for known in hour {
                if known.unknown_from.is_some() && raw.len() >= self.raw_minutes {
                    end = Some(known.minute);
                    break;
                }
                raw.extend(known.unknown_from.map(|from| (known.minute, from)));
                if let Some(figures) = known.figures {
                    take(known.minute, figures);
                }
            }
        }
        let reads = raw
            .into_iter()
            .map(|(minute, from)| self.raw_figures(minute, from));
        let mut reads = stream::iter(reads).buffer_unordered(MAX_RAW_READS);
        while let Some((minute, figures)) = reads.try_next().await? {
            take(minute, figures);
        }
        Ok(end)
    }

    /// The minutes of one hour, in order. A rollup that counts what is not in the window tells nothing.
    pub(super) async fn hour(
        &self,
        state: Option<&RollState>,
        part: MinuteRange,
    ) -> Result<Vec<Known>, StoreError> {
        let counted = |minute: Minute| state.and_then(|state| state.counted_before(minute));
        let is_rolled = |minute: &Minute| counted(*minute).is_some();
        let first = part.iter().find(is_rolled);
        let last = part.iter().rev().find(is_rolled);
        let rolled = first.zip(last);
        let rolled = rolled.and_then(|(first, last)| MinuteRange::of(first, last));
        let RolledHour {
            rollups,
            unfinished,
        } = match rolled {
            Some(rolled) => self.rollups.rolled(self.tenant, rolled).await?,
            None => RolledHour::default(),
        };
        let rollups = rollups.into_iter();
        let mut rollups: BTreeMap<Minute, Rollup> = rollups.map(|it| (it.minute, it)).collect();
        let known = part.iter().map(|minute| {
            let counted = counted(minute).filter(|_| !unfinished.contains(&minute));
            self.known(minute, counted, rollups.remove(&minute))
        });
        Ok(known.collect())
    }

    /// What a minute's rollup tells, when it is counted up to a time. Without one there is nothing until then.
    fn known(&self, minute: Minute, counted: Option<UtcDateTime>, rollup: Option<Rollup>) -> Known {
        // It may have been rolled up further since the watermark was read.
        let (counted, figures) = match (counted, rollup) {
            (Some(_), Some(rollup)) => (Some(rollup.counted_before), rollup.figures),
            (counted, _) => (counted, Figures::new()),
        };
        let counted = counted.filter(|counted| self.window.has_all(minute.start(), *counted));
        Known {
            minute,
            figures: counted.map(|_| figures),
            unknown_from: match counted {
                Some(counted) if counted >= minute.end() => None,
                Some(counted) => Some(counted),
                None => Some(minute.start()),
            },
        }
    }

    /// The receipts of a minute from a time on, of all tenants; of the buckets that the window has something of.
    pub(super) async fn raw(
        &self,
        minute: Minute,
        from: UtcDateTime,
    ) -> Result<Vec<Receipt>, StoreError> {
        let Window { from: first, to } = self.window;
        let from = Bucket::at(from.max(first));
        let buckets = minute.buckets();
        let buckets = buckets.filter(|bucket| *bucket >= from && bucket.start() < to);
        let reads = buckets.map(|bucket| self.receipts.in_bucket(bucket));
        Ok(try_join_all(reads).await?.into_iter().flatten().collect())
    }

    /// The tenant's events of the window in these receipts.
    pub(super) fn tally<'r>(&self, receipts: &'r [Receipt]) -> Tally<'r> {
        let ids = self.window.ids();
        Tally::of(receipts, |tenant, id: EventId| {
            tenant == self.tenant && ids.is_some_and(|ids| ids.contains(Position::of(id)))
        })
    }

    async fn raw_figures(
        &self,
        minute: Minute,
        from: UtcDateTime,
    ) -> Result<(Minute, Figures), StoreError> {
        let receipts = self.raw(minute, from).await?;
        let figures = self.tally(&receipts).figures();
        let figures = figures.into_values().next();
        Ok((minute, figures.unwrap_or_default()))
    }
}
