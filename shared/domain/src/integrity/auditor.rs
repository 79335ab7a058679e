//! An audit: which hours have to be looked at, and what is known before the first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::try_join4;
use time::UtcDateTime;

use super::walk::Walk;
use super::{Audit, Bounds, IntegrityQuery};
use crate::active_hours::{Marked, MarkedHours, unmarked};
use crate::archive::ArchiveReader;
use crate::event_query::LogIndex;
use crate::log_hour::{HourRange, LogHour, Order, Position};
use crate::log_shard::LogShards;
use crate::receipt::ReceiptLedger;
use crate::seal::{SealHead, SealRow, SealStore};
use crate::store_error::StoreError;
use crate::tenant::TenantId;
use crate::tenant_settings::{Retention, TenantSettingsReader};
use crate::trouble::TroubleLedger;

/// Rows of seals that are asked for at a time. An hour has one, and another each time that something came late.
const SEAL_ROWS: usize = 1_000;

/// Holds tenants' logs against their receipts, the archive and the chain of seals.
pub struct Auditor<'a, S, I, M, R, T, K, A> {
    /// How a log is spread, and how long it is kept.
    pub settings: &'a S,
    /// The log.
    pub index: &'a I,
    /// In which hours there are events.
    pub marks: &'a M,
    /// What was handed over.
    pub receipts: &'a R,
    /// What is in trouble.
    pub trouble: &'a T,
    /// The chain.
    pub seals: &'a K,
    /// What seals name.
    pub archive: &'a A,
    /// By this time events are judged.
    pub now: UtcDateTime,
    /// What one request may read.
    pub bounds: Bounds,
    /// See [`super::PATIENCE`].
    pub patience: Duration,
}

/// What is known before the first hour is looked at.
pub(super) struct Ground {
    pub(super) shards: LogShards,
    pub(super) retention: Retention,
    pub(super) head: Option<SealHead>,
    /// The hour that sealing began with.
    pub(super) begun: Option<LogHour>,
    pub(super) marked: BTreeSet<LogHour>,
    /// The hours that have to be looked at.
    pub(super) hours: Vec<LogHour>,
    /// Where to go on after them.
    pub(super) next: Option<Position>,
    pub(super) rows: Rows,
}

/// Rows of seals by hour and revision.
pub(super) type Rows = BTreeMap<(LogHour, u32), SealRow>;

impl<S, I, M, R, T, K, A> Auditor<'_, S, I, M, R, T, K, A>
where
    S: TenantSettingsReader + Sync,
    I: LogIndex + Sync,
    M: MarkedHours + Sync,
    R: ReceiptLedger + Sync,
    T: TroubleLedger + Sync,
    K: SealStore + Sync,
    A: ArchiveReader + Sync,
{
    /// Audits what a tenant asks for.
    pub async fn audit(
        &self,
        tenant: &TenantId,
        query: &IntegrityQuery,
    ) -> Result<Audit, StoreError> {
        let Some(range) = query.hours else {
            return Ok(Audit {
                range: None,
                hours: vec![],
                findings: vec![],
                head: self.seals.head().await?,
                next_cursor: None,
            });
        };
        let start = query.start.unwrap_or(range.first.ids().first());
        let left = HourRange {
            first: LogHour::at(start.time()),
            last: range.last,
        };
        let ground = self.ground(tenant, left).await?;
        let mut walk = Walk::new(self, tenant, &ground);
        let next = walk.run(start).await?;
        let (hours, findings) = walk.end();
        Ok(Audit {
            range: Some(range),
            hours,
            findings: findings.into_vec(),
            next_cursor: next.map(|position| query.cursor(tenant, position)),
            head: ground.head,
        })
    }

    async fn ground(&self, tenant: &TenantId, left: HourRange) -> Result<Ground, StoreError> {
        let (settings, head, begun, marked) = try_join4(
            self.settings.settings(tenant),
            self.seals.head(),
            self.seals.begun(),
            self.marks.marked(tenant, left, Order::Oldest),
        )
        .await?;
        // The bus itself is registered nowhere.
        let settings = settings.unwrap_or_default();
        let Marked { hours, rest } = marked;
        let mut ground = Ground {
            shards: settings.log_shards,
            retention: settings.retention,
            head,
            begun,
            marked: hours.into_iter().collect(),
            hours: vec![],
            next: rest.map(|rest| rest.first.ids().first()),
            rows: Rows::new(),
        };
        let known = match rest {
            Some(rest) => rest.first.previous(),
            None => Some(left.last),
        };
        ground.choose(left.first, known, self);
        ground.rows = self.rows(&ground.hours).await?;
        Ok(ground)
    }

    /// The seals of these hours, and of the one before the first.
    async fn rows(&self, hours: &[LogHour]) -> Result<Rows, StoreError> {
        let mut rows = Rows::new();
        let (Some(first), Some(last)) = (hours.first(), hours.last()) else {
            return Ok(rows);
        };
        let mut from = first.previous().unwrap_or(*first);
        loop {
            let read = self.seals.rows(from, *last, SEAL_ROWS).await?;
            let is_cut = read.len() >= SEAL_ROWS;
            let end = read.last().map(|row| row.hour);
            rows.extend(read.into_iter().map(|row| ((row.hour, row.revision), row)));
            match end {
                // Its other revisions may have been left out.
                Some(end) if is_cut && end > from => from = end,
                _ => return Ok(rows),
            }
        }
    }
}

impl Ground {
    /// The hours from `first` to `last` that have to be looked at: those that are or may be marked, and those that
    /// have to have a seal.
    fn choose<S, I, M, R, T, K, A>(
        &mut self,
        first: LogHour,
        last: Option<LogHour>,
        auditor: &Auditor<'_, S, I, M, R, T, K, A>,
    ) {
        let Some(last) = last else { return };
        let recent = unmarked(auditor.now);
        let range = HourRange { first, last };
        let has_to_be = |hour: &LogHour| {
            self.marked.contains(hour) || recent.contains(*hour) || self.has_to_be_sealed(*hour)
        };
        let most = auditor.bounds.hours.max(1);
        let hours: Vec<LogHour> = range.iter().filter(has_to_be).take(most + 1).collect();
        if let Some(next) = hours.get(most) {
            self.next = Some(next.ids().first());
        }
        self.hours = hours.into_iter().take(most).collect();
    }

    pub(super) fn has_to_be_sealed(&self, hour: LogHour) -> bool {
        let head = self.head.as_ref();
        self.begun.is_some_and(|begun| begun <= hour)
            && head.is_some_and(|head| hour < head.sealed_before)
    }
}
