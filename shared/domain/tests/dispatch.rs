//! Dispatching, on queues and receipts in memory that fail where the test wants it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use pillarbox_domain::active_hours::MarkedHours;
use pillarbox_domain::delivery::Received;
use pillarbox_domain::dispatch::{DispatchError, Dispatcher, Outcomes};
use pillarbox_domain::log_hour::{HourRange, LogHour, Order};
use pillarbox_domain::logged_event::OutboxMode;
use pillarbox_domain::receipt::{BUCKET_SECONDS, HandedOver};
use pillarbox_domain::schema::delivery::Upcasting;
use pillarbox_domain::subscription_cache::{CachedSubscriptions, MAX_AGE};
use pillarbox_domain::{Clock, LoggedEvent, Subscription, TenantId};
use pillarbox_testkit::builders::{event_with, logged, subscription, tenant};
use pillarbox_testkit::{
    ManualClock, MemoryActiveHours, MemoryDeadLetters, MemoryQueues, MemoryReceipts, MemoryRegistry,
};
use serde_json::json;

struct Bus {
    clock: ManualClock,
    registry: MemoryRegistry,
    queues: MemoryQueues,
    receipts: MemoryReceipts,
    marks: MemoryActiveHours,
    dead_letters: MemoryDeadLetters,
}

impl Bus {
    fn with(subscriptions: impl IntoIterator<Item = Subscription>) -> Self {
        Self {
            clock: ManualClock::default(),
            registry: MemoryRegistry::with(subscriptions),
            queues: MemoryQueues::default(),
            receipts: MemoryReceipts::default(),
            marks: MemoryActiveHours::default(),
            dead_letters: MemoryDeadLetters::default(),
        }
    }

    fn event(&self, owner: &str, id: &str, event_type: &str) -> LoggedEvent {
        logged(
            &self.clock,
            &tenant(owner),
            event_with(json!({ "id": id, "type": event_type })),
        )
    }

    async fn dispatch(&self, events: &[LoggedEvent]) -> Outcomes {
        let dispatcher = Dispatcher {
            subscriptions: &self.registry,
            queues: &self.queues,
            receipts: &self.receipts,
            marks: &self.marks,
            upcasts: &Upcasting::new(&self.registry, self.clock.clone()),
            dead_letters: &self.dead_letters,
            clock: &self.clock,
        };
        dispatcher.dispatch(events).await
    }

    fn receipted(&self) -> Vec<String> {
        let receipts = self.receipts.written();
        let groups = receipts.iter().flat_map(|receipt| &receipt.groups);
        groups
            .flat_map(|group| group.event_ids.iter().map(ToString::to_string))
            .collect()
    }
}

fn names(handed_over: &HandedOver) -> Vec<&str> {
    handed_over
        .subscriptions
        .iter()
        .map(|id| id.as_str())
        .collect()
}

#[tokio::test]
async fn what_is_only_logged_goes_to_nobody_and_has_no_receipt() {
    let bus = Bus::with([subscription(&tenant("demo"), "all", &["*"])]);
    let dispatched = bus.event("demo", "1", "order.created");
    let mut logged_only = bus.event("demo", "2", "order.created");
    logged_only.outbox = OutboxMode::None;
    let outcomes = bus.dispatch(&[logged_only, dispatched.clone()]).await;
    let matched: Vec<usize> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().unwrap().subscriptions.len())
        .collect();
    assert_eq!(matched, [0, 1]);
    assert_eq!(bus.queues.bodies("all").len(), 1);
    assert_eq!(bus.receipted(), [dispatched.event_id.to_string()]);
    assert_eq!(bus.receipts.written()[0].expires_at, dispatched.expires_at);
}

#[tokio::test]
async fn an_event_goes_to_every_subscription_that_asked_and_to_no_other() {
    let (demo, other) = (tenant("demo"), tenant("other"));
    let bus = Bus::with([
        subscription(&demo, "orders", &["order.*"]),
        subscription(&demo, "prices", &["price.*"]),
        subscription(&demo, "both", &["price.changed", "order.created"]),
        subscription(&other, "foreign", &["*"]),
        subscription(&TenantId::bus(), "_audit", &["*"]),
    ]);
    let outcomes = bus
        .dispatch(&[bus.event("demo", "1", "order.created")])
        .await;
    assert_eq!(
        names(outcomes[0].as_ref().unwrap()),
        ["both", "orders", "_audit"]
    );
    for (queue, deliveries) in [
        ("orders", 1),
        ("both", 1),
        ("_audit", 1),
        ("prices", 0),
        ("foreign", 0),
    ] {
        assert_eq!(bus.queues.bodies(queue).len(), deliveries, "{queue}");
    }
}

#[tokio::test]
async fn an_event_of_the_bus_itself_goes_to_its_subscriptions_once() {
    let bus = Bus::with([subscription(&TenantId::bus(), "_audit", &["*"])]);
    let outcomes = bus.dispatch(&[bus.event("_bus", "1", "t")]).await;
    assert_eq!(names(outcomes[0].as_ref().unwrap()), ["_audit"]);
    assert_eq!(bus.queues.bodies("_audit").len(), 1);
}

#[tokio::test]
async fn a_delivery_tells_its_event_its_subscription_and_its_attempt() {
    let bus = Bus::with([subscription(&tenant("demo"), "orders", &["*"])]);
    let event = bus.event("demo", "1", "order.created");
    bus.dispatch(std::slice::from_ref(&event)).await;
    let received = Received::parse(&bus.queues.bodies("orders")[0]).unwrap();
    assert_eq!(received.event, event.event);
    assert_eq!(received.event_id, event.event_id);
    assert_eq!(received.subscription.as_str(), "orders");
    assert_eq!((received.attempt, received.job), (1, None));
}

#[tokio::test]
async fn an_event_that_nobody_asked_for_has_a_receipt_too() {
    let bus = Bus::with([]);
    let event = bus.event("demo", "1", "order.created");
    let outcomes = bus.dispatch(std::slice::from_ref(&event)).await;
    assert!(names(outcomes[0].as_ref().unwrap()).is_empty());
    assert_eq!(bus.receipted(), [event.event_id.to_string()]);
}

#[tokio::test]
async fn a_queue_that_refuses_one_message_fails_that_event_only() {
    let bus = Bus::with([
        subscription(&tenant("demo"), "flaky", &["*"]),
        subscription(&tenant("demo"), "sound", &["*"]),
    ]);
    let events = ["1", "2", "3"].map(|id| bus.event("demo", id, "order.created"));
    bus.queues.refuse("flaky", r#""id":"2""#);
    let outcomes = bus.dispatch(&events).await;
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    assert!(
        matches!(&outcomes[1], Err(DispatchError::Refused { subscription, .. }) if subscription == "flaky")
    );
    assert_eq!(bus.queues.bodies("sound").len(), 3);
    let receipted = bus.receipted();
    assert_eq!(receipted.len(), 2);
    assert!(!receipted.contains(&events[1].event_id.to_string()));
}

#[tokio::test]
async fn an_answer_that_leaves_messages_out_is_no_acceptance() {
    let bus = Bus::with([subscription(&tenant("demo"), "silent", &["*"])]);
    let events = ["1", "2"].map(|id| bus.event("demo", id, "order.created"));
    bus.queues.fall_silent();
    let outcomes = bus.dispatch(&events).await;
    assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
    assert!(bus.receipts.written().is_empty());
}

#[tokio::test]
async fn a_receipt_that_cannot_be_written_takes_its_events_back_and_a_repeat_mends_it() {
    let bus = Bus::with([subscription(&tenant("demo"), "orders", &["*"])]);
    let events = ["1", "2"].map(|id| bus.event("demo", id, "order.created"));
    bus.receipts.set_failing(true);
    let outcomes = bus.dispatch(&events).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Err(DispatchError::Receipt(_))))
    );
    bus.receipts.set_failing(false);
    assert!(bus.dispatch(&events).await.iter().all(Result::is_ok));
    // The queue had them before: a repeat, never a loss.
    assert_eq!(bus.queues.bodies("orders").len(), 4);
    assert_eq!(bus.receipted().len(), 2);
}

#[tokio::test]
async fn without_its_subscriptions_no_event_is_taken_for_unwanted() {
    let bus = Bus::with([subscription(&tenant("demo"), "orders", &["*"])]);
    bus.registry.set_failing(true);
    let outcomes = bus
        .dispatch(&[bus.event("demo", "1", "order.created")])
        .await;
    assert!(matches!(
        &outcomes[0],
        Err(DispatchError::Subscriptions { .. })
    ));
    assert!(bus.receipts.written().is_empty());
}

#[tokio::test]
async fn receipts_group_events_by_bucket_tenant_type_and_subscriptions() {
    let bus = Bus::with([subscription(&tenant("demo"), "orders", &["order.*"])]);
    let mut events = vec![
        bus.event("demo", "1", "order.created"),
        bus.event("demo", "2", "order.created"),
        bus.event("demo", "3", "price.changed"),
        bus.event("other", "4", "order.created"),
    ];
    bus.clock
        .advance(Duration::from_secs(BUCKET_SECONDS.unsigned_abs()));
    events.push(bus.event("demo", "5", "order.created"));
    bus.dispatch(&events).await;
    let receipts = bus.receipts.written();
    let sizes: Vec<Vec<usize>> = receipts
        .iter()
        .map(|receipt| {
            receipt
                .groups
                .iter()
                .map(|group| group.event_ids.len())
                .collect()
        })
        .collect();
    assert_eq!(sizes, [vec![2, 1, 1], vec![1]]);
    assert!(
        receipts
            .iter()
            .all(|receipt| receipt.handed_over_at == bus.clock.now())
    );
    assert_eq!(receipts[0].batch.id, receipts[1].batch.id);
}

#[tokio::test]
async fn a_receipt_too_large_for_an_item_is_written_in_parts() {
    let wanted =
        (0..50).map(|n| subscription(&tenant("demo"), &format!("{}-{n}", "s".repeat(60)), &["*"]));
    let bus = Bus::with(wanted);
    let types = (0..200).map(|n| format!("{n}.{}", "t".repeat(200)));
    let events: Vec<_> = types.map(|name| bus.event("demo", &name, &name)).collect();
    assert!(bus.dispatch(&events).await.iter().all(Result::is_ok));
    let receipts = bus.receipts.written();
    let parts: Vec<usize> = receipts.iter().map(|receipt| receipt.batch.part).collect();
    assert_eq!(parts, [0, 1, 2]);
    assert_eq!(bus.receipted().len(), 200);
}

#[tokio::test]
async fn subscriptions_are_read_once_in_their_age() {
    let clock = ManualClock::default();
    let registry = MemoryRegistry::with([subscription(&tenant("demo"), "a", &["*"])]);
    let cached = CachedSubscriptions::new(&registry, clock.clone());
    for (wait, reads) in [(Duration::ZERO, 1), (MAX_AGE / 2, 1), (MAX_AGE / 2, 2)] {
        clock.advance(wait);
        use pillarbox_domain::dispatch::Subscriptions;
        assert_eq!(cached.of(&tenant("demo")).await.unwrap().len(), 1);
        assert_eq!(registry.reads(), reads);
    }
}

#[tokio::test]
async fn a_failed_read_is_not_remembered() {
    use pillarbox_domain::dispatch::Subscriptions;
    let registry = MemoryRegistry::with([subscription(&tenant("demo"), "a", &["*"])]);
    let cached = CachedSubscriptions::new(&registry, ManualClock::default());
    registry.set_failing(true);
    assert!(cached.of(&tenant("demo")).await.is_err());
    registry.set_failing(false);
    assert_eq!(cached.of(&tenant("demo")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_hour_of_every_event_is_marked_also_of_one_that_is_only_logged() {
    let bus = Bus::with([]);
    let mut silent = bus.event("demo", "1", "t");
    silent.outbox = OutboxMode::None;
    let events = [silent, bus.event("other", "2", "t")];
    bus.dispatch(&events).await;
    for event in &events {
        let hour = LogHour::of(event.event_id);
        let range = HourRange {
            first: hour,
            last: hour,
        };
        let marked = bus.marks.marked(&event.tenant, range, Order::Oldest).await;
        assert_eq!(marked.unwrap().hours, [hour]);
    }
}

#[tokio::test]
async fn an_event_whose_hour_cannot_be_marked_comes_again() {
    let bus = Bus::with([subscription(&tenant("demo"), "all", &["*"])]);
    bus.marks.set_failing(true);
    let event = bus.event("demo", "1", "t");
    let outcomes = bus.dispatch(std::slice::from_ref(&event)).await;
    assert!(matches!(outcomes[..], [Err(DispatchError::Mark(_))]));
    assert!(bus.receipted().is_empty());
    bus.marks.set_failing(false);
    let outcomes = bus.dispatch(&[event]).await;
    assert!(outcomes[0].is_ok());
}
