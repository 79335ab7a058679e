//! Publishing, on the log in memory.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use pillarbox_domain::cloud_event::ParseError;
use pillarbox_domain::publish::{
    AtomicError, BatchPublished, Conflict, PublishError, Published, Refusal, Terms, publish,
    publish_all, publish_atomically,
};
use pillarbox_domain::tenant_settings::Retention;
use pillarbox_domain::{Clock, CloudEvent, EventId};
use pillarbox_testkit::builders::{RETENTION, event, event_with, tenant};
use pillarbox_testkit::{ManualClock, MemoryEventLog};
use serde_json::json;

struct Bus {
    log: MemoryEventLog<ManualClock>,
    clock: ManualClock,
}

impl Bus {
    fn new() -> Self {
        let clock = ManualClock::default();
        Self {
            log: MemoryEventLog::new(clock.clone()),
            clock,
        }
    }

    async fn publish(&self, event: CloudEvent) -> Published {
        self.publish_as("demo", event, self.clock.next_id()).await
    }

    async fn publish_all(&self, events: Vec<Result<CloudEvent, PublishError>>) -> BatchPublished {
        publish_all(&self.log, &tenant("demo"), events, &self.clock, &terms()).await
    }

    async fn publish_atomically(
        &self,
        events: Vec<Result<CloudEvent, PublishError>>,
    ) -> Result<Vec<Published>, AtomicError> {
        publish_atomically(&self.log, &tenant("demo"), events, &self.clock, &terms()).await
    }

    async fn publish_as(&self, owner: &str, event: CloudEvent, id: EventId) -> Published {
        publish(&self.log, &tenant(owner), event, id, &terms())
            .await
            .unwrap()
    }
}

/// As builders keep events.
fn terms() -> Terms {
    Terms {
        retention: Retention::from_days(7).unwrap(),
        ..Terms::default()
    }
}

fn conflict(event_id: EventId, differing: &[&str]) -> Published {
    Published::Conflict(Conflict {
        event_id,
        differing: differing.iter().map(ToString::to_string).collect(),
    })
}

#[tokio::test]
async fn the_same_event_again_is_a_duplicate_with_the_first_id() {
    let bus = Bus::new();
    let Published::Accepted(first) = bus.publish(event("1", json!({ "n": 1 }))).await else {
        panic!("the first publish was not accepted");
    };
    assert_eq!(
        bus.publish(event("1", json!({ "n": 1 }))).await,
        Published::Duplicate(first)
    );
    let renewed =
        event_with(json!({ "id": "1", "data": { "n": 1.0 }, "time": "2026-11-23T12:00:00Z" }));
    assert_eq!(bus.publish(renewed).await, Published::Duplicate(first));
}

#[tokio::test]
async fn other_content_under_the_same_key_is_a_conflict() {
    let bus = Bus::new();
    let Published::Accepted(first) = bus.publish(event("1", json!(1))).await else {
        panic!("the first publish was not accepted");
    };
    assert_eq!(
        bus.publish(event("1", json!(2))).await,
        conflict(first, &["data"])
    );
    let other_type = event_with(json!({ "id": "1", "data": 1, "type": "order.cancelled" }));
    assert_eq!(bus.publish(other_type).await, conflict(first, &["type"]));
    assert_eq!(
        bus.publish(event("1", json!(1))).await,
        Published::Duplicate(first)
    );
}

#[tokio::test]
async fn the_key_of_another_tenant_is_another_key() {
    let bus = Bus::new();
    for owner in ["demo", "other"] {
        let id = bus.clock.next_id();
        let published = bus.publish_as(owner, event("1", json!(1)), id).await;
        assert_eq!(published, Published::Accepted(id));
    }
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_accepted_when_it_is_tried_again() {
    let bus = Bus::new();
    let id = bus.clock.next_id();
    for _ in 0..2 {
        let published = bus.publish_as("demo", event("1", json!(1)), id).await;
        assert_eq!(published, Published::Accepted(id));
    }
}

#[tokio::test]
async fn after_its_retention_a_key_is_free_again() {
    let bus = Bus::new();
    bus.publish(event("1", json!(1))).await;
    bus.clock.advance(RETENTION + Duration::from_secs(1));
    assert!(matches!(
        bus.publish(event("1", json!(2))).await,
        Published::Accepted(_)
    ));
}

#[tokio::test]
async fn of_a_batch_the_first_of_each_key_is_stored_and_the_others_are_held_against_it() {
    let bus = Bus::new();
    let Published::Accepted(before) = bus.publish(event("old", json!(1))).await else {
        panic!("the first publish was not accepted");
    };
    let batch = [
        ("new", 1),
        ("old", 1),
        ("new", 1),
        ("new", 2),
        ("old", 2),
        ("other", 1),
    ];
    let batch = batch.iter().map(|(id, data)| Ok(event(id, json!(data))));
    let outcomes = bus.publish_all(batch.collect()).await;
    let outcomes: Vec<Published> = outcomes.into_iter().map(Result::unwrap).collect();
    let Published::Accepted(new) = outcomes[0].clone() else {
        panic!("{outcomes:?}");
    };
    let expected = [
        Published::Duplicate(before),
        Published::Duplicate(new),
        conflict(new, &["data"]),
        conflict(before, &["data"]),
    ];
    assert_eq!(outcomes[1..5], expected);
    assert!(matches!(outcomes[5], Published::Accepted(id) if id > new));
    assert_eq!(bus.log.len(), 3);
}

#[tokio::test]
async fn an_event_of_a_batch_that_cannot_be_read_leaves_the_others_alone() {
    let bus = Bus::new();
    let malformed = || {
        Err(PublishError::from(ParseError::Malformed(
            "as the test wants it".to_owned(),
        )))
    };
    let batch = vec![malformed(), Ok(event("1", json!(1))), malformed()];
    let outcomes = bus.publish_all(batch).await;
    assert!(matches!(outcomes[0], Err(PublishError::Parse(_))));
    assert!(matches!(outcomes[1], Ok(Published::Accepted(_))));
    assert!(matches!(outcomes[2], Err(PublishError::Parse(_))));
}

fn events(wanted: &[(&str, i32)]) -> Vec<Result<CloudEvent, PublishError>> {
    let event = |(id, data): &(&str, i32)| Ok(event(id, json!(data)));
    wanted.iter().map(event).collect()
}

#[tokio::test]
async fn an_atomic_batch_is_stored_as_a_whole_and_its_retry_ends_well() {
    let bus = Bus::new();
    let batch = || events(&[("1", 1), ("2", 1), ("1", 1)]);
    let first = bus.publish_atomically(batch()).await.unwrap();
    let [
        Published::Accepted(one),
        Published::Accepted(two),
        Published::Duplicate(again),
    ] = first[..]
    else {
        panic!("{first:?}");
    };
    assert_eq!(again, one);
    let retried = bus.publish_atomically(batch()).await.unwrap();
    assert_eq!(retried, [one, two, one].map(Published::Duplicate));
    assert_eq!(bus.log.len(), 2);
}

#[tokio::test]
async fn an_atomic_batch_with_anything_in_the_way_stores_nothing_and_names_it() {
    let bus = Bus::new();
    let before = bus.publish(event("old", json!(1))).await;
    let malformed = || PublishError::from(ParseError::Malformed("as wanted".to_owned()));
    let mut batch = events(&[("new", 1), ("x", 1), ("new", 2)]);
    batch[1] = Err(malformed());
    let error = bus.publish_atomically(batch).await.unwrap_err();
    let AtomicError::Refused(refused) = error else {
        panic!("{error:?}");
    };
    let [
        (1, Refusal::Invalid(_)),
        (
            2,
            Refusal::Differs {
                first: 0,
                differing,
            },
        ),
    ] = &refused[..]
    else {
        panic!("{refused:?}");
    };
    assert_eq!(differing, &["data"]);

    let error = bus
        .publish_atomically(events(&[("new", 1), ("old", 2)]))
        .await;
    let Err(AtomicError::Refused(refused)) = error else {
        panic!("{error:?}");
    };
    let [(1, Refusal::Conflict(taken))] = &refused[..] else {
        panic!("{refused:?}");
    };
    assert_eq!(before, Published::Accepted(taken.event_id));
    assert_eq!(bus.log.len(), 1);
}

#[tokio::test]
async fn one_event_too_many_for_an_atomic_batch_is_told() {
    let bus = Bus::new();
    let ids: Vec<String> = (0..101).map(|n: u8| n.to_string()).collect();
    let all: Vec<(&str, i32)> = ids.iter().map(|id| (id.as_str(), 1)).collect();
    let error = bus.publish_atomically(events(&all)).await.unwrap_err();
    assert!(matches!(error, AtomicError::TooMany(101)), "{error:?}");
    assert!(bus.log.is_empty());
    let most = bus.publish_atomically(events(&all[..100])).await.unwrap();
    assert_eq!(most.len(), 100);
}
