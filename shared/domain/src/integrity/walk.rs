//! The walk of an audit: hour by hour, slice by slice, as far as one request may read.

use std::collections::BTreeSet;

use time::UtcDateTime;

use super::HourLedger;
use super::archived::ArchivedHour;
use super::auditor::{Auditor, Ground};
use super::budget::Budget;
use super::finding::{Finding, FindingKind, Findings};
use super::ledger::{Compared, Judge, Keys, Slice, signed};
use super::slice::{Misplaced, SliceRead, SliceReader};
use crate::active_hours::unmarked;
use crate::archive::ArchiveReader;
use crate::event_id::EventId;
use crate::event_query::LogIndex;
use crate::limits::MIN_RETENTION_DAYS;
use crate::log_hour::{IdRange, LogHour, Order, Position};
use crate::receipt::ReceiptLedger;
use crate::seal::{Reopening, SealStore};
use crate::store_error::StoreError;
use crate::tenant::TenantId;
use crate::trouble::TroubleLedger;

/// Reopened hours that are looked at, of all tenants.
const REOPENINGS: usize = 1_000;

/// An audit, as far as it has come.
pub(super) struct Walk<'a, 'w, S, I, M, R, T, K, A> {
    pub(super) auditor: &'w Auditor<'a, S, I, M, R, T, K, A>,
    pub(super) tenant: &'w TenantId,
    pub(super) ground: &'w Ground,
    reader: SliceReader<'w, I, R, T>,
    budget: Budget,
    archive_bytes: u64,
    /// Whether something of the archive was read.
    has_read_archive: bool,
    keys: Keys,
    hours: Vec<HourLedger>,
    findings: Findings,
}

/// An hour that is being looked at.
pub(super) struct Hour {
    pub(super) ledger: HourLedger,
    /// Nothing where it is not known what the archive has to have.
    pub(super) archived: Option<ArchivedHour>,
    pub(super) is_marked: bool,
    /// Whether the log still has every event of it, once that was asked.
    pub(super) is_kept: Option<bool>,
}

impl<'a, 'w, S, I, M, R, T, K, A> Walk<'a, 'w, S, I, M, R, T, K, A>
where
    I: LogIndex + Sync,
    R: ReceiptLedger + Sync,
    T: TroubleLedger + Sync,
    K: SealStore + Sync,
    A: ArchiveReader + Sync,
{
    pub(super) fn new(
        auditor: &'w Auditor<'a, S, I, M, R, T, K, A>,
        tenant: &'w TenantId,
        ground: &'w Ground,
    ) -> Self {
        Self {
            reader: SliceReader {
                tenant,
                shards: ground.shards,
                index: auditor.index,
                receipts: auditor.receipts,
                trouble: auditor.trouble,
            },
            budget: Budget::of(&auditor.bounds),
            archive_bytes: auditor.bounds.archive_bytes,
            has_read_archive: false,
            keys: Keys::new(),
            hours: vec![],
            findings: Findings::default(),
            auditor,
            tenant,
            ground,
        }
    }

    /// Goes from a position on, and returns where to go on.
    pub(super) async fn run(&mut self, start: Position) -> Result<Option<Position>, StoreError> {
        for hour in &self.ground.hours {
            if let Some(next) = self.hour(*hour, start).await? {
                return Ok(Some(next));
            }
        }
        Ok(self.ground.next)
    }

    /// What it came to.
    pub(super) fn end(self) -> (Vec<HourLedger>, Findings) {
        (self.hours, self.findings)
    }

    /// Audits what is left of an hour. Where it could not be finished, it tells where to go on.
    async fn hour(
        &mut self,
        hour: LogHour,
        start: Position,
    ) -> Result<Option<Position>, StoreError> {
        let all = hour.ids();
        let mut rest = all.starting_at(start, Order::Oldest);
        let Some(first) = rest.filter(|_| !self.budget.is_spent()) else {
            return Ok(rest.map(|rest| rest.first()));
        };
        let (mut looked_at, findings) = self.sealed(hour).await?;
        if self.reach(&looked_at, first).is_none() {
            return Ok(Some(first.first()));
        }
        if first == all {
            self.findings.extend(findings);
            self.misplaced(hour).await?;
        }
        let mut is_first = true;
        while let Some(ids) = rest.filter(|_| looked_at.may_have_events(self.auditor.now)) {
            let reach = self.reach(&looked_at, ids);
            let Some(ids) = reach.filter(|_| is_first || !self.budget.is_spent()) else {
                self.put(looked_at);
                return Ok(Some(ids.first()));
            };
            is_first = false;
            let done = self.slice(&mut looked_at, ids).await?;
            rest = all.beyond(done, Order::Oldest);
        }
        self.put(looked_at);
        Ok(None)
    }

    fn put(&mut self, hour: Hour) {
        if hour.has_anything() {
            self.hours.push(hour.ledger);
        }
    }

    fn reach(&self, hour: &Hour, ids: IdRange) -> Option<IdRange> {
        match &hour.archived {
            Some(archived) => archived.reach(ids, self.archive_bytes, !self.has_read_archive),
            None => Some(ids),
        }
    }

    async fn misplaced(&mut self, hour: LogHour) -> Result<(), StoreError> {
        let Misplaced {
            event_ids,
            unreadable,
        } = self.reader.misplaced(hour, &mut self.budget).await?;
        let message = "in an hour of the log's index that is not theirs";
        let finding = Finding::of(FindingKind::Order, hour, message);
        self.findings.tell_of(finding, event_ids);
        self.unreadable(hour, unreadable);
        Ok(())
    }

    fn unreadable(&mut self, hour: LogHour, entries: u64) {
        if entries > 0 {
            let message = "entries of the log's index that cannot be read, or are of somebody else";
            let finding = Finding::of(FindingKind::Unreadable, hour, message);
            self.findings.tell(finding.counting(entries));
        }
    }

    /// Audits a slice that goes no further than `ids`, and returns its last position.
    async fn slice(&mut self, hour: &mut Hour, ids: IdRange) -> Result<Position, StoreError> {
        let at = hour.ledger.hour;
        let read = self
            .reader
            .read(at, ids, hour.is_marked, &mut self.budget)
            .await?;
        let SliceRead {
            ids,
            mut slice,
            unreadable,
        } = read;
        self.unreadable(at, unreadable);
        self.recall_receipts(hour, ids, &mut slice).await?;
        let judge = Judge {
            hour: at,
            now: self.auditor.now,
            patience: self.auditor.patience,
        };
        let compared = slice.compare(&judge, &mut self.keys, &mut self.findings);
        hour.ledger.counts += compared.counts;
        if !compared.unlogged.is_empty() && self.keeps(hour).await? {
            let message = "named by a receipt, and not in the log, which still keeps their hour";
            let finding = Finding::of(FindingKind::ReceiptWithoutEvent, at, message);
            self.findings
                .tell_of(finding, compared.unlogged.iter().copied());
        }
        self.compare_archive(hour, ids, &compared).await?;
        Ok(ids.last())
    }

    /// Receipts may expire before the store has removed the last of their events. Then those in the archive tell.
    async fn recall_receipts(
        &mut self,
        hour: &mut Hour,
        ids: IdRange,
        slice: &mut Slice,
    ) -> Result<(), StoreError> {
        let has_expired = self.may_have_expired(hour.ledger.hour);
        let Some(archived) = hour.archived.as_mut().filter(|_| has_expired) else {
            return Ok(());
        };
        let without = slice.without_receipt();
        if !without.is_empty() {
            let bytes = archived.read_receipts(self.auditor.archive, ids).await?;
            self.has_read_archive |= bytes > 0;
            self.archive_bytes = self.archive_bytes.saturating_sub(bytes);
            let recalled = archived.receipted(ids);
            let recalled = recalled.intersection(&without);
            // When that was makes no difference.
            slice
                .receipted
                .extend(recalled.map(|id| (*id, id.accepted_at())));
        }
        Ok(())
    }

    /// Whether events of an hour have expired, if they were written when the settings were what they are now.
    fn may_have_expired(&self, hour: LogHour) -> bool {
        self.auditor.now - hour.start() >= signed(self.ground.retention.duration())
    }

    /// Holds a slice of the log against the archive.
    async fn compare_archive(
        &mut self,
        hour: &mut Hour,
        ids: IdRange,
        compared: &Compared,
    ) -> Result<(), StoreError> {
        let Some(archived) = &mut hour.archived else {
            return Ok(());
        };
        let bytes = archived.read(self.auditor.archive, ids).await?;
        self.has_read_archive |= bytes > 0;
        self.archive_bytes = self.archive_bytes.saturating_sub(bytes);
        archived.tell(ids, &mut self.findings);
        let without = archived.without(ids, &compared.logged);
        let beyond = archived.beyond(ids, &compared.logged);
        let at = hour.ledger.hour;
        if !without.is_empty() && !self.is_reopened(at).await? {
            self.differs(
                at,
                "in the log, and not in the archive of their hour",
                without,
            );
        }
        if !beyond.is_empty() && self.keeps(hour).await? {
            let message = "in the archive, and not in the log, which still keeps their hour";
            self.differs(at, message, beyond);
        }
        Ok(())
    }

    fn differs(&mut self, hour: LogHour, message: &str, events: BTreeSet<EventId>) {
        let finding = Finding::of(FindingKind::ArchiveCount, hour, message);
        self.findings.tell_of(finding, events);
    }

    /// Whether the log still has all events of an hour. Settings may have changed since it was written: beyond the least
    /// time, and as long as it may have them, what is left of it tells.
    async fn keeps(&self, hour: &mut Hour) -> Result<bool, StoreError> {
        if let Some(is_kept) = hour.is_kept {
            return Ok(is_kept);
        }
        let at = hour.ledger.hour;
        let least = time::Duration::days(MIN_RETENTION_DAYS.into());
        let is_kept = if self.auditor.now - at.start() < least {
            true
        } else if self.may_have_expired(at) {
            false
        } else {
            self.reader.has_entries(at).await?
        };
        hour.is_kept = Some(is_kept);
        Ok(is_kept)
    }

    /// Whether it is known that something came late, so that the hour will be sealed again.
    async fn is_reopened(&self, hour: LogHour) -> Result<bool, StoreError> {
        let reopened = self.auditor.seals.reopened(REOPENINGS).await?;
        let is_it = |it: &Reopening| it.tenant == *self.tenant && it.hour == hour;
        Ok(reopened.iter().any(is_it))
    }
}

impl Hour {
    /// Whether the log may have something of it: of an hour that nothing marked in time it has nothing.
    fn may_have_events(&self, now: UtcDateTime) -> bool {
        let is_archived = self.ledger.archived.is_some_and(|events| events > 0);
        self.is_marked || is_archived || unmarked(now).contains(self.ledger.hour)
    }

    fn has_anything(&self) -> bool {
        let HourLedger {
            counts, is_sealed, ..
        } = &self.ledger;
        self.is_marked || *is_sealed || counts.logged > 0
    }
}
