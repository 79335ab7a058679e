//! Who is let in.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use pillarbox_domain::credential::{
    ApiKey, CachedKeys, Grant, KeyDigest, MAX_KEY_AGE, SECRET_BYTES, Scope, StoredKey, identify,
};
use pillarbox_domain::registry::Registry;
use pillarbox_testkit::builders::tenant;
use pillarbox_testkit::{ManualClock, MemoryRegistry};

fn key(owner: &str, secret: u8) -> ApiKey {
    ApiKey::new(owner.parse().unwrap(), &[secret; SECRET_BYTES])
}

fn administrator() -> KeyDigest {
    key("_bus", 0).digest()
}

async fn registry_with(key: &ApiKey) -> MemoryRegistry {
    let registry = MemoryRegistry::default();
    let stored = StoredKey {
        tenant: key.tenant().clone(),
        digest: key.digest(),
        scopes: [Scope::Publish].into(),
        name: None,
    };
    registry.add_key(&stored).await.unwrap();
    registry
}

#[tokio::test]
async fn a_stored_key_grants_its_tenant_and_its_scopes() {
    let registry = registry_with(&key("demo", 1)).await;
    let grant = identify(&registry, &administrator(), key("demo", 1).expose())
        .await
        .unwrap();
    let expected = Grant {
        tenant: tenant("demo"),
        scopes: [Scope::Publish].into(),
    };
    assert_eq!(grant, Some(expected));
}

#[tokio::test]
async fn any_other_key_grants_nothing() {
    let registry = registry_with(&key("demo", 1)).await;
    let stolen_for_another = key("demo", 1).expose().replace("demo", "other");
    let presented = [key("demo", 2), key("other", 1), key("_bus", 1)];
    let presented = presented.iter().map(|key| key.expose().to_owned());
    for text in presented.chain([stolen_for_another, "garbage".to_owned(), String::new()]) {
        assert_eq!(
            identify(&registry, &administrator(), &text).await.unwrap(),
            None,
            "{text}"
        );
    }
}

#[tokio::test]
async fn the_administrators_key_needs_no_store() {
    let registry = MemoryRegistry::default();
    registry.set_failing(true);
    let grant = identify(&registry, &administrator(), key("_bus", 0).expose())
        .await
        .unwrap()
        .unwrap();
    assert!(grant.tenant.is_bus());
    assert_eq!(grant.scopes, Scope::ALL.into());
}

#[tokio::test]
async fn a_store_that_fails_lets_nobody_in_and_says_so() {
    let registry = registry_with(&key("demo", 1)).await;
    registry.set_failing(true);
    assert!(
        identify(&registry, &administrator(), key("demo", 1).expose())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_known_key_is_remembered_for_a_while_and_an_unknown_one_is_not() {
    let clock = ManualClock::default();
    let registry = registry_with(&key("demo", 1)).await;
    let cached = CachedKeys::new(&registry, clock.clone());
    let present = async |text: &str| identify(&cached, &administrator(), text).await.unwrap();
    for (secret, reads) in [(1, 1), (1, 1), (2, 2), (2, 3), (1, 3)] {
        present(key("demo", secret).expose()).await;
        assert_eq!(registry.reads(), reads);
    }
    clock.advance(MAX_KEY_AGE);
    present(key("demo", 1).expose()).await;
    assert_eq!(registry.reads(), 4);
}
