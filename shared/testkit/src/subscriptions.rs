//! Subscriptions in the registry in memory.

use std::sync::Arc;

use pillarbox_domain::dispatch::Subscriptions;
use pillarbox_domain::registry::{
    Added, Removed, Replaced, SubscriptionRegistry, Suspended, Suspension, Suspensions,
};
use pillarbox_domain::subscription::{Registered, Roster, SubscriptionState};
use pillarbox_domain::subscription_cache::SubscriptionSource;
use pillarbox_domain::{StoreError, Subscription, SubscriptionId, TenantId};
use time::UtcDateTime;

use crate::MemoryRegistry;

impl MemoryRegistry {
    /// Registers a subscription, whatever was there.
    pub fn put(&self, subscription: Subscription) {
        let registered = Registered {
            version: 1,
            created_at: UtcDateTime::UNIX_EPOCH,
            updated_at: UtcDateTime::UNIX_EPOCH,
            subscription,
        };
        self.store(registered);
    }

    /// The subscription as it is registered.
    pub fn registered(&self, owner: &TenantId, id: &str) -> Option<Registered> {
        let key = (owner.clone(), id.parse().unwrap());
        self.subscriptions.lock().unwrap().get(&key).cloned()
    }

    fn store(&self, registered: Registered) {
        let owner = registered.subscription.tenant.clone();
        let key = (owner.clone(), registered.subscription.id.clone());
        self.subscriptions.lock().unwrap().insert(key, registered);
        self.revise(&owner);
    }

    fn revise(&self, owner: &TenantId) {
        let mut revisions = self.revisions.lock().unwrap();
        *revisions.entry(owner.clone()).or_default() += 1;
    }

    fn of_owner(&self, owner: &TenantId) -> Vec<Registered> {
        let subscriptions = self.subscriptions.lock().unwrap();
        let owned = subscriptions.iter().filter(|((of, _), _)| of == owner);
        owned.map(|(_, registered)| registered.clone()).collect()
    }
}

/// Without a cache in front of it: as it is now.
impl Subscriptions for MemoryRegistry {
    async fn of(&self, owner: &TenantId) -> Result<Arc<Roster>, StoreError> {
        let subscriptions = SubscriptionSource::all(self, owner).await?;
        Ok(Arc::new(Roster::new(subscriptions)))
    }
}

impl Subscriptions for &MemoryRegistry {
    async fn of(&self, owner: &TenantId) -> Result<Arc<Roster>, StoreError> {
        (**self).of(owner).await
    }
}

impl SubscriptionSource for MemoryRegistry {
    async fn revision(&self, owner: &TenantId) -> Result<u64, StoreError> {
        self.read()?;
        let revisions = self.revisions.lock().unwrap();
        Ok(revisions.get(owner).copied().unwrap_or_default())
    }

    async fn all(&self, owner: &TenantId) -> Result<Vec<Subscription>, StoreError> {
        self.read()?;
        let owned = self.of_owner(owner).into_iter();
        Ok(owned.map(|registered| registered.subscription).collect())
    }
}

impl SubscriptionSource for &MemoryRegistry {
    async fn revision(&self, owner: &TenantId) -> Result<u64, StoreError> {
        (**self).revision(owner).await
    }

    async fn all(&self, owner: &TenantId) -> Result<Vec<Subscription>, StoreError> {
        (**self).all(owner).await
    }
}

impl SubscriptionRegistry for MemoryRegistry {
    async fn add_subscription(
        &self,
        wanted: &Subscription,
        now: UtcDateTime,
    ) -> Result<(Added, Registered), StoreError> {
        if let Some(there) = self.registered(&wanted.tenant, wanted.id.as_str()) {
            let unpaused = Subscription {
                state: wanted.state.clone(),
                ..there.subscription.clone()
            };
            let is_same = unpaused == *wanted;
            let added = if is_same {
                Added::Unchanged
            } else {
                Added::Differs
            };
            return Ok((added, there));
        }
        let registered = Registered {
            subscription: wanted.clone(),
            version: 1,
            created_at: now,
            updated_at: now,
        };
        self.store(registered.clone());
        Ok((Added::New, registered))
    }

    async fn subscription(
        &self,
        owner: &TenantId,
        id: &SubscriptionId,
    ) -> Result<Option<Registered>, StoreError> {
        self.read()?;
        Ok(self.registered(owner, id.as_str()))
    }

    async fn subscriptions(
        &self,
        owner: &TenantId,
        after: Option<&SubscriptionId>,
        limit: usize,
    ) -> Result<Vec<Registered>, StoreError> {
        self.read()?;
        let owned = self.of_owner(owner).into_iter();
        let rest = owned.filter(|one| after.is_none_or(|after| one.subscription.id > *after));
        Ok(rest.take(limit).collect())
    }

    async fn replace_subscription(
        &self,
        wanted: &Subscription,
        seen: u64,
        now: UtcDateTime,
    ) -> Result<Replaced, StoreError> {
        let Some(there) = self.registered(&wanted.tenant, wanted.id.as_str()) else {
            return Ok(Replaced::Gone);
        };
        if there.version != seen {
            return Ok(Replaced::Changed(there.version));
        }
        let registered = Registered {
            subscription: wanted.clone(),
            version: seen + 1,
            updated_at: now,
            ..there
        };
        self.store(registered.clone());
        Ok(Replaced::Done(Box::new(registered)))
    }

    async fn remove_subscription(
        &self,
        owner: &TenantId,
        id: &SubscriptionId,
        seen: Option<u64>,
    ) -> Result<Removed, StoreError> {
        let Some(there) = self.registered(owner, id.as_str()) else {
            return Ok(Removed::Gone);
        };
        if seen.is_some_and(|seen| seen != there.version) {
            return Ok(Removed::Changed(there.version));
        }
        let key = (owner.clone(), id.clone());
        self.subscriptions.lock().unwrap().remove(&key);
        self.revise(owner);
        Ok(Removed::Done)
    }
}

impl Suspensions for MemoryRegistry {
    async fn suspend(&self, suspension: &Suspension) -> Result<Suspended, StoreError> {
        self.read()?;
        let there = self.registered(&suspension.owner, suspension.id.as_str());
        let Some(mut there) =
            there.filter(|there| there.subscription.queue_url == suspension.queue_url)
        else {
            return Ok(Suspended::NotThere);
        };
        let state = &mut there.subscription.state;
        let suspended = match state {
            SubscriptionState::Active => {
                *state = SubscriptionState::Suspended {
                    since: suspension.since,
                    reason: suspension.reason.clone(),
                };
                Suspended::Now
            }
            SubscriptionState::Paused { since, .. }
            | SubscriptionState::Suspended { since, .. } => {
                *since = suspension.since.min(*since);
                Suspended::Already
            }
        };
        there.version += 1;
        self.store(there);
        Ok(suspended)
    }
}
