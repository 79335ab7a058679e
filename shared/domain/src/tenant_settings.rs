//! What is set per tenant, and read with every publish.

use std::time::Duration;

use time::UtcDateTime;

use crate::clock::Clock;
use crate::event_id::EventId;
use crate::limits::{DEFAULT_RETENTION_DAYS, MAX_RETENTION_DAYS, MIN_RETENTION_DAYS};
use crate::log_shard::LogShards;
use crate::schema::SchemaModes;
use crate::store_error::StoreError;
use crate::tenant::TenantId;
use crate::timed_cache::TimedCache;

/// How old settings may be that a publish goes by. A change takes effect within this time.
pub const MAX_AGE: Duration = Duration::from_secs(30);

/// What is set for one tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantSettings {
    /// What people call it.
    pub name: Option<String>,
    /// How long its events are kept.
    pub retention: Retention,
    /// How its log is spread.
    pub log_shards: LogShards,
    /// Which types have schemas, and what is done with data that do not fit.
    pub schemas: SchemaModes,
}

/// How long events are kept, in whole days from their acceptance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Retention {
    days: u16,
}

/// A number of days is not a retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {MIN_RETENTION_DAYS} to {MAX_RETENTION_DAYS} days")]
pub struct InvalidRetention;

impl Retention {
    /// This many days.
    pub fn from_days(days: u64) -> Result<Self, InvalidRetention> {
        match u16::try_from(days) {
            Ok(days) if (MIN_RETENTION_DAYS..=MAX_RETENTION_DAYS).contains(&days) => {
                Ok(Self { days })
            }
            _ => Err(InvalidRetention),
        }
    }

    /// How many days.
    pub fn days(self) -> u16 {
        self.days
    }

    /// The same as a span of time.
    pub fn duration(self) -> Duration {
        const SECONDS_A_DAY: u64 = 24 * 60 * 60;
        Duration::from_secs(u64::from(self.days) * SECONDS_A_DAY)
    }

    /// From when on an event may be forgotten.
    pub fn expiry_of(self, event_id: EventId) -> UtcDateTime {
        // An id may lie at the end of the calendar.
        let kept = time::Duration::days(self.days.into());
        event_id.accepted_at().saturating_add(kept)
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            days: DEFAULT_RETENTION_DAYS,
        }
    }
}

/// What an administrator changes; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingsChange {
    /// See [`TenantSettings::name`].
    pub name: Option<String>,
    /// See [`TenantSettings::retention`]. What is in the log keeps the expiry that it was written with.
    pub retention: Option<Retention>,
    /// See [`TenantSettings::log_shards`]; never less than there are.
    pub log_shards: Option<LogShards>,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// These are the settings now.
    Done(TenantSettings),
    /// There is no such tenant.
    NoTenant,
    /// The tenant has more shards than were asked for. Nothing was changed.
    FewerShards(LogShards),
}

/// Where settings are read.
pub trait TenantSettingsReader {
    /// The settings of a tenant; `None` when it is not registered.
    fn settings(
        &self,
        tenant: &TenantId,
    ) -> impl Future<Output = Result<Option<TenantSettings>, StoreError>> + Send;
}

/// Where settings are changed.
pub trait TenantSettingsWriter {
    /// Changes what is asked for, all or nothing.
    fn change_settings(
        &self,
        tenant: &TenantId,
        change: &SettingsChange,
    ) -> impl Future<Output = Result<Changed, StoreError>> + Send;
}

/// Remembers what another source answered, for [`MAX_AGE`].
pub struct CachedTenantSettings<S, C> {
    source: S,
    cache: TimedCache<TenantId, TenantSettings, C>,
}

impl<S: TenantSettingsReader, C: Clock> CachedTenantSettings<S, C> {
    /// A cache in front of `source`, empty.
    pub fn new(source: S, clock: C) -> Self {
        Self {
            source,
            cache: TimedCache::new(MAX_AGE, clock),
        }
    }

    /// The settings of a tenant. The bus itself, which is nowhere registered, has the default ones.
    pub async fn of(&self, tenant: &TenantId) -> Result<TenantSettings, StoreError> {
        let read = async {
            let settings = self.source.settings(tenant).await?;
            Ok::<_, StoreError>(Some(settings.unwrap_or_default()))
        };
        let settings = self.cache.get_or_read(tenant.clone(), read).await?;
        Ok(settings.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::utc_datetime;

    #[test]
    fn a_retention_has_its_limits() {
        for bad in [
            0,
            u64::from(MIN_RETENTION_DAYS) - 1,
            u64::from(MAX_RETENTION_DAYS) + 1,
        ] {
            assert_eq!(Retention::from_days(bad), Err(InvalidRetention));
        }
        let shortest = Retention::from_days(7).unwrap();
        let id: EventId = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f".parse().unwrap();
        assert_eq!(shortest.expiry_of(id), utc_datetime!(2022-03-01 19:22:22));
    }

    #[test]
    fn the_end_of_the_calendar_is_no_panic() {
        let last: EventId = "ffffffff-ffff-7fff-bfff-ffffffffffff".parse().unwrap();
        assert_eq!(Retention::default().expiry_of(last), UtcDateTime::MAX);
    }
}
