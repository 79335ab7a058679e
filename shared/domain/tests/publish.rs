//! Publishing, on the log in memory.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use pillarbox_domain::publish::{Published, publish};
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

    async fn publish_as(&self, owner: &str, event: CloudEvent, id: EventId) -> Published {
        publish(&self.log, &tenant(owner), event, id, RETENTION)
            .await
            .unwrap()
    }
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
        Published::Conflict(first)
    );
    let other_type = event_with(json!({ "id": "1", "data": 1, "type": "order.cancelled" }));
    assert_eq!(bus.publish(other_type).await, Published::Conflict(first));
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
