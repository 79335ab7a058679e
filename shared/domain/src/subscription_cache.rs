//! Subscriptions, read when they have changed instead of for every batch.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::UtcDateTime;

use crate::clock::Clock;
use crate::dispatch::Subscriptions;
use crate::store_error::StoreError;
use crate::subscription::{Roster, Subscription};
use crate::tenant::TenantId;

/// How long an answer is given without asking whether it is still right. A change of a subscription takes effect
/// within this time.
pub const MAX_AGE: Duration = Duration::from_secs(5);

/// How long subscriptions are kept whose revision stays the same. It bounds how long anything could be wrong
/// that changed them past the registry.
pub const MAX_UNCHANGED_AGE: Duration = Duration::from_secs(5 * 60);

/// How long the subscriptions of an owner are kept that nobody asks for.
const MAX_IDLE: Duration = Duration::from_secs(10 * 60);

/// Where subscriptions are read from.
pub trait SubscriptionSource {
    /// A number that is another one after each change of one of the owner's subscriptions: half a read unit,
    /// however many there are.
    fn revision(&self, owner: &TenantId) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// All of the owner's subscriptions, at least as new as every revision that was read before.
    fn all(
        &self,
        owner: &TenantId,
    ) -> impl Future<Output = Result<Vec<Subscription>, StoreError>> + Send;
}

/// Remembers rosters, and makes one anew when its owner's revision is another.
pub struct CachedSubscriptions<S, C> {
    source: S,
    clock: C,
    known: Mutex<HashMap<TenantId, Known>>,
}

#[derive(Clone)]
struct Known {
    roster: Arc<Roster>,
    revision: u64,
    read_at: UtcDateTime,
    asked_at: UtcDateTime,
}

impl<S, C> CachedSubscriptions<S, C> {
    /// A cache in front of `source`, empty.
    pub fn new(source: S, clock: C) -> Self {
        Self {
            source,
            clock,
            known: Mutex::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<TenantId, Known>> {
        // No code that can panic runs under the lock; a poisoned one still holds whole answers.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remembered(&self, owner: &TenantId, now: UtcDateTime) -> Option<Known> {
        let mut known = self.known();
        known.retain(|_, known| now - known.asked_at < MAX_IDLE);
        known.get(owner).cloned()
    }
}

impl<S: SubscriptionSource + Sync, C: Clock + Sync> CachedSubscriptions<S, C> {
    /// The revision is read before the subscriptions: when they change in between, the next look finds another
    /// revision and reads them again. A roster is dated from before it was asked for.
    async fn look(
        &self,
        owner: &TenantId,
        remembered: Option<Known>,
        now: UtcDateTime,
    ) -> Result<Known, StoreError> {
        let revision = self.source.revision(owner).await?;
        let unchanged = remembered
            .filter(|known| known.revision == revision && now - known.read_at < MAX_UNCHANGED_AGE);
        if let Some(known) = unchanged {
            return Ok(Known {
                asked_at: now,
                ..known
            });
        }
        let roster = Roster::new(self.source.all(owner).await?);
        Ok(Known {
            roster: Arc::new(roster),
            revision,
            read_at: now,
            asked_at: now,
        })
    }
}

impl<S: SubscriptionSource + Sync, C: Clock + Sync> Subscriptions for CachedSubscriptions<S, C> {
    async fn of(&self, owner: &TenantId) -> Result<Arc<Roster>, StoreError> {
        let now = self.clock.now();
        let remembered = self.remembered(owner, now);
        if let Some(known) = &remembered
            && now - known.asked_at < MAX_AGE
        {
            return Ok(Arc::clone(&known.roster));
        }
        let known = self.look(owner, remembered, now).await?;
        let roster = Arc::clone(&known.roster);
        self.known().insert(owner.clone(), known);
        Ok(roster)
    }
}
