//! The suites of subscriptions: registered, changed under a lock, suspended, and read when they have changed.

use std::time::Duration;

use pillarbox_domain::registry::{
    Added, Removed, Replaced, SubscriptionRegistry, Suspended, Suspension, Suspensions,
};
use pillarbox_domain::retry_policy::RetryPolicy;
use pillarbox_domain::subscription::{Registered, SubscriptionState};
use pillarbox_domain::subscription_cache::SubscriptionSource;
use pillarbox_domain::{Clock, Subscription, TenantId};

use crate::ManualClock;
use crate::builders::{subscription, tenant};

/// The suite of [`SubscriptionRegistry`] and [`SubscriptionSource`].
pub async fn subscriptions<R>(registry: &R, clock: &ManualClock)
where
    R: SubscriptionRegistry + SubscriptionSource,
{
    a_subscription_is_registered_once_and_read_by_its_owner(registry, clock).await;
    a_subscription_comes_back_whole(registry, clock).await;
    only_the_version_that_was_seen_is_replaced(registry, clock).await;
    only_the_version_that_was_seen_is_removed(registry, clock).await;
    subscriptions_come_in_order_and_in_pages(registry, clock).await;
    every_change_is_another_revision_and_nothing_else_is(registry, clock).await;
}

async fn added<R: SubscriptionRegistry>(
    registry: &R,
    clock: &ManualClock,
    wanted: &Subscription,
) -> Registered {
    let (added, registered) = registry
        .add_subscription(wanted, clock.now())
        .await
        .unwrap();
    assert_eq!(added, Added::New);
    registered
}

async fn a_subscription_is_registered_once_and_read_by_its_owner<R>(
    registry: &R,
    clock: &ManualClock,
) where
    R: SubscriptionRegistry + SubscriptionSource,
{
    let (demo, other) = (tenant("once"), tenant("once-other"));
    let wanted = subscription(&demo, "a", &["order.*"]);
    let first = added(registry, clock, &wanted).await;
    assert_eq!((first.version, first.created_at), (1, clock.now()));
    let mut paused = wanted.clone();
    paused.state = SubscriptionState::Paused {
        since: clock.now(),
        reason: None,
    };
    for (again, expected) in [
        (&wanted, Added::Unchanged),
        (&paused, Added::Unchanged),
        (&subscription(&demo, "a", &["price.*"]), Added::Differs),
    ] {
        let found = registry.add_subscription(again, clock.now()).await.unwrap();
        assert_eq!(found, (expected, first.clone()));
    }
    let foreign = subscription(&other, "a", &["*"]);
    added(registry, clock, &foreign).await;
    let bus = subscription(&TenantId::bus(), "_once", &["*"]);
    added(registry, clock, &bus).await;
    for owned in [wanted, foreign, bus] {
        assert_eq!(registry.all(&owned.tenant).await.unwrap(), [owned]);
    }
    assert!(registry.all(&tenant("nobody")).await.unwrap().is_empty());
}

async fn a_subscription_comes_back_whole<R>(registry: &R, clock: &ManualClock)
where
    R: SubscriptionRegistry + SubscriptionSource,
{
    let whole = tenant("whole");
    let retry = RetryPolicy::new(
        20,
        Duration::from_millis(1_500),
        3,
        Duration::from_secs(900),
    );
    let states = [
        SubscriptionState::Active,
        SubscriptionState::Paused {
            since: clock.now(),
            reason: None,
        },
        SubscriptionState::Paused {
            since: clock.now(),
            reason: Some("moving".to_owned()),
        },
        SubscriptionState::Suspended {
            since: clock.now(),
            reason: "QueueDoesNotExist".to_owned(),
        },
    ];
    for (n, state) in states.into_iter().enumerate() {
        let wanted = Subscription {
            target_version: Some("2".parse().unwrap()),
            retry: retry.unwrap(),
            message_group: "partitionkey".parse().unwrap(),
            state,
            ..subscription(&whole, &format!("s-{n}"), &["a", "b*", "ä"])
        };
        let registered = added(registry, clock, &wanted).await;
        let found = registry.subscription(&whole, &wanted.id).await.unwrap();
        assert_eq!(found, Some(registered));
    }
    let id = "s-0".parse().unwrap();
    let foreign = registry.subscription(&tenant("other"), &id).await.unwrap();
    assert_eq!(foreign, None);
}

async fn only_the_version_that_was_seen_is_replaced<R: SubscriptionRegistry>(
    registry: &R,
    clock: &ManualClock,
) {
    let demo = tenant("replaced");
    let first = added(registry, clock, &subscription(&demo, "a", &["a"])).await;
    clock.advance(Duration::from_secs(1));
    let second = subscription(&demo, "a", &["b"]);
    let now = clock.now();
    let expected = Registered {
        subscription: second.clone(),
        version: 2,
        created_at: first.created_at,
        updated_at: now,
    };
    let replaced = registry.replace_subscription(&second, 1, now);
    let done = Replaced::Done(Box::new(expected.clone()));
    assert_eq!(replaced.await.unwrap(), done);
    let late = subscription(&demo, "a", &["c"]);
    for seen in [0, 1, 3] {
        let late = registry.replace_subscription(&late, seen, now);
        assert_eq!(late.await.unwrap(), Replaced::Changed(2), "{seen}");
    }
    let found = registry.subscription(&demo, &second.id).await.unwrap();
    assert_eq!(found, Some(expected));
    let nobody = subscription(&demo, "b", &["b"]);
    let gone = registry.replace_subscription(&nobody, 1, now);
    assert_eq!(gone.await.unwrap(), Replaced::Gone);
}

async fn only_the_version_that_was_seen_is_removed<R: SubscriptionRegistry>(
    registry: &R,
    clock: &ManualClock,
) {
    let demo = tenant("removed");
    let wanted = subscription(&demo, "a", &["a"]);
    added(registry, clock, &wanted).await;
    for (seen, expected) in [
        (Some(2), Removed::Changed(1)),
        (Some(1), Removed::Done),
        (Some(1), Removed::Gone),
        (None, Removed::Gone),
    ] {
        let removed = registry.remove_subscription(&demo, &wanted.id, seen);
        assert_eq!(removed.await.unwrap(), expected, "{seen:?}");
    }
    added(registry, clock, &wanted).await;
    let removed = registry.remove_subscription(&demo, &wanted.id, None);
    assert_eq!(removed.await.unwrap(), Removed::Done);
}

async fn subscriptions_come_in_order_and_in_pages<R: SubscriptionRegistry>(
    registry: &R,
    clock: &ManualClock,
) {
    let demo = tenant("pages");
    for id in ["c", "a", "e", "b", "d"] {
        added(registry, clock, &subscription(&demo, id, &["*"])).await;
    }
    let mut after = None;
    let mut pages = Vec::new();
    loop {
        let page = registry
            .subscriptions(&demo, after.as_ref(), 2)
            .await
            .unwrap();
        let ids = page.iter().map(|found| found.subscription.id.clone());
        pages.push(ids.map(|id| id.to_string()).collect::<Vec<_>>());
        let Some(last) = page.last().filter(|_| page.len() == 2) else {
            break;
        };
        after = Some(last.subscription.id.clone());
    }
    assert_eq!(pages, [vec!["a", "b"], vec!["c", "d"], vec!["e"]]);
}

async fn every_change_is_another_revision_and_nothing_else_is<R>(registry: &R, clock: &ManualClock)
where
    R: SubscriptionRegistry + SubscriptionSource,
{
    let (demo, other) = (tenant("revision"), tenant("revision-other"));
    let mut revisions = vec![registry.revision(&demo).await.unwrap()];
    let wanted = subscription(&demo, "a", &["a"]);
    added(registry, clock, &wanted).await;
    revisions.push(registry.revision(&demo).await.unwrap());
    registry
        .replace_subscription(&wanted, 1, clock.now())
        .await
        .unwrap();
    revisions.push(registry.revision(&demo).await.unwrap());
    registry
        .remove_subscription(&demo, &wanted.id, None)
        .await
        .unwrap();
    revisions.push(registry.revision(&demo).await.unwrap());
    let mut distinct = revisions.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 4, "{revisions:?}");

    let before = registry.revision(&demo).await.unwrap();
    added(registry, clock, &subscription(&other, "a", &["a"])).await;
    registry
        .remove_subscription(&demo, &wanted.id, None)
        .await
        .unwrap();
    assert_eq!(registry.revision(&demo).await.unwrap(), before);
}

/// The suite of [`Suspensions`], which writes what the registry reads.
pub async fn suspensions<R, P>(registry: &R, suspensions: &P, clock: &ManualClock)
where
    R: SubscriptionRegistry + SubscriptionSource,
    P: Suspensions,
{
    let demo = tenant("suspended");
    let wanted = subscription(&demo, "a", &["a"]);
    added(registry, clock, &wanted).await;
    let start = clock.now();
    let since = |seconds: u64| {
        Suspension::of(
            &wanted,
            start + Duration::from_secs(seconds),
            "gone".to_owned(),
        )
    };
    let state = async || {
        let found = registry.subscription(&demo, &wanted.id).await.unwrap();
        found.unwrap().subscription.state
    };
    let suspended = |seconds: u64| SubscriptionState::Suspended {
        since: start + Duration::from_secs(seconds),
        reason: "gone".to_owned(),
    };

    let revision = registry.revision(&demo).await.unwrap();
    for (seconds, found, left) in [
        (60, Suspended::Now, 60),
        (70, Suspended::Already, 60),
        (50, Suspended::Already, 50),
    ] {
        let suspend = suspensions.suspend(&since(seconds)).await;
        assert_eq!(suspend.unwrap(), found, "{seconds}");
        assert_eq!(state().await, suspended(left), "{seconds}");
    }
    assert_ne!(registry.revision(&demo).await.unwrap(), revision);

    // A person who paused it keeps their reason; only since when moves back.
    let there = registry.subscription(&demo, &wanted.id).await.unwrap();
    let paused = |seconds: u64| SubscriptionState::Paused {
        since: start + Duration::from_secs(seconds),
        reason: Some("mine".to_owned()),
    };
    let mut by_hand = wanted.clone();
    by_hand.state = paused(60);
    let version = there.unwrap().version;
    let replaced = registry.replace_subscription(&by_hand, version, start);
    assert!(matches!(replaced.await.unwrap(), Replaced::Done(_)));
    let earlier = suspensions.suspend(&since(40)).await;
    assert_eq!(earlier.unwrap(), Suspended::Already);
    assert_eq!(state().await, paused(40));

    let mut elsewhere = since(10);
    elsewhere.queue_url = "https://sqs.test/1/another".parse().unwrap();
    let not_there = suspensions.suspend(&elsewhere).await;
    assert_eq!(not_there.unwrap(), Suspended::NotThere);
    let nobody = Suspension::of(&subscription(&demo, "b", &["b"]), start, String::new());
    assert_eq!(
        suspensions.suspend(&nobody).await.unwrap(),
        Suspended::NotThere
    );
    assert_eq!(state().await, paused(40));
}

/// More subscriptions of one owner than a page of the store holds are all read.
pub async fn many_subscriptions<R>(registry: &R, clock: &ManualClock, count: usize)
where
    R: SubscriptionRegistry + SubscriptionSource,
{
    let many = tenant("many");
    let types: Vec<String> = (0..50)
        .map(|n| format!("{n}.{}", "x".repeat(240)))
        .collect();
    let types: Vec<&str> = types.iter().map(String::as_str).collect();
    for n in 0..count {
        added(
            registry,
            clock,
            &subscription(&many, &format!("s-{n:05}"), &types),
        )
        .await;
    }
    assert_eq!(registry.all(&many).await.unwrap().len(), count);
    let listed = registry.subscriptions(&many, None, count + 1).await;
    assert_eq!(listed.unwrap().len(), count);
}
