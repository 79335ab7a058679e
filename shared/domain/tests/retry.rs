//! Deliveries that their queues did not take, tried again on a bus in memory.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use pillarbox_domain::dead_letter::Origin;
use pillarbox_domain::delivery::Received;
use pillarbox_domain::dispatch::Refusal;
use pillarbox_domain::retry::Retried;
use pillarbox_domain::retry_policy::RetryPolicy;
use pillarbox_domain::subscription::SubscriptionState;
use pillarbox_domain::trouble::{DeliveryKey, GRACE, HOLD, TroubleStatus, TroubledDeliveries};
use pillarbox_domain::{Clock, Subscription};
use pillarbox_testkit::MemoryBus;
use pillarbox_testkit::builders::{RETENTION, subscription, tenant};
use time::UtcDateTime;

const SECOND: Duration = Duration::from_secs(1);

fn wanted() -> Subscription {
    subscription(&tenant("demo"), "orders", &["*"])
}

/// A bus with a delivery in trouble that is due now.
async fn in_trouble(wanted: Subscription) -> (MemoryBus, DeliveryKey) {
    let bus = MemoryBus::with([wanted]);
    let event = bus.logged("demo", "1", "order.created").await;
    bus.queues.refuse("orders", "");
    let outcomes = bus.dispatch(std::slice::from_ref(&event)).await.outcomes;
    assert_eq!(outcomes[0].as_ref().unwrap().retrying, 1);
    let [(key, wait)] = &bus.reminders.take()[..] else {
        panic!("one reminder");
    };
    bus.clock.advance(*wait);
    (bus, key.clone())
}

async fn retried(bus: &MemoryBus, key: &DeliveryKey) -> Retried {
    bus.retry(key).await.unwrap().retried
}

fn status(bus: &MemoryBus) -> TroubleStatus {
    bus.rows.rows()[0].status
}

#[tokio::test]
async fn a_queue_that_recovered_gets_the_delivery_with_its_attempt() {
    let (bus, key) = in_trouble(wanted()).await;
    bus.queues.recover();
    let outcome = bus.retry(&key).await.unwrap();
    assert_eq!(outcome.retried, Retried::Recovered { attempt: 2 });
    assert_eq!(outcome.trace_id, Some(key.event_id.into()));
    let bodies = bus.queues.bodies("orders");
    let received = Received::parse(&bodies[0]).unwrap();
    assert_eq!((bodies.len(), received.attempt), (1, 2));
    assert_eq!(received.event_id, key.event_id);
    let recovered = TroubleStatus::Recovered {
        at: bus.clock.now(),
    };
    assert_eq!(status(&bus), recovered);
    // A reminder that comes twice changes nothing.
    assert_eq!(retried(&bus, &key).await, Retried::NotDue);
    assert_eq!(bus.queues.bodies("orders").len(), 1);
}

#[tokio::test]
async fn five_retries_with_growing_waits_end_in_a_dead_letter_with_everything_in_it() {
    let (bus, key) = in_trouble(wanted()).await;
    let mut waits = Vec::new();
    for attempt in 2..=5 {
        assert!(matches!(
            retried(&bus, &key).await,
            Retried::Failed { attempt: told, .. } if told == attempt
        ));
        let [(reminded, wait)] = &bus.reminders.take()[..] else {
            panic!("one reminder");
        };
        assert_eq!(*reminded, key);
        waits.push(wait.as_secs_f64());
        // A second before its time is not its time.
        bus.clock.advance(*wait - SECOND - SECOND / 2);
        if *wait > 2 * SECOND {
            assert_eq!(retried(&bus, &key).await, Retried::NotDue);
        }
        bus.clock.advance(SECOND + SECOND / 2);
    }
    for (wait, most) in waits.iter().zip([2.0, 4.0, 8.0, 16.0]) {
        assert!((most * 0.8..=most).contains(wait), "{waits:?}");
    }
    assert!(matches!(
        retried(&bus, &key).await,
        Retried::GivenUp { attempt: 6, .. }
    ));
    assert!(bus.reminders.take().is_empty());
    let [dead] = &bus.dead_letters.taken()[..] else {
        panic!("one dead letter");
    };
    assert_eq!((dead.origin, dead.attempts), (Origin::Retry, 6));
    assert_eq!(
        dead.error.to_string(),
        "ServiceUnavailable: as the test wants it"
    );
    assert!(dead.first_failed_at < dead.last_failed_at);
    let received = Received::parse(&dead.message.body).unwrap();
    assert_eq!(received.event_id, key.event_id);
    assert_eq!(bus.rows.rows()[0].attempts.len(), 6);
    assert!(matches!(status(&bus), TroubleStatus::Failed { .. }));
    bus.queues.recover();
    assert_eq!(retried(&bus, &key).await, Retried::NotDue, "it is final");
}

#[tokio::test]
async fn a_subscription_s_own_policy_counts() {
    let retry = RetryPolicy::new(1, 10 * SECOND, 1, 10 * SECOND).unwrap();
    let (bus, key) = in_trouble(Subscription { retry, ..wanted() }).await;
    assert!(matches!(
        retried(&bus, &key).await,
        Retried::GivenUp { attempt: 2, .. }
    ));
    let never = RetryPolicy::new(0, SECOND, 1, SECOND).unwrap();
    let bus = MemoryBus::with([Subscription {
        retry: never,
        ..wanted()
    }]);
    bus.queues.refuse("orders", "");
    let outcomes = bus.dispatch(&[bus.event("demo", "1", "t")]).await.outcomes;
    assert_eq!(outcomes[0].as_ref().unwrap().dead_lettered, 1);
    assert!(bus.reminders.take().is_empty());
}

#[tokio::test]
async fn a_dead_letter_that_is_not_taken_is_no_end() {
    let never = RetryPolicy::new(1, SECOND, 1, SECOND).unwrap();
    let (bus, key) = in_trouble(Subscription {
        retry: never,
        ..wanted()
    })
    .await;
    bus.dead_letters.set_failing(true);
    assert!(bus.retry(&key).await.is_err());
    assert!(matches!(status(&bus), TroubleStatus::Retrying { .. }));
    bus.dead_letters.set_failing(false);
    // The row is held until whoever had it must be dead; then it is overdue, and somebody else has it.
    assert_eq!(retried(&bus, &key).await, Retried::NotDue);
    bus.clock.advance(HOLD + GRACE + SECOND);
    assert_eq!(bus.remind_of_overdue().await, 1);
    let [(reminded, _)] = &bus.reminders.take()[..] else {
        panic!("one reminder");
    };
    assert!(matches!(
        retried(&bus, reminded).await,
        Retried::GivenUp { attempt: 2, .. }
    ));
}

#[tokio::test]
async fn whoever_dies_over_a_row_again_and_again_does_not_keep_it_for_ever() {
    let (bus, key) = in_trouble(wanted()).await;
    bus.queues.recover();
    let mut deaths = 0;
    // Each of them takes the row and is never heard of again.
    while bus
        .rows
        .hold(&key, bus.clock.now())
        .await
        .unwrap()
        .is_some()
    {
        deaths += 1;
        bus.clock.advance(HOLD + SECOND);
        if deaths == 15 {
            break;
        }
    }
    let Retried::GivenUp { failure, .. } = retried(&bus, &key).await else {
        panic!("given up");
    };
    assert_eq!(failure.class, "NeverFinished");
    assert_eq!(bus.dead_letters.taken().len(), 1);
}

#[tokio::test]
async fn a_delivery_that_can_never_be_made_is_given_up_at_once() {
    let (bus, key) = in_trouble(wanted()).await;
    let code = "InvalidMessageContents";
    bus.queues.recover();
    bus.queues.refuse_with("orders", "", code, Refusal::Message);
    let Retried::GivenUp { attempt, failure } = retried(&bus, &key).await else {
        panic!("given up");
    };
    assert_eq!((attempt, &*failure.class), (2, code));
}

#[tokio::test]
async fn a_removed_subscription_and_an_expired_event_end_in_a_dead_letter() {
    use pillarbox_domain::registry::SubscriptionRegistry;
    let (bus, key) = in_trouble(wanted()).await;
    let removed = bus
        .registry
        .remove_subscription(&key.tenant, &key.subscription, None);
    removed.await.unwrap();
    let Retried::GivenUp { failure, .. } = retried(&bus, &key).await else {
        panic!("given up");
    };
    assert_eq!(failure.class, "SubscriptionRemoved");
    let dead = &bus.dead_letters.taken()[0];
    assert!(Received::parse(&dead.message.body).is_ok());

    let (bus, key) = in_trouble(wanted()).await;
    bus.clock.advance(RETENTION);
    let Retried::GivenUp { failure, .. } = retried(&bus, &key).await else {
        panic!("given up");
    };
    assert_eq!(failure.class, "EventExpired");
    let dead = &bus.dead_letters.taken()[0];
    let body: serde_json::Value = serde_json::from_str(&dead.message.body).unwrap();
    assert_eq!(body["pbeventid"], key.event_id.to_string());
}

#[tokio::test]
async fn a_queue_that_is_gone_by_now_suspends_its_subscription_and_the_delivery_goes_on() {
    let (bus, key) = in_trouble(wanted()).await;
    bus.queues.recover();
    bus.queues.remove("orders");
    let outcome = bus.retry(&key).await.unwrap();
    assert_eq!(outcome.suspended.unwrap().id, key.subscription);
    assert!(matches!(
        outcome.retried,
        Retried::Failed { attempt: 2, .. }
    ));
    let there = bus.registry.registered(&key.tenant, "orders").unwrap();
    assert!(!there.subscription.state.is_active());
    // While it is suspended the attempts go on, and end like any others.
    for _ in 3..=6 {
        bus.clock.advance(60 * SECOND);
        retried(&bus, &key).await;
    }
    assert!(matches!(status(&bus), TroubleStatus::Failed { .. }));
    let dead = &bus.dead_letters.taken()[0];
    assert_eq!(dead.error.class, "SubscriptionInactive");
}

#[tokio::test]
async fn a_subscription_that_is_active_again_gets_what_was_in_trouble() {
    let (bus, key) = in_trouble(wanted()).await;
    bus.queues.recover();
    let mut paused = wanted();
    paused.state = SubscriptionState::Paused {
        since: UtcDateTime::UNIX_EPOCH,
        reason: None,
    };
    bus.registry.put(paused);
    assert!(matches!(retried(&bus, &key).await, Retried::Failed { .. }));
    assert!(bus.queues.bodies("orders").is_empty());
    bus.registry.put(wanted());
    bus.clock.advance(2 * SECOND);
    assert_eq!(retried(&bus, &key).await, Retried::Recovered { attempt: 3 });
}

#[tokio::test]
async fn no_store_that_fails_makes_a_delivery_seem_settled() {
    let (bus, key) = in_trouble(wanted()).await;
    bus.queues.recover();
    bus.rows.set_failing(true);
    assert!(bus.retry(&key).await.is_err());
    bus.rows.set_failing(false);
    bus.registry.set_failing(true);
    assert!(bus.retry(&key).await.is_err());
    bus.registry.set_failing(false);
    assert!(matches!(status(&bus), TroubleStatus::Retrying { .. }));
    bus.clock.advance(HOLD + SECOND);
    assert_eq!(retried(&bus, &key).await, Retried::Recovered { attempt: 2 });
}
