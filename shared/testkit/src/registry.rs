//! The registry in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use pillarbox_domain::credential::{KeyId, KeyStore, StoredKey};
use pillarbox_domain::registry::{Added, Registry, Tenants};
use pillarbox_domain::schema::{Schema, SchemaModes, SchemaType, SchemaVersion};
use pillarbox_domain::subscription::Registered;
use pillarbox_domain::tenant_settings::{
    Changed, SettingsChange, TenantSettings, TenantSettingsReader, TenantSettingsWriter,
};
use pillarbox_domain::{StoreError, Subscription, SubscriptionId, TenantId};

/// Passes [`crate::conformance::registry`].
#[derive(Default)]
pub struct MemoryRegistry {
    tenants: Mutex<BTreeMap<TenantId, TenantSettings>>,
    keys: Mutex<HashMap<(TenantId, KeyId), StoredKey>>,
    pub(crate) subscriptions: Mutex<BTreeMap<(TenantId, SubscriptionId), Registered>>,
    pub(crate) revisions: Mutex<HashMap<TenantId, u64>>,
    pub(crate) schemas: Mutex<HashMap<(TenantId, SchemaType, SchemaVersion), Schema>>,
    pub(crate) schema_modes: Mutex<HashMap<TenantId, SchemaModes>>,
    failing: Mutex<bool>,
    reads: AtomicUsize,
}

impl MemoryRegistry {
    /// A registry with these subscriptions.
    pub fn with(subscriptions: impl IntoIterator<Item = Subscription>) -> Self {
        let registry = Self::default();
        for wanted in subscriptions {
            registry.put(wanted);
        }
        registry
    }

    /// From now on every read is throttled, or not any more.
    pub fn set_failing(&self, failing: bool) {
        *self.failing.lock().unwrap() = failing;
    }

    /// How often it was read.
    pub fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    pub(crate) fn read(&self) -> Result<(), StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if *self.failing.lock().unwrap() {
            return Err(StoreError::Throttled { operation: "Query" });
        }
        Ok(())
    }
}

impl KeyStore for &MemoryRegistry {
    async fn key(
        &self,
        tenant: &TenantId,
        key_id: &KeyId,
    ) -> Result<Option<StoredKey>, StoreError> {
        (**self).key(tenant, key_id).await
    }
}

impl KeyStore for MemoryRegistry {
    async fn key(
        &self,
        tenant: &TenantId,
        key_id: &KeyId,
    ) -> Result<Option<StoredKey>, StoreError> {
        self.read()?;
        Ok(self
            .keys
            .lock()
            .unwrap()
            .get(&(tenant.clone(), key_id.clone()))
            .cloned())
    }
}

impl Registry for MemoryRegistry {
    async fn add_tenant(&self, tenant: &TenantId, name: Option<&str>) -> Result<Added, StoreError> {
        let mut tenants = self.tenants.lock().unwrap();
        if tenants.contains_key(tenant) {
            return Ok(Added::Unchanged);
        }
        let settings = TenantSettings {
            name: name.map(str::to_owned),
            ..TenantSettings::default()
        };
        tenants.insert(tenant.clone(), settings);
        Ok(Added::New)
    }

    async fn has_tenant(&self, tenant: &TenantId) -> Result<bool, StoreError> {
        Ok(self.tenants.lock().unwrap().contains_key(tenant))
    }

    async fn add_key(&self, key: &StoredKey) -> Result<(), StoreError> {
        let place = (key.tenant.clone(), key.digest.key_id());
        self.keys
            .lock()
            .unwrap()
            .entry(place)
            .or_insert_with(|| key.clone());
        Ok(())
    }
}

impl Tenants for MemoryRegistry {
    async fn tenants(
        &self,
        after: Option<&TenantId>,
        limit: usize,
    ) -> Result<Vec<TenantId>, StoreError> {
        self.read()?;
        let tenants = self.tenants.lock().unwrap();
        let rest = tenants
            .keys()
            .filter(|id| after.is_none_or(|after| *id > after));
        Ok(rest.take(limit).cloned().collect())
    }
}

impl Tenants for &MemoryRegistry {
    async fn tenants(
        &self,
        after: Option<&TenantId>,
        limit: usize,
    ) -> Result<Vec<TenantId>, StoreError> {
        (**self).tenants(after, limit).await
    }
}

impl TenantSettingsReader for &MemoryRegistry {
    async fn settings(&self, tenant: &TenantId) -> Result<Option<TenantSettings>, StoreError> {
        (**self).settings(tenant).await
    }
}

impl TenantSettingsReader for MemoryRegistry {
    async fn settings(&self, tenant: &TenantId) -> Result<Option<TenantSettings>, StoreError> {
        self.read()?;
        let settings = self.tenants.lock().unwrap().get(tenant).cloned();
        let schemas = self.schema_modes.lock().unwrap().get(tenant).cloned();
        Ok(settings.map(|settings| TenantSettings {
            schemas: schemas.unwrap_or_default(),
            ..settings
        }))
    }
}

impl TenantSettingsWriter for MemoryRegistry {
    async fn change_settings(
        &self,
        tenant: &TenantId,
        change: &SettingsChange,
    ) -> Result<Changed, StoreError> {
        let mut tenants = self.tenants.lock().unwrap();
        let Some(settings) = tenants.get_mut(tenant) else {
            return Ok(Changed::NoTenant);
        };
        let there = settings.log_shards;
        if change.log_shards.is_some_and(|wanted| wanted < there) {
            return Ok(Changed::FewerShards(there));
        }
        settings.name = change.name.clone().or(settings.name.take());
        settings.retention = change.retention.unwrap_or(settings.retention);
        settings.log_shards = change.log_shards.unwrap_or(there);
        Ok(Changed::Done(settings.clone()))
    }
}
