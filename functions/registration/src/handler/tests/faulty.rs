//! A registry that fails in every way that a call can.

use std::future::pending;
use std::sync::Mutex;

use pillarbox_domain::credential::{KeyId, KeyStore, StoredKey};
use pillarbox_domain::registry::{Added, Removed, Replaced, SubscriptionRegistry};
use pillarbox_domain::subscription::Registered;
use pillarbox_domain::{StoreError, Subscription, SubscriptionId, TenantId};
use pillarbox_testkit::MemoryRegistry;
use time::UtcDateTime;

/// What is the matter.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    None,
    Fails,
    Panics,
    Hangs,
}

/// Keys are always found; what becomes of a call about subscriptions is told by the test.
pub(super) struct Faulty {
    pub(super) registry: MemoryRegistry,
    fault: Mutex<Fault>,
}

impl Faulty {
    pub(super) fn over(registry: MemoryRegistry) -> Self {
        Self {
            registry,
            fault: Mutex::new(Fault::None),
        }
    }

    pub(super) fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    async fn meet(&self) -> Result<(), StoreError> {
        let fault = *self.fault.lock().unwrap();
        match fault {
            Fault::None => Ok(()),
            Fault::Fails => Err(StoreError::Failed {
                operation: "TransactWriteItems",
                source: "as the test wants it".into(),
            }),
            Fault::Panics => panic!("as the test wants it"),
            Fault::Hangs => pending().await,
        }
    }
}

impl KeyStore for Faulty {
    async fn key(
        &self,
        tenant: &TenantId,
        key_id: &KeyId,
    ) -> Result<Option<StoredKey>, StoreError> {
        self.registry.key(tenant, key_id).await
    }
}

impl SubscriptionRegistry for Faulty {
    async fn add_subscription(
        &self,
        wanted: &Subscription,
        now: UtcDateTime,
    ) -> Result<(Added, Registered), StoreError> {
        self.meet().await?;
        self.registry.add_subscription(wanted, now).await
    }

    async fn subscription(
        &self,
        owner: &TenantId,
        id: &SubscriptionId,
    ) -> Result<Option<Registered>, StoreError> {
        self.meet().await?;
        self.registry.subscription(owner, id).await
    }

    async fn subscriptions(
        &self,
        owner: &TenantId,
        after: Option<&SubscriptionId>,
        limit: usize,
    ) -> Result<Vec<Registered>, StoreError> {
        self.meet().await?;
        self.registry.subscriptions(owner, after, limit).await
    }

    async fn replace_subscription(
        &self,
        wanted: &Subscription,
        seen: u64,
        now: UtcDateTime,
    ) -> Result<Replaced, StoreError> {
        self.meet().await?;
        self.registry.replace_subscription(wanted, seen, now).await
    }

    async fn remove_subscription(
        &self,
        owner: &TenantId,
        id: &SubscriptionId,
        seen: Option<u64>,
    ) -> Result<Removed, StoreError> {
        self.meet().await?;
        self.registry.remove_subscription(owner, id, seen).await
    }
}
