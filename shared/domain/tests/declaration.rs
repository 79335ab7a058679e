//! Subscriptions that a stack declares, while others change them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Mutex;

use futures::FutureExt;
use pillarbox_domain::declaration::{DeclareError, declare, redeclare, withdraw};
use pillarbox_domain::registry::{Added, Removed, Replaced, SubscriptionRegistry};
use pillarbox_domain::subscription::{Registered, SubscriptionState};
use pillarbox_domain::subscription_cache::SubscriptionSource;
use pillarbox_domain::{StoreError, Subscription, SubscriptionId, TenantId};
use pillarbox_testkit::MemoryRegistry;
use pillarbox_testkit::builders::{subscription, tenant};
use time::UtcDateTime;
use time::macros::utc_datetime;

const NOW: UtcDateTime = utc_datetime!(2026-11-24 12:00);

fn orders(types: &[&str]) -> Subscription {
    subscription(&tenant("demo"), "orders", types)
}

#[tokio::test]
async fn declaring_twice_is_declaring_once() {
    let registry = MemoryRegistry::default();
    let first = declare(&registry, &orders(&["order.*"]), NOW)
        .await
        .unwrap();
    let again = declare(&registry, &orders(&["order.*"]), NOW)
        .await
        .unwrap();
    assert_eq!(first, again);
    assert_eq!(first.to_string(), "demo/orders");
    assert_eq!(registry.revision(&tenant("demo")).await.unwrap(), 1);
}

#[tokio::test]
async fn what_others_registered_with_other_settings_is_left_alone() {
    let registry = MemoryRegistry::with([orders(&["price.*"])]);
    let refused = declare(&registry, &orders(&["order.*"]), NOW)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, DeclareError::Differs { version: 1, .. }),
        "{refused:?}"
    );
    let there = registry.registered(&tenant("demo"), "orders").unwrap();
    assert_eq!(there.subscription, orders(&["price.*"]));
}

#[tokio::test]
async fn a_change_is_made_and_a_pause_stays() {
    let paused = SubscriptionState::Paused {
        since: NOW,
        reason: None,
    };
    let registry = MemoryRegistry::with([Subscription {
        state: paused.clone(),
        ..orders(&["order.*"])
    }]);
    redeclare(&registry, &orders(&["price.*"]), NOW)
        .await
        .unwrap();
    let there = registry.registered(&tenant("demo"), "orders").unwrap();
    let expected = Subscription {
        state: paused,
        ..orders(&["price.*"])
    };
    assert_eq!((there.subscription, there.version), (expected, 2));
}

#[tokio::test]
async fn no_change_is_no_revision() {
    let registry = MemoryRegistry::with([orders(&["order.*"])]);
    let before = registry.revision(&tenant("demo")).await.unwrap();
    redeclare(&registry, &orders(&["order.*"]), NOW)
        .await
        .unwrap();
    assert_eq!(registry.revision(&tenant("demo")).await.unwrap(), before);
}

#[tokio::test]
async fn what_was_removed_by_hand_comes_back_with_the_next_change() {
    let registry = MemoryRegistry::default();
    redeclare(&registry, &orders(&["order.*"]), NOW)
        .await
        .unwrap();
    assert!(registry.registered(&tenant("demo"), "orders").is_some());
}

#[tokio::test]
async fn what_is_withdrawn_is_gone_and_so_it_is_the_second_time() {
    let registry = MemoryRegistry::with([
        orders(&["order.*"]),
        subscription(&tenant("other"), "orders", &["*"]),
    ]);
    let declared = "demo/orders".parse().unwrap();
    for _ in 0..2 {
        withdraw(&registry, &declared).await.unwrap();
        assert_eq!(registry.registered(&tenant("demo"), "orders"), None);
    }
    assert!(registry.registered(&tenant("other"), "orders").is_some());
}

/// What another program does between a read and a write.
type Meanwhile = fn(&MemoryRegistry);

/// A registry that another program uses, too: before each write it does the next thing of its own.
struct Shared {
    registry: MemoryRegistry,
    others: Mutex<Vec<Meanwhile>>,
}

impl Shared {
    fn with(others: &[Meanwhile]) -> Self {
        Self {
            registry: MemoryRegistry::with([orders(&["order.*"])]),
            others: Mutex::new(others.to_vec()),
        }
    }

    fn let_others(&self) {
        let next = self.others.lock().unwrap().pop();
        if let Some(next) = next {
            next(&self.registry);
        }
    }
}

impl SubscriptionRegistry for Shared {
    async fn add_subscription(
        &self,
        wanted: &Subscription,
        now: UtcDateTime,
    ) -> Result<(Added, Registered), StoreError> {
        self.let_others();
        self.registry.add_subscription(wanted, now).await
    }

    async fn subscription(
        &self,
        owner: &TenantId,
        id: &SubscriptionId,
    ) -> Result<Option<Registered>, StoreError> {
        self.registry.subscription(owner, id).await
    }

    async fn subscriptions(
        &self,
        owner: &TenantId,
        after: Option<&SubscriptionId>,
        limit: usize,
    ) -> Result<Vec<Registered>, StoreError> {
        self.registry.subscriptions(owner, after, limit).await
    }

    async fn replace_subscription(
        &self,
        wanted: &Subscription,
        seen: u64,
        now: UtcDateTime,
    ) -> Result<Replaced, StoreError> {
        self.let_others();
        self.registry.replace_subscription(wanted, seen, now).await
    }

    async fn remove_subscription(
        &self,
        owner: &TenantId,
        id: &SubscriptionId,
        seen: Option<u64>,
    ) -> Result<Removed, StoreError> {
        self.registry.remove_subscription(owner, id, seen).await
    }
}

/// Another version each time, with other types.
fn change(registry: &MemoryRegistry) {
    let there = registry.registered(&tenant("demo"), "orders").unwrap();
    let other = orders(&[&format!("type{}", there.version)]);
    let replaced = registry.replace_subscription(&other, there.version, NOW);
    replaced.now_or_never().unwrap().unwrap();
}

fn remove(registry: &MemoryRegistry) {
    let id = "orders".parse().unwrap();
    let owner = tenant("demo");
    let removed = registry.remove_subscription(&owner, &id, None);
    removed.now_or_never().unwrap().unwrap();
}

#[tokio::test]
async fn a_change_of_another_at_the_same_time_is_read_and_replaced() {
    for others in [[change as Meanwhile, change], [remove, change]] {
        let shared = Shared::with(&others);
        redeclare(&shared, &orders(&["price.*"]), NOW)
            .await
            .unwrap();
        let there = shared
            .registry
            .registered(&tenant("demo"), "orders")
            .unwrap();
        assert_eq!(there.subscription, orders(&["price.*"]));
    }
}

#[tokio::test]
async fn others_who_do_not_stop_are_not_fought_for_ever() {
    let shared = Shared::with(&[change as Meanwhile; 3]);
    let refused = redeclare(&shared, &orders(&["price.*"]), NOW)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, DeclareError::Contended { .. }),
        "{refused:?}"
    );
    let there = shared
        .registry
        .registered(&tenant("demo"), "orders")
        .unwrap();
    assert_ne!(there.subscription, orders(&["price.*"]));
}

#[tokio::test]
async fn a_store_that_fails_is_told() {
    let registry = MemoryRegistry::with([orders(&["order.*"])]);
    registry.set_failing(true);
    let refused = redeclare(&registry, &orders(&["price.*"]), NOW)
        .await
        .unwrap_err();
    assert!(matches!(refused, DeclareError::Store(_)), "{refused:?}");
}
