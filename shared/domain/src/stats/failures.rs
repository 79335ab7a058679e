//! What failed of a tenant's deliveries: of rows of deliveries in trouble, and of dead letters.
//!
//! Both are read by the window's events, whenever they failed: so a rate compares failures of the same events that it
//! is a rate of. How much is read is bounded; where there is more, the figures say that they are the least.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

use futures::{StreamExt, TryStreamExt, stream};
use time::UtcDateTime;

use super::query::{Window, is_wanted};
use crate::event_id::EventId;
use crate::letters::{DeadLetter, LetterPage, LetterStore};
use crate::log_hour::{IdRange, Order, Position};
use crate::store_error::StoreError;
use crate::subscription::{SubscriptionId, TypePattern};
use crate::tenant::TenantId;
use crate::trouble::{
    OpenStatus, TroubleLedger, TroubleStatus, TroubledDeliveries, TroubledDelivery, TroubledEvents,
};

/// Letters that one call of the store looks at.
const LETTERS_A_CALL: usize = 1_000;

/// Events whose rows are read at a time.
const MAX_READS: usize = 16;

/// What failed of the deliveries of one type. Each delivery, the pair of an event and a subscription, counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailureFigures {
    /// Deliveries that were tried more than once: by the bus, or by their queue after the subscriber had them.
    pub retried: u64,
    /// How often they were tried again.
    pub retries: u64,
    /// Deliveries whose queue has not taken them yet.
    pub retrying: u64,
    /// Deliveries whose queue took them at a later attempt.
    pub recovered: u64,
    /// Deliveries that became dead letters, whatever became of those since.
    pub dead_lettered: u64,
}

/// What one question may read of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureBounds {
    /// Dead letters: about 1 KB each.
    pub letters: usize,
    /// Events with rows of deliveries in trouble: a call each.
    pub events: usize,
}

impl Default for FailureBounds {
    /// About 1,250 and 1,000 read units.
    fn default() -> Self {
        Self {
            letters: 5_000,
            events: 1_000,
        }
    }
}

/// A delivery that failed at least once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FailedDelivery {
    pub(super) event_type: String,
    retries: u64,
    is_retrying: bool,
    is_recovered: bool,
    /// The last of its dead letters.
    pub(super) letter: Option<DeadLetter>,
}

/// The deliveries of a window that failed.
#[derive(Debug, Default)]
pub(super) struct Failures {
    pub(super) deliveries: BTreeMap<(EventId, SubscriptionId), FailedDelivery>,
    /// Whether there may be more.
    pub(super) is_cut: bool,
}

/// What failures are read of.
pub(super) struct FailureReader<'a, L, T> {
    pub(super) letters: &'a L,
    pub(super) rows: &'a T,
    pub(super) tenant: &'a TenantId,
    pub(super) window: Window,
    pub(super) types: &'a [TypePattern],
    /// What has expired by now is left out.
    pub(super) now: UtcDateTime,
    pub(super) bounds: FailureBounds,
}

impl<L, T> FailureReader<'_, L, T>
where
    L: LetterStore + Sync,
    T: TroubledDeliveries + TroubleLedger + Sync,
{
    /// Letters and rows.
    pub(super) async fn read(&self) -> Result<Failures, StoreError> {
        let mut failures = self.read_letters().await?;
        if let Some(ids) = self.window.ids() {
            self.read_rows(ids, &mut failures).await?;
        }
        Ok(failures)
    }

    /// Letters alone. One is kept when its delivery died, so at the time of its event or later.
    pub(super) async fn read_letters(&self) -> Result<Failures, StoreError> {
        let mut failures = Failures::default();
        let Some(ids) = self.window.ids() else {
            return Ok(failures);
        };
        let mut budget = self.bounds.letters;
        let mut range = IdRange::of_times(Some(self.window.from), None);
        while let Some(part) = range {
            if budget == 0 {
                failures.is_cut = true;
                return Ok(failures);
            }
            let limit = budget.min(LETTERS_A_CALL);
            let page = self.letters.page(self.tenant, part, Order::Oldest, limit);
            let LetterPage {
                letters,
                examined,
                rest,
            } = page.await?;
            budget = budget.saturating_sub(examined.max(1));
            for letter in letters {
                self.take_letter(letter, ids, &mut failures);
            }
            range = rest;
        }
        Ok(failures)
    }

    /// Takes the letter of a delivery in. What a replay brought is no delivery of the window: its job tells of it.
    fn take_letter(&self, letter: DeadLetter, ids: IdRange, failures: &mut Failures) {
        let is_replayed = letter.job.is_some() && letter.first_dead_letter_id.is_none();
        let Some(delivery) = letter.delivery.as_ref() else {
            return;
        };
        let is_meant = ids.contains(Position::of(delivery.event_id))
            && is_wanted(self.types, &delivery.event_type)
            && letter.expires_at >= self.now
            && !is_replayed;
        if is_meant {
            let key = (delivery.event_id, delivery.subscription.clone());
            let failed = failures.deliveries.entry(key).or_default();
            failed.event_type.clone_from(&delivery.event_type);
            let attempts = letter.attempts.unwrap_or(1);
            failed.retries += u64::from(attempts.saturating_sub(1));
            failed.letter = Some(letter);
        }
    }

    async fn read_rows(&self, ids: IdRange, failures: &mut Failures) -> Result<(), StoreError> {
        let mut events = BTreeSet::new();
        for status in [OpenStatus::Retrying, OpenStatus::Recovered] {
            let mut range = Some(ids);
            while let Some(part) = range {
                let room = self.bounds.events.saturating_sub(events.len());
                if room == 0 {
                    failures.is_cut = true;
                    break;
                }
                let found = self.rows.of_status(self.tenant, status, part, room).await?;
                let TroubledEvents { event_ids, rest } = found;
                events.extend(event_ids);
                range = rest;
            }
        }
        let reads = events.into_iter();
        let reads = reads.map(|event_id| self.rows.of_event(self.tenant, event_id));
        let mut reads = stream::iter(reads).buffer_unordered(MAX_READS);
        while let Some(rows) = reads.try_next().await? {
            for row in rows {
                self.take_row(&row, failures);
            }
        }
        Ok(())
    }

    /// Takes a row in. One that has failed has a letter, or will have it in a moment: that tells of it.
    fn take_row(&self, row: &TroubledDelivery, failures: &mut Failures) {
        let failed = u64::from(row.failed_attempts());
        let (retries, is_retrying) = match row.status {
            TroubleStatus::Retrying { .. } => (failed.saturating_sub(1), true),
            TroubleStatus::Recovered { .. } => (failed, false),
            TroubleStatus::Failed { .. } => return,
        };
        if !is_wanted(self.types, &row.event_type) {
            return;
        }
        let key = (row.key.event_id, row.key.subscription.clone());
        let delivery = failures.deliveries.entry(key).or_default();
        delivery.event_type.clone_from(&row.event_type);
        delivery.retries += retries;
        delivery.is_retrying = is_retrying;
        delivery.is_recovered = !is_retrying;
    }
}

impl FailedDelivery {
    /// What it counts for.
    pub(super) fn figures(&self) -> FailureFigures {
        FailureFigures {
            retried: u64::from(self.retries > 0),
            retries: self.retries,
            retrying: u64::from(self.is_retrying),
            recovered: u64::from(self.is_recovered),
            dead_lettered: u64::from(self.letter.is_some()),
        }
    }
}

impl AddAssign for FailureFigures {
    fn add_assign(&mut self, more: Self) {
        self.retried += more.retried;
        self.retries += more.retries;
        self.retrying += more.retrying;
        self.recovered += more.recovered;
        self.dead_lettered += more.dead_lettered;
    }
}
