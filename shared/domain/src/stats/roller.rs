//! Rolls minutes up.
//!
//! ```text
//! 12:00:39  an event is accepted, and handed over at 12:00:40: its receipt is written
//! 12:01:10  the first 40 s of the minute 12:00 are settled and rolled up, and the watermark moves to 12:00:40
//! 12:02:10  so is all of it, in the place of its beginning, and 40 s of 12:01; the watermark moves to 12:01:40
//! 12:07:30  another event of 12:00 is handed over: the minute is noted as stale, then the receipt is written.
//!           From here on readers read the receipts of 12:00 again
//! 12:14:10  nobody can be about to write a receipt for that note any more; 12:00 is rolled up again, and the note
//!           is taken away
//! ```
//!
//! A minute is rolled up from its beginning on, before it is over, since what is not is read from receipts: these are
//! many, and one question after the other reads them.
//!
//! The order of writes makes a crash harmless: rollups, then the watermark; the rollup, then the note is taken away.
//! Who dies in between has it done once more by the next run, to the same end. Two runs at a time write the same; of
//! two rollups of a minute the one stays that counts more of it, then the one that began to read later.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};
use time::UtcDateTime;

use super::minute::Minute;
use super::rollup::{RollState, Rollup, RollupStore, StaleMinute};
use super::tally::Tally;
use crate::clock::Clock;
use crate::receipt::{Bucket, Receipt, ReceiptLedger};
use crate::store_error::{Disposition, StoreError};
use crate::tenant::TenantId;

/// How long after its end a bucket is rolled up: what is handed over in time has its receipt by then.
pub const SETTLE: Duration = Duration::from_secs(30);

/// How long after the end of its bucket a receipt counts as late, so that its minute is noted as stale. It is less than
/// [`SETTLE`] by what a receipt may take to be written, and two clocks may differ.
pub const LATE_AFTER: Duration = Duration::from_secs(15);

/// How old a note has to be before its minute is rolled up again. Whoever noted it may still be about to write the
/// receipt for as long as its function may run, which is 300 s at the most (a test holds the template to it), and
/// need not note a minute again that it has noted [`super::late::REMEMBERED_FOR`] ago or less.
pub const STALE_SETTLE: Duration = Duration::from_secs(360);

/// Minutes that may be open at a time. Above it nothing more is rolled up until a person has looked.
const MAX_OPEN: usize = 100;

/// Notes that one run looks at.
const MAX_STALE: usize = 1_000;

/// Rollups that are written at a time.
const MAX_WRITES: usize = 16;

/// What rolls minutes up.
pub struct Roller<'a, R, S, C> {
    /// What was handed over.
    pub receipts: &'a R,
    /// Where rollups are kept.
    pub rollups: &'a S,
    /// What time it is.
    pub clock: &'a C,
}

/// How much one run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollRules {
    /// How long a run may take; it stops between two minutes.
    pub budget: Duration,
    /// Minutes that are rolled up, each as far as it is settled.
    pub minutes: usize,
    /// Stale and open minutes that are rolled up again.
    pub again: usize,
}

impl Default for RollRules {
    fn default() -> Self {
        Self {
            budget: Duration::from_secs(20),
            minutes: 120,
            again: 60,
        }
    }
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Rolled {
    /// How it ended.
    pub end: RollEnd,
    /// Minutes that were rolled up, each as far as it was settled.
    pub minutes: usize,
    /// Minutes that were rolled up again.
    pub again: usize,
    /// Rollups that were written.
    pub rollups: usize,
    /// Everything before this is rolled up, but minutes that are blocked.
    pub rolled_before: Option<UtcDateTime>,
    /// Notes of stale minutes that are left, of those that were looked at.
    pub stale: usize,
    /// Minutes whose receipts cannot be read, and why. They stay open until a person has looked.
    pub blocked: Vec<(Minute, StoreError)>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RollEnd {
    /// Everything that is settled is rolled up.
    #[default]
    Done,
    /// There is more to do: its time was over, or it did as much as one run does.
    Bounded,
    /// As many minutes are open as may be.
    Full,
    /// Another run moved the watermark meanwhile.
    Overtaken,
}

impl RollEnd {
    /// Its name in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Bounded => "bounded",
            Self::Full => "full",
            Self::Overtaken => "overtaken",
        }
    }
}

impl<R, S, C> Roller<'_, R, S, C>
where
    R: ReceiptLedger + Sync,
    S: RollupStore + Sync,
    C: Clock + Sync,
{
    /// Rolls up what is settled and what is stale. It may run at any time and as often as one likes; an error says that
    /// a store failed, and leaves everything to the next run.
    pub async fn run(&self, rules: &RollRules) -> Result<Rolled, StoreError> {
        let now = self.clock.now();
        let deadline = now.saturating_add(signed(rules.budget));
        let settled = Bucket::at(now.saturating_sub(signed(SETTLE)));
        let mut rolled = Rolled::default();
        let Some(mut state) = self.begin(settled).await? else {
            rolled.end = RollEnd::Overtaken;
            return Ok(rolled);
        };
        rolled.end = self
            .roll_settled(&mut state, settled, deadline, rules, &mut rolled)
            .await?;
        rolled.rolled_before = Some(state.rolled_before.start());
        if rolled.end != RollEnd::Overtaken {
            self.roll_open(&mut state, deadline, rules, &mut rolled)
                .await?;
            self.roll_stale(&state, deadline, rules, &mut rolled)
                .await?;
        }
        Ok(rolled)
    }

    /// How far it has come. The first run ever begins with the minute that is being settled.
    async fn begin(&self, settled: Bucket) -> Result<Option<RollState>, StoreError> {
        if let Some(state) = self.rollups.state().await? {
            return Ok(Some(state));
        }
        let begun = Minute::at(settled.start());
        let mut state = RollState {
            begun,
            rolled_before: Bucket::at(begun.start()),
            open: BTreeSet::new(),
            version: 0,
        };
        Ok(self.save(&mut state).await?.then_some(state))
    }

    async fn roll_settled(
        &self,
        state: &mut RollState,
        settled: Bucket,
        deadline: UtcDateTime,
        rules: &RollRules,
        rolled: &mut Rolled,
    ) -> Result<RollEnd, StoreError> {
        while state.rolled_before < settled {
            if rolled.minutes >= rules.minutes || self.clock.now() > deadline {
                return Ok(RollEnd::Bounded);
            }
            if state.open.len() >= MAX_OPEN {
                return Ok(RollEnd::Full);
            }
            let minute = Minute::at(state.rolled_before.start());
            let end = settled.min(Bucket::at(minute.end()));
            match self.roll(minute, end, |_| true).await {
                Ok(rollups) => {
                    state.open.remove(&minute);
                    rolled.rollups += rollups;
                }
                Err(error) if error.disposition() == Disposition::GiveUp => {
                    state.open.insert(minute);
                    rolled.blocked.push((minute, error));
                }
                Err(error) => return Err(error),
            }
            state.rolled_before = end;
            if !self.save(state).await? {
                return Ok(RollEnd::Overtaken);
            }
            rolled.minutes += 1;
        }
        Ok(RollEnd::Done)
    }

    /// Looks at minutes again whose receipts could not be read.
    async fn roll_open(
        &self,
        state: &mut RollState,
        deadline: UtcDateTime,
        rules: &RollRules,
        rolled: &mut Rolled,
    ) -> Result<(), StoreError> {
        let new: BTreeSet<Minute> = rolled.blocked.iter().map(|(minute, _)| *minute).collect();
        let old: Vec<Minute> = state.open.difference(&new).copied().collect();
        for minute in old {
            if rolled.again >= rules.again || self.clock.now() > deadline {
                rolled.end = RollEnd::Bounded;
                return Ok(());
            }
            let end = state.rolled_before.min(Bucket::at(minute.end()));
            match self.roll(minute, end, |_| true).await {
                Ok(rollups) => {
                    state.open.remove(&minute);
                    if !self.save(state).await? {
                        rolled.end = RollEnd::Overtaken;
                        return Ok(());
                    }
                    rolled.rollups += rollups;
                    rolled.again += 1;
                }
                Err(error) if error.disposition() == Disposition::GiveUp => {
                    rolled.blocked.push((minute, error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Rolls up again what something came late to.
    async fn roll_stale(
        &self,
        state: &RollState,
        deadline: UtcDateTime,
        rules: &RollRules,
        rolled: &mut Rolled,
    ) -> Result<(), StoreError> {
        let noted_before = self.clock.now().saturating_sub(signed(STALE_SETTLE));
        let stale = self.rollups.stale(MAX_STALE).await?;
        rolled.stale = stale.len();
        let mut due: BTreeMap<Minute, Vec<StaleMinute>> = BTreeMap::new();
        for stale in stale {
            let is_passed = stale.minute < state.begun || state.has_all_of(stale.minute);
            if is_passed && stale.noted_at <= noted_before {
                due.entry(stale.minute).or_default().push(stale);
            }
        }
        for (minute, notes) in due {
            if rolled.again >= rules.again || self.clock.now() > deadline {
                rolled.end = RollEnd::Bounded;
                return Ok(());
            }
            // What is before the first minute has no rollups; its receipts are read in any case.
            if minute >= state.begun {
                let tenants: BTreeSet<&TenantId> = notes.iter().map(|it| &it.tenant).collect();
                let end = Bucket::at(minute.end());
                match self.roll(minute, end, |it| tenants.contains(it)).await {
                    Ok(rollups) => rolled.rollups += rollups,
                    Err(error) if error.disposition() == Disposition::GiveUp => {
                        rolled.blocked.push((minute, error));
                        continue;
                    }
                    Err(error) => return Err(error),
                }
                rolled.again += 1;
            }
            try_join_all(notes.iter().map(|note| self.rollups.clear(note))).await?;
            rolled.stale = rolled.stale.saturating_sub(notes.len());
        }
        Ok(())
    }

    /// Rolls up a minute of these tenants to before a bucket, and returns how many of them have events in it.
    async fn roll(
        &self,
        minute: Minute,
        end: Bucket,
        is_wanted: impl Fn(&TenantId) -> bool,
    ) -> Result<usize, StoreError> {
        let rolled_at = self.clock.now();
        let buckets = minute.buckets().take_while(|bucket| *bucket < end);
        let reads = buckets.map(|bucket| self.receipts.in_bucket(bucket));
        let receipts: Vec<Receipt> = try_join_all(reads).await?.into_iter().flatten().collect();
        let rollups = rollups(minute, end, rolled_at, &receipts, is_wanted);
        let writes: Vec<_> = rollups.iter().map(|it| self.rollups.put(it)).collect();
        stream::iter(writes)
            .buffer_unordered(MAX_WRITES)
            .try_collect::<()>()
            .await?;
        Ok(rollups.len())
    }

    async fn save(&self, state: &mut RollState) -> Result<bool, StoreError> {
        let is_saved = self.rollups.save(state).await?;
        state.version += 1;
        Ok(is_saved)
    }
}

/// The rollups that these receipts of a minute come to. They are kept as long as the longest kept of the receipts.
fn rollups(
    minute: Minute,
    end: Bucket,
    rolled_at: UtcDateTime,
    receipts: &[Receipt],
    is_wanted: impl Fn(&TenantId) -> bool,
) -> Vec<Rollup> {
    let mut expiries: BTreeMap<&TenantId, UtcDateTime> = BTreeMap::new();
    for receipt in receipts {
        for group in &receipt.groups {
            let known = expiries.entry(&group.tenant).or_insert(receipt.expires_at);
            *known = receipt.expires_at.max(*known);
        }
    }
    let tally = Tally::of(receipts, |tenant, id| {
        is_wanted(tenant) && Minute::of(id) == minute
    });
    let figures = tally.figures().into_iter();
    figures
        .filter_map(|(tenant, figures)| {
            Some(Rollup {
                tenant: tenant.clone(),
                minute,
                counted_before: end.start(),
                rolled_at,
                expires_at: *expiries.get(tenant)?,
                figures,
            })
        })
        .collect()
}

/// A length of time as times are moved by it.
pub(super) fn signed(duration: Duration) -> time::Duration {
    time::Duration::try_from(duration).unwrap_or(time::Duration::MAX)
}
