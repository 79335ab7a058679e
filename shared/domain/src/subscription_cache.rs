//! Subscriptions, read once in a few seconds instead of for every batch.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::dispatch::Subscriptions;
use crate::store_error::StoreError;
use crate::subscription::Subscription;
use crate::tenant::TenantId;
use crate::timed_cache::TimedCache;

/// How old a cached answer may be. A change of a subscription takes effect within this time.
pub const MAX_AGE: Duration = Duration::from_secs(5);

/// Remembers what another source answered, for [`MAX_AGE`].
pub struct CachedSubscriptions<S, C> {
    source: S,
    cache: TimedCache<TenantId, Arc<[Subscription]>, C>,
}

impl<S, C: Clock> CachedSubscriptions<S, C> {
    /// A cache in front of `source`, empty.
    pub fn new(source: S, clock: C) -> Self {
        Self {
            source,
            cache: TimedCache::new(MAX_AGE, clock),
        }
    }
}

impl<S: Subscriptions + Sync, C: Clock + Sync> Subscriptions for CachedSubscriptions<S, C> {
    async fn of(&self, tenant: &TenantId) -> Result<Arc<[Subscription]>, StoreError> {
        let read = async { self.source.of(tenant).await.map(Some) };
        let subscriptions = self.cache.get_or_read(tenant.clone(), read).await?;
        Ok(subscriptions.unwrap_or_default())
    }
}
