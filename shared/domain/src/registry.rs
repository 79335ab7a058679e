//! Configuration that people change: tenants, their keys, their subscriptions.

use crate::credential::StoredKey;
use crate::store_error::StoreError;
use crate::subscription::Subscription;
use crate::tenant::TenantId;

/// Where configuration is written. Each write is conditional; none replaces what is there.
pub trait Registry {
    /// Registers a tenant.
    fn add_tenant(
        &self,
        tenant: &TenantId,
        name: Option<&str>,
    ) -> impl Future<Output = Result<Added, StoreError>> + Send;

    /// Whether the tenant is registered.
    fn has_tenant(
        &self,
        tenant: &TenantId,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Stores a new key's digest. A key's secret is random, so its place is never taken.
    fn add_key(&self, key: &StoredKey) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Registers a subscription under its owner and id.
    fn add_subscription(
        &self,
        subscription: &Subscription,
    ) -> impl Future<Output = Result<Added, StoreError>> + Send;
}

/// What a registration found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// Nothing was there; it is now.
    New,
    /// The same was there before; nothing was written.
    Unchanged,
    /// Something else was there under that name; nothing was written.
    Differs,
}
