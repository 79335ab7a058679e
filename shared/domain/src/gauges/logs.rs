//! Who has a log, and how it is spread.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};

use super::MAX_TENANTS;
use crate::clock::Clock;
use crate::limits::MAX_LOG_SHARDS;
use crate::log_shard::LogShards;
use crate::registry::Tenants;
use crate::store_error::{Disposition, StoreError};
use crate::tenant::TenantId;
use crate::tenant_settings::TenantSettingsReader;
use crate::timed_cache::TimedCache;

/// Tenants whose settings are read at a time.
const MAX_CALLS: usize = 16;

/// How long a number of shards is remembered. It only grows, so an event in a shard that is new is seen this much
/// later.
const MAX_AGE: Duration = Duration::from_secs(5 * 60);

/// The tenants as they are now, and the shards of their logs, some minutes old.
pub struct KnownLogs<G, C> {
    registry: G,
    shards: TimedCache<TenantId, LogShards, C>,
}

/// Logs of tenants, that of the bus first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logs {
    /// Whose, and how each is spread.
    pub logs: Vec<(TenantId, LogShards)>,
    /// Whether there are more of them.
    pub is_cut: bool,
}

impl<G, C: Clock> KnownLogs<G, C> {
    /// Of the tenants of this registry.
    pub fn new(registry: G, clock: C) -> Self {
        Self {
            registry,
            shards: TimedCache::new(MAX_AGE, clock),
        }
    }
}

impl<G, C> KnownLogs<G, C>
where
    G: Tenants + TenantSettingsReader + Sync,
    C: Clock + Sync,
{
    /// The first [`MAX_TENANTS`] of them.
    pub async fn read(&self) -> Result<Logs, StoreError> {
        let tenants = self.registry.tenants(None, MAX_TENANTS).await?;
        let is_cut = tenants.len() == MAX_TENANTS;
        let all = [TenantId::bus()].into_iter().chain(tenants);
        let reads = all.map(|tenant| self.log_of(tenant));
        let logs = stream::iter(reads).buffered(MAX_CALLS).try_collect().await;
        Ok(Logs {
            logs: logs?,
            is_cut,
        })
    }

    /// As the sweep has it: settings that cannot be read keep nobody from its log.
    async fn log_of(&self, tenant: TenantId) -> Result<(TenantId, LogShards), StoreError> {
        let read = async {
            let settings = self.registry.settings(&tenant).await?;
            Ok(Some(settings.unwrap_or_default().log_shards))
        };
        let shards = match self.shards.get_or_read(tenant.clone(), read).await {
            Ok(shards) => shards.unwrap_or_default(),
            Err(error) if StoreError::disposition(&error) == Disposition::GiveUp => {
                LogShards::new(MAX_LOG_SHARDS.into()).unwrap_or_default()
            }
            Err(error) => return Err(error),
        };
        Ok((tenant, shards))
    }
}
