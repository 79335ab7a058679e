//! Rollups of minutes, in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use pillarbox_domain::stats::{
    Minute, MinuteRange, RollState, RolledHour, Rollup, RollupStore, StaleMarks, StaleMinute,
};
use pillarbox_domain::{StoreError, TenantId};
use time::UtcDateTime;

/// Passes [`crate::conformance::rollups::rollups`]. It can be told to fail after some writes, as if its caller had died.
#[derive(Default)]
pub struct MemoryRollups(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    state: Option<RollState>,
    rollups: BTreeMap<(TenantId, Minute), Rollup>,
    stale: BTreeMap<(Minute, TenantId), UtcDateTime>,
    writes_left: Option<usize>,
}

impl MemoryRollups {
    /// From now on so many writes are made, and all others are throttled; none of them is when there is no number.
    pub fn fail_after(&self, writes: Option<usize>) {
        self.kept().writes_left = writes;
    }

    /// Every rollup.
    pub fn all(&self) -> Vec<Rollup> {
        self.kept().rollups.values().cloned().collect()
    }

    /// Every stale minute.
    pub fn all_stale(&self) -> Vec<StaleMinute> {
        stale_of(&self.kept())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap()
    }

    fn write(&self) -> Result<MutexGuard<'_, Kept>, StoreError> {
        let mut kept = self.kept();
        match &mut kept.writes_left {
            Some(0) => {
                let operation = "PutItem";
                return Err(StoreError::Throttled { operation });
            }
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(kept)
    }
}

impl RollupStore for MemoryRollups {
    async fn state(&self) -> Result<Option<RollState>, StoreError> {
        Ok(self.kept().state.clone())
    }

    async fn save(&self, state: &RollState) -> Result<bool, StoreError> {
        let mut kept = self.write()?;
        let there = kept.state.as_ref().map_or(0, |state| state.version);
        if there != state.version {
            return Ok(false);
        }
        kept.state = Some(RollState {
            version: state.version + 1,
            ..state.clone()
        });
        Ok(true)
    }

    async fn put(&self, rollup: &Rollup) -> Result<(), StoreError> {
        let key = (rollup.tenant.clone(), rollup.minute);
        let mut kept = self.write()?;
        let there = kept.rollups.get(&key);
        let age = |rollup: &Rollup| (rollup.counted_before, rollup.rolled_at);
        if there.is_none_or(|there| age(there) <= age(rollup)) {
            kept.rollups.insert(key, rollup.clone());
        }
        Ok(())
    }

    async fn rolled(
        &self,
        tenant: &TenantId,
        minutes: MinuteRange,
    ) -> Result<RolledHour, StoreError> {
        let kept = self.kept();
        let is_meant = |owner: &TenantId, minute: Minute| {
            owner == tenant && minutes.contains(minute) && minute.hour() == minutes.first().hour()
        };
        let rollups = kept.rollups.values();
        let rollups = rollups.filter(|rollup| is_meant(&rollup.tenant, rollup.minute));
        let stale = kept.stale.keys();
        let stale = stale.filter(|(minute, owner)| is_meant(owner, *minute));
        Ok(RolledHour {
            rollups: rollups.cloned().collect(),
            unfinished: stale.map(|(minute, _)| *minute).collect(),
        })
    }

    async fn stale(&self, limit: usize) -> Result<Vec<StaleMinute>, StoreError> {
        let mut stale = stale_of(&self.kept());
        stale.truncate(limit);
        Ok(stale)
    }

    async fn clear(&self, stale: &StaleMinute) -> Result<(), StoreError> {
        let key = (stale.minute, stale.tenant.clone());
        let mut kept = self.write()?;
        if kept.stale.get(&key).is_some_and(|at| *at <= stale.noted_at) {
            kept.stale.remove(&key);
        }
        Ok(())
    }
}

impl StaleMarks for MemoryRollups {
    async fn mark(&self, stale: &StaleMinute) -> Result<(), StoreError> {
        let key = (stale.minute, stale.tenant.clone());
        let mut kept = self.write()?;
        let noted_at = kept.stale.entry(key).or_insert(stale.noted_at);
        *noted_at = stale.noted_at.max(*noted_at);
        Ok(())
    }
}

impl StaleMarks for &MemoryRollups {
    async fn mark(&self, stale: &StaleMinute) -> Result<(), StoreError> {
        (*self).mark(stale).await
    }
}

fn stale_of(kept: &Kept) -> Vec<StaleMinute> {
    let stale = kept.stale.iter();
    stale
        .map(|((minute, tenant), noted_at)| StaleMinute {
            minute: *minute,
            tenant: tenant.clone(),
            noted_at: *noted_at,
        })
        .collect()
}
