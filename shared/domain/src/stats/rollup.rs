//! The ports of the store of rollups.

use std::collections::BTreeSet;

use time::UtcDateTime;

use super::figures::Figures;
use super::minute::{Minute, MinuteRange};
use super::packed::{MAX_PART_BYTES, MalformedFigures, pack, unpack};
use crate::receipt::Bucket;
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// The figures of a tenant's events of one minute, or of its beginning, while it is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollup {
    /// Whose they are.
    pub tenant: TenantId,
    /// When the events were accepted.
    pub minute: Minute,
    /// Up to which time they are counted: the minute's end, or an earlier end of a bucket.
    pub counted_before: UtcDateTime,
    /// When its receipts began to be read: of two rollups that count the same, the later one knows more.
    pub rolled_at: UtcDateTime,
    /// From when on the store may forget it: with the last of its receipts.
    pub expires_at: UtcDateTime,
    /// What they come to, by type.
    pub figures: Figures,
}

impl Rollup {
    /// Its figures as bytes, in as many parts as there have to be; one at the least.
    pub fn parts(&self) -> Vec<Vec<u8>> {
        pack(&self.figures, MAX_PART_BYTES)
    }

    /// The way back from [`Rollup::parts`].
    pub fn figures_of<'a>(
        parts: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Figures, MalformedFigures> {
        let mut figures = Figures::new();
        for part in parts {
            unpack(part, &mut figures)?;
        }
        Ok(figures)
    }
}

/// A note that a receipt came, or is about to come, to a minute of a tenant that may be rolled up already.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StaleMinute {
    /// Which.
    pub minute: Minute,
    /// Whose.
    pub tenant: TenantId,
    /// When that was noted last, to the millisecond.
    pub noted_at: UtcDateTime,
}

/// How far rolling up has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollState {
    /// The minute that it began with. What is before it has no rollups.
    pub begun: Minute,
    /// Everything from there to before this bucket is rolled up, of all tenants, but minutes that are open.
    pub rolled_before: Bucket,
    /// Minutes before it whose receipts could not be read.
    pub open: BTreeSet<Minute>,
    /// Which version was read; 0 when there was none.
    pub version: u64,
}

impl RollState {
    /// Up to which time a tenant without a rollup of this minute has no events in it, unless it is stale. None where
    /// that is not known.
    pub fn counted_before(&self, minute: Minute) -> Option<UtcDateTime> {
        let counted = self.rolled_before.start().min(minute.end());
        let is_known = self.begun <= minute && !self.open.contains(&minute);
        (is_known && counted > minute.start()).then_some(counted)
    }

    /// Whether all of a minute is rolled up.
    pub fn has_all_of(&self, minute: Minute) -> bool {
        self.counted_before(minute) == Some(minute.end())
    }
}

/// A tenant's rollups of some minutes of one hour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RolledHour {
    /// Those that there are. One of which a part is missing is left out and is in `unfinished`.
    pub rollups: Vec<Rollup>,
    /// Minutes that are stale, or whose rollup is being written: their receipts tell.
    pub unfinished: BTreeSet<Minute>,
}

/// Where rollups are kept.
pub trait RollupStore {
    /// How far rolling up has come; none before it began.
    fn state(&self) -> impl Future<Output = Result<Option<RollState>, StoreError>> + Send;

    /// Saves it in the place of the version that it was made from; it is one more from then on. `false` when that is
    /// not there any more: another run saved its own, and nothing was written.
    fn save(&self, state: &RollState) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Keeps a rollup, in the place of one that counts less, or as much and was rolled up earlier. Any other stays.
    ///
    /// Parts are written one by one. While there are not all of them, the minute is not finished.
    fn put(&self, rollup: &Rollup) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// A tenant's rollups of some minutes, which are all of one hour. What was put before is seen. A mark is read
    /// before the rollup that it makes stale.
    fn rolled(
        &self,
        tenant: &TenantId,
        minutes: MinuteRange,
    ) -> impl Future<Output = Result<RolledHour, StoreError>> + Send;

    /// Stale minutes of all tenants, the earliest minute first; `limit` at the most.
    fn stale(
        &self,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<StaleMinute>, StoreError>> + Send;

    /// Takes a note away, unless it was noted again since.
    fn clear(&self, stale: &StaleMinute) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Where it is noted that a minute is stale.
pub trait StaleMarks {
    /// Notes it. `Ok` means that it is durable; an earlier note of the same minute is replaced, a later one stays.
    fn mark(&self, stale: &StaleMinute) -> impl Future<Output = Result<(), StoreError>> + Send;
}
