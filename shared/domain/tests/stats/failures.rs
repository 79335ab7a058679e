//! What failed: of rows of deliveries in trouble, and of dead letters.

use std::borrow::Cow;

use pillarbox_domain::Clock;
use pillarbox_domain::dead_letter::Failure;
use pillarbox_domain::letters::{
    DeadLetter, DeadLetterId, FailedDelivery, LetterError, LetterState, LetterStore, NewLetter,
    Origin,
};
use pillarbox_domain::stats::{FailureBounds, FailureFigures, ShownStats, StatsBounds};
use pillarbox_domain::trouble::{
    Attempt, DeliveryKey, TroubleStatus, TroubledDeliveries, TroubledDelivery,
};
use pillarbox_testkit::builders::{RETENTION, tenant};

use super::world::*;

impl World {
    /// A delivery of the event became a dead letter now, after so many attempts.
    pub(crate) async fn dies(
        &self,
        event: &Event,
        subscription: &str,
        attempts: u32,
    ) -> DeadLetter {
        self.keep(event, subscription, attempts, None).await
    }

    pub(crate) async fn keep(
        &self,
        event: &Event,
        subscription: &str,
        attempts: u32,
        job: Option<(&str, Option<DeadLetterId>)>,
    ) -> DeadLetter {
        let id = self.clock.next_id();
        let letter = DeadLetter {
            tenant: tenant(event.owner),
            id: DeadLetterId::new(id),
            origin: Origin::Queue,
            delivery: Some(FailedDelivery {
                event_id: event.event_id,
                event_type: event.event_type.to_owned(),
                source: "/shop".to_owned(),
                id: event.event_id.to_string(),
                subscription: subscription.parse().unwrap(),
                correlation_id: None,
            }),
            error: LetterError {
                class: "Timeout".to_owned(),
                message: "too slow".to_owned(),
            },
            attempts: Some(attempts),
            first_failed_at: None,
            last_failed_at: None,
            job: job.map(|(job, _)| job.to_owned()),
            first_dead_letter_id: job.and_then(|(_, first)| first),
            state: LetterState::Open,
            redrive_ids: [].into(),
            expires_at: self.clock.now() + RETENTION,
        };
        let new = NewLetter {
            letter: letter.clone(),
            body: "{}".to_owned(),
            message_id: id.to_string(),
        };
        self.letters.keep(&new).await.unwrap();
        letter
    }

    /// A delivery of the event is in trouble, or was.
    async fn row(&self, event: &Event, subscription: &str, failed: usize, status: TroubleStatus) {
        let at = self.clock.now();
        let failure = Failure {
            class: Cow::Borrowed("Throttled"),
            message: "wait".to_owned(),
        };
        let row = TroubledDelivery {
            key: DeliveryKey {
                tenant: tenant(event.owner),
                event_id: event.event_id,
                subscription: subscription.parse().unwrap(),
            },
            source: "/shop".to_owned(),
            id: "1".to_owned(),
            event_type: event.event_type.to_owned(),
            status,
            attempts: vec![Attempt { at, failure }; failed],
            holds: 0,
            expires_at: at + RETENTION,
        };
        assert!(self.rows.open(&row).await.unwrap());
    }
}

/// Events that have failures of every kind, and when the first was accepted.
async fn failing() -> (World, time::UtcDateTime, Vec<Event>) {
    let world = World::default();
    let start = world.clock.now();
    let events: Vec<Event> = (0..4)
        .map(|_| world.event("demo", "order.created", "a b"))
        .chain([world.event("demo", "order.paid", "a")])
        .collect();
    world.hand_over(&events).await.unwrap();
    world.clock.advance(SECOND);
    let at = world.clock.now();
    let next_attempt_at = at + MINUTE;
    world
        .row(
            &events[0],
            "a",
            1,
            TroubleStatus::Retrying { next_attempt_at },
        )
        .await;
    world
        .row(
            &events[0],
            "b",
            3,
            TroubleStatus::Retrying { next_attempt_at },
        )
        .await;
    world
        .row(&events[1], "a", 2, TroubleStatus::Recovered { at })
        .await;
    // Its queue took it at last, and its subscriber gave up on it then.
    world.dies(&events[1], "a", 5).await;
    // The bus gave up; the letter tells of it.
    world
        .row(&events[2], "a", 6, TroubleStatus::Failed { at })
        .await;
    let first = world.dies(&events[2], "a", 6).await;
    world
        .keep(&events[2], "a", 2, Some(("redrive", Some(first.id))))
        .await;
    // A replay's failure is told by its job.
    world.keep(&events[3], "a", 4, Some(("replay", None))).await;
    world.dies(&events[4], "a", 1).await;
    world.clock.advance(SECOND);
    (world, start, events)
}

#[tokio::test]
async fn failures_are_counted_by_delivery() {
    let (world, start, _) = failing().await;
    let stats = world.stats("demo", start).await;
    let created = FailureFigures {
        retried: 3,
        retries: 2 + (2 + 4) + (5 + 1),
        retrying: 2,
        recovered: 1,
        dead_lettered: 2,
    };
    assert_eq!(stats.types["order.created"].failures, created);
    let paid = FailureFigures {
        dead_lettered: 1,
        ..FailureFigures::default()
    };
    assert_eq!(stats.types["order.paid"].failures, paid);
    assert_eq!(stats.total.failures.dead_lettered, 3);
    assert!(!stats.failures_are_at_least);
    let shown = serde_json::to_value(ShownStats(&tenant("demo"), &stats)).unwrap();
    let rate = |name: &str| shown["total"][name].as_f64().unwrap();
    let ninths = |parts: f64| (parts / 9.0 * 1e6).round() / 1e6;
    assert_eq!(rate("success_rate"), ninths(4.0));
    assert_eq!(rate("retry_rate"), ninths(3.0));
    assert_eq!(rate("failure_rate"), ninths(3.0));
}

#[tokio::test]
async fn a_failure_counts_for_the_time_of_its_event() {
    let (world, _, _) = failing().await;
    let later = world.clock.now();
    world.clock.advance(MINUTE);
    let event = world.event("demo", "order.paid", "a");
    world.hand_over(std::slice::from_ref(&event)).await.unwrap();
    world.clock.advance(MINUTE * 60);
    world.dies(&event, "a", 2).await;
    let stats = world.stats("demo", later).await;
    assert_eq!(stats.total.failures.dead_lettered, 1);
    let others = world.stats("other", later).await;
    assert_eq!(others.total.failures, FailureFigures::default());
}

#[tokio::test]
async fn where_there_are_more_failures_than_may_be_read_the_answer_says_so() {
    let (world, start, _) = failing().await;
    for (letters, events) in [(1, 9), (9, 1)] {
        let mut reader = world.reader();
        reader.bounds = StatsBounds {
            failures: FailureBounds { letters, events },
            ..StatsBounds::default()
        };
        let window = pillarbox_domain::stats::Window {
            from: start,
            to: world.clock.now(),
        };
        let stats = reader.stats(&tenant("demo"), &query(window)).await.unwrap();
        assert!(stats.failures_are_at_least, "{letters} {events}");
    }
}
